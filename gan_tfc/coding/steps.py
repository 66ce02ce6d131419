# SPDX-License-Identifier: Apache-2.0
"""The quantiser step and everything integer that follows from it.

A stream holds the step as ``step_code``, 0..2047, on a logarithmic grid of 256 codes per octave:

    step = 2/255 * 2**(step_code / 256)          (pixels in [0, 1])

What a decoder derives from it before the last symbol is read comes from integers alone, by way of
`OCTAVE[i] = round(2**(i / 256) * 2**15)`:

* ``log_step``, the context networks' view of it: ``step_code >> 4``, 0..127;
* the step of the coarsest band, which moves by whole octaves so that a handful of tables serves
  every rate: ``2/255 * 2**octave`` with ``octave = max(2, (step_code + 128) >> 8)``, 2..8.
"""

import numpy as np

from gan_tfc.errors import GanTfcError

MAX_STEP_CODE = 2047
CODES_PER_OCTAVE = 256
MIN_OCTAVE, MAX_OCTAVE = 2, 8
BASE_STEP = 2 / 255
#: Step codes of quality 1 (step 230/255) and 100 (3/255).
COARSEST_CODE, FINEST_CODE = 1752, 150

OCTAVE_BITS = 15
OCTAVE = np.array([round(2 ** (i / 256 + OCTAVE_BITS)) for i in range(256)], np.int64)


def step_size(step_code: int) -> float:
    """The quantiser step of a code, for pixels in [0, 1]."""
    return BASE_STEP * 2.0 ** (step_code / CODES_PER_OCTAVE)


def step_code(step: float) -> int:
    """The code whose step is nearest to `step` (clipped to 0..2047)."""
    code = round(CODES_PER_OCTAVE * float(np.log2(step / BASE_STEP)))
    return min(max(code, 0), MAX_STEP_CODE)


def quality_to_code(quality: float) -> int:
    """Quality 1..100 -> step code, evenly spaced on the logarithmic grid.

    Raises:
        GanTfcError: quality outside 1..100.
    """
    if not 1 <= quality <= 100:  # also refuses NaN
        raise GanTfcError(f"Expected a quality from 1 to 100, received {quality}.")
    return round(COARSEST_CODE + (quality - 1) * (FINEST_CODE - COARSEST_CODE) / 99)


def code_to_quality(code: int) -> float:
    """The quality, to two decimals, that `quality_to_code` maps to `code`."""
    return round(1 + (code - COARSEST_CODE) * 99 / (FINEST_CODE - COARSEST_CODE), 2)


def coarsest_octave(code: int) -> int:
    """Octave of the step of the coarsest band, 2..8."""
    return max(MIN_OCTAVE, (code + CODES_PER_OCTAVE // 2) >> 8)


def coarsest_step_size(code: int) -> float:
    """Step of the coarsest band, for pixels in [0, 1]."""
    return BASE_STEP * 2.0 ** coarsest_octave(code)


def coarsest_to_fixed(symbols: np.ndarray, code: int) -> np.ndarray:
    """Symbols of the coarsest band -> int64 fixed point, 1/64 of the stream's step."""
    exponent = CODES_PER_OCTAVE * coarsest_octave(code) - code
    scale = int(OCTAVE[exponent & 255]) << (8 + (exponent >> 8))
    return (symbols.astype(np.int64) * scale + (1 << 16)) >> 17


def luma_level(luma: np.ndarray, code: int, level: int) -> np.ndarray:
    """Luma of the low band in 1/64 step -> brightness in 1/127.5, clipped to [-127, 127].

    Args:
        luma: integer array, low band after `level` + 1 splits, each of which doubles the gain of a
            flat picture.
    """
    scale = int(OCTAVE[code & 255]) << (code >> 8)
    shift = 6 + OCTAVE_BITS + level + 1
    return np.clip((luma.astype(np.int64) * scale + (1 << (shift - 1))) >> shift, -127, 127)
