# SPDX-License-Identifier: Apache-2.0
"""The codecs of today, at the settings that they are compared at: JPEG, WebP and AVIF of Pillow."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from gan_tfc.errors import GanTfcError


@dataclass(frozen=True)
class Rival:
    """A codec of Pillow; `gan_tfc.evaluation.curves.measure` takes it.

    Args:
        name: As written in tables: "JPEG".
        file_format: Pillow's name of the format.
        options: What `PIL.Image.Image.save` gets beside the quality.
        qualities: Settings that cover photos from rough to nearly perfect.
        library: Pillow's names of the feature and of the library whose version counts.
        settings: `options` in words.
    """

    name: str
    file_format: str
    options: Mapping[str, Any]
    qualities: tuple[int, ...]
    library: tuple[str, str]
    settings: str

    @property
    def description(self) -> str:
        """Settings and versions, for result files."""
        version = features.version(self.library[1])
        return f"{self.settings}; Pillow {PIL.__version__}, {self.library[1]} {version}"

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """The file that Pillow writes.

        Args:
            image: uint8 `(H, W, 3)` RGB.
            quality: 0 to 100, an integer.

        Raises:
            GanTfcError: This Pillow was built without the format.
        """
        self._check()
        file = io.BytesIO()
        Image.fromarray(image).save(file, self.file_format, quality=int(quality), **self.options)
        return file.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """uint8 `(H, W, 3)` RGB."""
        self._check()
        with Image.open(io.BytesIO(data), formats=[self.file_format]) as image:
            return np.array(image.convert("RGB"))

    def _check(self):
        if not features.check(self.library[0]):
            raise GanTfcError(
                f"Expected a Pillow that reads and writes {self.name}, but Pillow "
                f"{PIL.__version__} here was built without it; pip install -U 'pillow>=11.3'."
            )


JPEG = Rival(
    name="JPEG",
    file_format="JPEG",
    options={"subsampling": "4:2:0", "optimize": True},
    qualities=tuple(range(5, 100, 5)),
    library=("jpg", "libjpeg_turbo"),
    settings="4:2:0, optimised Huffman tables",
)

WEBP = Rival(
    name="WebP",
    file_format="WEBP",
    options={"method": 6},
    qualities=(1, *range(5, 100, 5)),
    library=("webp", "webp"),
    settings="4:2:0, method 6",
)

# One thread and one tile: otherwise the bytes would depend on the cores of the machine.
AVIF = Rival(
    name="AVIF",
    file_format="AVIF",
    options={"speed": 4, "subsampling": "4:2:0", "max_threads": 1, "autotiling": False},
    qualities=tuple(range(20, 91, 7)),
    library=("avif", "avif"),
    settings="speed 4, 4:2:0, one thread",
)

RIVALS = {rival.name.lower(): rival for rival in (JPEG, WEBP, AVIF)}
