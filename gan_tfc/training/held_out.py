# SPDX-License-Identifier: Apache-2.0
"""Photos that are never trained on, coded once, and what a synthesis network makes of them."""

import time

import numpy as np
from keras import ops

from gan_tfc.coding import steps
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.noise import position_noise
from gan_tfc.encoder import ImageEncoder
from gan_tfc.models.synthesis import PATCH
from gan_tfc.stream_codec import to_uint8

#: About 0.14, 0.4 and 1.3 bits a pixel.
QUALITIES = (15, 35, 60)


class _KeepingEncoder(ImageEncoder):
    """Keeps the base picture of the stream it wrote last."""

    def _scan(self, code, source):
        self.last = super()._scan(code, source)
        return self.last


class HeldOut:
    """Held-out photos at some qualities.

    Args:
        codec: with frozen tables.
        photos: sequence of uint8 `(H, W, 3)` arrays.
        qualities: 1 to 100 each.
        progress: called with the number of streams written so far.

    Attributes:
        sizes: bytes of the streams, `(photos, qualities)`.
        seconds_per_stream: that writing one took.
    """

    def __init__(self, codec, photos, qualities=QUALITIES, progress=None):
        self.photos, self.qualities = photos, tuple(qualities)
        self._codes = [steps.quality_to_code(quality) for quality in qualities]
        self._streams, self._bases = [], []
        start = time.perf_counter()
        for photo in photos:
            encoder = _KeepingEncoder(codec, photo)
            for code in self._codes:
                self._streams.append(encoder.encode(code))
                self._bases.append(to_rgb(encoder.last.picture, steps.step_size(code) / 64)[None])
                if progress is not None:
                    progress(len(self._streams))
        self.seconds_per_stream = (time.perf_counter() - start) / len(self._streams)
        self.sizes = np.reshape([len(stream) for stream in self._streams], (len(photos), -1))

    def psnr(self, network, realism=0.0) -> np.ndarray:
        """PSNR of the pictures that a `SynthesisNetwork` makes, in dB, `(photos, qualities)`."""
        found = [
            decibels(picture, self.photos[i // len(self._codes)])
            for i, picture in enumerate(self.pictures(network, realism))
        ]
        return np.reshape(found, (len(self.photos), -1))

    def pictures(self, network, realism=0.0):
        """Generates the pictures that a network makes, uint8, photo by photo, quality by quality."""
        for i, base in enumerate(self._bases):
            photo, code = self.photos[i // len(self._codes)], self._codes[i % len(self._codes)]
            pixels = network(_inputs(network, base, code, realism), training=False)
            yield to_uint8(ops.convert_to_numpy(pixels)[0])[: photo.shape[0], : photo.shape[1]]

    def changed_streams(self, codec) -> int:
        """How many streams `codec` writes otherwise: each photo at one quality, in turn.

        Streams that were written before must decode as well, to the same base picture.
        """
        changed = 0
        for i, photo in enumerate(self.photos):
            place = len(self._codes) * i + i % len(self._codes)
            code = self._codes[i % len(self._codes)]
            encoder = _KeepingEncoder(codec, photo)
            same = encoder.encode(code) == self._streams[place]
            base = to_rgb(encoder.last.picture, steps.step_size(code) / 64)[None]
            changed += not (same and np.array_equal(base, self._bases[place]))
        return changed


def decibels(picture, photo) -> float:
    """PSNR of one uint8 picture, at most 100 dB."""
    error = np.mean(np.square(picture.astype(np.float64) - photo))
    return 10 * np.log10(255**2 / max(error, 255**2 * 1e-10))


def _inputs(network, base, code, realism):
    inputs = {"base": base.astype(np.float32), "step": np.full((1, 1), steps.step_size(code), np.float32)}
    if network.texture_features:
        height, width = (side // PATCH for side in base.shape[1:3])
        inputs["realism"] = np.full((1, 1), realism, np.float32)
        inputs["noise"] = (
            position_noise(height, width, network.texture_features)[None]
            if realism
            else np.zeros((1, height, width, network.texture_features), np.float32)
        )
    return inputs
