# SPDX-License-Identifier: Apache-2.0
"""Does fine-tuning on photos of one kind help this kind, at the same streams?

    python benchmarks/finetune.py --minutes 20
    python benchmarks/finetune.py --kind screenshots --minutes 20
    python benchmarks/finetune.py --kind screenshots --all --minutes 30

The kinds:

    food         the preset's own: a third of what it was trained on. Food of `$GAN_TFC_DATA/photos/train`
                 but for every 15th photo, and that of `photos/val`, which the preset never saw either
    screenshots  unlike all that it was trained on. What `screenshots.py` renders (needs Chromium), but for
                 both pages of every 8th module

What is left out above is never seen by fine-tuning, not even to stop or to blend, and it is what is
measured here: PSNR at realism 0 before and after, and every stream; the photos of `photos/val` of no such
kind show what others lose. Writes `results/finetune[-KIND][-all].json` and `.md`; exit code 1 where
a bar is missed: on average 0.1 dB better on its kind, none of these photos more than 0.1 dB worse, and all
streams equal to the byte. With `--all` new streams are written, and PSNR is compared at equal bytes.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import screenshots

import gan_tfc
from gan_tfc.commands import terminal
from gan_tfc.evaluation.bd_rate import bd_rate
from gan_tfc.images import read_image
from gan_tfc.training.fine_tuning_report import make_rows, rounded
from gan_tfc.training.full_fine_tuning import gains_at_equal_bytes
from gan_tfc.training.held_out import QUALITIES, decibels

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("GAN_TFC_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "benchmarks" / "results"
#: Every so many food photos, or modules, one is kept from fine-tuning.
FOOD_KEPT_OUT, MODULES_KEPT_OUT = 15, 8
LEAST_GAIN, MOST_LOSS = 0.1, 0.1


@dataclass(frozen=True)
class Group:
    """Photos that are only measured, and whether they are of the kind that is trained on."""

    name: str
    paths: list[Path]
    own: bool


def food(photos, _):
    """(photos to train on, groups)."""
    train = sorted((photos / "train").glob("food_*"))
    val = sorted((photos / "val").glob("*.png"))
    groups = [
        Group("food, never seen in fine-tuning", train[::FOOD_KEPT_OUT], True),
        Group("food, new to the preset as well", [p for p in val if p.name.startswith("food_")], True),
        Group("no food", [p for p in val if not p.name.startswith("food_")], False),
    ]
    return [path for i, path in enumerate(train) if i % FOOD_KEPT_OUT], groups


def screens(photos, rendered):
    """(screenshots to train on, groups)."""
    pages = screenshots.render(rendered)
    names = sorted({path.stem.rpartition("-")[0] for path in pages})
    kept_out = set(names[::MODULES_KEPT_OUT])
    measured = [path for path in pages if path.stem.rpartition("-")[0] in kept_out]
    groups = [
        Group("screenshots, never seen in fine-tuning", measured, True),
        Group("photos", sorted((photos / "val").glob("*.png")), False),
    ]
    return sorted(set(pages) - set(measured)), groups


KINDS = {"food": food, "screenshots": screens}


def write(codec, group):
    """Streams of all photos of a group, at all qualities."""
    return [codec.compress(read_image(path), quality) for path in group.paths for quality in QUALITIES]


def measure(codec, group, streams):
    """Bytes, and PSNR at realism 0 as decoded, `(photos, qualities)` each."""
    photos = (read_image(path) for path in group.paths for _ in QUALITIES)
    found = [
        decibels(codec.decompress(stream, realism=0), photo)
        for stream, photo in zip(streams, photos, strict=True)
    ]
    return tuple(np.reshape(x, (len(group.paths), -1)) for x in ([len(s) for s in streams], found))


def compare(group, streams, before, codec, everything):
    """A group's entry of the record."""
    written = write(codec, group)
    after = measure(codec, group, written if everything else streams)
    gains = gains_at_equal_bytes(*before, *after) if everything else after[1] - before[1]
    rows = make_rows(QUALITIES, before[0], after[0], before[1], after[1], gains)
    means = [x.mean(axis=0) for x in (*before, *after)]
    return {
        "photos": len(group.paths),
        "own": group.own,
        "changed_streams": sum(a != b for a, b in zip(streams, written, strict=True)),
        "gain": round(float(gains.mean()), 3),
        "least_gain": round(float(gains.min()), 3),
        "bd_rate_percent": round(bd_rate(*means), 2),
        "rows": rounded(rows),
    }


