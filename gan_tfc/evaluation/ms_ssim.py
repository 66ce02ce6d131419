# SPDX-License-Identifier: Apache-2.0
"""Multi-scale structural similarity, in NumPy.

    MS-SSIM = mean over channels of  SSIM_5^w_5  prod_{j<5} CS_j^w_j

with CS the contrast and structure term and SSIM that times the luminance term, each a mean over the
positions where an 11-tap Gaussian window of standard deviation 1.5 lies inside the picture; scale j
is half the size of j - 1, averaged over 2 x 2 pixels (Z. Wang, E. P. Simoncelli, A. C. Bovik,
"Multiscale structural similarity for image quality assessment", Asilomar 2003). Each colour channel
is measured for itself, as TensorFlow and the published curves of learned codecs do.
"""

import math

import numpy as np

from gan_tfc.errors import GanTfcError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: A window must fit into the coarsest scale.
SMALLEST_SIDE = 161
_TAPS, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ms_ssim(image: np.ndarray, reconstruction: np.ndarray) -> float:
    """Similarity of two pictures, 1 for equal ones; higher is better.

    Args:
        image: uint8 `(H, W, 3)`, sides of at least 161.
        reconstruction: uint8 of the same shape.

    Raises:
        GanTfcError: Shapes that differ, or too small.
    """
    if image.shape != reconstruction.shape or min(image.shape[:2]) < SMALLEST_SIDE:
        raise GanTfcError(
            f"Expected two images of one shape with sides of at least {SMALLEST_SIDE}, received "
            f"{image.shape} and {reconstruction.shape}; compare larger pictures."
        )
    # Channels first: the filter then runs along contiguous rows.
    x, y = (np.moveaxis(array, -1, 0).astype(np.float64) for array in (image, reconstruction))
    product = np.ones(len(x))
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        luminance, structure = _terms(x, y)
        if scale == len(WEIGHTS) - 1:
            structure = structure * luminance
        # Structure may be negative on average, and a negative number has no such power.
        product *= np.maximum(structure.mean(axis=(1, 2)), 0) ** weight
    return float(product.mean())


def decibels(similarity: float) -> float:
    """MS-SSIM on a scale where equal steps look alike: ``-10 log10(1 - MS-SSIM)``, `inf` for 1."""
    return -10 * math.log10(1 - similarity) if similarity < 1 else math.inf


def _terms(x, y):
    """Luminance, and contrast with structure, `(C, h, w)` each."""
    mean_x, mean_y = _filtered(x), _filtered(y)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * product + _C1) / (squares + _C1)
    covariance = _filtered(x * y) - product
    variances = _filtered(x * x + y * y) - squares
    return luminance, (2 * covariance + _C2) / (variances + _C2)


def _filtered(x):
    """The Gaussian window's mean at every position that it fits into."""
    offsets = np.arange(_TAPS) - _TAPS // 2
    window = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    window /= window.sum()
    height, width = (side - _TAPS + 1 for side in x.shape[1:])
    rows = sum(w * x[:, k : k + height] for k, w in enumerate(window))
    return sum(w * rows[..., k : k + width] for k, w in enumerate(window))


def _halved(x):
    """Means of 2 x 2 pixels; an odd side repeats its last row or column."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), mode="symmetric")
    channels, height, width = x.shape
    return x.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
