# SPDX-License-Identifier: Apache-2.0
"""The text of a card from a preset's metadata alone, in Markdown.

Metadata of other zoos may say anything: what is not as expected is left out.
"""

from gan_tfc.zoo.index import METADATA

#: Columns of the table of gains, and how they are printed.
_GAINS = {
    "quality": "g",
    "bytes_before": ".0f",
    "bytes_after": ".0f",
    "before": ".2f",
    "after": ".2f",
    "gain": "+.3f",
    "least_gain": "+.3f",
}
#: The same of realism.
_TEXTURES = {
    "quality": "g",
    "bytes": ".0f",
    "before": ".3f",
    "after": ".3f",
    "gain": "+.1f",
    "least_gain": "+.1f",
    "psnr_before": ".2f",
    "psnr_after": ".2f",
    "least_psnr_gain": "+.2f",
}


def make_card(metadata: dict) -> str:
    """A card from metadata alone, which says what its maker still has to add."""
    metadata = metadata if isinstance(metadata, dict) else {}
    parts = [f"# {_line(metadata.get('name'))}@{_line(metadata.get('version'))}", "", describe(metadata)]
    parts += fine_tuning_section(metadata.get("fine_tuning")) + _measured_section(metadata)
    licence = metadata.get("licence")
    stated = _line(licence.get("weights")) if isinstance(licence, dict) else ""
    parts += ["", "## Licence", "", f"Weights and tables: {stated or 'not stated'}."]
    parts += [
        "",
        "## Not said here",
        "",
        f"This card was made from `{METADATA}` alone: which photos it was trained on, where it fails and, "
        "unless stated above, who may use it, only its maker can say.",
    ]
    return "\n".join(parts) + "\n"


def describe(metadata: dict) -> str:
    """What the codec is, in a sentence or two."""
    text = (
        "A photo codec: CDF 9/7 wavelet, integer context networks, and a synthesis network that repairs "
        "what quantisation left."
    )
    parameters, total, contexts, synthesis = (
        metadata.get(key)
        for key in ("parameters", "kmac_per_pixel", "context_kmac_per_pixel", "synthesis_kmac_per_pixel")
    )
    if _are_numbers(parameters, total, contexts, synthesis):
        text += (
            f" One preset for all rates, {parameters:,} parameters, {total:.1f} kMAC a pixel "
            f"({contexts:.1f} in the context networks, for encoding and decoding; {synthesis:.1f} in the "
            "synthesis network, for decoding alone)."
        )
    return text


def fine_tuning_section(facts) -> list[str]:
    """Lines on what fine-tuning gained and which files decode with which preset, or none.

    Args:
        facts: as `gan-tfc finetune` writes them: from, photos, held_out_photos, gain_db, least_gain_db,
            everything (whether what decides bits was trained) and rows, which are those of
            `gan_tfc.training.fine_tuning_report`; the last two may be missing. Of realism those that
            `gan_tfc.training.realism_report` names.
    """
    facts = facts if isinstance(facts, dict) else {}
    if facts.get("trained") == "realism":
        return _realism_section(facts)
    photos, held_out, gain, least = (
        facts.get(key) for key in ("photos", "held_out_photos", "gain_db", "least_gain_db")
    )
    if not _are_numbers(photos, held_out, gain, least):
        return []
    source = _line(facts.get("from")) or "another preset"
    parts = ["", f"## Fine-tuned from {source}", ""]
    parts.append(
        f"Trained on {photos:g} photos and measured on {held_out:g} others; no weight was trained on "
        f"these, but the best weights were chosen on them. Mean gain {gain:+.3f} dB, gain of the photo "
        f"that gained least {least:+.3f} dB{', at equal bytes' if facts.get('everything') else ''}."
    )
    parts += _table(
        facts.get("rows"),
        _GAINS,
        "Means over these photos, PSNR in dB at realism 0:",
        "| quality | bytes before | bytes after | PSNR before | PSNR after | gain | least gain |",
    )
    return parts + _streams(source, facts.get("everything"))


def _realism_section(facts) -> list[str]:
    keys = "photos", "held_out_photos", "texture_gain_percent", "least_psnr_gain_db"
    if not _are_numbers(*map(facts.get, keys)):
        return []
    photos, held_out, gain, least_psnr = map(facts.get, keys)
    source = _line(facts.get("from")) or "another preset"
    parts = ["", f"## Realism fine-tuned from {source}", ""]
    parts.append(
        f"The layers of realism alone were trained, on {photos:g} photos, measured on {held_out:g} others; "
        "no weight was trained on these, but the best weights were chosen on them. At realism 1 textures are "
        f"nearer to the original's by {gain:.1f} % in the mean, by a distance that needs no network, and the "
        f"least that a photo gained in PSNR is {least_psnr:+.2f} dB. At realism 0 nothing changed."
    )
    parts += _table(
        facts.get("rows"),
        _TEXTURES,
        "Means over these photos at realism 1, gains of textures in percent, PSNR in dB:",
        "| quality | bytes | distance before | after | gain | least | PSNR before | after | least gain |",
    )
    return parts + _streams(source, False)


def _table(rows, forms, intro, titles) -> list[str]:
    """A sentence and a table under it; none where the rows are not as expected."""
    if not _are_rows(rows, forms):
        return []
    cells = (" | ".join(format(row[key], form) for key, form in forms.items()) for row in rows)
    return ["", intro, "", titles, "|---" * len(forms) + "|", *(f"| {line} |" for line in cells)]


def _streams(source, everything) -> list[str]:
    if everything is None:
        return []
    if everything:
        text = (
            f"What decides bits was trained, too: files of {source} need {source}, and files of this preset "
            "need this one."
        )
    else:
        text = (
            f"The decoder alone was trained: this preset and {source} decode each other's files, each to "
            "pictures of its own. A file names the preset that wrote it; `gan-tfc decompress --preset` "
            "takes another one."
        )
    return ["", text]


def measured_points(metadata: dict) -> list[dict]:
    """The measured points of a preset; none where there are none, or none that can be read."""
    points = metadata.get("measured")
    return points if _are_rows(points, ("quality", "bpp", "psnr")) else []


def _measured_section(metadata) -> list[str]:
    points = measured_points(metadata)
    if not points:
        return []
    head = ["", "## Measured", "", "| photos | quality | bpp | PSNR (dB) |", "|---|---|---|---|"]
    return head + [
        f"| {_line(point.get('set'))} | {point['quality']:g} | {point['bpp']:.3f} | {point['psnr']:.2f} |"
        for point in points
    ]


def is_number(value) -> bool:
    """Whether it is a number that any format prints, and in few digits."""
    return isinstance(value, (int, float)) and -1e15 < value < 1e15


def _are_numbers(*values) -> bool:
    return all(map(is_number, values))


def _are_rows(rows, keys) -> bool:
    """Whether it is a list of dicts, at least one, which have numbers under these keys."""
    return (
        isinstance(rows, list)
        and len(rows) > 0
        and all(isinstance(row, dict) and _are_numbers(*map(row.get, keys)) for row in rows)
    )


def _line(value) -> str:
    """A word or number as one line that opens no cell of a table."""
    return " ".join(str(value).replace("|", " ").split()) if isinstance(value, (str, int)) else ""
