# SPDX-License-Identifier: Apache-2.0
r"""Writes the card of a preset, its figure and its measured points, from files alone.

    python benchmarks/make_card.py --preset photo_mobile@1 \
        --command "gan-tfc train --config photo_mobile_contexts --data photos/train" \
        --command "gan-tfc freeze runs/photo_mobile_contexts ..."

Reads the preset's metadata.json, what kodak.py, bars.py and (of presets that know realism)
realism_runs.py left in --results, crops.jpg of card_crops.py, and the list of training photos
(sources.csv: columns file, source, licence_as_stated). Writes, in
zoo/<name>/<version>/:

    README.md       the card
    rd_curve.png    the figure of kodak.py
    metadata.json   licence, training, measured; the files that its hashes cover stay as they are

and zoo/index.json. The commands are kept in metadata.json and need to be given only once.
"""

import argparse
import csv
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from kodak import DATA, RESULTS, file_stem

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.rivals import RIVALS

FIGURE, CROPS = "rd_curve.png", "crops.jpg"
MAX_FIGURE_BYTES = 60_000
LICENCE = {"code": "Apache-2.0", "weights": "CC0-1.0"}
#: Of the qualities measured, those that listings of presets show.
LISTED_QUALITIES = (10, 30, 50, 70, 90)
LIMITS = (
    "Trained on photographs of about 500 pixels. Text, drawings and screenshots are not among "
    "them: expect to gain less there.",
    "{realism}",
    "8 bits a channel, RGB. No alpha, no metadata, no colour profile travels in the stream.",
    "Another machine's floats may differ in the last bit: an encoder there may choose another "
    "symbol now and then, and a decoded pixel may differ by 1 of 255. The symbols of a given "
    "stream never do.",
)
WITHOUT_REALISM = (
    "Optimised for squared error. There is no adversarial stage: `realism` changes nothing, and "
    "nothing is invented at low rates, where pictures become soft."
)
WITH_REALISM = (
    "At realism 1 textures are invented where the stream has none, text and faces included: see above "
    "below which quality. Decode at realism 0 what must not be invented, such as documents, evidence or "
    "medical pictures; it is the better one in PSNR."
)
#: Grey levels: realism that moves the average pixel by more has begun to invent.
INVENTS = 1.0


def training_sources(listing: Path) -> list[tuple[str, str, int]]:
    """Source, licence as stated there, and number of the photos trained on, most first."""
    try:
        with open(listing, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["file"].startswith("train/")]
            counts = Counter((row["source"], row["licence_as_stated"]) for row in rows)
    except (OSError, KeyError) as error:
        raise GanTfcError(
            f"Expected a list of the training photos in {listing}: {error}; set GAN_TFC_DATA or "
            "pass --sources."
        ) from error
    if not counts:
        raise GanTfcError(f"Expected photos below train/ in {listing}, found none.")
    return [(*key, count) for key, count in sorted(counts.items(), key=lambda x: (-x[1], x[0]))]


def measured_points(curve: Curve, dataset: str) -> list[dict]:
    """A few points of the curve, for `gan_tfc.list_presets`."""
    points = zip(curve.quality, curve.bpp, curve.psnr, strict=True)
    return [
        {"set": dataset, "quality": quality, "bpp": round(bpp, 4), "psnr": round(psnr, 2)}
        for quality, bpp, psnr in points
        if quality in LISTED_QUALITIES
    ]


def load_bars(path: Path, sha256: dict) -> list[dict]:
    """The bars measured on exactly these files, or none."""
    try:
        report = json.loads(path.read_text())
    except OSError:
        return []
    return report["bars"] if report["codec"] == {"sha256": sha256} else []


def load_realism(path: Path, name: str) -> list[dict]:
    """What realism_runs.py found of the preset, by ascending quality, or nothing."""
    try:
        report = json.loads(path.read_text())
    except OSError:
        return []
    return sorted((r for r in report["results"] if r["run"] == name), key=lambda r: r["quality"])


