# SPDX-License-Identifier: Apache-2.0
"""The colour transform of `gan_tfc.coding.colour` on `keras.ops`."""

from keras import ops

from gan_tfc.coding.colour import COLOUR


def rgb_to_ycc(image):
    """RGB `(B, H, W, 3)` in [-0.5, 0.5] -> luma and two chroma planes, same shape and energy."""
    return ops.matmul(image, ops.convert_to_tensor(COLOUR, dtype=image.dtype))


def ycc_to_rgb(planes):
    """Inverse of `rgb_to_ycc` (the transpose of an orthonormal matrix)."""
    return ops.matmul(planes, ops.convert_to_tensor(COLOUR.T, dtype=planes.dtype))
