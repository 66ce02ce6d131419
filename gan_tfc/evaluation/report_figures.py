# SPDX-License-Identifier: Apache-2.0
"""Curves as SVG that follows the page's colours, with names at the ends of lines instead of a legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 540, 380
_LEFT, _TOP, _BOTTOM = 46, 10, 42
_LABEL_HEIGHT, _LETTER = 13.5, 7.3
_RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        name: Written at its end; empty for none.
        rates: Bits a pixel, ascending.
        values: Of the metric.
        style: Name of a CSS class: "ours-0", "jpeg", "named", "others".
        measured: Whether points are marked, and the limits of the axes follow it.
    """

    name: str
    rates: Sequence[float]
    values: Sequence[float]
    style: str
    measured: bool = True


@dataclass(frozen=True)
class Axes:
    """Limits in data, the right edge in pixels, and where data lie; rates are always logarithmic."""

    rates: tuple[float, float]
    values: tuple[float, float]
    logarithmic: bool
    right: float

    def x(self, rate: float) -> float:
        """Of a rate."""
        return _LEFT + (self.right - _LEFT) * _share(rate, *self.rates, True)

    def y(self, value: float) -> float:
        """Of a value; upwards is more."""
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * _share(value, *self.values, self.logarithmic)


def _share(value, low, high, logarithmic):
    if logarithmic:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def figure(series: Sequence[Series], unit: str, identifier: str, logarithmic: bool = False) -> str:
    """An SVG element with all lines, those of the end of the list on top.

    Args:
        series: At least one is `measured`.
        unit: Metric and unit of the values, for those who do not see them.
        identifier: Of this figure on its page.
        logarithmic: Whether values are; lines then leave out what is not above 0.
    """
    lines = [_usable(line, logarithmic) for line in series]
    lines = [line for line in lines if len(line.rates) > 1]
    if not any(line.measured for line in lines):
        return '<p class="empty">Nothing to draw: fewer than two points.</p>'
    axes = _axes(lines, logarithmic)
    clip = f"plot-{identifier}"
    plot = f'width="{axes.right - _LEFT:.1f}" height="{HEIGHT - _TOP - _BOTTOM}"'
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(unit)} over bits a pixel">',
            f'<clipPath id="{clip}"><rect x="{_LEFT}" y="{_TOP}" {plot}/></clipPath>',
            _grid(axes),
            f'<g clip-path="url(#{clip})">',
            *(_line(line, axes) for line in lines),
            "</g>",
            *_labels([line for line in lines if line.name], axes),
            "</svg>",
        ]
    )


def _usable(line, logarithmic):
    pairs = [
        (rate, value)
        for rate, value in zip(line.rates, line.values, strict=True)
        if math.isfinite(value) and rate > 0 and (value > 0 or not logarithmic)
    ]
    rates, values = zip(*pairs, strict=True) if pairs else ((), ())
    return Series(line.name, rates, values, line.style, line.measured)


def _axes(lines, logarithmic):
    measured = [line for line in lines if line.measured]
    # Names stand right of the plot; a wide letter takes about two thirds of its height.
    right = WIDTH - 12 - _LETTER * max(9, *(len(line.name) for line in lines))
    low = max(0.04, min(line.rates[0] for line in measured) / 1.1)
    high = max(min(2.6, max(line.rates[-1] for line in measured)), low * 2)
    inside = [value for line in measured for _, value in _points_between(line, low, high)]
    bottom, top = min(inside), max(inside)
    if logarithmic:
        return Axes((low, high), (bottom / 1.15, max(top, bottom * 1.1) * 1.15), True, right)
    room = 0.05 * (top - bottom) or 1.0
    return Axes((low, high), (bottom - room, top + room), False, right)


def _points_between(line, low, high):
    """Points of a line from one rate to another, with those where it enters and leaves."""
    edges = [rate for rate in (low, high) if line.rates[0] < rate < line.rates[-1]]
    between = sorted({*edges, *(rate for rate in line.rates if low <= rate <= high)})
    values = np.interp(np.log(between), np.log(line.rates), line.values)
    return list(zip(between, values.tolist(), strict=True))


def _grid(axes):
    parts, bottom = [], HEIGHT - _BOTTOM
    for rate in _RATES:
        if axes.rates[0] <= rate <= axes.rates[1]:
            x = axes.x(rate)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{rate:g}</text>'
            )
    for value in _ticks(*axes.values, axes.logarithmic):
        y = axes.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{axes.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{value:g}</text>'
        )
    x, y = (_LEFT + axes.right) / 2, HEIGHT - 8
    parts.append(
        f'<text class="axis" x="{x:.1f}" y="{y}" text-anchor="middle">bits a pixel, logarithmic</text>'
    )
    return "".join(parts)


def _ticks(low, high, logarithmic):
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        fine = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
        found = [tick for tick in fine if low <= tick <= high]
        if len(found) > 2:
            return found
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [float(f"{k * step:.6g}") for k in range(first, math.floor(high / step) + 1)]


def _line(line, axes):
    points = [(axes.x(r), axes.y(v)) for r, v in zip(line.rates, line.values, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline class="line {line.style}" points="{path}"/>']
    if line.measured:
        for (x, y), rate, value in zip(points, line.rates, line.values, strict=True):
            title = escape(f"{line.name}: {rate:.3f} bpp, {value:.4g}")
            parts.append(
                f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.4">'
                f"<title>{title}</title></circle>"
            )
    return "".join(parts)


def _labels(lines, axes):
    """Names right of the plot, at the height where their lines leave it, pushed apart where they touch."""
    edge, ends = axes.right, []
    for line in lines:
        rates = np.geomspace(max(line.rates[0], axes.rates[0]), min(line.rates[-1], axes.rates[1]), 200)
        values = np.interp(np.log(rates), np.log(line.rates), line.values)
        inside = np.flatnonzero((axes.values[0] <= values) & (values <= axes.values[1]))
        if len(inside):
            last = inside[-1]
            ends.append((axes.y(float(values[last])), axes.x(float(rates[last])), line))
    # Of lines that leave at the same height, the one that does so first stands above.
    ends.sort(key=lambda end: (round(end[0] / _LABEL_HEIGHT), end[1]))
    heights = _apart([y for y, _, _ in ends], _TOP + 6, HEIGHT - _BOTTOM)
    for (y, x, line), height in zip(ends, heights, strict=True):
        yield (
            f'<path class="leader {line.style}" d="M{x + 3:.1f} {y:.1f} L{edge + 8:.1f} {height:.1f}"/>'
            f'<text class="label {line.style}" x="{edge + 11:.1f}" y="{height + 3.8:.1f}">'
            f"{escape(line.name)}</text>"
        )


def _apart(heights, low, high):
    """Ascending heights, moved as little as a sweep down and one up need to keep the distance."""
    placed = []
    for height in heights:
        placed.append(max(height, placed[-1] + _LABEL_HEIGHT if placed else low))
    limit = high
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], limit)
        limit = placed[k] - _LABEL_HEIGHT
    return placed
