# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc export`."""

import json
from pathlib import Path

from gan_tfc.commands import terminal


def export(args) -> int:
    """Writes a bundle and says what is in it."""
    from gan_tfc.export.bundle import MANIFEST, export_codec

    codec = terminal.load(args.preset)
    folder = args.output or f"{codec.name}-{codec.version}-{args.format}"
    with terminal.status(f"exporting {args.preset}"), terminal.converter_silence():
        export_codec(codec, folder, args.format, args.precision, args.photos)
    manifest = json.loads(Path(folder, MANIFEST).read_text())
    if args.json:
        print(json.dumps({"folder": str(folder), **manifest}))
        return 0
    total = sum(record["bytes"] for record in manifest["files"].values())
    print(f"{folder}: {manifest['preset']}@{manifest['version']} in {args.precision}, {total:,} bytes")
    print(f"{Path(folder, 'README.md')} says how to use it and what the precision costs")
    return 0
