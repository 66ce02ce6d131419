# SPDX-License-Identifier: Apache-2.0
"""What the context networks read: integer functions of symbols that are already decoded.

Channels of a context, each an integer in [-127, 127]:

    0..8    parents: the values of the next coarser level, repeated 2x2, through `COMPRESS`
    9..11   relief: coarser picture minus its 3x3 binomial blur, through `COMPRESS`
    12      brightness of the coarser picture, `gan_tfc.coding.steps.luma_level`
    13      log step, ``step_code >> 4``

and of the known values of the second pass:

    0..8    values of the first pass through `COMPRESS`, zero where not yet decoded
    9       64 where row + column is odd, else 0

Values are in 1/4 step, pictures in 1/64 step. ``COMPRESS[m] = round(18 asinh(m / 16))`` takes magnitudes
in 1/16 step and the sign is put back.
"""

import numpy as np

from gan_tfc.coding import steps

CONTEXT_CHANNELS = 14
BANDS = 9
MASK_LEVEL = 64

_MAX_MAGNITUDE = 8191
COMPRESS = np.floor(18 * np.arcsinh(np.arange(_MAX_MAGNITUDE + 1) / 16) + 0.5).astype(np.int8)
_COMPRESS_SIGNED = np.concatenate([-COMPRESS[:0:-1], COMPRESS]).astype(np.float32)


def compress(sixteenths: np.ndarray) -> np.ndarray:
    """Signed integers in 1/16 step -> float32 integers in [-127, 127], about logarithmic."""
    index = np.clip(sixteenths, -_MAX_MAGNITUDE, _MAX_MAGNITUDE)
    index += _MAX_MAGNITUDE
    return _COMPRESS_SIGNED[index]


def _binomial(x: np.ndarray) -> np.ndarray:
    """Sums along axis 0 with weights 1 2 1, edge samples repeated."""
    out = 2 * x
    out[1:] += x[:-1]
    out[0] += x[0]
    out[:-1] += x[1:]
    out[-1] += x[-1]
    return out


def relief(picture: np.ndarray) -> np.ndarray:
    """Picture minus its blur: `(H, W, 3)` int64 in 1/64 step -> the same in 1/16 step."""
    blurred = _binomial(_binomial(picture).swapaxes(0, 1)).swapaxes(0, 1)
    return (16 * picture - blurred + 32) >> 6


def context(picture: np.ndarray, parents: np.ndarray | None, code: int, level: int) -> np.ndarray:
    """The context of a level, `(H, W, 14)` float32 integers.

    Args:
        picture: decoded low band `(H, W, 3)`, int64, 1/64 step.
        parents: values of the next coarser level `(H/2, W/2, 9)` in 1/4 step, None at the coarsest.
        code: the stream's step code.
        level: 0 for the finest.
    """
    height, width, _ = picture.shape
    out = np.empty((height, width, CONTEXT_CHANNELS), np.float32)
    if parents is None:
        out[..., :BANDS] = 0
    else:
        levels = compress(4 * parents)
        for row in (0, 1):
            for column in (0, 1):
                out[row::2, column::2, :BANDS] = levels
    out[..., 9:12] = compress(relief(picture))
    out[..., 12] = steps.luma_level(picture[..., 0], code, level)
    out[..., 13] = code >> 4
    return out


def odd_positions(height: int, width: int) -> np.ndarray:
    """Boolean `(height, width)`: True where row + column is odd."""
    return (np.add.outer(np.arange(height), np.arange(width)) & 1).astype(bool)


def first_pass_mask(height: int, width: int, phase: np.ndarray) -> np.ndarray:
    """Boolean `(height, width, 9)`: what the first pass codes.

    Args:
        phase: nine integers 0 or 1; a band of phase 0 is coded first at odd positions, a band of
            phase 1 at even ones, so that the bands of either phase see the others at their own place.
    """
    return odd_positions(height, width)[..., None] ^ (np.asarray(phase) == 1)


def known_values(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the first pass `(H, W, 9)` in 1/4 step and their mask -> `(H, W, 10)` float32."""
    height, width, _ = values.shape
    out = np.empty((height, width, BANDS + 1), np.float32)
    out[..., :BANDS] = compress(4 * np.where(mask, values, 0))
    out[..., BANDS] = MASK_LEVEL * odd_positions(height, width)
    return out
