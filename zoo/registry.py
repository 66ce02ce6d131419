# SPDX-License-Identifier: Apache-2.0
"""Presets by name: ``zoo/<name>/<version>/`` beside this file."""

import difflib
import fnmatch
import functools
import json
from pathlib import Path

from gan_tfc import _backend_explained
from gan_tfc.codec import Codec
from gan_tfc.errors import PresetError

METADATA = "metadata.json"
ROOT = Path(__file__).parent
INDEX = ROOT / "index.json"


def load(name: str, engine: str = "auto") -> Codec:
    """See `gan_tfc.load`."""
    # Listing presets must not wait for Keras.
    with _backend_explained():
        from gan_tfc.zoo.preset import load_preset

    return load_preset(find(name), engine)


@functools.lru_cache(maxsize=4)
def shared(name: str) -> Codec:
    """A loaded preset that several streams use; not to be trained."""
    return load(name)


def find(name: str) -> Path:
    """The folder of a preset.

    Args:
        name: "name", "name@version" or "path:FOLDER".

    Raises:
        PresetError: unknown, with the nearest names.
    """
    if name.startswith("path:"):
        return Path(name[5:])
    bare, at, version = name.partition("@")
    versions = available().get(bare)
    if versions is None:
        # A folder of that name must not load by accident in place of a preset, nor the reverse.
        if "/" in name or Path(name).is_dir():
            raise PresetError(f"Expected a preset name, received {name!r}; for a folder write path:{name}.")
        near = difflib.get_close_matches(bare, available(), n=1)
        known = ", ".join(f"{n}@{v[-1]}" for n, v in sorted(available().items())) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"available: {known}."
        raise PresetError(f"There is no preset {bare!r}; {hint}")
    if not at:
        return ROOT / bare / str(versions[-1])
    if not version.isdecimal() or int(version) not in versions:
        have = ", ".join(map(str, versions))
        raise PresetError(f"There is no version {version!r} of preset {bare!r}; available: {have}.")
    return ROOT / bare / str(int(version))


def available() -> dict[str, list[int]]:
    """Versions of each shipped preset, ascending."""
    found: dict[str, list[int]] = {}
    for path in ROOT.glob(f"*/*/{METADATA}"):
        if path.parent.name.isdecimal():
            found.setdefault(path.parent.parent.name, []).append(int(path.parent.name))
    return {name: sorted(versions) for name, versions in found.items()}


def list_presets(pattern: str = "*") -> list[dict]:
    """See `gan_tfc.list_presets`."""
    return [record for record in json.loads(INDEX.read_text()) if fnmatch.fnmatch(record["name"], pattern)]


def make_index() -> str:
    """The text of `index.json`: the metadata of all presets, by name and version."""
    records = []
    for name, versions in sorted(available().items()):
        for version in versions:
            records.append(json.loads((ROOT / name / str(version) / METADATA).read_text()))
    return json.dumps(records, indent=1) + "\n"
