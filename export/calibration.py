# SPDX-License-Identifier: Apache-2.0
"""What synthesis graphs see when photos are decoded: to calibrate them, and to measure what they lose."""

import functools
import os
from collections.abc import Callable

import numpy as np

from gan_tfc.coding import steps
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.noise import position_noise
from gan_tfc.encoder import ImageEncoder
from gan_tfc.errors import GanTfcError
from gan_tfc.models.synthesis import PATCH

#: Calibration looks at so many crops of so many pixels a side.
CALIBRATION_CROPS, CALIBRATION_SIDE = 64, 192
#: At higher qualities activations are several times larger and matter less, because corrections are in
#: steps: ranges that hold them would coarsen the low qualities by half a decibel and more.
CALIBRATION_QUALITIES = 1, 35
#: Losses are measured on so many crops of so many pixels a side, at these qualities.
MEASURED_CROPS, MEASURED_SIDE = 8, 256
QUALITIES = (10, 50, 90)


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


class Samples:
    """Crops of photos, always the same for the same photos.

    Args:
        codec: a frozen `gan_tfc.codec.Codec`.
        photos: folder, or sequence of uint8 `(H, W, 3)` arrays; None for photos of scikit-image.

    Raises:
        GanTfcError: there are no photos.
    """

    def __init__(self, codec, photos=None):
        self._codec = codec
        if photos is None:
            photos = _sample_photos()
        elif isinstance(photos, str | os.PathLike):
            from gan_tfc.photos import open_photos

            photos = open_photos(photos)
        if not len(photos):
            raise GanTfcError("Expected photos to calibrate and to measure on, received none.")
        self._photos = photos

    @functools.cached_property
    def calibration(self) -> list[dict[str, np.ndarray]]:
        """Inputs of the synthesis graph at low to middle qualities, at realism 0 and 1 in turn."""
        rng = np.random.default_rng(0)
        return [
            synthesis_inputs(self._codec, crop, rng.uniform(*CALIBRATION_QUALITIES), number % 2)
            for number, crop in enumerate(self._crops(CALIBRATION_CROPS, CALIBRATION_SIDE))
        ]

    def psnr(self, run: Callable) -> dict[tuple[float, float], float]:
        """Mean PSNR in dB of crops by quality and realism.

        Args:
            run: from inputs of the synthesis graph to its picture `(1, H, W, 3)`.
        """
        found = {}
        for key, cases in self._cases.items():
            errors = [_mean_square(crop, run(inputs)) for crop, inputs in cases]
            found[key] = float(np.mean(-10 * np.log10(errors)))
        return found

    @functools.cached_property
    def _cases(self):
        realisms = (0.0, 1.0) if self._codec.model.synthesis.texture_features else (0.0,)
        crops = list(self._crops(MEASURED_CROPS, MEASURED_SIDE))
        return {
            (quality, realism): [
                (crop, synthesis_inputs(self._codec, crop, quality, realism)) for crop in crops
            ]
            for quality in QUALITIES
            for realism in realisms
        }

    def _crops(self, count, side):
        rng = np.random.default_rng(0)
        for number in range(count):
            image = self._photos[number % len(self._photos)]
            top, left = (rng.integers(max(1, length - side + 1)) for length in image.shape[:2])
            yield np.ascontiguousarray(image[top : top + side, left : left + side])


def _mean_square(crop, picture):
    height, width, _ = crop.shape
    pixels = np.clip(picture[0, :height, :width], -0.5, 0.5) + 0.5
    return float(np.mean(np.square(pixels - crop / np.float32(255))))


def _sample_photos():
    from gan_tfc import demo

    return [read() for _, read in demo.photos([])]
