# SPDX-License-Identifier: Apache-2.0
"""One picture that shows original, ours and JPEG side by side."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_COLUMN, _TALLEST = 480, 640  # pixels that a picture shown is scaled to fit
_CROP = 160  # pixels of the photo in the enlarged part below it
_GAP = 12
_CAPTION = 30
_FONT_SIZE = 18
_BACKGROUND, _INK, _FRAME = "white", "black", (255, 210, 0)


def comparison(rows: Sequence[tuple[Sequence[str], Sequence[np.ndarray]]]) -> Image.Image:
    """Stack photos: for each a row of whole pictures, and a row with one part of them enlarged.

    Args:
        rows: captions and as many uint8 `(H, W, 3)` pictures of one size, the original first.
    """
    bands = [_photo(captions, pictures) for captions, pictures in rows]
    width = max(band.width for band in bands)
    sheet = Image.new("RGB", (width, sum(band.height for band in bands)), _BACKGROUND)
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    return sheet


def _photo(captions, pictures):
    font = ImageFont.load_default(_FONT_SIZE)
    whole_size = _fitted(*pictures[0].shape[1::-1])
    box = detail_box(pictures[0])
    part_size = _fitted(box[2] - box[0], box[3] - box[1])
    part_top = _CAPTION + whole_size[1] + _GAP
    band_size = (_GAP + len(pictures) * (_COLUMN + _GAP), part_top + part_size[1] + _GAP)
    band = Image.new("RGB", band_size, _BACKGROUND)
    draw = ImageDraw.Draw(band)
    scale = whole_size[0] / pictures[0].shape[1]
    for i, (caption, pixels) in enumerate(zip(captions, pictures, strict=True)):
        left = _GAP + i * (_COLUMN + _GAP)
        picture = Image.fromarray(pixels)
        draw.text((left, _CAPTION / 2), caption, fill=_INK, font=font, anchor="lm")
        band.paste(picture.resize(whole_size, Image.Resampling.LANCZOS), (left, _CAPTION))
        corners = [(left + box[k] * scale, _CAPTION + box[k + 1] * scale) for k in (0, 2)]
        draw.rectangle(corners, outline=_FRAME, width=2)
        # Without interpolation: what is seen are the codec's pixels.
        part = picture.crop(box).resize(part_size, Image.Resampling.NEAREST)
        band.paste(part, (left, part_top))
    return band


def _fitted(width, height):
    """A size of the same shape that fits into a column."""
    scale = min(_COLUMN / width, _TALLEST / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def detail_box(image: np.ndarray) -> tuple[int, int, int, int]:
    """The part that is enlarged: of all windows on a coarse grid, the one of median detail.

    Neither the busiest part, where every codec hides its errors, nor an empty one; chosen by the
    original alone.

    Returns:
        Left, top, right, bottom.
    """
    height, width = image.shape[:2]
    wide, high = min(_CROP, width), min(_CROP * 3 // 4, height)
    luma = image.mean(axis=2)
    corners = [
        (left, top)
        for top in range(0, height - high + 1, max(1, high // 2))
        for left in range(0, width - wide + 1, max(1, wide // 2))
    ]
    ranked = sorted(corners, key=lambda c: luma[c[1] : c[1] + high, c[0] : c[0] + wide].std())
    left, top = ranked[len(ranked) // 2]
    return left, top, left + wide, top + high
