# SPDX-License-Identifier: Apache-2.0
"""Six honest crops for a preset's card, two of them failures.

    python benchmarks/card_crops.py --preset photo_mobile@2

Parts of photographs that scikit-image carries, each beside the preset at realism 0 and 1 and beside JPEG,
whose file is as large or, where JPEG cannot go so low, its smallest. Bits a pixel are of the whole photo.
Chosen by what they show (a face, fur, wood, small text, print), before any codec was looked at. Writes
crops.jpg into the preset's folder.
"""

import argparse
import io
import os
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.metrics import file_bpp
from gan_tfc.images import read_image

#: Photo, left and top of the crop, and bits a pixel.
CROPS = (
    ("astronaut", (165, 45), 0.15, "a face"),
    ("chelsea", (90, 60), 0.2, "fur and an eye"),
    ("coffee", (330, 190), 0.15, "metal"),
    ("rocket", (250, 150), 0.15, "thin structures"),
    ("astronaut", (112, 325), 0.15, "failure: lettering"),
    ("page", (20, 10), 0.2, "failure: print"),
)
SIDE, ZOOM, GAP, CAPTION = 120, 2, 8, 22
NAME = "crops.jpg"


def photo(name: str) -> np.ndarray:
    """A sample of scikit-image, uint8 `(H, W, 3)`."""
    from skimage import data

    return read_image(getattr(data, name)())


def row(codec, name: str, target_bpp: float) -> tuple[list[str], list[np.ndarray]]:
    """Captions and pictures: the original, realism 0 and 1, JPEG."""
    from gan_tfc.demo import jpeg_within

    image = photo(name)
    stream = codec.compress(image, target_bpp=target_bpp)
    _, jpeg = jpeg_within(image, len(stream))
    ours = f"{file_bpp(stream, image):.2f} bpp"
    captions = [
        "original",
        f"realism 0, {ours}",
        f"realism 1, {ours}",
        f"JPEG, {file_bpp(jpeg, image):.2f} bpp",
    ]
    with Image.open(io.BytesIO(jpeg)) as decoded:
        pictures = [image, codec.decompress(stream, 0), codec.decompress(stream, 1), np.array(decoded)]
    return captions, pictures


def sheet(codec) -> Image.Image:
    """All crops, one a row."""
    side = SIDE * ZOOM
    height = CAPTION + side + GAP
    page = Image.new("RGB", (GAP + 4 * (side + GAP), len(CROPS) * height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    rows = {}
    for number, (name, (left, top), bpp, title) in enumerate(CROPS):
        if (name, bpp) not in rows:
            rows[name, bpp] = row(codec, name, bpp)
        captions, pictures = rows[name, bpp]
        captions = [f"{title}: original" if i == 0 else text for i, text in enumerate(captions)]
        for column, (caption, picture) in enumerate(zip(captions, pictures, strict=True)):
            place = (GAP + column * (side + GAP), number * height)
            draw.text((place[0], place[1] + CAPTION / 2), caption, fill="black", font=font, anchor="lm")
            part = Image.fromarray(picture[top : top + SIDE, left : left + SIDE])
            page.paste(part.resize((side, side), Image.Resampling.NEAREST), (place[0], place[1] + CAPTION))
    return page


def main(argv=None) -> int:
    """Makes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version or path:FOLDER")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        import gan_tfc
        from gan_tfc.zoo import registry

        path = registry.find(args.preset) / NAME
        sheet(gan_tfc.load(args.preset)).save(path, quality=85)
    except GanTfcError as error:
        print(f"card_crops.py: {error}", file=sys.stderr)
        return 1
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
