# SPDX-License-Identifier: Apache-2.0
"""A preset, measured through the functions that users call."""

import numpy as np

import gan_tfc
from gan_tfc.zoo.preset import hashes
from gan_tfc.zoo.registry import find


class PresetCodec:
    """A preset as `measure` takes it, through the functions that users call.

    Args:
        preset: "photo_mobile", "photo_mobile@1", or "path:FOLDER", whose streams are decoded by the
            loaded codec, because no stream can name a folder.
        engine: Range coder that compresses: "auto", "tfc" or "portable".
    """

    def __init__(self, preset: str, engine: str = "auto"):
        self.codec = gan_tfc.load(preset, engine)
        self.name = f"{self.codec.name}@{self.codec.version}"
        self.description = f"gan_tfc {gan_tfc.__version__}, preset {self.name}"
        in_zoo = not preset.startswith("path:")
        self._decompress = gan_tfc.decompress if in_zoo else self.codec.decompress
        self.identity = identity(preset)

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """See `gan_tfc.Codec.compress`."""
        return self.codec.compress(image, quality=quality)

    def decode(self, data: bytes) -> np.ndarray:
        """See `gan_tfc.decompress`."""
        return self._decompress(data)


def identity(preset: str) -> dict:
    """Hashes of the files that make a preset: results of others are not its results."""
    return {"sha256": hashes(find(preset))}
