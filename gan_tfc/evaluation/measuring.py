# SPDX-License-Identifier: Apache-2.0
"""Curves of all metrics: streams through real files, decoded in every way that their codec offers."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import Curve, Measurable
from gan_tfc.evaluation.judge import Judge, Original
from gan_tfc.evaluation.tally import Tally
from gan_tfc.images import read_image

#: Names of numbers that have a field of their own in `Curve`, and that field.
_FIELDS = {
    "bpp": "bpp",
    "psnr-rgb": "psnr",
    "encoding_time": "encoding_time",
    "decoding_time": "decoding_time",
}


def measure_all(
    codec: Measurable,
    decoders: Mapping[str, Callable[[bytes], np.ndarray]],
    photos: Iterable[Path],
    qualities: Sequence[float],
    judge: Judge,
    scratch: Path,
    settings: Mapping | None = None,
) -> list[Curve]:
    """Encodes every photo at every quality once, and decodes the file with every decoder.

    Args:
        codec: A `Rival`, a `PresetCodec`, or anything alike.
        decoders: Name of a curve -> the function that decodes for it.
        photos: Paths; each is read once.
        qualities: Settings of the codec.
        judge: What is measured.
        scratch: Folder that each stream is written to and read back from.
        settings: Kept in the curves, such as what the judge is made of.

    Returns:
        A curve for each decoder.

    Raises:
        GanTfcError: No photo, or one that is too small for a metric.
    """
    qualities = sorted(qualities)
    tallies = {(name, quality): Tally() for name in decoders for quality in qualities}
    names = []
    for path in photos:
        original = judge.original(read_image(path))
        if not names:
            # First calls compile and load; they are no measure of speed.
            data = codec.encode(original.image, qualities[0])
            for decode in decoders.values():
                decode(data)
        names.append(Path(path).name)
        for quality in qualities:
            data, numbers = encoded(partial(codec.encode, original.image, quality), original, scratch)
            for name, decode in decoders.items():
                add_decoded(tallies[name, quality], original, decode, data, numbers)
    if not names:
        raise GanTfcError("Expected at least one photo, received none; check the folder.")
    return [
        _curve(codec, name, names, qualities, [tallies[name, q] for q in qualities], settings)
        for name in decoders
    ]


def encoded(encode: Callable[[], bytes], original: Original, scratch: Path) -> tuple[bytes, dict]:
    """A stream as it comes back from a file, with its bytes, bits a pixel and seconds."""
    start = time.perf_counter()
    data = encode()
    seconds = time.perf_counter() - start
    path = Path(scratch) / "stream"
    path.write_bytes(data)
    size = path.stat().st_size
    height, width = original.image.shape[:2]
    numbers = {"bytes": size, "bpp": 8 * size / (height * width), "encoding_time": seconds}
    return path.read_bytes(), numbers


def add_decoded(tally: Tally, original: Original, decode: Callable, data: bytes, numbers: dict) -> np.ndarray:
    """Decodes a stream, measures it, adds it to a tally, and returns the picture."""
    start = time.perf_counter()
    decoded = decode(data)
    seconds = time.perf_counter() - start
    numbers = numbers | {"decoding_time": seconds} | original.compare(decoded)
    tally.add(numbers, original.patches, original.patches_of(decoded))
    return decoded


def _curve(codec, name, photos, qualities, tallies, settings):
    means = [tally.means() for tally in tallies]
    columns = {key: tuple(row[key] for row in means) for key in means[0] if key != "bytes"}
    per_photo = {
        photo: {key: [tally.numbers[i][key] for tally in tallies] for key in tallies[0].numbers[i]}
        for i, photo in enumerate(photos)
    }
    return Curve(
        name=name,
        description=codec.description,
        photos=tuple(photos),
        quality=tuple(qualities),
        codec=getattr(codec, "identity", {}),
        metrics={key: values for key, values in columns.items() if key not in _FIELDS},
        per_photo=per_photo,
        settings=dict(settings or {}),
        **{field: columns[key] for key, field in _FIELDS.items()},
    )
