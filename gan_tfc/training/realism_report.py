# SPDX-License-Identifier: Apache-2.0
"""What fine-tuning of realism did, at realism 1, on photos that it did not train on."""

from dataclasses import dataclass

from gan_tfc.training.fine_tuning_report import TuningReport, rounded


@dataclass(frozen=True)
class RealismRow:
    """One quality, over all held-out photos, at realism 1.

    Attributes:
        quality: 1 to 100.
        bytes: mean of the streams, which stay.
        before, after: mean distance of the textures, see `gan_tfc.training.texture_distance`.
        gain: how much of it is gone, in percent.
        least_gain: of the photo that gained least, in percent of the same mean.
        psnr_before, psnr_after: mean PSNR in dB.
        least_psnr_gain: of the photo that lost most, in dB.
    """

    quality: float
    bytes: float
    before: float
    after: float
    gain: float
    least_gain: float
    psnr_before: float
    psnr_after: float
    least_psnr_gain: float


@dataclass(frozen=True)
class RealismFineTuning(TuningReport):
    """Result of `gan_tfc.codec.Codec.fine_tune` with ``realism=True``.

    Rows are of `RealismRow`, gains in percent, and the sentence on streams speaks of realism 0, too.
    """

    @property
    def least_psnr_gain(self) -> float:
        """Of all held-out photos at all qualities, dB at realism 1."""
        return min(row.least_psnr_gain for row in self.rows)

    def facts(self) -> dict:
        """For a preset's metadata."""
        return {
            "trained": "realism",
            "photos": self.trained,
            "held_out_photos": self.held_out,
            "texture_gain_percent": round(self.gain, 2),
            "least_texture_gain_percent": round(self.least_gain, 2),
            "least_psnr_gain_db": round(self.least_psnr_gain, 3),
            "rows": rounded(self.rows),
        }

    def __str__(self):
        lines = [
            f"{self.held_out} held-out photos at realism 1: distance of textures, and PSNR in dB",
            "quality   bytes   textures before  after    gain  least gain   PSNR before  after  least gain",
        ]
        for row in self.rows:
            lines.append(
                f"{row.quality:7g} {row.bytes:7.0f} {row.before:17.3f} {row.after:6.3f} {row.gain:+6.1f}% "
                f"{row.least_gain:+10.1f}% {row.psnr_before:13.2f} {row.psnr_after:6.2f} "
                f"{row.least_psnr_gain:+11.2f}"
            )
        return "\n".join(lines + self.closing())


def make_rows(qualities, sizes, before, after, gains) -> tuple[RealismRow, ...]:
    """Rows of arrays `(photos, qualities)`; before and after are pairs of distance and PSNR."""
    return tuple(
        RealismRow(
            float(quality),
            float(sizes[:, i].mean()),
            float(before[0][:, i].mean()),
            float(after[0][:, i].mean()),
            float(gains[:, i].mean()),
            float(gains[:, i].min()),
            float(before[1][:, i].mean()),
            float(after[1][:, i].mean()),
            float((after[1] - before[1])[:, i].min()),
        )
        for i, quality in enumerate(qualities)
    )
