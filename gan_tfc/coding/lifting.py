# SPDX-License-Identifier: Apache-2.0
"""The CDF 9/7 wavelet twice: forward in float32, inverse in integers.

Only the inverse is read by context networks, so only the inverse must be exact. It works on fixed
point numbers in 1/64 of the quantiser step, in the order width, height reversed:

    even = (low  * round(2**16 / K) + 2**15) >> 16        odd = (high * round(2**16 * K) + 2**15) >> 16
    even -= (round(2**16 * DELTA) * (odd[n] + odd[n-1]) + 2**15) >> 16      (then GAMMA on odd from even,
    BETA on even from odd, ALPHA on odd from even: see `gan_tfc.layers.wavelet` for the float original)

``>>`` floors. Products stay below 2**44 because every merged picture is clipped to ``LIMIT``; an
implementation without 64-bit integers can use doubles, which are exact up to 2**53.
"""

import numpy as np

from gan_tfc.coding.colour import from_rgb
from gan_tfc.coding.strips import on_all_cores, shares

ALPHA = -1.586134342059924
BETA = -0.052980118572961
GAMMA = 0.882911075530934
DELTA = 0.443506852043971
K = 1.149604398

PLANES = 3

SHIFT = 16
LIMIT = 2**22 - 1
_NARROW = 19_000
_ALPHA, _BETA, _GAMMA, _DELTA, _K, _INVERSE_K = (
    round(2**SHIFT * x) for x in (ALPHA, BETA, GAMMA, DELTA, K, 1 / K)
)

#: Along which axis to step, and whether to the next sample or back to the previous one.
_NEXT, _PREVIOUS = True, False


def _sum(x: np.ndarray, axis: int, following: bool) -> np.ndarray:
    """x[n] + x[n+1] along axis 0 or 1, or x[n] + x[n-1]; the sample at the end is repeated."""
    before, after, first, last = (
        (slice(None),) * axis + (part,) for part in (np.s_[:-1], np.s_[1:], np.s_[:1], np.s_[-1:])
    )
    out = np.empty_like(x)
    here, end = (before, last) if following else (after, first)
    np.add(x[before], x[after], out=out[here])
    np.add(x[end], x[end], out=out[end])
    return out


def _scaled(x: np.ndarray, factor: int) -> np.ndarray:
    """(x * factor + 2**15) >> 16, overwriting `x`."""
    x *= factor
    x += 1 << (SHIFT - 1)
    x >>= SHIFT
    return x


def _merge(low: np.ndarray, high: np.ndarray, axis: int) -> np.ndarray:
    """Integer synthesis along axis 0 or 1 of two arrays of the same shape.

    The largest number on the way is ALPHA times the sum of two even samples, which are below
    1.04 |low| + 1.34 |high|: where 32 bits hold it, they give what 64 bits do.
    """
    narrow = 2 * _largest(low) + 3 * _largest(high) < _NARROW
    even = _scaled(low.astype(np.int32 if narrow else np.int64), _INVERSE_K)
    odd = _scaled(high.astype(even.dtype), _K)
    even -= _scaled(_sum(odd, axis, _PREVIOUS), _DELTA)
    odd -= _scaled(_sum(even, axis, _NEXT), _GAMMA)
    even -= _scaled(_sum(odd, axis, _PREVIOUS), _BETA)
    odd -= _scaled(_sum(even, axis, _NEXT), _ALPHA)
    shape = list(low.shape)
    shape[axis] *= 2
    out = np.empty(shape, even.dtype)
    for start, samples in ((0, even), (1, odd)):
        _pixels(out)[(slice(None),) * axis + (np.s_[start::2],)] = _pixels(samples)
    return out


def _pixels(x: np.ndarray) -> np.ndarray:
    """`(..., 3 n)` as `(..., n)` items of three numbers, which NumPy moves three times as fast."""
    return x.view(np.dtype((np.void, PLANES * x.itemsize)))


