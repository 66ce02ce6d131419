# SPDX-License-Identifier: Apache-2.0
"""The sections of a full card, in Markdown; make_card.py puts them together.

What a preset's maker must say (licence, limits, training commands) is quoted. All else is measured, or
true of every preset of this codec.
"""

import shlex
from dataclasses import dataclass

from gan_tfc.evaluation.curves import Curve
from gan_tfc.zoo.card_text import describe, fine_tuning_section

FIGURE, CROPS = "rd_curve.png", "crops.jpg"
#: Grey levels: realism that moves the average pixel by more has begun to invent.
INVENTS = 1.0
#: Licences under which anything may be done.
FREE = {"CC0-1.0"}
#: Of every preset, after what its maker says.
LIMITS = (
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
    "At realism 1 textures are invented where the stream has none, text and faces included: {where} "
    "below which quality. Decode at realism 0 what must not be invented, such as documents, evidence or "
    "medical pictures; it is the better one in PSNR."
)


@dataclass(frozen=True)
class Facts:
    """What a card says.

    Args:
        metadata: of the preset, complete.
        preset: as the scripts take it: "photo_mobile@3", or "path:menu/1", wherever that lies.
        dataset: name of the photos measured.
        photos: their folder, as the scripts take it; None is the folder kodak.
        ours, rivals: curves on these photos.
        sources: as from `make_card.training_sources`, or none.
        held_out: whether a test of the repository keeps these photos out of these sources.
        bars: records as bars.py writes them, or none.
        realism: records as realism_runs.py writes them, or none.
        knows_realism: whether the network has layers of realism.
        crops: whether the preset's folder holds them.
    """

    metadata: dict
    preset: str
    dataset: str
    photos: str | None
    ours: Curve
    rivals: list[Curve]
    sources: list[tuple[str, str, int]]
    held_out: bool
    bars: list[dict]
    realism: list[dict]
    knows_realism: bool
    crops: bool

    @property
    def name(self) -> str:
        """Such as "photo_mobile@3"."""
        return f"{self.metadata['name']}@{self.metadata['version']}"

    @property
    def ships(self) -> bool:
        """Whether streams decode wherever gan_tfc is installed."""
        return not self.preset.startswith("path:")

    def command(self, script: str, option: str = "--preset", photos: str | None = None) -> str:
        """The command that measured something; `photos` is for scripts whose default is another folder."""
        words = ["python", f"benchmarks/{script}.py", option, self.preset]
        if photos := self.photos or photos:
            words += ["--photos", photos]
        return f"`{shlex.join(words)}`"


def card(facts: Facts) -> str:
    """The whole text."""
    sections = (
        introduction,
        measured,
        bars,
        realism,
        crops,
        fine_tuning,
        training,
        limits,
        licence,
    )
    return "\n".join(line for section in sections for line in section(facts)) + "\n"


def introduction(facts: Facts) -> list[str]:
    """What it is and how it is used."""
    address, module, where = f'"{facts.name}"', "gan_tfc", ""
    if not facts.ships:
        address, module = f'"https://host/zoo#{facts.name}"', "codec"
        where = '  # the address of its zoo, or "path:" and its folder'
    how = ", realism=1" if facts.knows_realism else ""
    return [
        f"# {facts.name}",
        "",
        describe(facts.metadata),
        "",
        "## Use",
        "",
        "```python",
        "import gan_tfc",
        "",
        f"codec = gan_tfc.load({address}){where}",
        'data = codec.compress("photo.jpg", quality=50)  # or max_bytes=20_000, min_psnr=34',
        f"image = {module}.decompress(data{how})  # uint8, (height, width, 3)",
        f"small = {module}.preview(data, scale=8)  # from the beginning of the stream",
        "```",
        "",
        f"Streams name this preset and its version. Version {facts.metadata['version']} never changes, "
        "so they decode for ever.",
    ]


