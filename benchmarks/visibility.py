# SPDX-License-Identifier: Apache-2.0
"""Chooses the constants of gan_tfc/coding/visibility.py, and shows what `tune="visual"` gives.

    python benchmarks/visibility.py --preset photo_mobile@3

At equal bytes, photo by photo: streams tuned for PSNR, streams tuned for what is seen, with the constants as
they are and with others, and AVIF; decoded at realism 0 and 1. Measured on photos that neither trained the
codec nor judge it (every fifth of photos/val of GAN_TFC_DATA), by PSNR, MS-SSIM, LPIPS and the distance of
structure, the latter two by the weights lpips_alex.npz of GAN_TFC_LPIPS. Writes visibility.json and
visibility.md into --output.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from kodak import DATA, RESULTS
from rich.progress import track

from gan_tfc.errors import GanTfcError

RATES = (0.12, 0.24, 0.5)
#: (middle, coarser) of `rate_factors`: the constants, then others around them.
CONSTANTS = ((500.0, 0.5), (250.0, 0.5), (1000.0, 0.5), (500.0, 0.25), (500.0, 1.0))
METRICS = {"psnr-rgb": ("PSNR", 2), "ms-ssim-rgb": ("MS-SSIM", 4), "lpips": ("LPIPS", 4)}
METRICS |= {"structure": ("structure", 4)}


def rows(codec, judge, image, bpp):
    """Name of a row -> its numbers, at the bytes of the stream tuned for PSNR."""
    from gan_tfc.coding.visibility import rate_factors
    from gan_tfc.encoder import ImageEncoder
    from gan_tfc.evaluation.rivals import RIVALS
    from gan_tfc.rate_control import fit_bytes

    original = judge.original(image)
    encoder = ImageEncoder(codec, image)
    limit = int(bpp * encoder.width * encoder.height / 8)
    streams = {"psnr": fit_bytes(encoder, limit)}
    for middle, coarser in CONSTANTS:
        encoder.factors = rate_factors(encoder.details, middle, coarser)
        streams[f"visual, middle {middle:g}, coarser {coarser:g}"] = fit_bytes(encoder, limit)
    found = {}
    for name, data in streams.items():
        for realism in (0, 1):
            found[f"{name}, realism {realism}"] = original.compare(codec.decompress(data, realism)) | {
                "bytes": len(data)
            }
    data = RIVALS["avif"].encode_within(image, limit)
    found["AVIF"] = original.compare(RIVALS["avif"].decode(data)) | {"bytes": len(data)}
    return found


def markdown(report):
    """A table for each rate."""
    lines = [
        f"# Tuned for what is seen: {report['preset']} on {report['photos']} photos",
        "",
        f"Made by `python benchmarks/visibility.py --preset {report['preset']}`: each photo in at most the "
        "bytes of the rate. Lower is better for LPIPS and structure.",
    ]
    for bpp, found in report["rates"].items():
        heads = [head for head, _ in METRICS.values()]
        lines += ["", f"## {bpp} bits a pixel", "", f"| streams | {' | '.join(heads)} |", "|---" * 5 + "|"]
        for name, numbers in found.items():
            cells = (f"{numbers[key]:.{digits}f}" for key, (_, digits) in METRICS.items())
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(argv=None) -> int:
    """Measures, prints and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--photos", default=DATA / "photos" / "val", type=Path, help="folder of photos")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--every", default=5, type=int, metavar="N", help="only every Nth photo, default 5")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        import gan_tfc
        from gan_tfc.evaluation.curves import photos_in
        from gan_tfc.evaluation.judge import Judge
        from gan_tfc.evaluation.preset_codec import identity
        from gan_tfc.images import read_image
        from gan_tfc.losses.lpips import LPIPS

        codec, judge = gan_tfc.load(args.preset), Judge(LPIPS("alex"))
        photos = photos_in(args.photos)[:: args.every]
        totals = {f"{bpp:g}": defaultdict(lambda: defaultdict(list)) for bpp in RATES}
        for path in track(photos, "measuring"):
            for bpp in RATES:
                for name, numbers in rows(codec, judge, read_image(path), bpp).items():
                    for key, value in numbers.items():
                        totals[f"{bpp:g}"][name][key].append(value)
    except GanTfcError as error:
        print(f"visibility.py: {error}", file=sys.stderr)
        return 1
    report = {
        "preset": f"{codec.name}@{codec.version}",
        "codec": identity(args.preset),
        "photos": len(photos),
        "rates": {
            bpp: {
                name: {key: float(f"{np.mean(values):.7g}") for key, values in numbers.items()}
                for name, numbers in found.items()
            }
            for bpp, found in totals.items()
        },
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "visibility.json").write_text(json.dumps(report, indent=1) + "\n")
    (args.output / "visibility.md").write_text(markdown(report))
    print(markdown(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
