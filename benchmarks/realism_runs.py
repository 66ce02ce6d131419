# SPDX-License-Identifier: Apache-2.0
"""Realism 1 of training runs beside realism 0, on the same streams.

    python benchmarks/realism_runs.py --codec photo_mobile@2 runs/patch runs/unet

Codes photos with a preset, decodes them with the averaged weights of each run of the realism stage at
realism 0 and 1, and prints PSNR, LPIPS, structure, and FID and KID of 64-pixel patches (AlexNet's
features), for each quality. "Moved" is the mean absolute difference between realism 1 and 0, and colour
that of their 32-pixel block means, both of 255. Without runs, the preset itself is measured, and

    python benchmarks/realism_runs.py --codec photo_mobile@2 --photos kodak -o benchmarks/results

writes what the preset's card says of realism. Without --photos: the folder photos/val of GAN_TFC_DATA.
Writes --name (realism_runs.json, or NAME-VERSION-realism.json for a preset, such as
photo_mobile-2-realism.json) into --output.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from kodak import DATA, RESULTS, file_stem
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import photos_in
from gan_tfc.evaluation.frechet import frechet_distance, kernel_distance
from gan_tfc.evaluation.metrics import file_bpp
from gan_tfc.images import read_image

QUALITIES = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0)
BLOCK = 32
COLUMNS = ("psnr-rgb", "ms-ssim-rgb", "lpips", "structure", "fid", "kid", "moved", "colour")


def decoder(preset, run):
    """A `Codec` with the preset's tables and the run's averaged weights."""
    import gan_tfc
    from gan_tfc.models.wavelet_codec import WaveletCodec
    from gan_tfc.models.weights import load_weights

    codec = gan_tfc.load(preset)
    if run is None:
        return codec
    config = json.loads((run / "config.json").read_text())
    model = WaveletCodec(**config["model"])
    model.build()
    load_weights(model, run / "averaged.weights.h5")
    return gan_tfc.Codec(model, codec.name, codec.version, codec.frozen)


def block_means(image: np.ndarray) -> np.ndarray:
    """Means of whole blocks of 32x32 pixels."""
    rows, columns = (side // BLOCK for side in image.shape[:2])
    blocks = image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
    return blocks.mean(axis=(1, 3))


def measure(codec, streams, originals, judge) -> dict:
    """Means of all metrics at realism 0 and 1."""
    found = {}
    decoded_0 = None
    for realism in (0, 1):
        decoded = [codec.decompress(data, realism) for data in streams]
        rows = [original.compare(image) for original, image in zip(originals, decoded, strict=True)]
        result = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        real = np.concatenate([original.patches for original in originals])
        fake = np.concatenate([judge.patch_features(image) for image in decoded])
        result["fid"], result["kid"] = frechet_distance(real, fake), kernel_distance(real, fake)
        decoded_0 = decoded_0 or decoded
        pairs = list(zip(decoded, decoded_0, strict=True))
        result["moved"] = float(np.mean([np.abs(a.astype(np.float32) - b).mean() for a, b in pairs]))
        shifts = [np.abs(block_means(a) - block_means(b)).mean() for a, b in pairs]
        result["colour"] = float(np.mean(shifts))
        found[f"realism {realism}"] = result
    return found


def main(argv=None) -> int:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of the realism stage; none: the preset")
    parser.add_argument("--codec", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--photos", default=DATA / "photos" / "val", type=Path, help="folder of photos")
    parser.add_argument("--limit", type=int, help="only the first photos")
    parser.add_argument("--qualities", default=",".join(map(str, QUALITIES)), metavar="Q,Q,...")
    parser.add_argument("--name", help="of the file written")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        import gan_tfc
        from gan_tfc.evaluation.judge import Judge
        from gan_tfc.evaluation.patch_features import PatchFeatures, alex_network
        from gan_tfc.evaluation.preset_codec import identity
        from gan_tfc.losses.lpips import LPIPS

        lpips = LPIPS("alex")
        judge = Judge(lpips, PatchFeatures(*alex_network(lpips), size=64))
        paths = photos_in(args.photos, args.limit)
        images = [read_image(path) for path in paths]
        originals = [judge.original(image) for image in track(images, "originals")]
        codec = gan_tfc.load(args.codec)
        preset = f"{codec.name}@{codec.version}"
        report = {"codec": preset, **identity(args.codec)}
        report |= {"photos": [path.name for path in paths], "results": []}
        table = Table("run", "bpp", "realism", *COLUMNS)
        for quality in map(float, args.qualities.split(",")):
            streams = [codec.compress(image, quality) for image in track(images, f"quality {quality:g}")]
            bpp = float(np.mean([file_bpp(*pair) for pair in zip(streams, images, strict=True)]))
            for run in args.runs or [None]:
                name = run.name if run else preset
                results = measure(decoder(args.codec, run), streams, originals, judge)
                report["results"].append({"run": name, "quality": quality, "bpp": round(bpp, 4), **results})
                for realism, row in results.items():
                    cells = [f"{row[key]:.4f}" if key in row else "" for key in COLUMNS]
                    table.add_row(name, f"{bpp:.3f}", realism, *cells)
    except (GanTfcError, OSError) as error:
        print(f"realism_runs.py: {error}", file=sys.stderr)
        return 1
    Console(width=150).print(table)
    args.output.mkdir(parents=True, exist_ok=True)
    name = args.name or ("realism_runs.json" if args.runs else f"{file_stem(preset)}-realism.json")
    (args.output / name).write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
