# SPDX-License-Identifier: Apache-2.0
"""Between the weights as they were and the fine-tuned ones: as far as no photo suffers.

After Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models" (CVPR 2022): weights in between often
keep most of what was gained on the new pictures, and lose little on others.
"""

import numpy as np

#: Tried in turn; 0 is the codec as it was.
FACTORS = (1.0, 0.85, 0.7, 0.5, 0.3, 0.15)


def blend(original, tuned, factor) -> list[np.ndarray]:
    """``original + factor * (tuned - original)``, rounded to float16, as presets are stored."""
    return [
        (a + np.float32(factor) * (b - a)).astype(np.float16).astype(np.float32)
        for a, b in zip(original, tuned, strict=True)
    ]


def best_blend(original, tuned, gains_of, tolerance):
    """The factor of the largest mean gain among those that make nothing worse by more than `tolerance`.

    Args:
        original, tuned: lists of arrays.
        gains_of: function of such a list: gains in dB, any shape.
        tolerance: dB.

    Returns:
        (factor, weights, gains) or None when no factor helps.
    """
    best, best_mean = None, 0.0
    for factor in FACTORS:
        weights = blend(original, tuned, factor)
        gains = np.asarray(gains_of(weights))
        if gains.min() >= -tolerance and gains.mean() > best_mean:
            best, best_mean = (factor, weights, gains), gains.mean()
    return best
