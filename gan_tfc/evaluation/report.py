# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: one HTML file with everything inside, which needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from gan_tfc.evaluation.crops import BlindRow
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.ms_ssim import decibels
from gan_tfc.evaluation.published import PublishedCurve
from gan_tfc.evaluation.report_crops import blind_section
from gan_tfc.evaluation.report_figures import Series, figure
from gan_tfc.evaluation.report_style import SCRIPT, STYLE
from gan_tfc.evaluation.report_tables import (
    SPEED_BPP,
    bd_rates,
    bd_table,
    matched_table,
    settings_table,
    speed_table,
)

_OURS_STYLES = 4

#: Name in files -> heading, what is better, the value drawn, and whether it is drawn logarithmically.
CHARTS = {
    "psnr-rgb": ("PSNR", "dB, higher is better", lambda value: value, False),
    "ms-ssim-rgb": ("MS-SSIM", "−10 log₁₀(1 − MS-SSIM) in dB, higher is better", decibels, False),
    "lpips": ("LPIPS", "AlexNet, lower is better", lambda value: value, True),
    "structure": ("Structure and texture", "after DISTS, lower is better", lambda value: value, True),
    "fid": ("FID", "of patches, lower is better", lambda value: value, True),
    "kid": ("KID", "of patches, lower is better; values not above 0 left out", lambda value: value, True),
}


@dataclass
class Evaluation:
    """All that was measured.

    Attributes:
        folder: Name of the folder of photos.
        ours: Curves of presets, one for each realism that makes a difference.
        rivals: Curves of other codecs on the same photos.
        matched: Bits a pixel -> records of rows at equal size.
        blind: Crops at equal size.
        published: Curves of others, of the Kodak photos.
        settings: What and how, name and text.
        notes: Sentences on what was left out, and why.
    """

    folder: str
    ours: list[Curve]
    rivals: list[Curve]
    matched: dict[float, list[dict]] = field(default_factory=dict)
    blind: list[BlindRow] = field(default_factory=list)
    published: list[PublishedCurve] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict:
        """The findings beside the curves, as JSON."""
        return {
            "photos": len(self.ours[0].photos),
            "codecs": [curve.name for curve in (*self.ours, *self.rivals)],
            "bd_rates": bd_rates(self.ours, self.rivals),
            "matched": {f"{bpp:g}": rows for bpp, rows in self.matched.items()},
            "settings": dict(self.settings),
            "notes": self.notes,
        }


def report(evaluation: Evaluation) -> str:
    """The page."""
    names = ", ".join(dict.fromkeys(curve.name.split(" realism ")[0] for curve in evaluation.ours))
    count = len(evaluation.ours[0].photos)
    title = f"{names} on {count} photo{'s' * (count > 1)}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{_lead(evaluation)}</p>',
        *(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes),
        _curves(evaluation),
        _equal_quality(evaluation),
        _equal_size(evaluation),
        _blind(evaluation),
        _speed(evaluation),
        "<h2>What was measured, and how</h2>",
        settings_table(evaluation.settings),
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
            *sections,
            f"</main><script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _lead(evaluation):
    """The first of ours against each rival, in a sentence."""
    told = []
    for record in bd_rates(evaluation.ours[:1], evaluation.rivals):
        rate = record.get("psnr-rgb", {}).get("rate")
        if rate is not None:
            word = "smaller" if rate < 0 else "larger"
            told.append(f"<b>{abs(rate):.1f} % {word}</b> than {escape(record['anchor'])}’s")
    start = "Complete files, header included, written and read back"
    if not told:
        return f"{start}."
    return f"{start}: {escape(evaluation.ours[0].name)}’s are {_listed(told)} at equal PSNR."


def _listed(parts):
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _curves(evaluation):
    charts = []
    for metric, (name, better, drawn, logarithmic) in CHARTS.items():
        series = _series(evaluation, metric, drawn)
        if series:
            svg = figure(series, name, metric, logarithmic)
            charts.append(f"<div><h3>{name} <span>{better}</span></h3>{svg}</div>")
    caption = "Means over the photos; each point is one setting, and shows its numbers under the pointer."
    if evaluation.published:
        caption += (
            " Grey: published curves of others over the 24 Kodak photos, the named ones dashed; LPIPS where "
            "it is AlexNet’s."
        )
    return f'<h2>Over the rate</h2><p class="note">{caption}</p><div class="charts">{"".join(charts)}</div>'


def _series(evaluation, metric, drawn) -> list[Series]:
    """Published below, then rivals, then ours."""
    series = []
    for curve in sorted(evaluation.published, key=lambda curve: curve.named):
        if metric in curve.points:
            rates, values = curve.points[metric]
            name, style = (curve.name, "named") if curve.named else ("", "others")
            series.append(Series(name, rates, [drawn(value) for value in values], style, measured=False))
    styles = [(curve, curve.name.lower().replace(" ", "")) for curve in evaluation.rivals]
    styles += [(curve, f"ours-{k % _OURS_STYLES}") for k, curve in enumerate(evaluation.ours)]
    measured = [
        Series(curve.name, curve.bpp, [drawn(value) for value in curve.values(metric)], style)
        for curve, style in styles
        if curve.values(metric)
    ]
    return series + measured if measured else []


def _equal_quality(evaluation):
    return (
        "<h2>Rate at equal quality</h2>"
        '<p class="note">Bjøntegaard’s mean difference of rate, below 0 where the files of the first '
        "column are smaller; under each the interval of quality that both curves cover. A dash: no such "
        "interval, or a curve that does not grow with rate.</p>"
        + bd_table(bd_rates(evaluation.ours, evaluation.rivals))
    )


def _equal_size(evaluation: Evaluation) -> str:
    if not evaluation.matched:
        return ""
    parts = [
        "<h2>Quality at equal size</h2>",
        '<p class="note">Photo by photo: the first row takes at most the rate asked for, every other '
        "codec at most as many bytes as the first. “Larger” counts the photos that a codec cannot write so "
        "small; its smallest file then stands in.</p>",
    ]
    for bpp, rows in evaluation.matched.items():
        parts += [f"<h3>{bpp:g} bits a pixel</h3>", matched_table(rows)]
    return "".join(parts)


def _blind(evaluation: Evaluation) -> str:
    return (
        "<h2>Which is which?</h2>"
        "<p>Crops at equal file size, the codec’s own pixels, in an order that differs from row to row. "
        "A click shows whose they are; what you chose is counted and stays on this page.</p>"
        + blind_section(evaluation.blind)
    )


def _speed(evaluation):
    curves: Sequence[Curve] = [*evaluation.ours, *evaluation.rivals]
    return (
        "<h2>Time and memory</h2>"
        f'<p class="note">Mean of a photo once warm, at the setting nearest to {SPEED_BPP:g} bits a pixel, '
        "pixels to bytes and back. Memory: the most that a fresh process holds while it encodes or decodes "
        "one photo for the first time, libraries included, and below what the call itself adds.</p>"
        + speed_table(curves)
    )
