# SPDX-License-Identifier: Apache-2.0
r"""Writes the card of a preset, its figure and its measured points, from files alone.

    python benchmarks/make_card.py --preset path:my_zoo/menu/1 --photos photos/val --results results \
        --sources sources.csv --weights-licence CC-BY-4.0 \
        --limitation "Trained on photographs of dishes; other subjects gain less." \
        --command "gan-tfc train --config photo_mobile_3_contexts --data photos/train" \
        --command "gan-tfc freeze runs/photo_mobile_3_contexts ..."

Reads the preset's metadata.json, what kodak.py, bars.py and (of presets that know realism)
realism_runs.py left in --results, crops.jpg of card_crops.py, and the list of training photos
(columns file, source, licence_as_stated). Writes, into the preset's folder:

    README.md       the card
    rd_curve.png    the figure of kodak.py
    metadata.json   licence, limits, training, measured; the files that its hashes cover stay as they are

and, of a preset that ships with gan_tfc, zoo/index.json. Licence, limits and commands are kept in
metadata.json and need to be given only once. The list of training photos is not kept.
"""

import argparse
import csv
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from card_sections import CROPS, FIGURE, Facts, card
from kodak import DATA, RESULTS, file_stem

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.rivals import RIVALS

MAX_FIGURE_BYTES = 60_000
#: Of the qualities measured, those that listings of presets show.
LISTED_QUALITIES = (10, 30, 50, 70, 90)


def training_sources(listing: Path) -> list[tuple[str, str, int]]:
    """Source, licence as stated there, and number of the photos trained on, most first."""
    try:
        with open(listing, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["file"].startswith("train/")]
            counts = Counter((row["source"], row["licence_as_stated"]) for row in rows)
    except (OSError, KeyError) as error:
        raise GanTfcError(
            f"Expected a list of the training photos in {listing}: {error}; pass another one as --sources."
        ) from error
    if not counts:
        raise GanTfcError(f"Expected photos below train/ in {listing}, found none.")
    return [(*key, count) for key, count in sorted(counts.items(), key=lambda x: (-x[1], x[0]))]


def held_out(listing: Path | None, photos: tuple[str, ...]) -> bool:
    """Whether test_no_test_photo_in_training.py compares exactly these photos with those of the list."""
    if listing is None or listing.resolve() != (DATA / "photos" / "sources.csv").resolve():
        return False
    return any(
        all((folder / name).is_file() for name in photos) for folder in (DATA / "kodak", DATA / "photos/val")
    )


def listed_points(curve: Curve, dataset: str) -> list[dict]:
    """A few points of the curve, for `gan_tfc.list_presets`."""
    points = zip(curve.quality, curve.bpp, curve.psnr, strict=True)
    return [
        {"set": dataset, "quality": quality, "bpp": round(bpp, 4), "psnr": round(psnr, 2)}
        for quality, bpp, psnr in points
        if quality in LISTED_QUALITIES
    ]


def load_bars(path: Path, ours: Curve) -> list[dict]:
    """The bars of exactly the preset and as many photos as the curve is of, or none."""
    try:
        report = json.loads(path.read_text())
    except OSError:
        return []
    same = report["codec"] == ours.codec and report["photos"] == len(ours.photos)
    return report["bars"] if same else []


def load_realism(path: Path, ours: Curve) -> list[dict]:
    """What realism_runs.py found of the curve's preset on its photos, by ascending quality, or nothing.

    Raises:
        GanTfcError: it was measured with other files, or on other photos.
    """
    try:
        report = json.loads(path.read_text())
    except OSError:
        return []
    # Reports of the first presets hold no hashes.
    codec = {"sha256": report.get("sha256", ours.codec["sha256"])}
    if codec != ours.codec or report["photos"] != list(ours.photos):
        raise GanTfcError(
            f"Expected results of {ours.name} as it is on the photos of its curve, but {path} has another "
            "preset or other photos; run benchmarks/realism_runs.py again, or delete it."
        )
    return sorted((r for r in report["results"] if r["run"] == ours.name), key=lambda r: r["quality"])


def knows_realism(folder: Path) -> bool:
    """Whether the preset's network has layers of realism."""
    config = json.loads((folder / "config.json").read_text())
    return config["model"]["config"].get("texture_features", 0) > 0


