# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo list`, `show` and `verify`."""

import json
from pathlib import Path

from gan_tfc.commands import terminal
from gan_tfc.errors import GanTfcError, PresetError


def list_presets(args) -> int:
    """The shipped presets as a table."""
    from gan_tfc.zoo import registry

    records = registry.list_presets(args.pattern)
    for record in records:
        folder = registry.ROOT / record["name"] / str(record["version"])
        record["bytes"] = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    if args.json:
        print(json.dumps(records, indent=1))
        return 0
    if not records:
        known = ", ".join(sorted(registry.available())) or "none"
        raise PresetError(f"no preset matches {args.pattern!r}; available: {known}.")
    terminal.console().print(_table(records))
    return 0


def _table(records):
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("preset", "parameters", "kMAC/px", "size", "measured"):
        table.add_column(title, justify="left" if title in ("preset", "measured") else "right")
    for record in records:
        table.add_row(
            f"{record['name']}@{record['version']}",
            f"{record['parameters']:,}",
            f"{record['kmac_per_pixel']:.1f}",
            f"{record['bytes'] / 1e6:.2f} MB",
            _points(record.get("measured")),
        )
    return table


def _points(measured) -> str:
    """Measured points as "kodak: 0.150 bpp 27.40 dB, ..."."""
    if not measured:
        return ""
    points = ", ".join(f"{point['bpp']:.3f} bpp {point['psnr']:.2f} dB" for point in measured)
    return f"{measured[0]['set']}: {points}"


def show(args) -> int:
    """The card of a preset."""
    from gan_tfc.zoo import registry

    card = registry.find(args.name) / "README.md"
    if not card.is_file():
        raise PresetError(f"expected the card of a preset, but there is no file {str(card)!r}.")
    text = card.read_text(encoding="utf-8")
    console = terminal.console()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text))
    else:
        print(text, end="" if text.endswith("\n") else "\n")
    return 0


def verify(args) -> int:
    """Hashes, and golden files where a preset has them; a shipped one must."""
    from gan_tfc.zoo import registry

    if args.name:
        names = [args.name]
    else:
        versions = registry.available().items()
        names = [f"{name}@{version}" for name, all_ in sorted(versions) for version in all_]
    failed = False
    for name in names:
        try:
            with terminal.status(f"checking {name}"):
                outcome, problems = _verify_one(registry.find(name), name.startswith("path:"))
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


def _verify_one(folder: Path, own: bool) -> tuple[str, list[str]]:
    from gan_tfc.zoo.golden import check_golden
    from gan_tfc.zoo.preset import load_preset

    codec = load_preset(folder)
    golden = folder / "golden"
    if own and not golden.exists():
        return "hashes ok, no golden files", []
    problems = check_golden(codec, golden)
    return f"hashes ok, {len(list(golden.glob('q*.gtc')))} golden streams ok", problems
