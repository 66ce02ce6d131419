# SPDX-License-Identifier: Apache-2.0
"""Does fine-tuning on food photos help food photos, at the same streams?

    python benchmarks/finetune.py --minutes 20

Fine-tunes the decoder on the food photos of `$GAN_TFC_DATA/photos/train`, but for every 15th, which
fine-tuning never sees, not even to stop or to blend. On these, on the food of `photos/val`, which the
preset was not trained on either, and on all that is no food there, it compares PSNR at realism 0 before
and after, and every stream. Writes `results/finetune.json` and `results/finetune.md`; exit code 1 where
the bar is missed: on average at least 0.1 dB better on the unseen food photos of both folders, none of
them more than 0.1 dB worse, all streams equal to the byte.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

import gan_tfc
from gan_tfc.commands import terminal
from gan_tfc.images import read_image
from gan_tfc.training.held_out import QUALITIES, decibels

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("GAN_TFC_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "benchmarks" / "results"
#: Every so many food photos one is kept from fine-tuning.
KEPT_OUT = 15
LEAST_GAIN, MOST_LOSS = 0.1, 0.1


def photo_groups(folder):
    """(food to train on, {name of a group: paths of photos that are only measured})."""
    food = sorted((folder / "train").glob("food_*"))
    val = sorted((folder / "val").glob("*.png"))
    groups = {
        "food, never seen in fine-tuning": food[::KEPT_OUT],
        "food, new to the preset as well": [path for path in val if path.name.startswith("food_")],
        "no food": [path for path in val if not path.name.startswith("food_")],
    }
    return [path for i, path in enumerate(food) if i % KEPT_OUT], groups


def measure(codec, paths, streams=None):
    """Streams of all photos at all qualities, and the PSNR of `streams` at realism 0, as decoded."""
    written = [codec.compress(read_image(path), quality) for path in paths for quality in QUALITIES]
    photos = [read_image(path) for path in paths for _ in QUALITIES]
    pairs = zip(photos, streams or written, strict=True)
    found = [decibels(codec.decompress(stream, realism=0), photo) for photo, stream in pairs]
    return written, np.reshape(found, (len(paths), -1))


def rows_of(before, after):
    """One row for each quality."""
    return [
        {
            "quality": quality,
            "before": round(float(before[:, i].mean()), 3),
            "after": round(float(after[:, i].mean()), 3),
            "gain": round(float((after - before)[:, i].mean()), 3),
            "worst_before": round(float(before[:, i].min()), 3),
            "worst_after": round(float(after[:, i].min()), 3),
            "least_gain": round(float((after - before)[:, i].min()), 3),
        }
        for i, quality in enumerate(QUALITIES)
    ]


def bars(groups):
    """Name, value, limit and whether it is met."""
    food = [group for name, group in groups.items() if name.startswith("food")]
    count = sum(group["photos"] for group in food)
    gain = sum(group["gain"] * group["photos"] for group in food) / count
    least = min(group["least_gain"] for group in food)
    changed = sum(group["changed_streams"] for group in groups.values())
    return [
        {"bar": "mean gain on food, dB", "value": round(gain, 3), "limit": f">= {LEAST_GAIN}"}
        | {"met": bool(gain >= LEAST_GAIN)},
        {"bar": "least gain of a food photo, dB", "value": least, "limit": f">= -{MOST_LOSS}"}
        | {"met": bool(least >= -MOST_LOSS)},
        {"bar": "streams that changed", "value": changed, "limit": "0", "met": changed == 0},
    ]


def markdown(record):
    """The table."""
    lines = [
        f"# Fine-tuning {record['preset']} on food photos, {record['minutes']:g} minutes",
        "",
        f"`python benchmarks/finetune.py --minutes {record['minutes']:g}` trained {record['steps']} steps on "
        f"{record['trained']} photos; {record['factor']:g} of the new weights are in the result. PSNR in dB "
        "at realism 0; the same streams before and after.",
        "",
        "| photos | quality | mean before | after | gain | worst photo before | after | least gain |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in record["groups"].items():
        lines += [
            f"| {name} ({group['photos']}) | {row['quality']} | {row['before']:.2f} | {row['after']:.2f} | "
            f"{row['gain']:+.3f} | {row['worst_before']:.2f} | {row['worst_after']:.2f} | "
            f"{row['least_gain']:+.3f} |"
            for row in group["rows"]
        ]
    if record["realism"]:
        lines += [
            "",
            "At realism 1 (photos held out by fine-tuning): mean PSNR {before:.2f} dB before, {after:.2f} "
            "after; the pictures after are at {alike:.1f} dB from those before.".format(**record["realism"]),
        ]
    lines += ["", "| bar | measured | limit | met |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {bar['bar']} | {bar['value']} | {bar['limit']} | {'yes' if bar['met'] else 'no'} |"
        for bar in record["bars"]
    ]
    return "\n".join(lines) + "\n"


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="photo_mobile")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--photos", type=Path, default=DATA / "photos", help="folder with train and val")
    parser.add_argument("--run", default=None, help="folder of the run, resumed where it holds one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(argv)

    codec = gan_tfc.load(args.preset)
    train, groups = photo_groups(args.photos)
    before = {name: measure(codec, paths) for name, paths in groups.items()}
    tuned = codec.fine_tune(
        (read_image(path) for path in train),
        args.minutes,
        folder=args.run,
        resume=True,
        console=terminal.console(stderr=True),
    )
    print(tuned, file=sys.stderr)
    record = {"preset": f"{codec.name}@{codec.version}", "minutes": args.minutes, "steps": tuned.steps}
    record |= {"trained": tuned.trained, "factor": tuned.factor, "realism": tuned.realism, "groups": {}}
    for name, paths in groups.items():
        streams, psnr_before = before[name]
        written, psnr_after = measure(codec, paths, streams)
        rows = rows_of(psnr_before, psnr_after)
        record["groups"][name] = {
            "photos": len(paths),
            "changed_streams": sum(a != b for a, b in zip(streams, written, strict=True)),
            "gain": round(float((psnr_after - psnr_before).mean()), 3),
            "least_gain": min(row["least_gain"] for row in rows),
            "rows": rows,
        }
    record |= {"bars": bars(record["groups"]), "held_out": tuned.to_dict()}
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "finetune.json").write_text(json.dumps(record, indent=1) + "\n")
    (args.results / "finetune.md").write_text(markdown(record))
    print(markdown(record))
    return 0 if all(bar["met"] for bar in record["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
