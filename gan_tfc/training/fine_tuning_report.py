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
class FineTuning:
    """Result of `gan_tfc.codec.Codec.fine_tune`.

    Attributes:
        improved: whether the codec was changed; otherwise it is as it was.
        rows: a `QualityRow` for each quality.
        trained, held_out: numbers of photos.
        steps, seconds: of training.
        factor: of the fine-tuned weights in the result, the rest being the original ones.
        realism: None, or at realism 1 the mean PSNR `before` and `after`, and `alike`, that of the
            picture after to the one before.
        streams: sentence on streams.
    """

    improved: bool
    rows: tuple[QualityRow, ...]
    trained: int
    held_out: int
    steps: int
    seconds: float
    factor: float
    realism: dict | None
    streams: str

    @property
    def gain(self) -> float:
        """Mean gain on held-out photos, dB."""
        return float(np.mean([row.gain for row in self.rows]))

    @property
    def least_gain(self) -> float:
        """Of all held-out photos at all qualities, dB."""
        return min(row.least_gain for row in self.rows)

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"gain": self.gain, "least_gain": self.least_gain}

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
        lines.append(self.streams)
        if not self.improved:
            lines.append("nothing improved on the held-out photos: the codec stays as it was")
        return "\n".join(lines)


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
