# SPDX-License-Identifier: Apache-2.0
"""The whole evaluation of some presets and rivals on a folder of photos, step by step.

What is finished lies in a folder: an interrupted evaluation continues, and a further preset does not
cost the rivals again. A curve is taken from there only if codec, photos, qualities and metrics are the
same.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.crops import BlindRow, blind_boxes, cropped
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.judge import Judge
from gan_tfc.evaluation.matching import Contender, match
from gan_tfc.evaluation.measuring import measure_all
from gan_tfc.evaluation.memory import codec_memory
from gan_tfc.evaluation.report_tables import SPEED_BPP
from gan_tfc.images import picture_size

#: Rates that codecs are compared at, photo by photo; crops are taken at the blind one.
MATCHED_BPP = (0.15, 0.24, 0.5)
BLIND_BPP, BLIND_ROWS, BLIND_RIVALS = 0.24, 12, ("JPEG", "WebP")


@dataclass
class Suite:
    """What the steps share.

    Args:
        photos: Paths.
        judge: Metrics.
        results: Folder of curves.
        scratch: Folder for streams.
        track: Iterable and title -> the same iterable, with a progress bar.
    """

    photos: list[Path]
    judge: Judge
    results: Path
    scratch: Path
    track: Callable[[Sequence, str], Iterable] = lambda items, title: items

    def __post_init__(self):
        self._sizes = {}
        for path in self.photos:
            width, height = picture_size(path)
            if min(width, height) < self.judge.smallest_side:
                raise GanTfcError(
                    f"Expected photos with sides of at least {self.judge.smallest_side} pixels, but "
                    f"{path} has {width}x{height}; take it out of the folder, or choose smaller patches."
                )
        self.settings = {
            "photos_sha256": _digest(self.photos),
            "perceptual": self.judge.lpips.network if self.judge.lpips else None,
            "features": self.judge.patch_features.name if self.judge.patch_features else None,
            "patch": self.judge.patch_features.size if self.judge.patch_features else None,
        }

    def curves(self, contender: Contender) -> list[Curve]:
        """The curves of a codec, one for each decoder: kept ones, otherwise measured and kept."""
        found = [self._kept(contender, name) for name in contender.decoders]
        if not all(found):
            found = self._measured(contender)
        self._sizes[contender.codec.name] = {
            photo: list(zip(found[0].quality, numbers["bytes"], strict=True))
            for photo, numbers in found[0].per_photo.items()
        }
        return found

    def _measured(self, contender):
        found = measure_all(
            contender.codec,
            contender.decoders,
            self.track(self.photos, contender.codec.name),
            contender.qualities,
            self.judge,
            self.scratch,
            self.settings,
        )
        nearest = int(np.argmin(np.abs(np.log(np.divide(found[0].bpp, SPEED_BPP)))))
        memory = codec_memory(contender.source, self.photos[0], found[0].quality[nearest])
        for curve in found:
            replace(curve, memory=memory).save(self._path(curve.name))
        # As they will be read again, so that a report from kept curves says the same to the last digit.
        return [Curve.load(self._path(curve.name)) for curve in found]

    def matched(self, contenders: Sequence[Contender]) -> tuple[dict[float, list[dict]], list[BlindRow]]:
        """Rows at equal sizes by rate, and crops; sizes are those of the first contender."""
        ours, *others = contenders
        names = {name for contender in others for name in contender.decoders}
        shown = [*ours.decoders][-1:] + [name for name in BLIND_RIVALS if name in names]
        crops = _Crops(shown if len(shown) > 1 else [], _shares(len(self.photos)))
        rows = {}
        for bpp in MATCHED_BPP:
            photos = self.track(self.photos, f"all at {bpp:g} bpp")
            keep = crops.keep if bpp == BLIND_BPP else None
            found = match(ours, others, photos, bpp, self.judge, self.scratch, keep, self._sizes)
            rows[bpp] = [row.record() for row in found]
        return rows, crops.shuffled()

    def _kept(self, contender, name):
        path = self._path(name)
        if not path.is_file():
            return None
        curve = Curve.load(path)
        same = (
            curve.description == contender.codec.description
            and curve.codec == getattr(contender.codec, "identity", {})
            and curve.photos == tuple(path.name for path in self.photos)
            and curve.quality == tuple(sorted(contender.qualities))
            and curve.settings == self.settings
        )
        return curve if same else None

    def _path(self, name):
        stem = "".join(c if c.isalnum() or c in "._" else "-" for c in name.lower())
        return self.results / f"{stem}.json"


class _Crops:
    """Collects crops of the codecs shown while they are measured."""

    def __init__(self, shown, shares):
        self.shown, self.shares = shown, iter(shares)
        self.rows: list[BlindRow] = []
        self._photo, self._current = None, []

    def keep(self, path, image, name, decoded, size):
        """A decoded picture; see `match`."""
        if path != self._photo:
            self._photo = path
            boxes = blind_boxes(image, next(self.shares)) if self.shown else []
            self._current = [BlindRow(path.name, box, cropped(image, box).copy()) for box in boxes]
            self.rows += self._current
        if name in self.shown:
            for row in self._current:
                row.crops.append((name, cropped(decoded, row.box).copy(), size))

    def shuffled(self):
        return [row.shuffled() for row in self.rows[:BLIND_ROWS]]


def _shares(photos: int) -> list[int]:
    """How many crops each photo gives: the same, or one for evenly spread photos where they suffice."""
    if photos <= BLIND_ROWS:
        return [math.ceil(BLIND_ROWS / photos)] * photos
    chosen = {k * photos // BLIND_ROWS for k in range(BLIND_ROWS)}
    return [int(k in chosen) for k in range(photos)]


def _digest(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