def realism_section(rows: list[dict], dataset: str, name: str, crops: bool) -> list[str]:
    """Lines on what realism costs and gives, and where it begins to invent."""
    parts = [
        "",
        f"## Realism, measured on {dataset}",
        "",
        "The same streams decoded at realism 0 and 1. LPIPS (AlexNet) and structure are distances from the "
        "original, FID is of 64-pixel patches in AlexNet's features and compares with nothing elsewhere; "
        "lower is better for all three. Moved: mean difference of a pixel between the two, of 255. Made by "
        f"`python benchmarks/realism_runs.py --codec {name} --photos {dataset.lower()}`.",
        "",
        "| quality | bpp | PSNR 0 | PSNR 1 | LPIPS 0 | LPIPS 1 | structure 0 | structure 1 | FID 0 | FID 1 "
        "| moved |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        zero, one = row["realism 0"], row["realism 1"]
        cells = [f"{row['quality']:g}", f"{row['bpp']:.3f}"]
        for key, digits in (("psnr-rgb", 2), ("lpips", 3), ("structure", 3), ("fid", 1)):
            cells += [f"{zero[key]:.{digits}f}", f"{one[key]:.{digits}f}"]
        parts.append(f"| {' | '.join(cells)} | {one['moved']:.2f} |")
    inventing = [row for row in rows if row["realism 1"]["moved"] > INVENTS]
    if inventing:
        last = inventing[-1]
        parts += [
            "",
            f"**Realism 1 begins to invent at about quality {last['quality']:g} ({last['bpp']:.2f} bpp)**: "
            "at this and lower settings it moves the average pixel by more than a grey level.",
        ]
    if crops:
        parts += [
            "",
            f"![Six crops: original, realism 0, realism 1 and JPEG]({CROPS})",
            "",
            "Original, realism 0 and 1 of one stream, and JPEG at as many bytes or at its smallest; the last "
            "two rows are failures: lettering and print come back as something like it. Made by "
            f"`python benchmarks/card_crops.py --preset {name}`.",
        ]
    return parts


def card(metadata, dataset, ours, rivals, sources, bars, realism=(), crops=False) -> str:
    """The text of the card.

    Args:
        metadata: of the preset, complete.
        dataset: name of the photos measured.
        ours, rivals: `Curve`s on these photos.
        sources: as from `training_sources`.
        bars: records as bars.py writes them, or none.
        realism: records as realism_runs.py writes them, or none.
        crops: whether the preset's folder holds them.
    """
    name = f"{metadata['name']}@{metadata['version']}"
    training = metadata["training"]
    parts = [
        f"# {name}",
        "",
        "A photo codec: CDF 9/7 wavelet, integer context networks, and a synthesis network that "
        f"repairs what quantisation left. One preset for all rates, {metadata['parameters']:,} "
        f"parameters, {metadata['kmac_per_pixel']:.1f} kMAC a pixel "
        f"({metadata['context_kmac_per_pixel']:.1f} in the context networks, for encoding and "
        f"decoding; {metadata['synthesis_kmac_per_pixel']:.1f} in the synthesis network, for "
        "decoding alone).",
        "",
        "## Use",
        "",
        "```python",
        "import gan_tfc",
        "",
        f'codec = gan_tfc.load("{name}")',
        'data = codec.compress("photo.jpg", quality=50)  # or max_bytes=20_000, min_psnr=34',
        f"image = gan_tfc.decompress(data{', realism=1' if realism else ''})  # uint8, (height, width, 3)",
        "small = gan_tfc.preview(data, scale=8)  # from the beginning of the stream",
        "```",
        "",
        f"Streams name this preset and its version. Version {metadata['version']} never changes, "
        "so they decode for ever.",
        "",
        f"## Measured on {dataset}",
        "",
        f"![PSNR over bits per pixel]({FIGURE})",
        "",
        f"Means over {len(ours.photos)} photos; bytes of complete streams, header included; made "
        f"by `python benchmarks/kodak.py --preset {name}`.",
        "",
        "| quality | bpp | PSNR (dB) |",
        "|---|---|---|",
        *(
            f"| {quality:g} | {bpp:.3f} | {psnr:.2f} |"
            for quality, bpp, psnr in zip(ours.quality, ours.bpp, ours.psnr, strict=True)
        ),
        "",
        "BD-rate: how much larger (+) or smaller (-) the files are at equal PSNR.",
        "",
        "| against | BD-rate | over PSNR (dB) | settings |",
        "|---|---|---|---|",
    ]
    for rival in rivals:
        low, high = ours.common_psnr(rival)
        parts.append(
            f"| {rival.name} | {ours.bd_rate(rival):+.1f} % | {low:.1f} to {high:.1f} | {rival.description} |"
        )
    if bars:
        parts += ["", "| bar | measured | met |", "|---|---|---|"]
        parts += [f"| {b['bar']} | {b['measured']} | {'yes' if b['met'] else '**no**'} |" for b in bars]
        parts += ["", f"Made by `python benchmarks/bars.py --preset {name}`."]
    if realism:
        parts += realism_section(realism, dataset, name, crops)
    parts += [
        "",
        "## Training",
        "",
        *(f"    {command}" for command in training["commands"]),
        "",
        f"{training['photos']} photos of {len(sources)} sources, each with a stated licence; none "
        "of the photos measured here is among them (tests/unit/test_no_test_photo_in_training.py). "
        "Licences as the sources state them; some ask for credit, which this table gives.",
        "",
        "| source | photos | licence as stated |",
        "|---|---|---|",
        *(f"| {source} | {count} | {licence} |" for source, licence, count in sources),
        "",
        "## Limits",
        "",
        *(f"- {limit.format(realism=WITH_REALISM if realism else WITHOUT_REALISM)}" for limit in LIMITS),
        "",
        "## Licence",
        "",
        f"Code: {metadata['licence']['code']}. Weights and tables: free for any use "
        f"({metadata['licence']['weights']}).",
    ]
    return "\n".join(parts) + "\n"


def main(argv=None) -> int:
    """Reads everything, then writes everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name or name@version")
    parser.add_argument("--results", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--dataset", default="Kodak", help="name of the photos measured")
    parser.add_argument("--sources", default=DATA / "photos" / "sources.csv", type=Path)
    parser.add_argument("--command", action="append", help="a training command; may be repeated")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        write(args)
    except (GanTfcError, OSError) as error:
        print(f"make_card.py: {error}", file=sys.stderr)
        return 1
    return 0


def write(args) -> None:
    """Everything that `main` promises."""
    from gan_tfc.zoo import registry
    from gan_tfc.zoo.preset import METADATA, check_hashes

    folder = registry.find(args.preset)
    metadata = check_hashes(folder)
    name = f"{metadata['name']}@{metadata['version']}"
    stem = args.results / file_stem(name)
    ours = Curve.load(stem.with_suffix(".json"))
    if ours.codec != {"sha256": metadata["sha256"]}:
        raise GanTfcError(
            f"Expected results of {name} as it is, but {stem}.json was made by other files; run "
            "benchmarks/kodak.py again."
        )
    rivals = [Curve.load(args.results / f"{key}.json") for key in RIVALS]
    commands = args.command or metadata.get("training", {}).get("commands")
    if not commands:
        raise GanTfcError("Expected the training commands, which nobody gave; pass --command.")
    figure = stem.with_suffix(".png")
    if (size := figure.stat().st_size) >= MAX_FIGURE_BYTES:
        raise GanTfcError(f"Expected a figure below {MAX_FIGURE_BYTES} bytes, {figure} has {size}.")
    sources = training_sources(args.sources)
    metadata["licence"] = LICENCE
    metadata["training"] = {
        "photos": sum(count for *_, count in sources),
        "sources": len(sources),
        "commands": commands,
    }
    metadata["measured"] = measured_points(ours, args.dataset)
    bars = load_bars(args.results / "bars.json", metadata["sha256"])
    realism = load_realism(args.results / f"{file_stem(name)}-realism.json", name)
    crops = (folder / CROPS).is_file()
    text = card(metadata, args.dataset, ours, rivals, sources, bars, realism, crops)
    shutil.copyfile(figure, folder / FIGURE)
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / METADATA).write_text(json.dumps(metadata, indent=1) + "\n")
    print(f"wrote {folder / 'README.md'}, {FIGURE} and {METADATA}")
    if not args.preset.startswith("path:"):
        registry.INDEX.write_text(registry.make_index())
        print(f"wrote {registry.INDEX}")


if __name__ == "__main__":
    raise SystemExit(main())
