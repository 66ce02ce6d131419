# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo list`, `show`, `verify` and `index`."""

import json
from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.errors import GanTfcError, PresetError
from gan_tfc.files import write_atomically

#: Of points measured again on photos: other machines round otherwise, and cards have two decimals.
BPP_TOLERANCE, PSNR_TOLERANCE = 0.01, 0.05


def list_presets(args) -> int:
    """Presets as a table."""
    from gan_tfc.zoo import registry

    records = registry.list_presets(args.pattern, args.zoo)
    for record in records:
        record["bytes"] = _size(record) if args.zoo else _size_on_disk(record)
    if args.json:
        print(json.dumps(records, indent=1))
        return 0
    if not records:
        known = ", ".join(sorted({r["name"] for r in registry.list_presets(zoo=args.zoo)})) or "none"
        raise PresetError(f"no preset matches {args.pattern!r}; available: {known}.")
    terminal.console().print(_table(records))
    return 0


def _size_on_disk(record) -> int:
    from gan_tfc.zoo import registry

    folder = registry.ROOT / record["name"] / str(record["version"])
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _size(record) -> int | None:
    """Bytes to download, where the index says so."""
    return sum(file["bytes"] for file in record["files"].values()) if "files" in record else None


def _table(records):
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("preset", "parameters", "kMAC/px", "size", "measured"):
        table.add_column(title, justify="left" if title in ("preset", "measured") else "right")
    for record in records:
        table.add_row(
            f"{record['name']}@{record['version']}",
            _number(record.get("parameters"), ","),
            _number(record.get("kmac_per_pixel"), ".1f"),
            "" if record["bytes"] is None else f"{record['bytes'] / 1e6:.2f} MB",
            _points(record),
        )
    return table


def _number(value, form) -> str:
    # Another zoo's index may say anything.
    return format(value, form) if isinstance(value, (int, float)) else ""


def _points(record) -> str:
    """Measured points as "kodak: 0.150 bpp 27.40 dB, ..."."""
    points = _measured(record)
    if not points:
        return ""
    text = ", ".join(f"{point['bpp']:.3f} bpp {point['psnr']:.2f} dB" for point in points)
    return terminal.printable(f"{points[0].get('set')}: {text}")


def _measured(record) -> list[dict]:
    """The measured points of a record, empty where there are none, or none that can be read."""
    points = record.get("measured")
    keys = ("quality", "bpp", "psnr")
    readable = isinstance(points, list) and all(
        isinstance(point, dict) and all(isinstance(point.get(key), (int, float)) for key in keys)
        for point in points
    )
    return points if readable else []


def show(args) -> int:
    """The card of a preset."""
    card = _card(args.name)
    if not card.is_file():
        raise PresetError(f"expected the card of a preset, but there is no file {str(card)!r}.")
    text = terminal.printable(card.read_text(encoding="utf-8", errors="replace"))
    console = terminal.console()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text))
    else:
        print(text, end="" if text.endswith("\n") else "\n")
    return 0


def _card(name) -> Path:
    from gan_tfc.zoo import index, names, registry

    if not names.is_remote(name):
        return registry.find(name) / index.CARD
    from gan_tfc.zoo import remote

    with terminal.status(f"fetching the card of {name}"):
        return remote.find_card(name)


def verify(args) -> int:
    """Hashes, golden files where a preset has them (a shipped one must), and measured points."""
    from gan_tfc.zoo import registry

    if args.name:
        names = [args.name]
    else:
        versions = registry.available().items()
        names = [f"{name}@{version}" for name, all_ in sorted(versions) for version in all_]
    failed = False
    for name in names:
        try:
            outcome, problems = _verify_one(name, args.photos)
        except (GanTfcError, OSError) as error:
            outcome, problems = "", [str(error)]
        for problem in problems:
            terminal.say(f"error: {name}: {problem}")
        if not problems:
            print(f"{name}: {outcome}")
        failed = failed or bool(problems)
    if not names:
        raise PresetError("there are no presets to verify.")
    return int(failed)


def _verify_one(name: str, photos: str | None) -> tuple[str, list[str]]:
    from gan_tfc.zoo import golden, registry
    from gan_tfc.zoo.preset import load_preset

    with terminal.download_bar(f"fetching {name}") as progress:
        folder = registry.find(name, progress)
    with terminal.status(f"checking {name}"):
        codec = load_preset(folder)
        shipped = not name.startswith("path:") and "://" not in name
        streams = folder / golden.FOLDER
        if not shipped and not streams.exists():
            outcome, problems = "hashes ok, no golden files", []
        else:
            # Where streams decode otherwise, what is measured says nothing more.
            problems = golden.check_golden(codec, streams) or golden.check_points(codec, streams)
            count = len(list(streams.glob("q*.gtc")))
            outcome = f"hashes ok, {count} golden streams ok, their bytes and PSNR measured again"
    if photos and not problems:
        problems = _check_photos(folder, photos)
        outcome += f", points of the card measured again on {photos}"
    return outcome, problems


def _check_photos(folder: Path, photos: str) -> list[str]:
    """The card's points on these photos, at realism 0, against those in the metadata."""
    from gan_tfc.evaluation.curves import measure, photos_in
    from gan_tfc.evaluation.preset_codec import PresetCodec
    from gan_tfc.zoo.preset import check_hashes

    points = {float(point["quality"]): point for point in _measured(check_hashes(folder))}
    if not points:
        return ["its metadata lists no measured points; leave out --photos."]
    codec = PresetCodec(f"path:{folder}", realism=0.0)
    curve = measure(codec, terminal.track(photos_in(photos), f"measuring {codec.name}"), points)
    problems = []
    for quality, bpp, psnr in zip(curve.quality, curve.bpp, curve.psnr, strict=True):
        point = points[quality]
        if not (
            abs(bpp - point["bpp"]) <= BPP_TOLERANCE * point["bpp"]
            and abs(psnr - point["psnr"]) <= PSNR_TOLERANCE
        ):
            problems.append(
                f"at quality {quality:g} {bpp:.4f} bpp and {psnr:.2f} dB on {len(curve.photos)} photos of "
                f"{photos}, but its card says {point['bpp']:.4f} and {point['psnr']:.2f} on "
                f"{terminal.printable(str(point.get('set')))}."
            )
    return problems


def index(args) -> int:
    """Writes `index.json` of a folder of presets."""
    from gan_tfc.zoo import index as zoo_index
    from gan_tfc.zoo.publish import check_publishable

    with terminal.status(f"hashing the presets in {args.folder}"):
        check_publishable(args.folder)
        text = zoo_index.make_index(args.folder, files=True)
    path = Path(args.folder) / zoo_index.INDEX
    write_atomically(path, text.encode(), overwrite=True)
    for name, versions in sorted(zoo_index.presets_in(args.folder).items()):
        print(f"{name}: {', '.join(map(str, versions))}")
    print(f"{path}: put {args.folder} behind any web server, then load URL#NAME@VERSION")
    return 0
