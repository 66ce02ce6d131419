# SPDX-License-Identifier: Apache-2.0
"""A restaurant's photo archive: all dishes in one small file, from which a small device shows its menu.

    python examples/menu_archive.py dishes/ -o menu-output

Without a folder, photos that scikit-image carries (extra `demo`) stand in for dishes. Photos that the
archive has already are not compressed again: a second call adds what is new.
"""

import argparse
import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import gan_tfc
from gan_tfc import GanTfcError
from gan_tfc.archive import Archive
from gan_tfc.archive.sources import find_photos
from gan_tfc.commands import terminal
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.images import read_image, write_image

SAMPLES = ("coffee.png", "astronaut.png", "chelsea.png", "rocket.jpg")
TILE, GAP, TEXT, COLUMNS = 240, 16, 46, 4  # of the contact sheet, in pixels


def main():
    """In the office photos are packed, on the device they are shown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="?", metavar="FOLDER", help="photos of dishes; default samples")
    parser.add_argument("-o", "--output", default="menu-output", metavar="DIR", help="default %(default)s")
    parser.add_argument("--quality", type=float, default=40, help="1 to 100, default %(default)s")
    parser.add_argument("--preset", default="photo_mobile", help="default %(default)s")
    args = parser.parse_args()
    photos = find_photos([args.photos] if args.photos else sample_files())
    codec = gan_tfc.load(args.preset)
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "menu.gtca"

    # In the office: pack. A photo is safe on the disk when `add` returns; folders become tags.
    print(f"{'photo':26} {'original':>11} {'archive':>9} {'JPEG':>9} {'PSNR':>6}")
    with Archive(path, codec) as archive:
        for name, source in photos:
            record = archive.add(source, name, tags=name.split("/")[:-1], quality=args.quality)
            original = read_image(source)
            decibels = psnr(original, archive.read(name, realism=0))  # as near to the original as it gets
            sizes = f"{record.source_bytes:11,} {record.bytes:9,} {jpeg_bytes(original, decibels):>9}"
            print(f"{short(name):26} {sizes} {decibels:6.2f}")
    print("bytes: of the photo's file, in the archive, of the smallest JPEG file with that PSNR (dB)")

    # On the device: check and show. Previews need the beginnings of the streams, and no network for pixels.
    with Archive(path, codec) as archive:
        if problems := archive.verify():
            raise GanTfcError(problems[0])
        print(f"{path}: {len(archive.names())} photos, intact, {path.stat().st_size:,} bytes in all")
        contact_sheet(archive, path).save(output / "contact-sheet.png")
        print(f"{output / 'contact-sheet.png'}: previews of all photos")
        name = photos[0][0]
        dish = archive.read(name)  # at realism 1, the default: textures in place of blur
        write_image(output / "dish.png", dish, overwrite=True)
        print(f"{output / 'dish.png'}: {name} in full, {dish.shape[1]} x {dish.shape[0]} pixels")


def sample_files() -> list[Path]:
    """Files of photos that come with scikit-image."""
    try:
        import skimage.data
    except ImportError as error:
        raise GanTfcError(
            f"the sample photos come with scikit-image ({error}): pip install 'gan_tfc[demo]', or name a "
            "folder of photos."
        ) from error
    return [Path(skimage.data.__file__).with_name(name) for name in SAMPLES]


def jpeg_bytes(image, least_psnr) -> str:
    """What the smallest JPEG file (4:2:0, optimised) of at least this PSNR takes, or "none"."""
    smallest, low, high = "none", 1, 100
    while low <= high:
        quality = (low + high) // 2
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
        if psnr(image, read_image(file)) >= least_psnr:
            smallest, high = f"{file.getbuffer().nbytes:,}", quality - 1
        else:
            low = quality + 1
    return smallest


def contact_sheet(archive, path) -> Image.Image:
    """Previews of all photos in rows, each with its name and the bytes that it takes."""
    records = [archive.record(name) for name in archive.names()]
    columns = min(COLUMNS, len(records))
    rows = -(-len(records) // columns)
    size = GAP + columns * (TILE + GAP), TEXT + rows * (TILE + TEXT + GAP)
    sheet, font = Image.new("RGB", size, "white"), ImageFont.load_default(16)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, TEXT / 2), f"{path.name}, {path.stat().st_size:,} bytes", "black", font, anchor="lm")
    for i, record in enumerate(records):
        left, top = GAP + i % columns * (TILE + GAP), TEXT + i // columns * (TILE + TEXT + GAP)
        # The smallest preview that fills the tile.
        side = min(record.width, record.height)
        scale = next(scale for scale in (64, 32, 16, 8, 4, 2, 1) if side >= scale * TILE or scale == 1)
        preview = Image.fromarray(archive.preview(record.name, scale))
        sheet.paste(ImageOps.fit(preview, (TILE, TILE), Image.Resampling.LANCZOS), (left, top))
        draw.text((left, top + TILE + 4), short(record.name), "black", font)
        draw.text((left, top + TILE + 24), f"{record.bytes:,} bytes", "gray", font)
    return sheet


def short(name) -> str:
    """A name, or the end of it, that fits into the table and below a tile."""
    return name if len(name) <= 26 else f"...{name[-23:]}"


if __name__ == "__main__":
    terminal.quieten_tensorflow()
    try:
        main()
    except GanTfcError as error:
        sys.exit(f"error: {error}")
