# SPDX-License-Identifier: Apache-2.0
"""How far a reconstruction is from its image, and how many bits it took."""

import math

import numpy as np

from gan_tfc.errors import GanTfcError

_WHITE = 255


def mean_squared_error(image: np.ndarray, reconstruction: np.ndarray) -> float:
    """Mean squared difference over all pixels and channels, on the scale 0..255.

    The sum is taken in integers, so the value does not depend on the order of summation.

    Args:
        image: uint8, any shape that is not empty, usually `(H, W, 3)`.
        reconstruction: uint8 of the same shape.

    Raises:
        GanTfcError: Another dtype, or shapes that differ.
    """
    for array in (image, reconstruction):
        if array.dtype != np.uint8:
            raise GanTfcError(
                f"Expected uint8 pixels, received {array.dtype}; round and clip to 0..255 first, "
                "as a file would."
            )
    if image.shape != reconstruction.shape or not image.size:
        raise GanTfcError(
            f"Expected two images of one shape, received {image.shape} and "
            f"{reconstruction.shape}; compare a decoded picture with its own original."
        )
    difference = image.astype(np.int64) - reconstruction
    return int(np.sum(difference * difference)) / image.size


def psnr(image: np.ndarray, reconstruction: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over RGB, ``10 log10(255^2 / MSE)``; higher is better.

    Args:
        image: uint8 `(H, W, 3)`.
        reconstruction: uint8 of the same shape.

    Returns:
        The ratio; `inf` for equal images.
    """
    error = mean_squared_error(image, reconstruction)
    return 10 * math.log10(_WHITE**2 / error) if error else math.inf


def file_bpp(data: bytes, image: np.ndarray) -> float:
    """Bits a pixel of a complete stream, header included.

    Args:
        data: The bytes that a file would hold.
        image: `(H, W, 3)`.
    """
    return 8 * len(data) / (image.shape[0] * image.shape[1])
