# SPDX-License-Identifier: Apache-2.0
"""Any picture to the one kind that the codec takes, uint8 RGB, and back to a file."""

import io
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_tfc.errors import GanTfcError, ImageError
from gan_tfc.files import write_atomically
from gan_tfc.pil_images import (
    ImageWarning,
    check_size,
    flattened_on_white,
    pil_to_rgb,
    scaled_to_8_bits,
)

__all__ = ["WRITE_FORMATS", "ImageWarning", "picture_size", "read_image", "write_image"]

WRITE_FORMATS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
}


def read_image(source: Any) -> np.ndarray:
    """Reads a picture from wherever it is.

    Args:
        source: One of
            - an array of uint8 or uint16 (the full range of either is black to white), or any
              object with `__array__`, such as a tensor, of that dtype; `(H, W)` and `(H, W, 1)`
              are grey, `(H, W, 3)` RGB, `(H, W, 4)` RGB and alpha;
            - a PIL image of any mode, at its current frame;
            - the path of a picture file, or a file object opened in binary mode, in any format
              that Pillow reads except EPS (which Pillow hands to another program).
            Modes "I;16" and "I" hold 0..65535 and are divided by 257; mode "F" holds 0..255.
            Transparent parts become white.

    Returns:
        RGB, `(H, W, 3)`, uint8, C-contiguous; an array that was already so is returned itself.

    Raises:
        ImageError: The source is no picture, is damaged, is empty or larger than a stream may be
            (65536 a side, 2^28 pixels), or holds values whose range is not certain (floats).
    """
    if isinstance(source, Image.Image):
        return _guarded(pil_to_rgb, source, "this PIL image")
    if isinstance(source, str | os.PathLike):
        return _guarded(_from_file, source, repr(os.fspath(source)))
    if isinstance(source, bytes | bytearray | memoryview):
        raise ImageError(
            "expected an array, a PIL image, a path or a binary file object, but "
            f"{type(source).__name__} came: for the bytes of a picture file pass io.BytesIO(data)."
        )
    if hasattr(source, "read"):
        return _guarded(_from_file, source, "this file object")
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return _from_array(_as_array(source))
    raise ImageError(
        "expected an array, a PIL image, a path or a binary file object, but an object of type "
        f"{type(source).__name__} came: pass np.asarray(image, dtype=np.uint8)."
    )


def picture_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a picture file in pixels, from its header alone.

    Raises:
        ImageError: It is missing, unreadable or no picture.
    """
    return _guarded(_size_of_file, path, repr(os.fspath(path)))


def write_image(path: str | os.PathLike, image: Any, overwrite: bool = False) -> None:
    """Writes a picture file, completely or not at all.

    Args:
        path: The file; `.png` and `.webp` keep every pixel, `.jpg` and `.jpeg` are written at
            quality 95 without chroma subsampling.
        image: What `read_image` takes, usually the uint8 `(H, W, 3)` array of `decompress`.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ImageError: Another suffix, a picture too large for the format, or as `write_atomically`.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in WRITE_FORMATS:
        raise ImageError(
            f"a picture is written as one of {', '.join(WRITE_FORMATS)}, but {os.fspath(path)!r} "
            "came: change its ending."
        )
    file_format, options = WRITE_FORMATS[suffix]
    encoded = io.BytesIO()
    picture = Image.fromarray(read_image(image))
    try:
        picture.save(encoded, format=file_format, **options)
    except Exception as error:  # Pillow's encoders raise many classes, as its decoders do.
        raise ImageError(
            f"a picture of {picture.width} x {picture.height} does not go into {file_format} "
            f"({error}): write it as .png."
        ) from error
    try:
        write_atomically(path, encoded.getvalue(), overwrite)
    except GanTfcError as error:
        raise ImageError(str(error)) from error


def _guarded(read: Callable[[Any], np.ndarray], source: Any, name: str) -> np.ndarray:
    """Runs a reader with every failure of Pillow turned into one sentence about `name`."""
    try:
        return read(source)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error.__cause__
    except FileNotFoundError as error:
        raise ImageError(f"there is no file {name}: check the path.") from error
    except IsADirectoryError as error:
        raise ImageError(f"{name} is a folder: pass the path of one picture in it.") from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read: change its permissions.") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture in any format that Pillow reads: convert it to PNG or JPEG."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} is larger than Pillow takes from strangers ({error}): if you trust it, raise "
            "PIL.Image.MAX_IMAGE_PIXELS."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory: pass a smaller picture.") from error
    except Warning:  # Under `python -W error` a warning is not damage.
        raise
    except Exception as error:  # For damaged files Pillow's decoders raise nearly any class.
        if getattr(error, "strerror", None):  # From the operating system; Pillow's have none.
            raise ImageError(f"cannot read {name} ({error.strerror}): check the path.") from error
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name} is damaged ({reason}): fetch it again.") from error


def _from_file(source: Any) -> np.ndarray:
    if isinstance(source, io.TextIOBase):
        raise ImageError("expected a file opened in binary mode, text came: open it with 'rb'.")
    # On some systems opening a folder is a PermissionError.
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        raise IsADirectoryError
    with _quiet_about_bombs:
        image = Image.open(source)
    with image:
        return pil_to_rgb(image)


def _size_of_file(path):
    with _quiet_about_bombs:
        image = Image.open(path)
    with image:
        return image.size


class _QuietAboutBombs:
    """Silences Pillow's warning above 89 million pixels: the limit here is `MAX_PIXELS`.

    `warnings.catch_warnings` changes global state, hence the lock; only file headers are read
    under it.
    """

    def __init__(self):
        self.lock = threading.Lock()

    def __enter__(self):
        self.lock.acquire()
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)

    def __exit__(self, *exception):
        self.caught.__exit__(*exception)
        self.lock.release()


_quiet_about_bombs = _QuietAboutBombs()


def _as_array(source: Any) -> np.ndarray:
    try:
        return np.asarray(source)
    except Exception as error:  # Every framework has its own class, and its own text, for this.
        raise ImageError(
            f"this {type(source).__name__} has no values that NumPy can read: pass a concrete "
            "uint8 array, such as `tensor.numpy()`."
        ) from error


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        mend = {
            "f": "for values in 0 to 1 pass (image * 255).round().astype('uint8')",
            "b": "pass image.astype('uint8') * 255",
        }.get(array.dtype.kind, "for values in 0 to 255 pass image.astype('uint8')")
        raise ImageError(f"an image array is uint8, but {array.dtype} came: {mend}.")
    if array.ndim == 4 and array.shape[0] == 1:
        raise ImageError(f"an image has no batch axis, but shape {array.shape} came: pass image[0].")
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"the last axis of an image is its channels, but shape {array.shape} came: pass "
            "np.moveaxis(image, 0, -1)."
        )
    if array.ndim not in (2, 3) or array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        raise ImageError(
            "an image array has shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), but "
            f"{array.shape} came: pass one picture with its channels last."
        )
    check_size(array.shape[1], array.shape[0])
    if array.dtype.itemsize == 2:
        array = scaled_to_8_bits(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        rgba = Image.fromarray(np.ascontiguousarray(array))
        array = np.array(flattened_on_white(rgba.convert("RGB"), rgba.getchannel("A")))
    return np.ascontiguousarray(array)
