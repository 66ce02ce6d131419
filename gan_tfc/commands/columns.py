# SPDX-License-Identifier: Apache-2.0
"""Tables as plain text, a line for each row, however long.

Without rich: to import it, and to draw a table of some hundred rows with it, would be most of the time
that listing an archive takes.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from gan_tfc.commands.terminal import printable


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Rows under their titles, each column as wide as its widest text.

    Args:
        titles: of the columns.
        rows: as many texts each as there are titles; without control characters in what comes out.
        right: titles of the columns that are aligned to the right.

    Returns:
        Lines, the titles first, without a newline at the end.
    """
    lines = [[_on_one_line(text) for text in row] for row in (titles, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            _padded(text, width, title in right)
            for text, width, title in zip(line, widths, titles, strict=True)
        ).rstrip()
        for line in lines
    )


def _on_one_line(text):
    return text if text.isprintable() else printable(text).replace("\n", " ").replace("\t", " ")


def _padded(text, width, right):
    room = " " * (width - _width(text))
    return room + text if right else text + room


def _width(text) -> int:
    """How many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(sign) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):  # accents and joiners stand on the sign before
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
