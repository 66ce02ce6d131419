# SPDX-License-Identifier: Apache-2.0
"""Noise for textures that is the same on every machine: an integer function of the position.

The hash of row, column and channel, all unsigned and modulo 2**32:

    h = row * 0x9E3779B1 + column * 0x85EBCA77 + channel * 0xC2B2AE3D
    h = (h ^ h >> 15) * 0x2C1B3C6D;  h = (h ^ h >> 12) * 0x297A2D39;  h = h ^ h >> 15

(multiplications of xxHash and of Wellons' "triple32" search), and the noise is the top byte as a signed
number, -128..127, plus a half, over 128: uniform, of mean 0 and within (-1, 1). Equal noise at equal
positions lets a picture be decoded in tiles.
"""

import numpy as np

#: Of row, column and channel.
PLACE_FACTORS = tuple(np.uint32(x) for x in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D))
#: Of the two rounds of mixing.
MIXING_FACTORS = tuple(np.uint32(x) for x in (0x2C1B3C6D, 0x297A2D39))


def position_noise(height: int, width: int, channels: int, top: int = 0, left: int = 0) -> np.ndarray:
    """float32 `(height, width, channels)` in (-1, 1), multiples of 1/256.

    Args:
        height, width: of the tile, in positions of the synthesis network (patches of 4x4 pixels).
        channels: values at each position.
        top, left: position of the tile's first element in the picture.
    """
    row, column, channel = PLACE_FACTORS
    first, second = MIXING_FACTORS
    rows = np.arange(top, top + height, dtype=np.uint32)[:, None, None] * row
    columns = np.arange(left, left + width, dtype=np.uint32)[:, None] * column
    h = rows + columns + np.arange(channels, dtype=np.uint32) * channel
    h = (h ^ (h >> np.uint32(15))) * first
    h = (h ^ (h >> np.uint32(12))) * second
    h ^= h >> np.uint32(15)
    signed = (h >> np.uint32(24)).astype(np.uint8).view(np.int8)
    return (signed.astype(np.float32) + np.float32(0.5)) * np.float32(1 / 128)
