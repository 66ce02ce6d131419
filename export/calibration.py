# SPDX-License-Identifier: Apache-2.0
"""What synthesis graphs see when photos are decoded: to calibrate them, and to measure what they lose."""

from collections.abc import Iterator, Sequence

import numpy as np

from gan_tfc.coding import steps
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.noise import position_noise
from gan_tfc.encoder import ImageEncoder
from gan_tfc.models.synthesis import PATCH

#: Calibration looks at so many crops of so many pixels a side.
CROPS, CROP = 64, 192


def synthesis_inputs(codec, image, quality, realism) -> dict[str, np.ndarray]:
    """Inputs of the synthesis graph for a photo at a quality: float32, batch of one.

    Args:
        codec: a `gan_tfc.codec.Codec`.
        image: uint8 `(H, W, 3)` RGB.
        quality: 1 to 100.
        realism: 0 to 1; left out where the network does not know it.
    """
    code = steps.quality_to_code(quality)
    step = steps.step_size(code)
    base = to_rgb(ImageEncoder(codec, image).decoded(code), step / 64)[None]
    inputs = {"base": base, "step": np.full((1, 1), step, np.float32)}
    if channels := codec.model.synthesis.texture_features:
        height, width = (side // PATCH for side in base.shape[1:3])
        inputs["realism"] = np.full((1, 1), realism, np.float32)
        inputs["noise"] = position_noise(height, width, channels)[None]
    return inputs


def calibration_samples(codec, photos: Sequence[np.ndarray], seed: int = 0) -> Iterator[dict]:
    """Inputs for crops of photos at all qualities, at realism 0 and 1 in turn.

    Args:
        codec: a `gan_tfc.codec.Codec`.
        photos: uint8 `(H, W, 3)` arrays.
        seed: of the choice of crops and qualities.
    """
    rng = np.random.default_rng(seed)
    for number in range(CROPS):
        image = photos[number % len(photos)]
        top, left = (rng.integers(max(1, side - CROP + 1)) for side in image.shape[:2])
        crop = image[top : top + CROP, left : left + CROP]
        yield synthesis_inputs(codec, crop, rng.uniform(1, 100), number % 2)
