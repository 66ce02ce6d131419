# SPDX-License-Identifier: Apache-2.0
"""A PIL image of any mode to uint8 RGB, looking as a viewer would show it.

Turned upright as its EXIF data says, colours converted to sRGB by an embedded ICC profile, 16-bit
grey scaled (not cut) to 8 bits. What cannot be kept, transparency and all frames of an animation
but one, is said once per process by an `ImageWarning`.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageCms

from gan_tfc.coding.container import MAX_PIXELS, MAX_SIDE
from gan_tfc.errors import ImageError

# `ImageCms.Flags` has it by name from Pillow 10.3 on.
_BLACK_POINT_COMPENSATION = 0x2000

# round(v / 257) in integers: 65535 = 255 * 257.
_FROM_16_BITS = ((np.arange(1 << 16) + 128) // 257).astype(np.uint8)

_warned = set()


class ImageWarning(UserWarning):
    """Something in a picture is not kept: its transparency, or frames of an animation."""


def pil_to_rgb(image: Image.Image) -> np.ndarray:
    """Decodes, turns, converts and flattens a PIL image.

    Args:
        image: Any mode, loaded or not, at the frame that is wanted.

    Returns:
        `(H, W, 3)`, uint8, sRGB, a new array.

    Raises:
        ImageError: The size, the values or the format cannot be taken. Errors of Pillow itself
            pass through; `read_image` turns them into this one.
    """
    check_size(image.width, image.height)
    if image.format == "EPS":
        raise ImageError("an EPS file is a program, not a picture: convert it to PNG first.")
    # Phones write JPEG files with a hidden second picture (a gain map), which Pillow calls MPO.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        _warn_once(
            "animation",
            f"only frame {image.tell() + 1} of the {image.n_frames} frames or pages of this "
            "picture is used: pass the others one by one",
        )
    image.load()
    profile = image.info.get("icc_profile")
    upright = _turned_upright(image)
    alpha = None
    if upright.mode in ("La", "RGBa"):
        upright = upright.convert(upright.mode.upper())
    if upright.mode in ("F", "I") or upright.mode.startswith("I;16"):
        upright = Image.fromarray(_to_8_bits(upright))
    elif upright.has_transparency_data:
        transparent = upright if upright.mode == "LA" else upright.convert("RGBA")
        alpha = transparent.getchannel("A")
        upright = transparent.convert("L" if transparent.mode == "LA" else "RGB")
    return np.array(flattened_on_white(_to_srgb(upright, profile), alpha))


def _turned_upright(image: Image.Image) -> Image.Image:
    # Not `ImageOps.exif_transpose`: it also rewrites the EXIF data and fails on odd ones.
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:  # Damaged EXIF data is no reason to refuse a picture.
        orientation = None
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_8_bits(image: Image.Image) -> np.ndarray:
    """Grey of mode "I;16", "I" (0..65535) or "F" (0..255) to uint8 `(H, W)`."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F":
        if not (0 <= low and high <= 255) or 0 < high <= 1:
            raise ImageError(
                "a float picture (mode F) holds 0 to 255 and not only 0 to 1, but values from "
                f"{low:g} to {high:g} came: scale them and convert to uint8."
            )
        return np.floor(values + np.float32(0.5)).astype(np.uint8)
    if low < 0 or high > 0xFFFF:
        raise ImageError(
            f"an integer picture (mode {image.mode}) holds 0 to 65535, but values from {low} to "
            f"{high} came: scale them and convert to uint8."
        )
    return scaled_to_8_bits(values)


def scaled_to_8_bits(values: np.ndarray) -> np.ndarray:
    """Integers 0..65535 of any shape and dtype to uint8, `round(v / 257)`."""
    return _FROM_16_BITS[values]


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode L, RGB, CMYK, ... to RGB, through the ICC profile where there is a usable one."""
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _transform(ImageCms.createProfile("LAB"), "LAB"))
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = _transform(source, image.mode)
            if image.mode != "RGB" or not _is_identity(transform):
                return ImageCms.applyTransform(image, transform)
        except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
            pass  # A broken profile, or one for another colour space: as if there were none.
    return image.convert("RGB")


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        _BLACK_POINT_COMPENSATION,
    )


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform moves no colour by more than 1: sRGB, of which many variants exist."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
    return bool(np.abs(moved.astype(int) - colours).max() <= 1)


def flattened_on_white(rgb: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Blends with white where `alpha` (mode L; None is opaque) says so, rounding to nearest."""
    if alpha is None or alpha.getextrema()[0] == 255:
        return rgb
    _warn_once("transparency", "transparency is not kept, what lies behind becomes white")
    white = Image.new("RGB", rgb.size, (255, 255, 255))
    white.paste(rgb, mask=alpha)
    return white


def check_size(width: int, height: int) -> None:
    """Raises an `ImageError` for a picture that is empty or larger than a stream may hold."""
    if min(width, height) < 1:
        raise ImageError(
            f"a picture has at least 1 pixel a side, but {width} x {height} came: pass one that is not empty."
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"a picture has at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all, but "
            f"{width} x {height} came: make it smaller or cut it into tiles."
        )


def _warn_once(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(f"{message} (said once).", ImageWarning, stacklevel=2)
