# SPDX-License-Identifier: Apache-2.0
r"""CDF 9/7 wavelet by lifting (Daubechies and Sweldens, 1998), on `keras.ops`.

```
 x --even--+-------+ B*---------+ D*----- * K --> low
            \     /       \    /
 x --odd --- + A*--------- + G*--------- / K --> high
```

With ``K = 1.149604398`` the transform is nearly orthonormal: squared error of the bands is, within a
few percent, squared error of the picture, so one quantiser step serves every band. Samples outside
the picture are mirrored about the edge sample, which for the lifting steps means repeating the
nearest even or odd sample. Heights and widths must be even at every level.
"""

from keras import ops

from gan_tfc.coding.lifting import ALPHA, BETA, DELTA, GAMMA, K


def _next(even, axis):
    """Sample n+1 at place n along `axis` (1 or 2), the last one repeated."""
    if axis == 1:
        return ops.concatenate([even[:, 1:], even[:, -1:]], axis=1)
    return ops.concatenate([even[:, :, 1:], even[:, :, -1:]], axis=2)


def _previous(odd, axis):
    """Sample n-1 at place n along `axis` (1 or 2), the first one repeated."""
    if axis == 1:
        return ops.concatenate([odd[:, :1], odd[:, :-1]], axis=1)
    return ops.concatenate([odd[:, :, :1], odd[:, :, :-1]], axis=2)


def split(x, axis):
    """One-dimensional analysis along `axis` (1 = height, 2 = width) -> (low, high), half as long."""
    even, odd = (x[:, ::2], x[:, 1::2]) if axis == 1 else (x[:, :, ::2], x[:, :, 1::2])
    odd = odd + ALPHA * (even + _next(even, axis))
    even = even + BETA * (odd + _previous(odd, axis))
    odd = odd + GAMMA * (even + _next(even, axis))
    even = even + DELTA * (odd + _previous(odd, axis))
    return even * K, odd / K


def merge(low, high, axis):
    """Inverse of `split`."""
    even, odd = low / K, high * K
    even = even - DELTA * (odd + _previous(odd, axis))
    odd = odd - GAMMA * (even + _next(even, axis))
    even = even - BETA * (odd + _previous(odd, axis))
    odd = odd - ALPHA * (even + _next(even, axis))
    batch, height, width, channels = ops.shape(even)
    both = ops.stack([even, odd], axis=axis + 1)
    shape = (batch, 2 * height, width, channels) if axis == 1 else (batch, height, 2 * width, channels)
    return ops.reshape(both, shape)


def split_level(picture):
    """`(B, H, W, C)` -> low band `(B, H/2, W/2, C)` and details `(B, H/2, W/2, 3 C)` as LH, HL, HH.

    LH is low along the width and high along the height.
    """
    low, high = split(picture, 2)
    low_low, low_high = split(low, 1)
    high_low, high_high = split(high, 1)
    return low_low, ops.concatenate([low_high, high_low, high_high], axis=-1)


def merge_level(low_low, details):
    """Inverse of `split_level`."""
    low_high, high_low, high_high = ops.split(details, 3, axis=-1)
    return merge(merge(low_low, low_high, 1), merge(high_low, high_high, 1), 2)


def analyse(picture, levels):
    """`(B, H, W, C)` -> coarsest low band and a list of details, finest level first.

    Args:
        picture: float tensor; H and W multiples of ``2**levels``.
        levels: number of levels, >= 1.
    """
    details = []
    for _ in range(levels):
        picture, bands = split_level(picture)
        details.append(bands)
    return picture, details


def synthesise(low_low, details):
    """Inverse of `analyse`."""
    for bands in reversed(details):
        low_low = merge_level(low_low, bands)
    return low_low
