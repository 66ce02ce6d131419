# SPDX-License-Identifier: Apache-2.0
"""Rate and distortion of a preset on a folder of photos, beside JPEG, WebP and AVIF.

    python benchmarks/kodak.py --preset photo_mobile@1 --photos FOLDER

Without --photos: the folder kodak of GAN_TFC_DATA.
Every number comes from complete streams (`compress`) and the pixels that come back (`decompress` at
realism 0, which is best in PSNR; realism_runs.py measures the rest).
Written to `--output`, benchmarks/results unless told otherwise:

    photo_mobile-1.json     the preset's curve, in CompressAI's schema
    jpeg.json ...           the rivals' curves; measured once, and again with --rivals
    photo_mobile-1.md       tables: BD-rates and points
    photo_mobile-1.png      the curves

Needs the extra `demo` (matplotlib).
"""

import argparse
import io
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import Curve, measure, photos_in
from gan_tfc.evaluation.rivals import RIVALS

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("GAN_TFC_DATA", "../shared/data"))
QUALITIES = (2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
INK, GREY = "#1b1b1b", "#8a8a8a"
COLOURS = {"JPEG": "#9a6b00", "WebP": "#2f7d4f", "AVIF": "#4a63b5"}
OURS = "#c8102e"


def file_stem(name: str) -> str:
    """File name of a codec's results: "photo_mobile@1" -> "photo_mobile-1"."""
    return name.lower().replace("@", "-")


def rival_curves(photos, folder, again=False) -> list[Curve]:
    """Curves of the rivals on these photos: from the folder, otherwise measured."""
    names = tuple(path.name for path in photos)
    curves = []
    for key, rival in RIVALS.items():
        path = Path(folder) / f"{key}.json"
        curve = None
        if path.exists() and not again:
            curve = Curve.load(path)
        if curve is None or curve.photos != names:
            curve = measure(rival, track(photos, f"{rival.name:16}"), rival.qualities)
            curve.save(path)
        curves.append(curve)
    return curves


def preset_curve(preset, photos, folder, qualities=QUALITIES, again=False) -> Curve:
    """The preset's curve: from the folder if these very files made it, otherwise measured."""
    from gan_tfc.evaluation.preset_codec import PresetCodec

    codec = PresetCodec(preset, realism=0.0)
    path = Path(folder) / f"{file_stem(codec.name)}.json"
    if path.exists() and not again:
        curve = Curve.load(path)
        names = tuple(photo.name for photo in photos)
        if curve.codec == codec.identity and curve.photos == names:
            return curve
    curve = measure(codec, track(photos, f"{codec.name:16}"), qualities)
    curve.save(path)
    return curve


def markdown(ours: Curve, rivals: list[Curve], command: str) -> str:
    """The tables."""
    lines = [
        f"# {ours.name} on {len(ours.photos)} photos",
        "",
        f"Complete streams, header included; means over {ours.photos[0]} to {ours.photos[-1]}. Made by",
        "",
        f"    {command}",
        "",
        f"| against | BD-rate of {ours.name} | over PSNR (dB) | settings |",
        "|---|---|---|---|",
    ]
    for rival in rivals:
        low, high = ours.common_psnr(rival)
        lines.append(
            f"| {rival.name} | {ours.bd_rate(rival):+.1f} % | {low:.1f} to {high:.1f} | {rival.description} |"
        )
    for curve in (ours, *rivals):
        lines += [
            "",
            f"## {curve.name}",
            "",
            "| quality | bpp | PSNR (dB) |",
            "|---|---|---|",
        ]
        # Milliseconds are of one machine and one hour: they stay in the JSON files.
        for quality, bpp, psnr in zip(curve.quality, curve.bpp, curve.psnr, strict=True):
            lines.append(f"| {quality:g} | {bpp:.4f} | {psnr:.2f} |")
    return "\n".join(lines) + "\n"


def figure(ours: Curve, rivals: list[Curve], path) -> None:
    """Draws PSNR over the logarithm of the rate, where equal distances are equal savings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = 0.09, 2.6
    drawing, axes = pyplot.subplots(figsize=(6.4, 4.2), dpi=110, layout="constrained")
    ends = []
    for curve in (*rivals, ours):
        is_ours = curve is ours
        colour = OURS if is_ours else COLOURS.get(curve.name, GREY)
        axes.plot(curve.bpp, curve.psnr, color=colour, linewidth=2.4 if is_ours else 1.4)
        ends.append((_psnr_at(curve, high), curve.name, colour, is_ours))
    heights = []
    for height, name, colour, is_ours in sorted(ends):
        # Labels stand at the ends of their curves, pushed apart where they would overlap.
        heights.append(max([height, *(h + 0.75 for h in heights)]))
        axes.annotate(
            name,
            (high, heights[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9.5,
            fontweight="bold" if is_ours else "normal",
            annotation_clip=False,
        )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min(_psnr_at(curve, low) for curve in (ours, *rivals)) - 0.5, max(heights) + 0.7)
    axes.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("bits per pixel, header included (logarithmic)", color=INK)
    axes.set_ylabel("PSNR, dB", color=INK)
    axes.set_title(f"Mean of {len(ours.photos)} photos", loc="left", fontsize=10, color=INK)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    file = io.BytesIO()
    drawing.savefig(file)
    pyplot.close(drawing)
    # A palette takes half the bytes, and the bytes then depend on the picture alone.
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _psnr_at(curve, bpp):
    """PSNR at a rate, at the nearest end where the curve does not reach it."""
    return float(np.interp(np.log(bpp), np.log(curve.bpp), curve.psnr))


def main(argv=None) -> int:
    """Measures, writes, and prints the BD-rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--photos", default=DATA / "kodak", type=Path, help="folder of photos")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--qualities", help="comma-separated, 1 to 100", metavar="Q,Q,...")
    parser.add_argument("--limit", type=int, help="only the first photos, for a trial")
    parser.add_argument("--rivals", action="store_true", help="measure the rivals again")
    parser.add_argument("--only-rivals", action="store_true", help="measure no preset")
    args = parser.parse_args(argv)
    if args.limit and args.output == RESULTS:
        parser.error("--limit is for trials; give it another --output")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        photos = photos_in(args.photos, args.limit)
        if args.only_rivals:
            rivals = rival_curves(photos, args.output, args.rivals)
            for rival in rivals[1:]:
                print(f"{rival.name} against JPEG: {rival.bd_rate(rivals[0]):+.1f} %")
            return 0
        qualities = [float(q) for q in args.qualities.split(",")] if args.qualities else QUALITIES
        ours = preset_curve(args.preset, photos, args.output, qualities, again=True)
        rivals = rival_curves(photos, args.output, args.rivals)
        stem = args.output / file_stem(ours.name)
        preset = args.preset if args.preset.startswith("path:") else ours.name
        command = f"python benchmarks/kodak.py --preset {preset} --photos {args.photos.name}"
        stem.with_suffix(".md").write_text(markdown(ours, rivals, command))
        figure(ours, rivals, stem.with_suffix(".png"))
        for rival in rivals:
            print(f"{ours.name} against {rival.name}: {ours.bd_rate(rival):+.1f} %")
    except (GanTfcError, OSError) as error:
        print(f"kodak.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
