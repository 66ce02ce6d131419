# SPDX-License-Identifier: Apache-2.0
"""Where errors are seen: in a smooth sky, and hardly in foliage.

Structural similarity puts a number on that (Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image
quality assessment: from error visibility to structural similarity", IEEE Trans. Image Processing 2004):
where a window of the original has the variance v, a squared error e costs about ``e / (2 v + C2)``.
Minimising that for given bits is minimising e, with bits that weigh in proportion to ``v + C2 / 2``.

Variances are those of grey levels 0..255 at the scale of each level, as its details and those of coarser
levels have them:

    v[level] = blur(energy of details[level]) + v[level + 1] / 2,        repeated 2x2

An encoder's choice alone, like all of quantisation: any symbols decode.
"""

import numpy as np

from gan_tfc.coding.contexts import add_neighbours
from gan_tfc.coding.lifting import PLANES

#: C2 / 2 of structural similarity, ``(0.03 * 255)**2 / 2``.
_FLAT = 29.0
#: What follows was chosen by benchmarks/visibility.py. The variance at which a bit weighs as much as it
#: does everywhere when squared error alone counts:
MIDDLE = 500.0
#: How much of the variance at the next coarser scale hides errors at this one.
COARSER = 0.5
_LEAST, _MOST = 0.05, 3.0


def rate_factors(details: list[np.ndarray], middle=MIDDLE, coarser=COARSER) -> list[np.ndarray]:
    """How much more than usual a bit weighs against squared error, at each place of each level.

    Args:
        details: `(H, W, 9)` float32 for each level, finest first, of pixels in [0, 1]; see
            `gan_tfc.coding.lifting`.
        middle: variance of factor 1.
        coarser: share of the variance at the next coarser scale.

    Returns:
        `(H, W)` float32 for each level, from 0.05 (smooth) to 3 (busy).
    """
    factors, variance = [], None
    for level in range(len(details) - 1, -1, -1):
        above, variance = variance, _grey_variance(details[level], level)
        if above is not None:
            variance += np.float32(coarser) * above.repeat(2, 0).repeat(2, 1)
        factors.append(np.clip((variance + np.float32(_FLAT)) / np.float32(middle), _LEAST, _MOST))
    return factors[::-1]


def _grey_variance(details, level):
    """Of grey levels at the scale of `level`: the means of 3x3 places, `(H, W)` float32."""
    # The three bands of luma, which is orthonormal: grey has a third of its energy. A place stands for
    # 2x2 pixels of its scale, whose levels are `2**level` times as large in the wavelet's low band.
    energy = np.square(details[..., ::PLANES]).sum(-1)
    for axis in (0, 1):
        energy = add_neighbours(energy.copy(), energy, axis) * np.float32(1 / 3)
    return energy * np.float32(255**2 / (4 * 3 * 4**level))
