# SPDX-License-Identifier: Apache-2.0
"""Codecs at equal file size: each photo by each codec in at most the bytes that ours takes.

A codec that cannot write so small a file gives its smallest, and `too_large` counts the photos that
this happened to: its row then is of more bytes than ours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from gan_tfc.evaluation.judge import Judge
from gan_tfc.evaluation.measuring import add_decoded, encoded
from gan_tfc.evaluation.tally import Tally
from gan_tfc.images import read_image


@dataclass(frozen=True)
class Contender:
    """A codec that takes part.

    Attributes:
        codec: A `Rival` or a `PresetCodec`.
        decoders: Functions that decode its streams, by the names that their results get.
        qualities: Settings for its curve.
        source: Its name for `gan_tfc.evaluation.memory.codec_memory`.
    """

    codec: object
    decoders: Mapping[str, Callable[[bytes], np.ndarray]]
    qualities: Sequence[float] = ()
    source: str = ""


@dataclass
class Row:
    """One decoder of one codec at one size.

    Attributes:
        name: Of the decoder.
        numbers: Means over the photos, under the names of result files.
        too_large: Photos whose smallest file is larger than asked for.
    """

    name: str
    numbers: dict = field(default_factory=dict)
    too_large: int = 0

    def record(self) -> dict:
        """As a dict for JSON."""
        rounded = {key: float(f"{value:.7g}") for key, value in self.numbers.items()}
        return {"name": self.name, "too_large": self.too_large, **rounded}


def match(
    ours: Contender,
    others: Iterable[Contender],
    photos: Iterable[Path],
    target_bpp: float,
    judge: Judge,
    scratch: Path,
    keep: Callable | None = None,
    sizes: Mapping | None = None,
) -> list[Row]:
    """Measures all codecs at the bytes of ours, photo by photo.

    Args:
        ours: Takes at most `target_bpp`, or its smallest stream, which then is the size for all.
        others: Take at most as many bytes as ours.
        photos: Paths.
        target_bpp: Bits a pixel.
        judge: What is measured.
        scratch: Folder for streams.
        keep: Called with path, original, name of the decoder, decoded picture and bytes.
        sizes: Name of a codec -> name of a photo -> pairs of quality and bytes that are known already.

    Returns:
        A row for each decoder, ours first.
    """
    contenders = [ours, *others]
    tallies = {name: Tally() for contender in contenders for name in contender.decoders}
    too_large = dict.fromkeys(tallies, 0)
    for path in photos:
        original = judge.original(read_image(path))
        height, width = original.image.shape[:2]
        limit = int(target_bpp * height * width / 8)
        for contender in contenders:
            known = (sizes or {}).get(contender.codec.name, {}).get(Path(path).name, ())
            encode = partial(contender.codec.encode_within, original.image, limit, known)
            data, numbers = encoded(encode, original, scratch)
            for name, decode in contender.decoders.items():
                decoded = add_decoded(tallies[name], original, decode, data, numbers)
                too_large[name] += len(data) > limit
                if keep:
                    keep(path, original.image, name, decoded, len(data))
            if contender is ours:
                limit = len(data)
    return [Row(name, _without_times(tally.means()), too_large[name]) for name, tally in tallies.items()]


def _without_times(numbers):
    # The search for a size is no measure of how long an encoder takes.
    return {key: value for key, value in numbers.items() if key != "encoding_time"}
