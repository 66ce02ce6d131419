# SPDX-License-Identifier: Apache-2.0
"""The blind part of the report: crops without names, which a click reveals, and the key."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from gan_tfc.evaluation.crops import BlindRow

_LETTERS = "ABCDEFGH"


def blind_section(rows: Sequence[BlindRow]) -> str:
    """Rows of one original and shuffled crops, and below them the key, folded."""
    if not rows:
        return '<p class="empty">No crops: JPEG and WebP were not measured, or no photo is large enough.</p>'
    blocks = [_row(number, row) for number, row in enumerate(rows, 1)]
    return (
        '<p id="score" class="score" aria-live="polite">Click the crop of each row that looks most like the '
        "original.</p>"
        + "\n".join(blocks)
        + "<details><summary>The key, and the bytes of each file</summary>"
        + _key(rows)
        + "</details>"
    )


def _row(number, row):
    left, top, *_ = row.box
    cells = [
        f"<figure><img {_source(row.original)}><figcaption>Original</figcaption></figure>",
        *(
            f'<figure class="choice" tabindex="0" role="button" data-codec="{escape(name)}" '
            f'data-bytes="{size}"><img {_source(crop)}><figcaption>{letter}</figcaption></figure>'
            for letter, (name, crop, size) in zip(_LETTERS, row.crops, strict=False)
        ),
    ]
    title = f"{number}. {escape(row.photo)}, from ({left}, {top})"
    return f'<section class="blind"><h3>{title}</h3><div class="crops">{"".join(cells)}</div></section>'


def _source(pixels: np.ndarray) -> str:
    """Attributes of an image element with lossless WebP inside: what is shown are the codec's pixels."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "WEBP", lossless=True, method=4, exact=True)
    data = base64.b64encode(file.getvalue()).decode()
    height, width = pixels.shape[:2]
    return f'src="data:image/webp;base64,{data}" width="{width}" height="{height}" alt=""'


def _key(rows):
    letters = _LETTERS[: max(len(row.crops) for row in rows)]
    head = "".join(f"<th>{letter}</th>" for letter in letters)
    body = "".join(
        f"<tr><td>{number}</td><td>{escape(row.photo)}</td>"
        + "".join(f"<td>{escape(name)} <small>{size:,} B</small></td>" for name, _, size in row.crops)
        + "</tr>"
        for number, row in enumerate(rows, 1)
    )
    head = f"<thead><tr><th></th><th>photo</th>{head}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'
