# SPDX-License-Identifier: Apache-2.0
"""Every encoder against every decoder: do streams decode to the same integers everywhere?

    python benchmarks/conformance.py PHOTOS --preset photo_mobile

Two cross products: photos x five qualities x all pairs of Keras on TensorFlow, TFLite and ONNX Runtime, and
twelve photos x one quality x all pairs of all runtimes (`tests/runtimes.py`). What an encoder's own
decoder finds in its stream, all decoders must find. Encoders mostly write the same bytes: a stream that
several wrote is decoded once by each decoder and counts for each pair. Writes conformance.json into --output.
"""

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from speed import RESULTS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import runtimes  # noqa: E402

QUALITIES = (10, 30, 50, 70, 90)
PAIRED = ("Keras on TensorFlow", "TFLite", "ONNX Runtime")
FEW = 12
#: Photos that a runtime is given at once: starting one takes seconds, and results hold all integers of each.
BATCH = 24


def compare(bench, images, quality, names, tally):
    """Encodes images with each runtime, decodes all streams with each, and counts what differs."""
    encoded = {name: bench.run(name, runtimes.Work(images, {}, quality, decode=False)) for name in names}
    streams = {
        (image, name): results[f"encoded/{image}"].tobytes()
        for name, results in encoded.items()
        for image in images
    }
    distinct = {data: f"{image}-{i}" for i, ((image, _), data) in enumerate(streams.items())}
    again = runtimes.Work(streams={name: data for data, name in distinct.items()})
    decoded = {name: bench.run(name, again) for name in names}
    tally["streams"] += len(streams)
    tally["different_streams"] += len(distinct)
    for (image, encoder), data in streams.items():
        expected = decoded[encoder][f"latents/{distinct[data]}"]
        for name, results in decoded.items():
            found = results[f"latents/{distinct[data]}"]
            tally["pairs"] += 1
            tally["integers"] += expected.size
            if not np.array_equal(found, expected):
                tally["mismatches"].append([image, quality, encoder, name])
    for stream in again.streams:
        _compare_pixels(list(decoded.values()), stream, tally)


def _compare_pixels(found, stream, tally):
    for realism in (0, 1):
        pictures = [
            r[f"pixels/{stream}/{realism}"].astype(int) for r in found if f"pixels/{stream}/{realism}" in r
        ]
        for picture in pictures[1:]:
            worst = int(np.abs(picture - pictures[0]).max())
            tally["largest_pixel_difference"] = max(tally["largest_pixel_difference"], worst)


def cross_product(bench, photos, qualities, names):
    """The tally of a cross product, photos in batches on all cores."""
    tally = {"photos": len(photos), "qualities": list(qualities), "runtimes": list(names)}
    tally |= dict.fromkeys(("streams", "different_streams", "pairs", "integers"), 0)
    tally |= {"largest_pixel_difference": 0, "mismatches": []}
    batches = [photos[i : i + BATCH] for i in range(0, len(photos), BATCH)]
    work = [(batch, quality) for quality in qualities for batch in batches]

    def run(job):
        from gan_tfc.images import read_image

        batch, quality = job
        compare(bench, {path.stem: read_image(path) for path in batch}, quality, names, tally)
        print(f"{', '.join(path.stem for path in batch)} at quality {quality}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, work))
    return tally


def main():
    """Compares and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--preset", default="photo_mobile")
    parser.add_argument("--qualities", default=",".join(map(str, QUALITIES)))
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    import gan_tfc
    from gan_tfc.photos import PhotoFolder

    codec = gan_tfc.load(args.preset)
    photos = PhotoFolder(args.photos).paths
    qualities = [float(quality) for quality in args.qualities.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        bench = runtimes.Bench(f"{codec.name}@{codec.version}", Path(folder))
        available = []
        for name in runtimes.RUNTIMES:
            try:
                bench.run(name, runtimes.Work({"dot": np.zeros((1, 1, 3), np.uint8)}))
                available.append(name)
            except runtimes.Unavailable as missing:
                print(f"{name}: {missing}", file=sys.stderr)
        results = {
            "preset": bench.preset,
            "paired": cross_product(bench, photos, qualities, PAIRED),
            "all": cross_product(bench, photos[:FEW], [qualities[len(qualities) // 2]], available),
        }
    (args.output / "conformance.json").write_text(json.dumps(results, indent=1) + "\n")
    for title in ("paired", "all"):
        tally = results[title]
        print(
            f"{title}: {tally['photos']} photos x {len(tally['qualities'])} qualities, "
            f"{len(tally['runtimes'])} runtimes, {tally['pairs']} pairs, {tally['integers']:,} integers, "
            f"{len(tally['mismatches'])} mismatches, {tally['different_streams']} different of "
            f"{tally['streams']} streams, pixels at most {tally['largest_pixel_difference']} apart"
        )


if __name__ == "__main__":
    main()
