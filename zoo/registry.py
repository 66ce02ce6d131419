# SPDX-License-Identifier: Apache-2.0
"""Presets by name: ``zoo/<name>/<version>/`` beside this file."""

import fnmatch
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gan_tfc import _backend_explained
from gan_tfc.errors import PresetError
from gan_tfc.zoo import index, names
from gan_tfc.zoo.index import METADATA

if TYPE_CHECKING:
    from gan_tfc.codec import Codec  # which imports NumPy; listing presets does without

__all__ = ["INDEX", "METADATA", "ROOT", "available", "find", "list_presets", "load", "make_index", "shared"]

ROOT = Path(__file__).parent
INDEX = ROOT / index.INDEX


def load(name: str, engine: str = "auto", progress=None) -> "Codec":
    """See `gan_tfc.load`."""
    folder = find(name, progress)
    # Listing presets must not wait for Keras.
    with _backend_explained():
        from gan_tfc.zoo.preset import load_preset

    return load_preset(folder, engine)


@functools.lru_cache(maxsize=4)
def shared(name: str) -> "Codec":
    """A loaded preset that several streams use; not to be trained."""
    return load(name)


def find(name: str, progress=None) -> Path:
    """The folder of a preset.

    Args:
        name: "name", "name@version", "path:FOLDER", or "URL#name" or "URL#name@version" of another zoo.
        progress: see `gan_tfc.zoo.remote.find`.

    Raises:
        PresetError: unknown, with the nearest names, or not to be had.
    """
    if name.startswith("path:"):
        return Path(name[5:])
    if names.is_remote(name):
        from gan_tfc.zoo import remote

        return remote.find(name, progress)
    versions = available()
    # A folder of that name must not load by accident in place of a preset, nor the reverse.
    if name.partition("@")[0] not in versions and ("/" in name or Path(name).is_dir()):
        raise PresetError(f"Expected a preset name, received {name!r}; for a folder write path:{name}.")
    bare, version = names.choose(name, versions)
    return ROOT / bare / str(version)


def available() -> dict[str, list[int]]:
    """Versions of each shipped preset, ascending."""
    return index.presets_in(ROOT)


def list_presets(pattern: str = "*", zoo: str | None = None) -> list[dict]:
    """See `gan_tfc.list_presets`."""
    if zoo is None:
        records = json.loads(INDEX.read_text())
    else:
        from gan_tfc.zoo import remote

        records = remote.list_records(zoo)
    return [record for record in records if fnmatch.fnmatch(record["name"], pattern)]


def make_index() -> str:
    """The text of the shipped `index.json`."""
    return index.make_index(ROOT)
