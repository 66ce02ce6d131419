# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc demo`."""

import io
import itertools
import json
from pathlib import Path

from gan_tfc import demo as demonstration
from gan_tfc.commands import terminal
from gan_tfc.commands.comparison import comparison
from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.images import write_image

#: Photos in `comparison.png`; more would make it unwieldy.
_SHOWN = 6


def demo(args) -> int:
    """Compresses photos, decodes the files, prints a table and writes pictures to look at."""
    photos = demonstration.photos(args.inputs)
    folder = _folder(args, [name for name, _ in photos])
    codec = terminal.load(args.preset)
    with terminal.status("warming up"):
        demonstration.warm_up(codec)
    folder.mkdir(parents=True, exist_ok=True)
    rows, shown, code = [], [], 0
    for name, read in photos:
        try:
            with terminal.status(f"compressing {name}"):
                row, pictures = _one(codec, name, read(), folder, args)
        except (GanTfcError, OSError) as error:
            terminal.report(error, name)
            code = 1
            continue
        rows.append(row)
        if len(shown) < _SHOWN:
            captions = [caption for caption in _captions(row, codec) if caption]
            shown.append((captions, [picture for picture in pictures if picture is not None]))
    if not rows:
        return 1
    file = io.BytesIO()
    comparison(shown).save(file, "PNG")
    write_atomically(folder / "comparison.png", file.getvalue(), args.force)
    _print(rows, codec, folder, args)
    return code


def _folder(args, names) -> Path:
    """Where results go: a name that is free, unless one was given."""
    if args.output is None and not args.force:
        free = (f"demo-output-{i}" if i > 1 else "demo-output" for i in itertools.count(1))
        return next(path for path in map(Path, free) if not path.exists())
    folder = Path(args.output or "demo-output")
    if folder.exists() and not folder.is_dir():
        raise GanTfcError(f"expected a folder, but {str(folder)!r} is a file: name another.")
    targets = [folder / f"{name}{suffix}" for name in names for suffix in (".gtc", ".png")]
    for target in (*targets, folder / "comparison.png"):
        if target.exists() and not args.force:
            raise GanTfcError(
                f"{str(target)!r} exists already: choose another folder with -o, or pass --force."
            )
    return folder


def _one(codec, name, image, folder, args):
    """The row of one photo, and original, ours at realism 0 (or None) and 1, and JPEG."""

    def write(data):
        path = folder / f"{name}.gtc"
        write_atomically(path, data, args.force)
        return path

    row, decoded, faithful, jpeg = demonstration.measure(codec, name, image, args.quality, write)
    write_image(folder / f"{name}.png", decoded, args.force)
    return row, (image, faithful, decoded, jpeg)


def _captions(row, codec) -> list[str | None]:
    ours, faithful = f"{codec.name}@{codec.version}", row.psnr_realism_0
    return [
        f"{row.name}, original, {row.width}x{row.height}",
        None if faithful is None else f"{ours}, realism 0, {faithful:.2f} dB",
        f"{ours}{'' if faithful is None else ', realism 1'}, {row.bytes:,} bytes, {row.psnr:.2f} dB",
        f"JPEG, {row.jpeg_bytes:,} bytes, {row.jpeg_psnr:.2f} dB",
    ]


def _print(rows, codec, folder, args):
    if args.json:
        answer = {
            "preset": codec.name,
            "version": codec.version,
            "quality": args.quality,
            "folder": str(folder),
            "photos": [row.record() for row in rows],
        }
        print(json.dumps(answer, indent=1))
        return
    terminal.console().print(_table(rows))
    print(f"{codec.name}@{codec.version} at quality {args.quality:g}, bytes of whole files")
    if rows[0].psnr_realism_0 is not None:
        print("PSNR at realism 0, then at realism 1, which trades some for textures")
    print("JPEG: Pillow, 4:2:0, optimised, the best quality within as many bytes")
    print(f"side by side: {folder / 'comparison.png'}")


def _table(rows):
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("photo")
    realistic = rows[0].psnr_realism_0 is not None
    ours = ("PSNR", "realism 1") if realistic else ("PSNR",)
    for title in ("bytes", "bpp", *ours, "enc ms", "dec ms", "JPEG bytes", "PSNR", "gain dB"):
        table.add_column(title, justify="right")
    for row in rows:
        best = row.psnr_realism_0 if realistic else row.psnr
        table.add_row(
            row.name,
            f"{row.bytes:,}",
            f"{row.bpp:.3f}",
            f"{best:.2f}",
            *([f"{row.psnr:.2f}"] if realistic else []),
            f"{row.compress_ms:.0f}",
            f"{row.decompress_ms:.0f}",
            f"{row.jpeg_bytes:,}",
            f"{row.jpeg_psnr:.2f}",
            f"{best - row.jpeg_psnr:+.2f}",
        )
    return table