def measured(facts: Facts) -> list[str]:
    """Points and BD-rates."""
    ours = facts.ours
    parts = [
        "",
        f"## Measured on {facts.dataset}",
        "",
        f"![PSNR over bits per pixel]({FIGURE})",
        "",
        f"Means over {len(ours.photos)} photos; bytes of complete streams, header included; made "
        f"by {facts.command('kodak')}.",
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
    for rival in facts.rivals:
        low, high = ours.common_psnr(rival)
        parts.append(
            f"| {rival.name} | {ours.bd_rate(rival):+.1f} % | {low:.1f} to {high:.1f} | {rival.description} |"
        )
    return parts


def bars(facts: Facts) -> list[str]:
    """What a released photo preset must reach."""
    if not facts.bars:
        return []
    rows = [f"| {b['bar']} | {b['measured']} | {'yes' if b['met'] else '**no**'} |" for b in facts.bars]
    head = ["", "| bar | measured | met |", "|---|---|---|"]
    return [*head, *rows, "", f"Made by {facts.command('bars')}."]


def realism(facts: Facts) -> list[str]:
    """What realism costs and gives, and where it begins to invent."""
    if not facts.realism or not facts.knows_realism:
        return []
    made = facts.command("realism_runs", "--codec", photos="kodak")
    parts = [
        "",
        f"## Realism, measured on {facts.dataset}",
        "",
        "The same streams decoded at realism 0 and 1. LPIPS (AlexNet) and structure are distances from the "
        "original, FID is of 64-pixel patches in AlexNet's features and compares with nothing elsewhere; "
        "lower is better for all three. Moved: mean difference of a pixel between the two, of 255. Made by "
        f"{made}.",
        "",
        "| quality | bpp | PSNR 0 | PSNR 1 | LPIPS 0 | LPIPS 1 | structure 0 | structure 1 | FID 0 | FID 1 "
        "| moved |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in facts.realism:
        zero, one = row["realism 0"], row["realism 1"]
        cells = [f"{row['quality']:g}", f"{row['bpp']:.3f}"]
        for key, digits in (("psnr-rgb", 2), ("lpips", 3), ("structure", 3), ("fid", 1)):
            cells += [f"{zero[key]:.{digits}f}", f"{one[key]:.{digits}f}"]
        parts.append(f"| {' | '.join(cells)} | {one['moved']:.2f} |")
    inventing = [row for row in facts.realism if row["realism 1"]["moved"] > INVENTS]
    if inventing:
        last = inventing[-1]
        parts += [
            "",
            f"**Realism 1 begins to invent at about quality {last['quality']:g} ({last['bpp']:.2f} bpp)**: "
            "at this and lower settings it moves the average pixel by more than a grey level.",
        ]
    return parts


def crops(facts: Facts) -> list[str]:
    """The picture of card_crops.py."""
    if not facts.crops:
        return []
    return [
        "",
        *([] if facts.realism else ["## Crops", ""]),
        f"![Six crops: original, realism 0, realism 1 and JPEG]({CROPS})",
        "",
        "Original, realism 0 and 1 of one stream, and JPEG at as many bytes or at its smallest; the last "
        "two rows are failures: lettering and print come back as something like it. Made by "
        f"`{shlex.join(['python', 'benchmarks/card_crops.py', '--preset', facts.preset])}`.",
    ]


def fine_tuning(facts: Facts) -> list[str]:
    """What `gan-tfc finetune` gained."""
    return fine_tuning_section(facts.metadata.get("fine_tuning"))


def training(facts: Facts) -> list[str]:
    """Commands and photos."""
    commands = [f"    {command}" for command in facts.metadata["training"]["commands"]]
    parts = ["", "## Training", "", *commands, ""]
    if not facts.sources:
        return [*parts, "Which photos it was trained on is not stated."]
    photos = sum(count for *_, count in facts.sources)
    head = f"{photos} photos of {len(facts.sources)} sources"
    if all(licence for _, licence, _ in facts.sources):
        head += ", each with a stated licence"
    if facts.held_out:
        head += (
            "; none of the photos measured here is among them (tests/unit/test_no_test_photo_in_training.py)"
        )
    else:
        head += ". That none of the photos measured here is among them was not checked"
    return [
        *parts,
        f"{head}. Licences as the sources state them; some ask for credit, which this table gives.",
        "",
        "| source | photos | licence as stated |",
        "|---|---|---|",
        *(f"| {source} | {count} | {licence} |" for source, licence, count in facts.sources),
    ]


def limits(facts: Facts) -> list[str]:
    """What its maker says, and what is true of all."""
    text = WITHOUT_REALISM
    if facts.knows_realism:
        text = WITH_REALISM.format(where="see above" if facts.realism else "it was not measured")
    common = [limit.format(realism=text) for limit in LIMITS]
    return ["", "## Limits", "", *(f"- {limit}" for limit in [*facts.metadata["limits"], *common])]


def licence(facts: Facts) -> list[str]:
    """Of code and weights."""
    stated = facts.metadata["licence"]
    weights = f"free for any use ({stated['weights']})" if stated["weights"] in FREE else stated["weights"]
    return ["", "## Licence", "", f"Code: {stated['code']}. Weights and tables: {weights}."]
