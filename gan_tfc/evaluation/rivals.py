# SPDX-License-Identifier: Apache-2.0
"""The codecs of today, at the settings that they are compared at.

JPEG, WebP and AVIF are Pillow's own; JPEG XL is its plug-in's (pillow-jxl-plugin, extra `eval`).
"""

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from gan_tfc.errors import GanTfcError

Known = Sequence[tuple[float, float]]


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
        lowest: The setting of the smallest files; 100 is that of the largest.
    """

    name: str
    file_format: str
    options: Mapping[str, Any]
    qualities: tuple[int, ...]
    library: tuple[str, str]
    settings: str
    lowest: int = 1

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

    def encode_within(self, image: np.ndarray, max_bytes: int, known: Known = ()) -> bytes:
        """The file of the highest quality that takes at most `max_bytes`, else the smallest file.

        Args:
            image: uint8 `(H, W, 3)` RGB.
            max_bytes: Of the whole file.
            known: Qualities that this image was encoded at, with the bytes that it took.
        """
        return best_within(lambda quality: self.encode(image, quality), max_bytes, self.lowest, known)

    def decode(self, data: bytes) -> np.ndarray:
        """uint8 `(H, W, 3)` RGB."""
        self._check()
        with Image.open(io.BytesIO(data), formats=[self.file_format]) as image:
            return np.array(image.convert("RGB"))

    def missing(self) -> str:
        """What to install so that this codec works here, as a sentence; empty where it does."""
        if features.check(self.library[0]):
            return ""
        return (
            f"Expected a Pillow that reads and writes {self.name}, but Pillow {PIL.__version__} here "
            "was built without it; pip install -U 'pillow>=11.3'."
        )

    def _check(self):
        if sentence := self.missing():
            raise GanTfcError(sentence)


class PluginRival(Rival):
    """A codec that a plug-in adds to Pillow; `library` is the plug-in's module and distribution."""

    @property
    def description(self) -> str:
        """Settings and versions, for result files."""
        version = metadata.version(self.library[1])
        return f"{self.settings}; Pillow {PIL.__version__}, {self.library[1]} {version}"

    def missing(self) -> str:
        """What to install, as a sentence; otherwise Pillow knows the format afterwards."""
        module, distribution = self.library
        if importlib.util.find_spec(module) is None:
            return (
                f"Expected {distribution}, with which Pillow reads and writes {self.name}, but it is "
                "not installed; pip install 'gan_tfc[eval]'."
            )
        importlib.import_module(module)
        return ""


def best_within(
    encode: Callable[[int], bytes], max_bytes: int, lowest: int = 0, known: Known = (), highest: int = 100
) -> bytes:
    """The file of the highest whole quality that takes at most `max_bytes`.

    Sizes are taken to grow with quality; where an encoder breaks this by a few bytes, the file is
    still within the limit, if not always the last that is.

    Args:
        encode: Quality -> file.
        max_bytes: Not exceeded, unless `lowest` does already: then its file is returned.
        lowest: Quality of the smallest file.
        known: Pairs of quality and size, between which is searched.
        highest: Quality of the largest file.
    """
    lowest = int(max([quality for quality, size in known if size <= max_bytes], default=lowest))
    too_large = int(min([quality for quality, size in known if size > max_bytes], default=highest + 1))
    best = encode(lowest)
    if len(best) > max_bytes:
        return best
    while too_large - lowest > 1:
        middle = (lowest + too_large) // 2
        data = encode(middle)
        if len(data) <= max_bytes:
            best, lowest = data, middle
        else:
            too_large = middle
    return best


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
    lowest=0,
)

# One thread and one tile: otherwise the bytes would depend on the cores of the machine.
AVIF = Rival(
    name="AVIF",
    file_format="AVIF",
    options={"speed": 4, "subsampling": "4:2:0", "max_threads": 1, "autotiling": False},
    qualities=tuple(range(20, 91, 7)),
    library=("avif", "avif"),
    settings="speed 4, 4:2:0, one thread",
    lowest=0,
)

JPEG_XL = PluginRival(
    name="JPEG XL",
    file_format="JXL",
    options={"effort": 7, "num_threads": 1},
    qualities=(0, 5, 15, 30, 45, 60, 70, 80, 85, 90, 95),
    library=("pillow_jxl", "pillow-jxl-plugin"),
    settings="effort 7, one thread to encode",
    lowest=0,
)

#: What every Pillow that `gan_tfc` asks for is meant to bring.
RIVALS = {rival.name.lower(): rival for rival in (JPEG, WEBP, AVIF)}

#: All that `gan-tfc eval` knows, by the name that it is asked for with.
ALL_RIVALS = RIVALS | {"jpegxl": JPEG_XL}
