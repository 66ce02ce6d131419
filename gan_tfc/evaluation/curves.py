# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion curves over a folder of photos, and the files that keep them.

The files have CompressAI's schema, so they plot with its tools and beside its results:

    {"name": ..., "description": ..., "results": {"bpp": [...], "psnr-rgb": [...],
     "encoding_time": [...], "decoding_time": [...]}}

with additions: `results.quality`, the setting of each point; further metrics in `results`, such as
"ms-ssim-rgb" and "lpips", where they were measured; `photos`, the names of the files; `codec`, which a
codec may fill with what identifies it; and, of `gan-tfc eval`, `per_photo`, `settings` and `memory`.
Every number in `results` is a mean over the photos at one setting; bpp is of complete streams, header
included; times are seconds a photo.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.bd_rate import bd_rate, common_interval
from gan_tfc.evaluation.metrics import file_bpp, psnr
from gan_tfc.files import write_atomically
from gan_tfc.images import read_image

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}

#: Fields of a `Curve` and their names in files, with the digits that are kept.
_LISTS = {
    "quality": ("quality", 3),
    "bpp": ("bpp", 6),
    "psnr": ("psnr-rgb", 4),
    "encoding_time": ("encoding_time", 5),
    "decoding_time": ("decoding_time", 5),
}


class Measurable(Protocol):
    """What `measure` needs of a codec."""

    name: str
    description: str

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """The complete stream of a uint8 `(H, W, 3)` image."""

    def decode(self, data: bytes) -> np.ndarray:
        """uint8 `(H, W, 3)`."""


@dataclass(frozen=True)
class Curve:
    """Mean points of one codec over a set of photos, by ascending quality setting.

    Args:
        name: Of the codec.
        description: Its settings and versions.
        photos: Names of the files measured.
        quality: Settings.
        bpp: Bits a pixel of the streams.
        psnr: dB over RGB.
        encoding_time: Seconds a photo.
        decoding_time: Seconds a photo.
        codec: What identifies the codec, such as hashes of its weights.
        metrics: Further means, by their names in files.
        per_photo: Name of a photo -> metric -> its value at each quality.
        settings: What the numbers depend on beside codec and photos.
        memory: Peaks of one encoding and one decoding, see `gan_tfc.evaluation.memory`.
    """

    name: str
    description: str
    photos: tuple[str, ...]
    quality: tuple[float, ...]
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    encoding_time: tuple[float, ...]
    decoding_time: tuple[float, ...]
    codec: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    per_photo: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)

    def values(self, metric: str) -> tuple[float, ...] | None:
        """The means of a metric by its name in files; None where it was not measured."""
        names = {key: name for name, (key, _) in _LISTS.items()}
        return getattr(self, names[metric]) if metric in names else self.metrics.get(metric)

    def save(self, path) -> None:
        """Writes the JSON file, completely or not at all; see the module's docstring."""
        results = {
            key: [round(float(value), digits) for value in getattr(self, name)]
            for name, (key, digits) in _LISTS.items()
        }
        results |= {key: _rounded(values) for key, values in self.metrics.items()}
        record = {"name": self.name, "description": self.description, "results": results}
        record |= {"codec": self.codec, "photos": list(self.photos)}
        if self.per_photo:
            record["per_photo"] = {
                photo: {key: _rounded(values) for key, values in numbers.items()}
                for photo, numbers in self.per_photo.items()
            }
        record |= {key: getattr(self, key) for key in ("settings", "memory") if getattr(self, key)}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{json.dumps(record, indent=1)}\n".encode(), overwrite=True)

    @classmethod
    def load(cls, path) -> "Curve":
        """Reads a file that `save` wrote.

        Raises:
            GanTfcError: There is no such file, or it is another.
        """
        try:
            record = json.loads(Path(path).read_text())
            lists = {name: tuple(record["results"][key]) for name, (key, _) in _LISTS.items()}
            head = {name: record[name] for name in ("name", "description", "codec")}
            head |= {name: record.get(name, {}) for name in ("per_photo", "settings", "memory")}
            known = {key for key, _ in _LISTS.values()}
            metrics = {key: tuple(row) for key, row in record["results"].items() if key not in known}
            return cls(photos=tuple(record["photos"]), metrics=metrics, **head, **lists)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GanTfcError(
                f"Expected a file of results in {path}, received {type(error).__name__}: {error}; "
                "measure the codec again."
            ) from error

    def bd_rate(self, anchor: "Curve") -> float:
        """Change of rate against another curve at equal PSNR, in percent; see `bd_rate.bd_rate`.

        Raises:
            GanTfcError: The curves are of different photos, or do not overlap.
        """
        if self.photos != anchor.photos:
            raise GanTfcError(
                f"Expected {self.name} and {anchor.name} on the same photos, received "
                f"{len(self.photos)} and {len(anchor.photos)} that differ; measure both again."
            )
        return bd_rate(anchor.bpp, anchor.psnr, self.bpp, self.psnr)

    def common_psnr(self, other: "Curve") -> tuple[float, float]:
        """The interval of PSNR, in dB, that the BD-rate of the two is about."""
        return common_interval(self.psnr, other.psnr)


def _rounded(values) -> list[float]:
    """Seven significant digits: more than there is noise, for bytes and for KID alike."""
    return [float(f"{value:.7g}") for value in values]


def photos_in(folder, limit: int | None = None) -> list[Path]:
    """Photos directly in a folder, by name.

    Args:
        folder: Not searched recursively.
        limit: How many, the first ones; None for all.

    Raises:
        GanTfcError: There are none.
    """
    folder = Path(folder)
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise GanTfcError(f"Expected a folder of photos, found none in {folder}; check the path.")
    return found[:limit]


def measure(codec: Measurable, photos: Iterable[Path], qualities: Sequence[float]) -> Curve:
    """Encodes and decodes every photo at every quality.

    Args:
        codec: A `Rival`, a `PresetCodec`, or anything alike.
        photos: Paths; each is read once.
        qualities: Settings of the codec, two or more for a BD-rate.

    Returns:
        The means.

    Raises:
        GanTfcError: A decoded picture has another size than its photo.
    """
    qualities = sorted(qualities)
    names, rows = [], []
    for path in photos:
        image = read_image(path)
        if not names:
            # First calls compile and load; they are no measure of speed.
            codec.decode(codec.encode(image, qualities[0]))
        names.append(Path(path).name)
        rows.append([_point(codec, image, quality) for quality in qualities])
    if not rows:
        raise GanTfcError("Expected at least one photo, received none; check the folder.")
    bpp, decibels, encoding_time, decoding_time = np.mean(rows, axis=0).T.tolist()
    return Curve(
        name=codec.name,
        description=codec.description,
        photos=tuple(names),
        quality=tuple(qualities),
        bpp=tuple(bpp),
        psnr=tuple(decibels),
        encoding_time=tuple(encoding_time),
        decoding_time=tuple(decoding_time),
        codec=getattr(codec, "identity", {}),
    )


def _point(codec, image, quality):
    start = time.perf_counter()
    data = codec.encode(image, quality)
    middle = time.perf_counter()
    decoded = codec.decode(data)
    end = time.perf_counter()
    return file_bpp(data, image), psnr(image, decoded), middle - start, end - middle
