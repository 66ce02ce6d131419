# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo list`, `show`, `golden` and `index`."""

import json
from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.errors import PresetError
from gan_tfc.files import write_atomically


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
    from gan_tfc.zoo.card_text import is_number

    # Another zoo's index may say anything.
    return format(value, form) if is_number(value) else ""


def _points(record) -> str:
    """Measured points as "kodak: 0.150 bpp 27.40 dB, ..."."""
    from gan_tfc.zoo.card_text import measured_points

    points = measured_points(record)
    if not points:
        return ""
    text = ", ".join(f"{point['bpp']:.3f} bpp {point['psnr']:.2f} dB" for point in points)
    return terminal.printable(f"{points[0].get('set')}: {text}")


def show(args) -> int:
    """The card of a preset, and where its pictures are."""
    card = _card(args.name)
    text = terminal.printable(card.text)
    console = terminal.console()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text))
    else:
        print(text, end="" if text.endswith("\n") else "\n")
    if card.pictures:
        names = ", ".join(path.name for path in card.pictures)
        terminal.say(f"its pictures: {names} in {card.pictures[0].parent}")
    return 0


def _card(name):
    from gan_tfc.zoo import names, registry
    from gan_tfc.zoo.card import read_card

    if not names.is_remote(name):
        return read_card(registry.find(name))
    from gan_tfc.zoo import remote

    with terminal.status(f"fetching the card of {name}"):
        return remote.find_card(name)


def golden(args) -> int:
    """Writes the golden files of a preset of the user's own."""
    from gan_tfc.zoo import golden as golden_files
    from gan_tfc.zoo import registry

    if not args.preset.startswith("path:"):
        raise PresetError(
            f"expected path:FOLDER, a preset of your own, received {args.preset!r}: a released preset has "
            "its golden files, for ever."
        )
    folder = registry.find(args.preset) / golden_files.FOLDER
    golden_files.check_free(folder)
    codec = terminal.load(args.preset)
    with terminal.status(f"writing {folder}"):
        golden_files.make_golden(codec, folder, args.picture, args.qualities)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    print(f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:.2f} MB, of {codec.name}@{codec.version}")
    print(f"on other machines: gan-tfc zoo verify {args.preset}")
    return 0


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