def bars(groups, everything):
    """Name, value, limit and whether it is met."""
    own = [group for group in groups.values() if group["own"]]
    gain = sum(group["gain"] * group["photos"] for group in own) / sum(group["photos"] for group in own)
    least = min(group["least_gain"] for group in own)
    found = [
        {"bar": "mean gain, dB", "value": round(gain, 3), "limit": f">= {LEAST_GAIN}"}
        | {"met": bool(gain >= LEAST_GAIN)},
        {"bar": "least gain of a photo, dB", "value": least, "limit": f">= -{MOST_LOSS}"}
        | {"met": bool(least >= -MOST_LOSS)},
    ]
    if not everything:
        changed = sum(group["changed_streams"] for group in groups.values())
        found += [{"bar": "streams that changed", "value": changed, "limit": "0", "met": changed == 0}]
    return found


def arguments(description):
    """The parser of what all benchmarks of fine-tuning take."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--preset", default="photo_mobile")
    parser.add_argument("--kind", choices=KINDS, default="food")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--photos", type=Path, default=DATA / "photos", help="folder with train and val")
    parser.add_argument("--rendered", type=Path, default=ROOT / "runs" / "screenshots")
    parser.add_argument("--run", default=None, help="folder of the run, resumed where it holds one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def command_of(script, record):
    """The command that made a record."""
    kind = "" if record["kind"] == "food" else f" --kind {record['kind']}"
    everything = " --all" if record.get("everything") else ""
    return f"python benchmarks/{script}{kind}{everything} --minutes {record['minutes']:g}"


def keep(record, page, results, name):
    """Writes a record and its page, under names that tell the kind, and prints the page."""
    name += "" if record["kind"] == "food" else f"-{record['kind']}"
    name += "-all" if record.get("everything") else ""
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    (results / f"{name}.md").write_text(page)
    print(page)


def markdown(record):
    """The table."""
    what = "all of " if record["everything"] else "the decoder of "
    streams = (
        "New streams, gains at equal bytes." if record["everything"] else "The same streams before and after."
    )
    lines = [
        f"# Fine-tuning {what}{record['preset']} on {record['kind']}, {record['minutes']:g} minutes",
        "",
        f"`{command_of('finetune.py', record)}` trained {record['steps']} steps on {record['trained']} "
        f"photos; {record['factor']:g} of the new weights are in the result. PSNR in dB at realism 0. "
        f"{streams}",
        "",
        "| photos | quality | bytes before | after | mean PSNR before | after | gain | worst photo before | "
        "after | least gain |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in record["groups"].items():
        lines += [
            f"| {name} ({group['photos']}) | {row['quality']:g} | {row['bytes_before']:.0f} | "
            f"{row['bytes_after']:.0f} | {row['before']:.2f} | {row['after']:.2f} | {row['gain']:+.3f} | "
            f"{row['worst_before']:.2f} | {row['worst_after']:.2f} | {row['least_gain']:+.3f} |"
            for row in group["rows"]
        ]
    rates = ", ".join(
        f"{group['bd_rate_percent']:+.1f} % ({name})" for name, group in record["groups"].items()
    )
    lines += ["", f"Bytes at equal PSNR, between the lowest and the highest quality (BD-rate): {rates}."]
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
    parser = arguments(__doc__)
    parser.add_argument("--all", action="store_true", dest="everything", help="contexts and tables as well")
    args = parser.parse_args(argv)

    codec = gan_tfc.load(args.preset)
    preset = f"{codec.name}@{codec.version}"
    train, groups = KINDS[args.kind](args.photos, args.rendered)
    streams = [write(codec, group) for group in groups]
    before = [measure(codec, *pair) for pair in zip(groups, streams, strict=True)]
    tuned = codec.fine_tune(
        (read_image(path) for path in train),
        args.minutes,
        everything=args.everything,
        name=args.kind if args.everything else None,
        folder=args.run,
        resume=True,
        console=terminal.console(stderr=True),
    )
    print(tuned, file=sys.stderr)
    record = {"preset": preset, "kind": args.kind, "everything": args.everything}
    record |= {"minutes": args.minutes, "steps": tuned.steps, "trained": tuned.trained}
    record |= {"factor": tuned.factor, "realism": tuned.realism}
    record["groups"] = {
        group.name: compare(group, *known, codec, args.everything)
        for group, *known in zip(groups, streams, before, strict=True)
    }
    record |= {"bars": bars(record["groups"], args.everything), "held_out": tuned.to_dict()}
    keep(record, markdown(record), args.results, "finetune")
    return 0 if all(bar["met"] for bar in record["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
