# SPDX-License-Identifier: Apache-2.0
"""Does fine-tuning of realism help photos of one kind, by metrics that it was not trained on?

    python benchmarks/finetune_realism.py --minutes 25
    python benchmarks/finetune_realism.py --kind screenshots --minutes 25

Trains the textures of realism 1 on one of the kinds of `finetune.py`, and compares what they are before
and after on the photos of that kind that were left out: PSNR, LPIPS, structure, and FID and KID of
64-pixel patches (AlexNet's features), as `realism_runs.py` measures them; and at realism 0 every pixel.
Needs the weights of LPIPS, as `gan-tfc eval` does. Writes `results/finetune-realism[-KIND].json` and
`.md`; exit code 1 where a stream or a pixel of realism 0 changed, or FID rose in the mean.
"""

import sys

import numpy as np
from finetune import KINDS, arguments, command_of, keep
from realism_runs import measure

import gan_tfc
from gan_tfc.commands import terminal
from gan_tfc.evaluation.judge import Judge
from gan_tfc.evaluation.patch_features import PatchFeatures, alex_network
from gan_tfc.images import read_image
from gan_tfc.losses.lpips import LPIPS
from gan_tfc.training.realism_tuning import QUALITIES

COLUMNS = {"psnr-rgb": "PSNR", "lpips": "LPIPS", "structure": "structure", "fid": "FID", "kid": "KID"}


def rows_of(codec, streams, originals, judge):
    """Metrics at realism 0 and 1 by quality."""
    return {
        str(quality): measure(codec, streams[i :: len(QUALITIES)], originals, judge)
        for i, quality in enumerate(QUALITIES)
    }


def changes(codec, images, streams, pictures):
    """How many streams, and how many of the pictures at realism 0, are not what they were."""
    written = (codec.compress(image, quality) for image in images for quality in QUALITIES)
    decoded = (codec.decompress(stream, realism=0) for stream in streams)
    return {
        "streams": sum(a != b for a, b in zip(written, streams, strict=True)),
        "pictures": sum(not np.array_equal(a, b) for a, b in zip(decoded, pictures, strict=True)),
    }


def markdown(record):
    """The table."""
    changed = record["changed"]
    lines = [
        f"# Fine-tuning the realism of {record['preset']} on {record['kind']}, {record['minutes']:g} minutes",
        "",
        f"`{command_of('finetune_realism.py', record)}` trained {record['steps']} steps on "
        f"{record['trained']} photos; {record['factor']:g} of the new weights are in the result. Measured on "
        f"{record['photos']} photos that were left out; streams that changed: {changed['streams']}, pictures "
        f"at realism 0: {changed['pictures']}.",
        "",
        "Distances of textures that decided what was kept, on the photos held out by fine-tuning: "
        f"{record['held_out']['gain']:+.1f} % in the mean.",
        "",
        f"| quality | realism | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- |{' --- |' * len(COLUMNS)}",
    ]
    for quality in record["before"]:
        shown = {
            "0": record["before"][quality]["realism 0"],
            "1, before": record["before"][quality]["realism 1"],
            "1, after": record["after"][quality]["realism 1"],
        }
        for realism, row in shown.items():
            digits = (f"{row[key]:.2f}" if row[key] >= 1 else f"{row[key]:.4f}" for key in COLUMNS)
            lines.append(f"| {quality} | {realism} | {' | '.join(digits)} |")
    return "\n".join(lines) + "\n"


def main(argv=None):
    """Command line."""
    args = arguments(__doc__).parse_args(argv)

    lpips = LPIPS("alex")
    judge = Judge(lpips, PatchFeatures(*alex_network(lpips), size=64))
    codec = gan_tfc.load(args.preset)
    preset = f"{codec.name}@{codec.version}"
    train, groups = KINDS[args.kind](args.photos, args.rendered)
    images = [read_image(path) for group in groups if group.own for path in group.paths]
    originals = [judge.original(image) for image in images]
    streams = [codec.compress(image, quality) for image in images for quality in QUALITIES]
    pictures = [codec.decompress(stream, realism=0) for stream in streams]
    before = rows_of(codec, streams, originals, judge)
    tuned = codec.fine_tune(
        (read_image(path) for path in train),
        args.minutes,
        realism=True,
        folder=args.run,
        resume=True,
        console=terminal.console(stderr=True),
    )
    print(tuned, file=sys.stderr)
    record = {"preset": preset, "kind": args.kind, "minutes": args.minutes, "steps": tuned.steps}
    record |= {"trained": tuned.trained, "factor": tuned.factor, "photos": len(images)}
    record |= {"changed": changes(codec, images, streams, pictures), "before": before}
    record |= {"after": rows_of(codec, streams, originals, judge), "held_out": tuned.to_dict()}
    keep(record, markdown(record), args.results, "finetune-realism")
    fid_before, fid_after = (
        np.mean([row["realism 1"]["fid"] for row in record[when].values()]) for when in ("before", "after")
    )
    return 0 if not any(record["changed"].values()) and fid_after <= fid_before else 1


if __name__ == "__main__":
    sys.exit(main())
