# SPDX-License-Identifier: Apache-2.0
"""The card of a bundle: what it is, how to use it, and what each precision costs, measured."""

from gan_tfc.export import functions, synthesis_graphs
from gan_tfc.export.calibration import MEASURED_CROPS, MEASURED_SIDE

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
memory does not grow with the picture.

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
    for path in sorted(folder.iterdir()):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        total += size
        lines.append(f"| `{path.name}{'/' if path.is_dir() else ''}` | {size:,} |")
    return "\n".join([*lines, f"| together | {total:,} |"])
