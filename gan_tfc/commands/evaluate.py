# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc eval`."""

import itertools
import json
import os
import platform
import tempfile
from functools import partial
from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.folders import check_writable, explained

QUALITIES = (2, 5, 10, 15, 20, 25, 30, 40, 50, 65, 80)
#: Rivals have settings for finer curves than a report needs.
_MOST_POINTS = 12


def evaluate(args) -> int:
    """Measures presets and rivals on photos, and writes result files and a report."""
    from gan_tfc.evaluation.curves import photos_in
    from gan_tfc.evaluation.published import read_published

    if args.qualities and len(set(args.qualities)) < 2:
        args.usage_error("expected at least two different --qualities, for a curve has two points or more")
    output = Path(args.output)
    page = output / "report.html"
    if page.exists() and not args.force:
        raise GanTfcError(f"{str(page)!r} exists already: choose another folder with -o, or pass --force.")
    check_writable(output)
    photos = photos_in(args.photos, args.limit)
    published = read_published(args.published) if args.published else []
    rivals, notes = _rivals(args)
    judge, more = _judge(args)
    notes += more
    for note in notes:
        terminal.say(note)
    evaluation = _measured(args, photos, rivals, judge, output / "results")
    evaluation.published, evaluation.notes = published, notes
    _write(evaluation, output, page)
    if args.json:
        print(json.dumps(evaluation.record() | {"report": str(page)}, indent=1))
    else:
        _print(evaluation, page)
    return 0


def _rivals(args) -> tuple[dict, list[str]]:
    """The rivals by name, and a sentence for each that does not work here and was not asked for."""
    from gan_tfc.evaluation.rivals import ALL_RIVALS

    names = [] if args.rivals == ["none"] else args.rivals or list(ALL_RIVALS)
    if unknown := [name for name in names if name not in ALL_RIVALS]:
        args.usage_error(f"expected --rivals among {', '.join(ALL_RIVALS)}, received {', '.join(unknown)}")
    found, notes = {}, []
    for name in names:
        sentence = ALL_RIVALS[name].missing()
        if sentence and args.rivals:
            raise GanTfcError(sentence)
        if sentence:
            notes.append(f"Without {ALL_RIVALS[name].name}: {sentence}")
        else:
            found[name] = ALL_RIVALS[name]
    return found, notes


def _judge(args):
    """The metrics, and a sentence on each that cannot be had here."""
    from gan_tfc.evaluation.judge import Judge
    from gan_tfc.evaluation.patch_features import PatchFeatures, network_for_patches
    from gan_tfc.losses.lpips import LPIPS

    lpips, patches, notes = None, None, []
    with terminal.status("loading the networks that judge"):
        try:
            lpips = LPIPS("alex")
        except GanTfcError as error:
            notes.append(f"Without LPIPS and structure: {error}")
        try:
            patches = PatchFeatures(*network_for_patches(args.features, lpips), size=args.patch)
        except GanTfcError as error:
            if args.features != "auto":
                raise
            notes.append(f"Without FID and KID: {error}")
    return Judge(lpips, patches), notes


def _measured(args, photos, rivals, judge, results):
    """All measurements."""
    from gan_tfc.evaluation.matching import Contender
    from gan_tfc.evaluation.report import Evaluation
    from gan_tfc.evaluation.suite import Suite
    from gan_tfc.images import read_image
    from gan_tfc.zoo.registry import find

    with tempfile.TemporaryDirectory() as scratch, explained(scratch):
        suite = Suite(photos, judge, results, Path(scratch), _track)
        ours, first = [], read_image(photos[0])
        for preset, tune in itertools.product(args.presets, dict.fromkeys(args.tune)):
            codec = _preset(preset, tune)
            with terminal.status(f"trying {codec.name}"):
                decoders = codec.decoders(sorted(set(args.realism)), first)
            # A folder, because a process of its own may not know where this one's zoo lies.
            source = f"path:{Path(find(preset)).resolve()}"
            ours.append(Contender(codec, decoders, args.qualities or QUALITIES, source))
        others = [
            Contender(rival, {rival.name: rival.decode}, _thinned(rival.qualities), f"rival:{name}")
            for name, rival in rivals.items()
        ]
        curves = [[suite.curves(contender) for contender in group] for group in (ours, others)]
        matched, blind = suite.matched([*ours, *others])
    presets, rival_curves = (sum(group, []) for group in curves)
    evaluation = Evaluation(Path(args.photos).resolve().name, presets, rival_curves, matched, blind)
    evaluation.settings = _settings(args, photos, judge, ours, others)
    return evaluation


