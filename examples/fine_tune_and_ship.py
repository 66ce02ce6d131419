# SPDX-License-Identifier: Apache-2.0
"""A decoder of your own: fine-tuned on your photos, kept as a preset, shipped to a device.

    python examples/fine_tune_and_ship.py dishes/ --minutes 30 -o own-decoder-output

Without a folder, photos that scikit-image carries (extra `demo`) stand in for yours. They are far too few
to learn from, and the codec will most likely stay as it was. The device's part needs the extra `export`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

import gan_tfc
from gan_tfc import GanTfcError
from gan_tfc.commands import terminal
from gan_tfc.commands.comparison import comparison
from gan_tfc.demo import photos as find_photos
from gan_tfc.evaluation.metrics import psnr


def main():
    """From a stream that was written long ago to the same stream on a device, by the new decoder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="?", metavar="FOLDER", help="four photos or more; default samples")
    parser.add_argument("-o", "--output", default="own-decoder-output", metavar="DIR", help="a new folder")
    parser.add_argument("--minutes", type=float, default=1, help="of fine-tuning, default %(default)s")
    parser.add_argument("--preset", default="photo_mobile", help="to begin with, default %(default)s")
    args = parser.parse_args()
    output = Path(args.output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise GanTfcError(f"expected a new folder, but {args.output!r} is none: name another with -o.")
    shown, *others = [read() for _, read in find_photos([args.photos] if args.photos else [])]
    from gan_tfc.export.targets import TARGETS

    TARGETS["tflite"].check("float16")  # what is missing is said before the training, not after it

    # 1. A stream of long ago. Its photo stays out of the training, so that the decoder cannot know it.
    old = gan_tfc.load(args.preset)
    stream = old.compress(shown, quality=20)

    # 2. Fine-tune a decoder on the other photos; a tenth of them, two at least, are kept to measure with.
    codec = gan_tfc.load(args.preset)
    result = codec.fine_tune(others, args.minutes, console=Console(stderr=True))
    print(result)

    # 3. Keep it as a preset, if there is anything to keep.
    output.mkdir(parents=True, exist_ok=True)
    (output / "old.gtc").write_bytes(stream)
    if result.improved:
        folder = output / "my-zoo" / "dishes" / "1"
        codec.save(folder)
        codec = gan_tfc.load(f"path:{folder}")
        print(f"{folder}: preset {codec.name}@{codec.version}; `gan-tfc zoo index` publishes my-zoo")
    else:
        print(f"there is no preset to keep, and all that follows is done by {args.preset} as it was")

    # 4. The old stream, by both decoders: the same integers, other pixels.
    before, after = old.decompress(stream, realism=0), codec.decompress(stream, realism=0)
    first, gain = psnr(shown, before), psnr(shown, after) - psnr(shown, before)
    print(f"an old stream, {len(stream):,} bytes: {first:.3f} dB before, {gain:+.3f} dB after")

    # 5. Ship it. The folder is all that a device needs; its edge.py knows neither Keras nor TensorFlow.
    bundle = output / "bundle"
    with terminal.converter_silence():
        codec.export(bundle, format="tflite", precision="float16", photos=others)
    sys.path.insert(0, str(bundle))
    from edge import EdgeCodec

    device = EdgeCodec(bundle)
    if not same_integers(device.symbols(stream), codec.symbols(stream)):
        raise GanTfcError("the device decodes the stream to other integers: please report this.")
    there = device.decompress(stream, realism=0)
    difference = np.abs(there.astype(int) - after).max()
    print(f"{bundle}: all integers of the old stream are equal, pixels to {difference} of 255")

    # 6. To look at. What changed is too little for the eye, and is shown 16 times as large.
    name = f"{codec.name}@{codec.version}"
    shown_as = {
        f"original, {shown.shape[1]} x {shown.shape[0]}": shown,
        f"{old.name}@{old.version}, {first:.3f} dB": before,
        f"{name} on the device, {psnr(shown, there):.3f} dB": there,
    }
    if result.improved:
        change = 128 + 16 * (after.astype(int) - before)
        shown_as[f"from {old.name} to {name}, 16 times"] = np.clip(change, 0, 255).astype(np.uint8)
    comparison([(list(shown_as), list(shown_as.values()))]).save(output / "comparison.png")
    print(f"{output / 'comparison.png'}: side by side")


def same_integers(ours, theirs) -> bool:
    """Whether two decoders agree in all that comes before pixels, step by step."""
    names = ("values", "scales", "picture")
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(ours, theirs, strict=True)
        for name in names
    )


if __name__ == "__main__":
    terminal.quieten_tensorflow()
    try:
        main()
    except GanTfcError as error:
        sys.exit(f"error: {error}")
