# SPDX-License-Identifier: Apache-2.0
"""The card of a preset: its `README.md`, or a shorter one from its metadata."""

import json
from pathlib import Path
from typing import NamedTuple

from gan_tfc.errors import PresetError
from gan_tfc.files import write_atomically
from gan_tfc.zoo.card_text import make_card
from gan_tfc.zoo.index import CARD, METADATA, pictures_of


class Card(NamedTuple):
    """Text in Markdown, and the pictures that it names and that are here."""

    text: str
    pictures: list[Path]


def read_card(folder) -> Card:
    """The card of a preset's folder.

    Raises:
        PresetError: it holds neither a card nor metadata to make one from.
    """
    folder = Path(folder)
    try:
        text = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        return Card(text, sorted(pictures_of(folder).values()))
    except FileNotFoundError:
        pass
    try:
        return Card(make_card(json.loads((folder / METADATA).read_text())), [])
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(
            f"Expected the folder of a preset, with {CARD} or {METADATA}, but {folder} has neither "
            f"({error}); check the path."
        ) from error


def write_card(folder) -> None:
    """Write the card that metadata alone can give, into a preset's folder that has none."""
    write_atomically(Path(folder) / CARD, read_card(folder).text.encode())
