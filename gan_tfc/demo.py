# SPDX-License-Identifier: Apache-2.0
"""The codec at work on a few photos, beside JPEG at the same bytes: what `gan-tfc demo` runs."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation import metrics
from gan_tfc.evaluation.rivals import JPEG, best_within
from gan_tfc.images import read_image

#: Photos that scikit-image's wheel carries (its other ones would be downloaded).
SAMPLES = ("coffee", "astronaut", "chelsea", "rocket")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif")


@dataclass(frozen=True)
class Measured:
    """Numbers of one photo: ours, and those of JPEG within as many bytes.

    Attributes:
        name: of the photo.
        width, height: in pixels.
        bytes: of the `.gtc` file, header included.
        bpp: the same in bits a pixel.
        psnr: of the decoded picture in dB, at realism 1.
        psnr_realism_0: the same at realism 0, or None where the preset does not know realism.
        compress_ms, decompress_ms: pixels to bytes and back, milliseconds, once, after a warm-up.
        jpeg_bytes: at the highest JPEG quality that takes at most `bytes`; at quality 1, and more
            than `bytes`, where no quality does.
        jpeg_quality: that quality.
        jpeg_psnr: in dB.
    """

    name: str
    width: int
    height: int
    bytes: int
    bpp: float
    psnr: float
    psnr_realism_0: float | None
    compress_ms: float
    decompress_ms: float
    jpeg_bytes: int
    jpeg_quality: int
    jpeg_psnr: float

    def record(self) -> dict:
        """As a dict for JSON."""
        return {
            key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()
        }


def photos(inputs: Sequence[str]) -> list[tuple[str, Callable[[], np.ndarray]]]:
    """Names of photos, each with a function that reads it as uint8 `(H, W, 3)`.

    Args:
        inputs: files and folders (their pictures, not those of folders below); empty for samples.

    Raises:
        GanTfcError: scikit-image is needed and missing, a folder has no pictures, or two photos
            have the same name.
    """
    if not inputs:
        return list(_samples())
    paths = []
    for path in map(Path, inputs):
        if not path.is_dir():
            paths.append(path)
            continue
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not found:
            raise GanTfcError(
                f"expected photos in {str(path)!r}, but it holds no {', '.join(SUFFIXES)}: name "
                "another folder."
            )
        paths += found
    names = [path.stem for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise GanTfcError(
                f"two photos are called {name!r}, and results are named after them: rename one."
            )
    return [(path.stem, lambda path=path: read_image(path)) for path in paths]


def _samples() -> Iterator[tuple[str, Callable]]:
    try:
        from skimage import data
    except ImportError as error:
        raise GanTfcError(
            f"the sample photos come with scikit-image ({error}): pip install 'gan_tfc[demo]', or "
            "name photos of your own."
        ) from error
    for name in SAMPLES:
        yield name, lambda name=name: read_image(getattr(data, name)())


def warm_up(codec) -> None:
    """Loads and compiles what the first pictures would wait for."""
    # Two sizes: the first is compiled as it is, the second for all sizes.
    for side in (64, 128):
        codec.decompress(codec.compress(np.full((side, side, 3), 99, np.uint8), 50))


def measure(codec, name: str, image: np.ndarray, quality: float, write: Callable) -> tuple:
    """Compress, write, read, decode and compare one photo.

    Args:
        codec: warmed up.
        name: of the photo.
        image: uint8 `(H, W, 3)`.
        quality: 1 to 100.
        write: takes the stream, and returns the path of the file that now holds it.

    Returns:
        Its `Measured`, our decoded picture, the same at realism 0 or None, and JPEG's.
    """
    start = time.perf_counter()
    data = codec.compress(image, quality)
    compressed = time.perf_counter()
    data = Path(write(data)).read_bytes()
    read = time.perf_counter()
    decoded = codec.decompress(data)
    end = time.perf_counter()
    faithful = codec.decompress(data, realism=0) if codec.model.texture_features else None
    jpeg_quality, jpeg_data = jpeg_within(image, len(data))
    jpeg = np.array(Image.open(io.BytesIO(jpeg_data)))
    height, width = image.shape[:2]
    measured = Measured(
        name=name,
        width=width,
        height=height,
        bytes=len(data),
        bpp=metrics.file_bpp(data, image),
        psnr=psnr(image, decoded),
        psnr_realism_0=None if faithful is None else psnr(image, faithful),
        compress_ms=1000 * (compressed - start),
        decompress_ms=1000 * (end - read),
        jpeg_bytes=len(jpeg_data),
        jpeg_quality=jpeg_quality,
        jpeg_psnr=psnr(image, jpeg),
    )
    return measured, decoded, faithful, jpeg


def jpeg_within(image: np.ndarray, max_bytes: int) -> tuple[int, bytes]:
    """The best JPEG file (Pillow, 4:2:0, optimised Huffman tables) of at most `max_bytes`.

    Returns:
        Quality 1..100 and the file; quality 1 when even that is larger.
    """
    qualities = {}

    def encode(quality):
        data = JPEG.encode(image, quality)
        qualities[data] = quality
        return data

    data = best_within(encode, max_bytes, lowest=1)
    return qualities[data], data


def psnr(image: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays; 99, not inf, for equal ones (JSON)."""
    return min(99.0, metrics.psnr(image, decoded))