def _preset(name, tune):
    from gan_tfc.evaluation.preset_codec import PresetCodec

    with terminal.status(f"loading {name}"):
        return PresetCodec(name, tune=tune)


def _thinned(qualities):
    return qualities if len(qualities) <= _MOST_POINTS else qualities[::2]


def _track(items, title):
    """The items with a progress bar; only to a person at a terminal."""
    from rich.progress import track

    console = terminal.console(stderr=True)
    return track(items, title, console=console, transient=True) if console.is_terminal else items


def _settings(args, photos, judge, ours, others) -> list[tuple[str, str]]:
    """What and how, for the report."""
    import keras
    import numpy

    rows = [("Command", _command(args)), ("Photos", f"{len(photos)}, {photos[0].name} to {photos[-1].name}")]
    rows += [(contender.codec.name, contender.codec.description) for contender in (*ours, *others)]
    rows.append(("PSNR", "of the mean squared error over RGB of each photo; then the mean over photos"))
    rows.append(("MS-SSIM", "Wang et al. 2003, five scales, each colour channel for itself, mean"))
    if judge.lpips:
        rows.append(("LPIPS", "version 0.1, AlexNet, whole photos"))
        rows.append(
            (
                "Structure",
                "DISTS’s terms (Ding et al. 2020) on AlexNet’s features, uniform weights; not DISTS itself",
            )
        )
    if judge.patch_features:
        rows.append(("FID and KID", _patches(photos, judge.patch_features)))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    machine = f"{_processor()}, {os.cpu_count()} cores, load averages {load} at the end"
    software = f"Python {platform.python_version()}, NumPy {numpy.__version__}, Keras {keras.__version__} on "
    return [*rows, ("Machine", machine), ("Software", software + keras.backend.backend())]


def _command(args) -> str:
    """What was asked for, with the last names of folders only."""
    presets = [f"path:{Path(name).name}" if name.startswith("path:") else name for name in args.presets]
    parts = ["gan-tfc eval", Path(args.photos).resolve().name, "--presets", ",".join(presets)]
    for option in ("realism", "rivals", "qualities"):
        if values := getattr(args, option):
            parts += [f"--{option}", ",".join(v if isinstance(v, str) else f"{v:g}" for v in values)]
    for option in ("limit", "patch", "features"):
        if value := getattr(args, option):
            parts += [f"--{option}", str(value)]
    return " ".join(parts)


def _patches(photos, features) -> str:
    from gan_tfc.evaluation.frechet import dimensions_for
    from gan_tfc.images import read_image

    count = sum(_patch_count(read_image(path).shape, features.size) for path in photos)
    dimensions = features(read_image(photos[0])).shape[1]
    used = dimensions_for(count, dimensions)
    text = f"{features.name}; {count:,} patches of {features.size} pixels, each half over the next"
    if used < dimensions:
        text += f"; FID on a random {used}-dimensional projection of {dimensions} features, KID on all"
    else:
        text += f"; {dimensions} features"
    return f"{text}. They compare with each other in this report, and not with published ones"


def _patch_count(shape, size):
    return ((shape[0] - size) // (size // 2) + 1) * ((shape[1] - size) // (size // 2) + 1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _write(evaluation, output, page):
    from gan_tfc.evaluation.report import report

    record = json.dumps(evaluation.record(), indent=1) + "\n"
    write = partial(write_atomically, overwrite=True)
    write(output / "evaluation.json", record.encode())
    write(page, report(evaluation).encode())


def _print(evaluation, page):
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("files of", "against", "at equal PSNR", "MS-SSIM", "LPIPS", "structure"):
        table.add_column(title, justify="left" if title in ("files of", "against") else "right")
    for record in evaluation.record()["bd_rates"]:
        cells = [record.get(key, {}).get("rate") for key in ("psnr-rgb", "ms-ssim-rgb", "lpips", "structure")]
        told = ["–" if rate is None else f"{rate:+.1f} %" for rate in cells]
        table.add_row(record["codec"], record["anchor"], *told)
    terminal.console().print(table)
    print(f"report: {page}")
