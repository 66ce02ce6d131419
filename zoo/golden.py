# SPDX-License-Identifier: Apache-2.0
"""Golden files: streams of a preset with everything that decoding them must give, for ever.

    golden/input.png      the picture
    golden/q<Q>.gtc       its stream at quality Q
    golden/q<Q>.png       the decoded picture
    golden/symbols.npz    int32, for each Q: q<Q>/level_<i>, values of level i in 1/4 step,
                          `(H/2, W/2, 9)`; q<Q>/picture, base picture in 1/64 step, `(H, W, 3)`

Symbols are integers and equal on every machine. Pixels come out of a float network and may differ
by rounding, so the decoded picture may be off by 1 of 255. Streams are decoded and never written
again: another machine's encoder may choose a few other symbols, which is no fault, but the picture
compressed anew must have about the bytes and the PSNR of the golden streams.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gan_tfc.codec import Codec
from gan_tfc.errors import GanTfcError, ImageError, PresetError
from gan_tfc.files import write_atomically
from gan_tfc.folders import new_folder
from gan_tfc.images import read_image, write_image
from gan_tfc.streams import describe

FOLDER, INPUT, SYMBOLS = "golden", "input.png", "symbols.npz"
#: Of the picture. Everyone who loads the preset from a zoo fetches its golden files, about 8 bytes of
#: them for each pixel and quality.
MAX_PIXELS = 256 * 256
#: Largest difference of a decoded picture, of 255.
PIXEL_TOLERANCE = 1
#: Of the picture compressed anew: of so small a stream a few other symbols are a few bytes.
BYTES_TOLERANCE, SHARE_TOLERANCE, PSNR_TOLERANCE = 16, 0.01, 0.05


def make_golden(codec: Codec, folder, image, qualities: Iterable[float]) -> None:
    """Write golden files of a preset that is about to be released, all of them or none.

    Args:
        codec: with frozen tables, name and version.
        folder: the preset's `golden` folder; made here, or empty.
        image: what `read_image` takes, of at most `MAX_PIXELS`.
        qualities: of the streams, 1 to 100; a repeated one counts once.

    Raises:
        PresetError: the folder holds files already: golden files are never made anew.
        ImageError: no picture, or one too large to ship.
        GanTfcError: the folder cannot be written.
    """
    check_free(folder)
    image = _read_small(image)
    with new_folder(folder) as made:
        _write(codec, made, image, qualities)


def check_free(folder) -> None:
    """Raises `PresetError` where there are golden files already: they are never made anew."""
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise PresetError(
            f"Expected an empty folder, but {folder} holds files; golden files are never made anew, a "
            "fix is the next version."
        )


def _read_small(source):
    image = read_image(source)
    height, width = image.shape[:2]
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"Expected a picture of at most {MAX_PIXELS} pixels, such as 256x256, for it ships with its "
            f"streams to everyone who loads the preset, received {width}x{height}; take a part of it."
        )
    return image


def _write(codec, folder, image, qualities):
    write_image(folder / INPUT, image)
    symbols = {}
    for name, quality in sorted({f"q{quality:g}": quality for quality in qualities}.items()):
        data = codec.compress(image, quality)
        write_atomically(folder / f"{name}.gtc", data)
        write_image(folder / f"{name}.png", codec.decompress(data))
        symbols |= {f"{name}/{key}": value for key, value in _symbols(codec, data).items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **symbols)
    write_atomically(folder / SYMBOLS, buffer.getvalue())


def check_golden(codec: Codec, folder) -> list[str]:
    """Decode golden streams and compare symbols exactly, pixels within `PIXEL_TOLERANCE`.

    Args:
        codec: the preset as it is installed here.
        folder: its `golden` folder.

    Returns:
        A sentence for each difference; empty when all is as it was released.
    """
    folder = Path(folder)
    try:
        # Opened here: NumPy leaves a file open that turns out to be none of its own.
        with open(folder / SYMBOLS, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            expected = dict(arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return [f"expected golden symbols in {folder / SYMBOLS}, which cannot be read ({error})."]
    names = sorted({key.partition("/")[0] for key in expected})
    extra = sorted({path.stem for path in folder.glob("q*.gtc")} - set(names))
    problems = [f"{folder / name}.gtc has no golden symbols." for name in extra]
    if not names:
        problems.append(f"{folder / SYMBOLS} is empty.")
    for name in names:
        try:
            problems += _check_stream(codec, folder / name, expected)
        except (GanTfcError, OSError) as error:
            problems.append(f"{folder / name}.gtc does not decode: {error}")
    return problems


def check_points(codec: Codec, folder) -> list[str]:
    """Compress the golden picture again, and compare bytes and PSNR with those of the golden streams.

    Args:
        codec: the preset as it is installed here.
        folder: its `golden` folder, which passes `check_golden`.

    Returns:
        A sentence for each difference beyond the tolerances above.
    """
    image = read_image(Path(folder) / INPUT)
    problems = []
    for path in sorted(Path(folder).glob("q*.gtc")):
        golden = path.read_bytes()
        expected = _psnr(image, read_image(path.with_suffix(".png")))
        data = codec.compress(image, describe(golden)["quality"])
        found = _psnr(image, codec.decompress(data))
        allowed = max(BYTES_TOLERANCE, SHARE_TOLERANCE * len(golden))
        if abs(len(data) - len(golden)) > allowed or abs(found - expected) > PSNR_TOLERANCE:
            problems.append(
                f"{Path(folder) / INPUT}, compressed as {path.name}, has {len(data)} bytes and "
                f"{found:.2f} dB, expected {len(golden)} and {expected:.2f}."
            )
    return problems


def _psnr(image, decoded) -> float:
    error = float(np.mean(np.square(image.astype(float) - decoded)))
    return 10 * math.log10(255**2 / max(error, 1e-10))


def _check_stream(codec, path, expected):
    data = path.with_name(f"{path.name}.gtc").read_bytes()
    found = {f"{path.name}/{key}": value for key, value in _symbols(codec, data).items()}
    wanted = {key: value for key, value in expected.items() if key.startswith(f"{path.name}/")}
    problems = [
        f"{path}.gtc: {key.partition('/')[2]} differs from its golden symbols."
        for key in sorted({*found, *wanted})
        if not np.array_equal(found.get(key), wanted.get(key))
    ]
    golden = read_image(path.with_name(f"{path.name}.png")).astype(int)
    decoded = codec.decompress(data).astype(int)
    if golden.shape != decoded.shape:
        problems.append(f"{path}.gtc: decoded to shape {decoded.shape}, expected {golden.shape}.")
    elif (difference := int(np.abs(golden - decoded).max())) > PIXEL_TOLERANCE:
        problems.append(
            f"{path}.gtc: decoded pixels differ by up to {difference} from {path.name}.png, "
            f"expected at most {PIXEL_TOLERANCE}."
        )
    return problems


def _symbols(codec, data):
    """What must be equal, by the names in `symbols.npz`."""
    *_, last = steps = codec.symbols(data)
    found = {f"level_{s.level}": s.values.astype(np.int32) for s in steps if s.values is not None}
    return found | {"picture": last.picture.astype(np.int32)}
