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

from gan_tfc.coding.colour import COLOUR

ALPHA = -1.586134342059924
BETA = -0.052980118572961
GAMMA = 0.882911075530934
DELTA = 0.443506852043971
K = 1.149604398

SHIFT = 16
LIMIT = 2**22 - 1
_ALPHA, _BETA, _GAMMA, _DELTA, _K, _INVERSE_K = (
    round(2**SHIFT * x) for x in (ALPHA, BETA, GAMMA, DELTA, K, 1 / K)
)


def _next_sum(even: np.ndarray) -> np.ndarray:
    """even[n] + even[n+1] along axis 0, the last sample repeated."""
    out = even.copy()
    out[:-1] += even[1:]
    out[-1] += even[-1]
    return out


def _previous_sum(odd: np.ndarray) -> np.ndarray:
    """odd[n] + odd[n-1] along axis 0, the first sample repeated."""
    out = odd.copy()
    out[1:] += odd[:-1]
    out[0] += odd[0]
    return out


def _scaled(x: np.ndarray, factor: int) -> np.ndarray:
    """(x * factor + 2**15) >> 16, overwriting `x`."""
    x *= factor
    x += 1 << (SHIFT - 1)
    x >>= SHIFT
    return x


def _merge(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Integer synthesis along axis 0: two `(N, ...)` int64 arrays -> `(2 N, ...)`."""
    even = _scaled(low.copy(), _INVERSE_K)
    odd = _scaled(high.copy(), _K)
    even -= _scaled(_previous_sum(odd), _DELTA)
    odd -= _scaled(_next_sum(even), _GAMMA)
    even -= _scaled(_previous_sum(odd), _BETA)
    odd -= _scaled(_next_sum(even), _ALPHA)
    out = np.empty((2 * len(low), *low.shape[1:]), low.dtype)
    out[0::2], out[1::2] = even, odd
    return out


def merge_level(low_low: np.ndarray, details: np.ndarray) -> np.ndarray:
    """Low band `(H, W, 3)` and details `(H, W, 9)` -> the next finer picture `(2 H, 2 W, 3)`.

    All int64, in 1/64 step; details are ordered LH, HL, HH as in `gan_tfc.layers.wavelet`.
    """
    low = _merge(low_low, details[..., 0:3])
    high = _merge(details[..., 3:6], details[..., 6:9])
    merged = _merge(low.swapaxes(0, 1), high.swapaxes(0, 1)).swapaxes(0, 1)
    return np.clip(merged, -LIMIT, LIMIT, out=merged)


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float analysis along axis 0 -> (low, high)."""
    even, odd = x[0::2].copy(), x[1::2].copy()
    odd += np.float32(ALPHA) * _next_sum(even)
    even += np.float32(BETA) * _previous_sum(odd)
    odd += np.float32(GAMMA) * _next_sum(even)
    even += np.float32(DELTA) * _previous_sum(odd)
    return even * np.float32(K), odd * np.float32(1 / K)


def split_level(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(2 H, 2 W, 3)` float32 -> low band `(H, W, 3)` and details `(H, W, 9)`."""
    low, high = (band.swapaxes(0, 1) for band in _split(picture.swapaxes(0, 1)))
    low_low, low_high = _split(low)
    high_low, high_high = _split(high)
    return low_low, np.concatenate([low_high, high_low, high_high], axis=-1)


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
    pixels = np.pad(image, (*padding, (0, 0)), "edge").astype(np.float32) / 255 - 0.5
    return analyse((pixels.reshape(-1, 3) @ COLOUR).reshape(pixels.shape), levels)


def padded_shape(height: int, width: int, levels: int) -> tuple[int, int]:
    """Sides rounded up to multiples of ``2**levels``."""
    unit = 1 << levels
    return -(-height // unit) * unit, -(-width // unit) * unit
