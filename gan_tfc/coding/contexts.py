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
from gan_tfc.coding.integer_network import BANDS

CONTEXT_CHANNELS = 14
MASK_LEVEL = 64

_MAX_MAGNITUDE = 8191
COMPRESS = np.floor(18 * np.arcsinh(np.arange(_MAX_MAGNITUDE + 1) / 16) + 0.5).astype(np.int8)
_COMPRESS_SIGNED = np.concatenate([-COMPRESS[:0:-1], COMPRESS]).astype(np.float32)


def compress(sixteenths: np.ndarray) -> np.ndarray:
    """Signed integers in 1/16 step -> float32 integers in [-127, 127], about logarithmic."""
    return _COMPRESS_SIGNED.take(sixteenths + _MAX_MAGNITUDE, mode="clip")


def add_neighbours(out: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """`out`, to which each sample's two neighbours along axis 0 or 1 are added, edge samples repeated."""
    before, after, first, last = (
        (slice(None),) * axis + (part,) for part in (np.s_[:-1], np.s_[1:], np.s_[:1], np.s_[-1:])
    )
    out[after] += x[before]
    out[first] += x[first]
    out[before] += x[after]
    out[last] += x[last]
    return out


def _binomial(x: np.ndarray, axis: int) -> np.ndarray:
    """Sums along axis 0 or 1 with weights 1 2 1, edge samples repeated."""
    return add_neighbours(2 * x, x, axis)


def relief(picture: np.ndarray) -> np.ndarray:
    """Picture minus its blur: `(H, W, 3)` integers in 1/64 step -> the same in 1/16 step."""
    result = 16 * picture
    result -= _binomial(_binomial(picture, 0), 1)
    result += 32
    result >>= 6
    return result


def context(
    picture: np.ndarray, parents: np.ndarray | None, code: int, level: int, rows: slice = slice(None)
) -> np.ndarray:
    """The context of a level, or of some of its rows, `(H, W, 14)` float32 integers.

    Args:
        picture: decoded low band `(H, W, 3)`, integers in 1/64 step.
        parents: values of the next coarser level `(H/2, W/2, 9)` in 1/4 step, None at the coarsest.
        code: the stream's step code.
        level: 0 for the finest.
        rows: which rows of the context are wanted.
    """
    top, bottom, _ = rows.indices(len(picture))
    width = picture.shape[1]
    out = np.empty((bottom - top, width, CONTEXT_CHANNELS), np.float32)
    if parents is None:
        out[..., :BANDS] = 0
    else:
        levels = compress(4 * parents[top // 2 : -(-bottom // 2)])
        for row in (0, 1):
            first = (row - top) % 2  # the first row of `out` whose parity in the picture is `row`
            above = levels[(top + first) // 2 - top // 2 :][: len(out[first::2])]
            for column in (0, 1):
                out[first::2, column::2, :BANDS] = above
    seen = max(0, top - 1)  # the relief of a row looks at its neighbours
    sharp = relief(picture[seen : bottom + 1])
    out[..., 9:12] = compress(sharp[top - seen :][: len(out)])
    out[..., 12] = steps.luma_level(picture[top:bottom, :, 0], code, level)
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


def pass_places(mask: np.ndarray) -> np.ndarray:
    """Where a mask of a pass is True, as flat indexes in C order.

    Args:
        mask: boolean `(H, W, 9)` whose rows repeat with a period of two.
    """
    pair = np.flatnonzero(mask[:2])
    places = np.add.outer(np.arange(0, mask.size, 2 * mask[0].size), pair).reshape(-1)
    return places[: np.searchsorted(places, mask.size)]


def known_values(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the first pass `(H, W, 9)` in 1/4 step and their mask -> `(H, W, 10)` float32."""
    height, width, _ = values.shape
    out = np.empty((height, width, BANDS + 1), np.float32)
    out[..., :BANDS] = compress(4 * np.where(mask, values, 0))
    out[..., BANDS] = MASK_LEVEL * odd_positions(height, width)
    return out
