# SPDX-License-Identifier: Apache-2.0
"""Published rate-distortion curves of other codecs on the Kodak photos, read from one JSON file.

    {"dataset": ..., "curves": {KEY: {"name": ..., "family": ..., "source": ..., "points":
     [{"bpp": ..., "psnr_rgb": ..., "ms_ssim": ..., "lpips": ...}, ...]}}}

Points are means over the 24 photos at one setting; a curve may lack a metric.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from gan_tfc.errors import GanTfcError

_KEYS = {"psnr_rgb": "psnr-rgb", "ms_ssim": "ms-ssim-rgb", "lpips": "lpips"}

#: Curves that a figure names, and how; the others are there for the picture as a whole.
NAMED = {
    "compressai/vtm": "VTM (H.266)",
    "compressai/jpeg2000": "JPEG 2000",
    "tfc/bpg444": "BPG 4:4:4",
    "compressai/mbt2018-mean-vbr-ans": "Mean-scale hyperprior",
    "compressai/paper-elic2022_mse": "ELIC",
    "hific/kodak": "HiFiC",
    "msillm/kodak": "MS-ILLM",
}

#: Their "LPIPS" is of another network: its values do not compare with AlexNet's.
_OTHER_LPIPS = ("shallow-ntc/",)


@dataclass(frozen=True)
class PublishedCurve:
    """One method.

    Attributes:
        key: In the file.
        name: For figures.
        family: "classical", "learned", "gan", ...
        source: Where the points were published.
        points: Metric under its name in result files -> bits a pixel, ascending, and values.
    """

    key: str
    name: str
    family: str
    source: str
    points: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]

    @property
    def named(self) -> bool:
        """Whether figures name it."""
        return self.key in NAMED


def read_published(path) -> list[PublishedCurve]:
    """The curves of a file, without those that it calls suspect.

    Raises:
        GanTfcError: There is no such file, or it is another.
    """
    try:
        records = json.loads(Path(path).read_text(encoding="utf-8"))["curves"]
        return [_curve(key, record) for key, record in records.items() if not record.get("suspect")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GanTfcError(
            f"Expected a file of published curves in {path}, received {type(error).__name__}: {error}; "
            "leave out --published, or name another file."
        ) from error


def _curve(key, record):
    points = {}
    for field, metric in _KEYS.items():
        if metric == "lpips" and key.startswith(_OTHER_LPIPS):
            continue
        pairs = sorted((p["bpp"], p[field]) for p in record["points"] if field in p)
        if len(pairs) > 1:
            points[metric] = tuple(zip(*pairs, strict=True))
    name = NAMED.get(key, record["name"])
    return PublishedCurve(key, name, record["family"], record.get("source", ""), points)
