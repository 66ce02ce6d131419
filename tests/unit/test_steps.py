# SPDX-License-Identifier: Apache-2.0
"""Qualities, step codes and the integers that follow from them."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from gan_tfc.coding import steps
from gan_tfc.errors import GanTfcError

CODES = range(steps.MAX_STEP_CODE + 1)


def test_a_higher_quality_never_has_a_larger_step():
    codes = [steps.quality_to_code(quality) for quality in np.linspace(1, 100, 5000)]
    assert all(later <= earlier for earlier, later in zip(codes, codes[1:], strict=False))
    assert len(set(codes)) == steps.COARSEST_CODE - steps.FINEST_CODE + 1  # all codes are in reach


@pytest.mark.parametrize("quality, step", [(1, 230), (100, 3)])
def test_the_ends_of_the_scale_are_the_steps_they_are_said_to_be(quality, step):
    code = steps.quality_to_code(quality)
    # A code is 0.27 % of a step, and codes are integers.
    assert steps.step_size(code) * 255 == pytest.approx(step, rel=0.0014)
    assert steps.step_code(step / 255) == code


@pytest.mark.parametrize("quality", [0.999, 0, -5, 100.001, float("nan"), float("inf")])
def test_a_quality_outside_1_to_100_is_refused(quality):
    with pytest.raises(GanTfcError, match="quality from 1 to 100"):
        steps.quality_to_code(quality)


def test_the_quality_of_a_code_maps_back_to_the_code():
    for code in range(steps.FINEST_CODE, steps.COARSEST_CODE + 1):
        assert steps.quality_to_code(steps.code_to_quality(code)) == code


def test_the_code_of_a_step_is_the_step_s_code():
    for code in CODES:
        assert steps.step_code(steps.step_size(code)) == code
    assert steps.step_code(1e-9) == 0
    assert steps.step_code(1e9) == steps.MAX_STEP_CODE


def test_the_octave_table_is_pinned():
    """Streams depend on every entry: a platform whose powers round otherwise must not pass."""
    digest = hashlib.sha256(steps.OCTAVE.astype("<i8").tobytes()).hexdigest()
    assert digest == "6f6e857ae64ebb9e2281af305c44e034130644560a58e11fb68b4a1cdbe79af0"
    assert steps.OCTAVE[0] == 2**15
    assert len(steps.OCTAVE) == 256


def test_the_octave_table_is_the_rounded_power():
    """In integers alone: m is the rounded root of 2**(15 * 256 + i) of degree 256."""
    for i, m in enumerate(steps.OCTAVE.tolist()):
        power = 2 ** (15 * 256 + i)
        assert (2 * m - 1) ** 256 < power * 2**256 < (2 * m + 1) ** 256


def test_the_octave_of_the_coarsest_band_is_the_nearest_within_its_bounds():
    octaves = [steps.coarsest_octave(code) for code in CODES]
    assert min(octaves) == steps.MIN_OCTAVE and max(octaves) == steps.MAX_OCTAVE
    for code, octave in zip(CODES, octaves, strict=True):
        # The step of the coarsest band is within half an octave of the stream's, or at the lower end.
        distance = octave - code / steps.CODES_PER_OCTAVE
        assert abs(distance) <= 0.5 or (octave == steps.MIN_OCTAVE and distance > 0)
        assert steps.coarsest_step_size(code) == steps.BASE_STEP * 2**octave


def test_the_coarsest_band_in_fixed_point_is_the_float_within_its_rounding():
    symbols = np.array([-(2**17), -999, -3, -1, 0, 1, 2, 500, 2**17])
    for code in CODES:
        fixed = steps.coarsest_to_fixed(symbols, code)
        exact = symbols * (64 * 2.0 ** (steps.coarsest_octave(code) - code / 256))
        # The table is off by half a unit of 2**15 at most, the result by half a unit.
        np.testing.assert_array_less(np.abs(fixed - exact), 0.5 + np.abs(exact) * 2**-16 + 1e-6)


def test_brightness_is_the_float_within_its_rounding():
    luma = np.array([-(2**25), -40000, -777, -1, 0, 1, 12345, 2**25])
    for code in range(0, steps.MAX_STEP_CODE + 1, 13):
        for level in range(6):
            exact = luma / 64 * steps.step_size(code) * 127.5 / 2 ** (level + 1)
            result = steps.luma_level(luma, code, level)
            assert np.abs(result).max() <= 127
            error = np.abs(result - np.clip(exact, -127, 127))
            np.testing.assert_array_less(error, 0.5 + np.minimum(np.abs(exact), 128) * 2**-16 + 1e-6)


def test_white_is_the_brightest_level():
    """At any level: a low band doubles its gain at each split, and brightness takes it back."""
    white = 0.5 * 3**0.5
    code = 512
    for level in range(6):
        luma = np.array([round(white * 2 ** (level + 1) / steps.step_size(code) * 64)])
        expected = round(white * 127.5)
        assert abs(int(steps.luma_level(luma, code, level)[0]) - expected) <= 1


@pytest.mark.parametrize("code", [0, 127, 128, 639, 640, 2047])
def test_fixed_point_is_integer_arithmetic_alone(code):
    """Against Python's unbounded integers and fractions."""
    octave = max(2, (code + 128) // 256)
    exponent = 256 * octave - code
    scale = Fraction(int(steps.OCTAVE[exponent % 256]), 2**15) * Fraction(2) ** (exponent // 256)
    for symbol in (-(2**17), -7, 3, 2**17 - 1):
        expected = (symbol * scale * 64 + Fraction(1, 2)).__floor__()
        assert steps.coarsest_to_fixed(np.array([symbol]), code)[0] == expected