def stated(given, kept, what: str, option: str):
    """What the maker says now, or said before."""
    if not (given or kept):
        raise GanTfcError(f"Expected {what}, which nobody gave; pass {option}.")
    return given or kept


def state(metadata: dict, args, sources) -> None:
    """Adds what the maker says to the metadata."""
    training = metadata.get("training", {})
    if not sources and training.get("photos"):
        raise GanTfcError(
            f"Expected the list of the {training['photos']} training photos, which is not kept; pass it as "
            "--sources again."
        )
    commands = stated(args.command, training.get("commands"), "the training commands", "--command")
    metadata["licence"] = {
        "code": "Apache-2.0",
        "weights": stated(
            args.weights_licence,
            metadata.get("licence", {}).get("weights"),
            "the licence of the weights",
            '--weights-licence, such as CC0-1.0 or "not stated"',
        ),
    }
    counts = {"photos": sum(count for *_, count in sources), "sources": len(sources)} if sources else {}
    metadata["training"] = {**counts, "commands": commands}
    metadata["limits"] = stated(
        args.limitation, metadata.get("limits"), "what the preset is not good at", "--limitation"
    )


def parse(argv) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version or path:FOLDER")
    parser.add_argument("--results", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--photos", help="folder of the photos measured, as the card names it; default kodak")
    parser.add_argument("--dataset", help="name of the photos measured; default that of the folder")
    parser.add_argument("--sources", type=Path, help="CSV file that lists the training photos")
    parser.add_argument("--weights-licence", metavar="LICENCE", help="of weights and tables")
    parser.add_argument("--limitation", action="append", help="a sentence on a limit; may be repeated")
    parser.add_argument("--command", action="append", help="a training command; may be repeated")
    args = parser.parse_args(argv)
    if args.dataset and not args.photos and args.dataset != "Kodak":
        parser.error("--dataset is the name of photos whose folder --photos must give")
    args.dataset = args.dataset or (Path(args.photos).name if args.photos else "Kodak")
    return args


def main(argv=None) -> int:
    """Reads everything, then writes everything."""
    args = parse(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        write(args)
    except (GanTfcError, OSError) as error:
        print(f"make_card.py: {error}", file=sys.stderr)
        return 1
    return 0


def write(args) -> None:
    """Everything that `main` promises."""
    from gan_tfc.zoo import registry
    from gan_tfc.zoo.preset import METADATA, check_hashes

    folder = registry.find(args.preset)
    metadata = check_hashes(folder)
    name = f"{metadata['name']}@{metadata['version']}"
    stem = args.results / file_stem(name)
    ours = Curve.load(stem.with_suffix(".json"))
    if ours.codec != {"sha256": metadata["sha256"]}:
        raise GanTfcError(
            f"Expected results of {name} as it is, but {stem}.json was made by other files; run "
            "benchmarks/kodak.py again."
        )
    rivals = [Curve.load(args.results / f"{key}.json") for key in RIVALS]
    figure = stem.with_suffix(".png")
    if (size := figure.stat().st_size) >= MAX_FIGURE_BYTES:
        raise GanTfcError(f"Expected a figure below {MAX_FIGURE_BYTES} bytes, {figure} has {size}.")
    sources = training_sources(args.sources) if args.sources else []
    state(metadata, args, sources)
    metadata["measured"] = listed_points(ours, args.dataset)
    facts = Facts(
        metadata=metadata,
        # A folder of the maker's own means nothing to others.
        preset=f"path:{name.replace('@', '/')}" if args.preset.startswith("path:") else name,
        dataset=args.dataset,
        photos=args.photos,
        ours=ours,
        rivals=rivals,
        sources=sources,
        held_out=held_out(args.sources, ours.photos),
        bars=load_bars(args.results / "bars.json", ours),
        realism=load_realism(args.results / f"{file_stem(name)}-realism.json", ours),
        knows_realism=knows_realism(folder),
        crops=(folder / CROPS).is_file(),
    )
    text = card(facts)
    shutil.copyfile(figure, folder / FIGURE)
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / METADATA).write_text(json.dumps(metadata, indent=1) + "\n")
    print(f"wrote {folder / 'README.md'}, {FIGURE} and {METADATA}")
    if facts.ships:
        registry.INDEX.write_text(registry.make_index())
        print(f"wrote {registry.INDEX}")


if __name__ == "__main__":
    raise SystemExit(main())
