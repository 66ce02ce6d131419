# SPDX-License-Identifier: Apache-2.0
"""The card of a bundle: what it is, how to use it, and what each precision costs, measured."""

import subprocess
import sys
from pathlib import Path

from gan_tfc.errors import GanTfcError
from gan_tfc.export import functions, synthesis_graphs
from gan_tfc.export.calibration import MEASURED_CROPS, MEASURED_SIDE

MANIFEST = "manifest.json"

_TEXT = """# {name}@{version} as {title}

Streams (`.gtc`) of {name}@{version}, tables {digest}, are written and read by this folder alone. A stream
written by any runtime decodes to the same integers on every other; pixels may differ by one level in 255.

## Use

{usage}

## Precision

The synthesis network of this bundle is {precision}. Context networks, which decide bits, are exact
integers in every bundle. {losses}

## Size

| file or folder | bytes |
|---|---|
{sizes}

Pictures of any size from 1x1 to 65536 a side and 2^28 pixels. Large ones go through the synthesis network
in pieces of {tile}x{tile} pixels that overlap by {overlap}, on which no kept pixel depends, so that its
memory does not grow with the picture.{memory}

`manifest.json` names all inputs with their ranges; `codec.bin` holds tables and integer weights, and its
specification stands in gan_tfc's `gan_tfc/coding/codec_file.py`.
"""

_LOSSES = """Measured on {count} crops of {side}x{side} pixels of the photos that the exporter was
given, or of sample photos: bytes of the synthesis graph, and PSNR in dB of decoded photos.

{table}"""


def bundle_card(codec, target, precision, samples, folder) -> str:
    """The text of a bundle's README.md.

    Args:
        codec: the exported codec.
        target: a `gan_tfc.export.targets.Target`.
        precision: of the bundle.
        samples: `gan_tfc.export.calibration.Samples` that losses are measured on.
        folder: the bundle so far.
    """
    return _TEXT.format(
        name=codec.name,
        version=codec.version,
        title=target.title,
        digest=codec.tables().digest.hex(),
        usage=target.usage,
        precision=precision,
        losses=_losses(codec, target, precision, samples, folder),
        sizes=_sizes(folder),
        tile=functions.TILE,
        overlap=synthesis_graphs.overlap(codec.model.synthesis),
        memory=_memory(folder),
    )


def _losses(codec, target, precision, samples, folder):
    if target.make is None:
        return "Other precisions are offered for TFLite and ONNX."
    network, rows = codec.model.synthesis, {}
    for other in target.precisions:
        if other == precision:
            data = (folder / target.synthesis_file).read_bytes()
        else:
            data = target.make(network, other, samples)
        rows[other] = len(data), samples.psnr(target.run(data))
    table = _table(rows)
    return _LOSSES.format(count=MEASURED_CROPS, side=MEASURED_SIDE, table=table)


#: Peak memory of one piece, in MiB, by the bundle's own runtime in a process of its own.
_ONE_PIECE = """
import sys
sys.path.insert(0, sys.argv[1])
import edge

def peak():
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1]) / 1024

codec = edge.EdgeCodec(sys.argv[1], threads=1, tiled=True)
codec.synthesise(edge.np.zeros((1, 64, 64, 3), "f4"), 0.1, 1.0)
before, side = peak(), codec.manifest["synthesis"]["tile"]
codec.synthesise(edge.np.zeros((1, side, side, 3), "f4"), 0.1, 1.0)
print(peak() - before)
"""


def _memory(folder):
    """A sentence on the memory of a piece; empty where it cannot be measured."""
    if not Path("/proc/self/status").exists() or not (folder / "edge.py").exists():
        return ""
    command = [sys.executable, "-B", "-c", _ONE_PIECE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise GanTfcError(f"Expected the bundle to decode a piece, but: {done.stderr.strip()[-500:]}")
    return f" One piece took {float(done.stdout):.0f} MiB here."


def _table(rows):
    _, exact = rows["float32"]
    titles = [f"quality {quality}, realism {realism:g}" for quality, realism in exact]
    lines = [f"| precision | bytes | {' | '.join(titles)} |", "|---|" + "---|" * (1 + len(titles))]
    for precision, (size, found) in rows.items():
        cells = [f"{found[key]:.2f} ({found[key] - exact[key]:+.2f})" for key in exact]
        lines.append(f"| {precision} | {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _sizes(folder):
    lines, total = [], 0
    for path in sorted(path for path in folder.iterdir() if path.name != MANIFEST):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        total += size
        lines.append(f"| `{path.name}{'/' if path.is_dir() else ''}` | {size:,} |")
    return "\n".join([*lines, f"| together | {total:,} |"])