def _largest(x: np.ndarray) -> int:
    """The largest magnitude."""
    return max(int(x.max()), -int(x.min()))


def merge_level(low_low: np.ndarray, details: np.ndarray) -> np.ndarray:
    """Low band `(H, W, 3)` and details `(H, W, 9)` -> the next finer picture `(2 H, 2 W, 3)`.

    All integers in 1/64 step, the picture int32; details are ordered LH, HL, HH as in
    `gan_tfc.layers.wavelet`.
    """
    height, width, planes = low_low.shape
    low, high = np.empty((2, 2 * height, width, planes), np.int32)
    picture = np.empty((2 * height, 2 * width, planes), np.int32)

    def merge_columns(columns):
        bands = np.moveaxis(_pixels(details[:, columns]), 2, 0)[..., None]
        low_high, high_low, high_high = np.ascontiguousarray(bands).view(details.dtype)
        low[:, columns] = _merge(low_low[:, columns], low_high, 0)
        high[:, columns] = _merge(high_low, high_high, 0)

    def merge_rows(rows):
        merged = _merge(low[rows], high[rows], 1)
        np.maximum(merged, -LIMIT, out=merged)
        np.minimum(merged, LIMIT, out=picture[rows], casting="same_kind")

    for _ in on_all_cores(merge_columns, shares(width)):
        pass
    for _ in on_all_cores(merge_rows, shares(2 * height)):
        pass
    return picture


def _split_axis(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Float analysis along axis 0 or 1 -> (low, high)."""
    even, odd = (x[(slice(None),) * axis + (np.s_[start::2],)].copy() for start in (0, 1))
    odd += np.float32(ALPHA) * _sum(even, axis, _NEXT)
    even += np.float32(BETA) * _sum(odd, axis, _PREVIOUS)
    odd += np.float32(GAMMA) * _sum(even, axis, _NEXT)
    even += np.float32(DELTA) * _sum(odd, axis, _PREVIOUS)
    even *= np.float32(K)
    odd *= np.float32(1 / K)
    return even, odd


def split_level(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(2 H, 2 W, 3)` float32 -> low band `(H, W, 3)` and details `(H, W, 9)`."""
    height, width, planes = picture.shape
    low, high = np.empty((2, height, width // 2, planes), np.float32)
    low_low = np.empty((height // 2, width // 2, planes), np.float32)
    details = np.empty((height // 2, width // 2, 3, planes), np.float32)

    def split_rows(rows):
        low[rows], high[rows] = _split_axis(picture[rows], 1)

    def split_columns(columns):
        low_low[:, columns], details[:, columns, 0] = _split_axis(low[:, columns], 0)
        details[:, columns, 1], details[:, columns, 2] = _split_axis(high[:, columns], 0)

    for _ in on_all_cores(split_rows, shares(height)):
        pass
    for _ in on_all_cores(split_columns, shares(width // 2)):
        pass
    return low_low, details.reshape(height // 2, width // 2, 3 * planes)


def analyse(picture: np.ndarray, levels: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """`(H, W, 3)` float32 -> coarsest band and details, finest first; sides divisible by 2**levels."""
    details = []
    for _ in range(levels):
        picture, bands = split_level(picture)
        details.append(bands)
    return picture, details


def picture_bands(image: np.ndarray, levels: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """uint8 `(H, W, 3)` RGB -> coarsest band and details, of luma and chroma, pixels in [0, 1].

    Sides that are no multiple of ``2**levels`` are padded by repeating the last row and column.
    """
    padded = padded_shape(*image.shape[:2], levels)
    padding = [(0, big - small) for big, small in zip(padded, image.shape[:2], strict=True)]
    return analyse(from_rgb(np.pad(image, (*padding, (0, 0)), "edge")), levels)


def padded_shape(height: int, width: int, levels: int) -> tuple[int, int]:
    """Sides rounded up to multiples of ``2**levels``."""
    unit = 1 << levels
    return -(-height // unit) * unit, -(-width // unit) * unit
