# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc compress`, `decompress` and `info`."""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable

from gan_tfc.coding import container
from gan_tfc.commands import terminal
from gan_tfc.errors import GanTfcError, ImageError, PresetError
from gan_tfc.files import write_atomically
from gan_tfc.images import WRITE_FORMATS, read_image, write_image
from gan_tfc.streams import describe, read_preview_prefix, stream_bytes


def compress(args) -> int:
    """Pictures to streams."""
    codec = functools.cache(lambda: terminal.load(args.preset, args.engine))

    def one(source, target):
        image = read_image(source)
        check_target(target, args.force, args.inputs)
        codec()
        with terminal.status(f"compressing {source}"):
            data = codec().compress(
                image,
                args.quality,
                max_bytes=args.max_bytes,
                target_bpp=args.bpp,
                min_psnr=args.min_psnr,
                tune=args.tune,
            )
        write_atomically(target, data, args.force)
        _print_compressed(source, target, describe(data), args.json)

    return _each(_pairs(args, ".gtc"), one, args.preset)


def _print_compressed(source, target, record, as_json):
    # To a device or a pipe the stream itself is the answer.
    out = sys.stdout if os.path.isfile(target) else sys.stderr
    if as_json:
        keys = ("bytes", "bpp", "width", "height", "quality", "preset", "version")
        row = {"input": source, "output": target, **{key: record[key] for key in keys}}
        print(json.dumps(row), file=out)
        return
    print(
        f"{target}: {record['bytes']} bytes, {record['bpp']:.3f} bpp, quality {record['quality']:g}",
        file=out,
    )


def decompress(args) -> int:
    """Streams to pictures."""
    codec = functools.cache(lambda: terminal.load(args.preset))

    def one(source, target):
        data = read_preview_prefix(source, args.scale) if args.scale else stream_bytes(source)
        # Damage is said before seconds go into loading a codec.
        container.parse_header(data) if args.scale else container.unpack(data)
        check_target(target, args.force, args.inputs)
        _check_suffix(target)
        if args.preset:
            codec()
        with terminal.status(f"decoding {source}"):
            image = _decode(data, args, codec)
        write_image(target, image, args.force)
        print(f"{target}: {image.shape[1]}x{image.shape[0]}")

    return _each(_pairs(args, ".png"), one, args.preset)


def _decode(data, args, codec):
    import gan_tfc

    decoder = codec() if args.preset else gan_tfc
    if args.scale:
        return decoder.preview(data, args.scale)
    return decoder.decompress(data, args.realism)


def info(args) -> int:
    """What a stream says of itself."""
    try:
        record = describe(stream_bytes(args.file))
    except GanTfcError as error:
        terminal.report(error, args.file)
        return 1
    if args.json:
        print(json.dumps(record, indent=1))
        return 0
    sections = ", ".join(f"{name} {size}" for name, size in record["sections"].items())
    print(f"preset    {record['preset']}@{record['version']}")
    print(f"picture   {record['width']}x{record['height']}")
    print(f"quality   {record['quality']:g} (step {record['step']:.4f})")
    print(f"size      {record['bytes']} bytes, {record['bpp']:.3f} bpp")
    print(f"sections  {sections}")
    return 0


def _each(pairs: Iterable[tuple[str, str]], work: Callable, preset: str | None) -> int:
    """Works on all files, past those that fail, and returns the exit code."""
    code = 0
    for source, target in pairs:
        try:
            work(source, target)
        except BrokenPipeError:
            raise
        except (GanTfcError, OSError, MemoryError) as error:
            if preset and isinstance(error, PresetError):
                raise  # Said once: it is not about this file.
            terminal.report(error, source)
            code = 1
    return code


def _pairs(args, suffix: str) -> list[tuple[str, str]]:
    """Every input with the path of its output."""
    output = args.output
    named_as_folder = output is not None and output.endswith(("/", os.sep))
    into_folder = named_as_folder or (output is not None and os.path.isdir(output))
    if output is not None and not into_folder:
        if len(args.inputs) > 1:
            args.usage_error(
                f"expected a folder for {len(args.inputs)} inputs, received -o {output!r}: create "
                "it, or end its name in '/'"
            )
        return [(args.inputs[0], output)]
    if named_as_folder:
        os.makedirs(output, exist_ok=True)
    pairs = {}
    for source in args.inputs:
        target = os.path.splitext(source)[0] + suffix
        if into_folder:
            target = os.path.join(output, os.path.basename(target))
        if target in pairs:
            args.usage_error(
                f"{pairs[target]!r} and {source!r} would both be written to {target!r}: compress "
                "them one by one with -o"
            )
        pairs[target] = source
    return [(source, target) for target, source in pairs.items()]


def check_target(target: str, force: bool, inputs: Iterable[str] = ()) -> None:
    """Refuses, before any work, what could not be written after it."""
    if os.path.realpath(target) in map(os.path.realpath, inputs):
        raise GanTfcError(f"{target!r} is an input itself: choose another name with -o.")
    if os.path.isfile(target) and not force:
        raise GanTfcError(f"{target!r} exists already: choose another name with -o, or pass --force.")
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise GanTfcError(f"there is no folder {folder!r}: create it first.")


def _check_suffix(target):
    if os.path.splitext(target)[1].lower() not in WRITE_FORMATS:
        raise ImageError(
            f"a picture is written as one of {', '.join(WRITE_FORMATS)}, but {target!r} came: "
            "change its ending."
        )
