# SPDX-License-Identifier: Apache-2.0
"""Bjøntegaard rate: how much smaller one codec's files are at equal quality.

Over the interval of PSNR that both rate-distortion curves cover, the logarithm of the rate is
interpolated as a function of PSNR, and the mean difference of the two, as a percentage, is

    BD-rate = 100 (exp(mean over d of (ln R_test(d) - ln R_anchor(d))) - 1)

(G. Bjøntegaard, VCEG-M33, 2001), with piecewise cubic Hermite interpolation (PCHIP; F. N. Fritsch
and R. E. Carlson, SIAM J. Numer. Anal. 17, 1980) in place of the original's one cubic, as in the
common test conditions of JVET (JVET-T2010): any number of points, and no overshoot.
"""

from collections.abc import Sequence

import numpy as np

from gan_tfc.errors import GanTfcError


def bd_rate(
    anchor_rates: Sequence[float],
    anchor_qualities: Sequence[float],
    test_rates: Sequence[float],
    test_qualities: Sequence[float],
) -> float:
    """Mean change of rate at equal quality, in percent; negative where the test codec is better.

    Args:
        anchor_rates: Rate of each point of the anchor, in any unit, > 0.
        anchor_qualities: PSNR in dB (or another quality that grows with rate) of the same points.
        test_rates: Rates of the codec under test.
        test_qualities: Its qualities.

    Raises:
        GanTfcError: Fewer than two points, a quality that does not grow with rate, or no
            quality that both curves reach.
    """
    anchor, test = _curve(anchor_rates, anchor_qualities), _curve(test_rates, test_qualities)
    low, high = common_interval(anchor_qualities, test_qualities)
    difference = _integral(*test, low, high) - _integral(*anchor, low, high)
    return 100 * float(np.expm1(difference / (high - low)))


def common_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The interval of quality that both curves cover.

    Raises:
        GanTfcError: There is none.
    """
    low, high = max(min(first), min(second)), min(max(first), max(second))
    if low >= high:
        raise GanTfcError(
            f"Expected curves that overlap in quality, but one covers {min(first):.2f} to "
            f"{max(first):.2f} and the other {min(second):.2f} to {max(second):.2f}; "
            "measure points between."
        )
    return low, high


def _curve(rates, qualities):
    """Qualities, ascending, and log rates."""
    rates, qualities = np.asarray(rates, np.float64), np.asarray(qualities, np.float64)
    if rates.shape != qualities.shape or rates.ndim != 1 or len(rates) < 2:
        raise GanTfcError(
            f"Expected at least two points of rate and quality, received {rates.shape} rates and "
            f"{qualities.shape} qualities; measure more."
        )
    order = np.argsort(rates)
    rates, qualities = rates[order], qualities[order]
    if not (rates[0] > 0 and np.isfinite(qualities).all() and np.all(np.diff(qualities) > 0)):
        raise GanTfcError(
            f"Expected qualities that grow with the rate, received {qualities.round(3).tolist()} "
            f"at rates {rates.round(4).tolist()}; leave out settings that cost more for less."
        )
    return qualities, np.log(rates)


def _slopes(x, y):
    """Derivatives at the points that keep the interpolant monotone wherever the points are."""
    step = np.diff(x)
    secant = np.diff(y) / step
    if len(x) == 2:
        return np.repeat(secant, 2)
    slopes = np.zeros_like(y)
    before, after = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    same_sign = secant[:-1] * secant[1:] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (before + after) / (before / secant[:-1] + after / secant[1:])
    slopes[1:-1] = np.where(same_sign, harmonic, 0)
    slopes[0] = _end_slope(step[0], step[1], secant[0], secant[1])
    slopes[-1] = _end_slope(step[-1], step[-2], secant[-1], secant[-2])
    return slopes


def _end_slope(step, next_step, secant, next_secant):
    """Three-point derivative at an end, limited so that the curve does not turn back."""
    slope = ((2 * step + next_step) * secant - step * next_secant) / (step + next_step)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant < 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope


def _integral(x, y, low, high):
    """Integral of the interpolant from `low` to `high`, both within the points."""
    step, slopes = np.diff(x), _slopes(x, y)
    secant = np.diff(y) / step
    # In t = position - x[k]: y[k] + slope[k] t + c t^2 + b t^3.
    c = (3 * secant - 2 * slopes[:-1] - slopes[1:]) / step
    b = (slopes[:-1] + slopes[1:] - 2 * secant) / step**2

    def antiderivative(t):
        return t * (y[:-1] + t * (slopes[:-1] / 2 + t * (c / 3 + t * b / 4)))

    start = np.clip(low - x[:-1], 0, step)
    end = np.clip(high - x[:-1], 0, step)
    return float(np.sum(antiderivative(end) - antiderivative(start)))
