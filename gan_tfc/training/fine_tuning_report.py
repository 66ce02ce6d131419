# SPDX-License-Identifier: Apache-2.0
"""What fine-tuning did, on photos that it did not train on."""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class QualityRow:
    """One quality, over all held-out photos: bytes of a stream, PSNR in dB at realism 0.

    Attributes:
        quality: 1 to 100.
        bytes_before, bytes_after: mean of the streams; equal when only the decoder was trained.
        before, after: mean PSNR.
        gain: mean gain in dB, at equal bytes.
        worst_before, worst_after: PSNR of the photo that has the lowest.
        least_gain: gain of the photo that gained least.
    """

    quality: float
    bytes_before: float
    bytes_after: float
    before: float
    after: float
    gain: float
    worst_before: float
    worst_after: float
    least_gain: float


@dataclass(frozen=True)
class TuningReport:
    """What all kinds of fine-tuning tell.

    Attributes:
        improved: whether the codec was changed; otherwise it is as it was.
        rows: one for each quality, with `gain` and `least_gain`.
        trained, held_out: numbers of photos.
        steps, seconds: of training.
        factor: of the fine-tuned weights in the result, the rest being the original ones.
        streams: sentence on what became of streams.
    """

    improved: bool
    rows: tuple
    trained: int
    held_out: int
    steps: int
    seconds: float
    factor: float
    streams: str

    @property
    def gain(self) -> float:
        """Mean gain on held-out photos, in the unit of the rows."""
        return float(np.mean([row.gain for row in self.rows]))

    @property
    def least_gain(self) -> float:
        """Of all held-out photos at all qualities, in the unit of the rows."""
        return min(row.least_gain for row in self.rows)

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"gain": self.gain, "least_gain": self.least_gain}

    def closing(self) -> list[str]:
        """The last lines of the text."""
        stays = ["nothing improved on the held-out photos: the codec stays as it was"]
        return [self.streams] + (stays if not self.improved else [])


@dataclass(frozen=True)
class FineTuning(TuningReport):
    """Result of `gan_tfc.codec.Codec.fine_tune`; rows are of `QualityRow`, gains in dB.

    Attributes:
        realism: None, or at realism 1 the mean PSNR `before` and `after`, and `alike`, that of the
            picture after to the one before.
    """

    realism: dict | None = None

    def facts(self) -> dict:
        """For a preset's metadata."""
        return {
            "photos": self.trained,
            "held_out_photos": self.held_out,
            "gain_db": round(self.gain, 3),
            "least_gain_db": round(self.least_gain, 3),
            "rows": rounded(self.rows),
        }

    def __str__(self):
        head = f"{self.held_out} held-out photos, PSNR at realism 0 in dB"
        lines = [
            head,
            "quality   bytes before  after   mean before  after    gain   worst before  after  least gain",
        ]
        for row in self.rows:
            lines.append(
                f"{row.quality:7g} {row.bytes_before:14.0f} {row.bytes_after:6.0f} {row.before:13.2f} "
                f"{row.after:6.2f} {row.gain:+7.3f} {row.worst_before:14.2f} {row.worst_after:6.2f} "
                f"{row.least_gain:+11.3f}"
            )
        if self.realism:
            lines.append(
                "at realism 1: mean PSNR {before:.2f} before, {after:.2f} after; the pictures after are at "
                "{alike:.1f} dB from those before".format(**self.realism)
            )
        return "\n".join(lines + self.closing())


def rounded(rows) -> list[dict]:
    """Rows as dicts, to three digits after the point."""
    return [{key: round(value, 3) for key, value in asdict(row).items()} for row in rows]


def make_rows(qualities, sizes_before, sizes_after, before, after, gains) -> tuple[QualityRow, ...]:
    """Rows of arrays `(photos, qualities)`."""
    return tuple(
        QualityRow(
            float(quality),
            float(sizes_before[:, i].mean()),
            float(sizes_after[:, i].mean()),
            float(before[:, i].mean()),
            float(after[:, i].mean()),
            float(gains[:, i].mean()),
            float(before[:, i].min()),
            float(after[:, i].min()),
            float(gains[:, i].min()),
        )
        for i, quality in enumerate(qualities)
    )
