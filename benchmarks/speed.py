# SPDX-License-Identifier: Apache-2.0
"""How long a preset takes: compress, decompress, preview, and the first picture of a process.

    python benchmarks/speed.py --preset photo_mobile@1 [--photo PHOTO]

Without --photo: part of scikit-image's `coffee`, enlarged to 768x512. For each quality and range
coder, medians of five calls in milliseconds once everything is loaded; the preview's time and bytes
as shares of the whole; then a fresh process from its start to its first decoded picture. Prints
tables and writes speed.json into --output. How many cores take part is the environment's choice:
OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS, taskset.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.metrics import file_bpp
from gan_tfc.evaluation.timing import median_seconds
from gan_tfc.images import read_image

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
QUALITIES = (20, 50, 80)
REPEATS = 5

FIRST_PICTURE = """
import sys, gan_tfc
data = open(sys.argv[2], "rb").read()
if sys.argv[1].startswith("path:"):
    gan_tfc.load(sys.argv[1]).decompress(data)
else:
    gan_tfc.decompress(data)
"""


def sample_photo() -> np.ndarray:
    """A photograph, uint8 (512, 768, 3)."""
    from skimage import data

    crop = Image.fromarray(data.coffee()).crop((0, 0, 600, 400))
    return np.array(crop.resize((768, 512), Image.Resampling.LANCZOS))


def warm(preset: str, image: np.ndarray, engine: str) -> list[dict]:
    """Times of a loaded codec, one record a quality."""
    import gan_tfc
    from gan_tfc.streams import read_preview_prefix

    codec = gan_tfc.load(preset, engine)
    records = []
    for quality in QUALITIES:
        data = codec.compress(image, quality)
        codec.decompress(data)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "photo.gtc"
            path.write_bytes(data)
            prefix = read_preview_prefix(path, 8)
        seconds = {
            "compress": median_seconds(lambda q=quality: codec.compress(image, q), REPEATS),
            "decompress": median_seconds(lambda d=data: codec.decompress(d), REPEATS),
            "preview": median_seconds(lambda d=prefix: codec.preview(d, 8), REPEATS),
        }
        records.append(
            {"engine": engine, "quality": quality, "bpp": round(file_bpp(data, image), 4)}
            | {f"{name}_ms": round(1000 * value, 1) for name, value in seconds.items()}
            | {"preview_bytes": len(prefix), "bytes": len(data)}
        )
    return records


def cold(preset: str, data: bytes) -> float:
    """Seconds of a fresh process that imports gan_tfc, loads the preset and decodes one stream."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.gtc"
        path.write_bytes(data)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", FIRST_PICTURE, preset, str(path)],
            env=os.environ | {"PYTHONPATH": paths},
            check=True,
        )
        return time.perf_counter() - start


def show(records, first) -> None:
    """Prints the tables."""
    columns = ("coder", "quality", "bpp", "compress", "decompress", "preview", "time", "bytes")
    table = Table(*columns, title="milliseconds; preview at 1/8, its share of time and bytes")
    for r in records:
        table.add_row(
            r["engine"],
            f"{r['quality']}",
            f"{r['bpp']:.3f}",
            f"{r['compress_ms']:.0f}",
            f"{r['decompress_ms']:.0f}",
            f"{r['preview_ms']:.0f}",
            f"{100 * r['preview_ms'] / r['decompress_ms']:.0f} %",
            f"{100 * r['preview_bytes'] / r['bytes']:.0f} %",
        )
    Console().print(table)
    print(f"a fresh process to its first decoded picture: {first:.1f} s")


def main(argv=None) -> int:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--photo", help="a photo to measure with")
    parser.add_argument("--engines", default="tfc,portable", help="range coders")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        import gan_tfc

        image = read_image(args.photo) if args.photo else sample_photo()
        records = []
        for engine in args.engines.split(","):
            records += warm(args.preset, image, engine)
        first = cold(args.preset, gan_tfc.load(args.preset).compress(image))
    except GanTfcError as error:
        print(f"speed.py: {error}", file=sys.stderr)
        return 1
    show(records, first)
    report = {
        "preset": args.preset,
        "size": f"{image.shape[1]}x{image.shape[0]}",
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "first_picture_s": round(first, 2),
        "records": records,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "speed.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
