# SPDX-License-Identifier: Apache-2.0
"""A preset, measured through the functions that users call."""

from collections.abc import Callable, Sequence

import numpy as np

import gan_tfc
from gan_tfc.errors import TargetError
from gan_tfc.zoo.preset import hashes
from gan_tfc.zoo.registry import find


class PresetCodec:
    """A preset as `measure` takes it, through the functions that users call.

    Args:
        preset: "photo_mobile", "photo_mobile@1", or "path:FOLDER" or "https://host/zoo#name@1", whose
            streams are decoded by the loaded codec, because no stream can name where it came from.
        engine: Range coder that compresses: "auto", "tfc" or "portable".
        realism: At which streams are decoded unless told otherwise.
        tune: See `gan_tfc.Codec.compress`; any but "psnr" becomes a part of the name.
    """

    def __init__(self, preset: str, engine: str = "auto", realism: float = 1.0, tune: str = "psnr"):
        self.codec = gan_tfc.load(preset, engine)
        self.name = f"{self.codec.name}@{self.codec.version}"
        self.description = f"gan_tfc {gan_tfc.__version__}, preset {self.name}"
        self.tune = tune
        if tune != "psnr":
            self.name += f" {tune}"
            self.description += f", tune {tune}"
        in_zoo = not preset.startswith("path:") and "://" not in preset
        self._decompress = gan_tfc.decompress if in_zoo else self.codec.decompress
        self.identity = identity(preset)
        self.realism = realism

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """See `gan_tfc.Codec.compress`."""
        return self.codec.compress(image, quality=quality, tune=self.tune)

    def encode_within(self, image: np.ndarray, max_bytes: int, known=()) -> bytes:
        """The best stream of at most `max_bytes`, else the smallest; needs to know no other sizes."""
        try:
            return self.codec.compress(image, max_bytes=max_bytes, tune=self.tune)
        except TargetError:
            return self.codec.compress(image, quality=1, tune=self.tune)

    def decode(self, data: bytes, realism: float | None = None) -> np.ndarray:
        """See `gan_tfc.decompress`; at its own realism unless another one is given."""
        return self._decompress(data, self.realism if realism is None else realism)

    def heeds_realism(self, image: np.ndarray) -> bool:
        """Whether the realism asked for changes a single pixel of a coarse stream of this image."""
        data = self.encode(image, 10)
        return not np.array_equal(self.decode(data, 0.0), self.decode(data, 1.0))

    def decoders(self, realisms: Sequence[float], image: np.ndarray) -> dict[str, Callable]:
        """Functions that decode this preset's streams, by the names that their results get.

        Args:
            realisms: Each is a function of its own, unless the preset decodes the same at all.
            image: uint8 `(H, W, 3)`, to try that on.
        """
        if not self.heeds_realism(image):
            return {self.name: self.decode}
        return {
            f"{self.name} realism {realism:g}": lambda data, r=realism: self.decode(data, r)
            for realism in realisms
        }


def identity(preset: str) -> dict:
    """Hashes of the files that make a preset: results of others are not its results."""
    return {"sha256": hashes(find(preset))}
