# SPDX-License-Identifier: Apache-2.0
"""Orthonormal colour axes: squared error along them is squared error in RGB."""

import numpy as np

from gan_tfc.coding.strips import in_strips, on_all_cores

#: Columns are the luma axis and two chroma axes: ``rgb @ COLOUR`` -> (luma, chroma, chroma).
#: Written out, not computed by a QR factorisation: its signs differ between libraries.
_S3, _S2, _S6 = 3**-0.5, 2**-0.5, 6**-0.5
COLOUR = np.array([[_S3, _S2, _S6], [_S3, 0.0, -2 * _S6], [_S3, -_S2, _S6]], np.float32)


def from_rgb(image: np.ndarray) -> np.ndarray:
    """uint8 RGB `(H, W, 3)` -> float32 luma and chroma of pixels in [-0.5, 0.5]."""
    return _converted(image, lambda rows: rows.astype(np.float32) / 255 - 0.5, COLOUR)


def to_rgb(picture: np.ndarray, unit: float) -> np.ndarray:
    """Luma and chroma `(H, W, 3)`, integers that count units, -> float32 RGB."""
    return _converted(picture, lambda rows: rows.astype(np.float32), COLOUR.T * np.float32(unit))


def _converted(picture, prepare, matrix):
    result = np.empty(picture.shape, np.float32)

    def convert(strip):
        np.matmul(prepare(picture[strip.rows]), matrix, out=result[strip.rows])

    for _ in on_all_cores(convert, in_strips(*picture.shape[:2])):
        pass
    return result
