# SPDX-License-Identifier: Apache-2.0
"""Where presets of other zoos are kept: `<cache>/zoos/<zoo>/<name>/<version>/`, beside the last index."""

import hashlib
import json
import os
import re
import sys
from pathlib import Path

from gan_tfc.files import write_atomically
from gan_tfc.zoo.index import INDEX, MAX_INDEX, Entry, parse_index, presets_in

_URL = "url.txt"


def cache_folder() -> Path:
    """The user's folder for what can be fetched again; `GAN_TFC_CACHE` names another one."""
    if own := os.environ.get("GAN_TFC_CACHE"):
        return Path(own)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local", "gan_tfc", "Cache")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "gan_tfc"
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return Path(given if os.path.isabs(given) else home / ".cache", "gan_tfc")


def zoo_folder(url: str) -> Path:
    """The folder of a zoo, by its address as `names.zoo_url` spells it."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", url.partition("://")[2]).strip("-")[:40]
    return cache_folder() / "zoos" / f"{words}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def save_index(url: str, text: bytes) -> None:
    """Keep an index for when it cannot be fetched."""
    folder = zoo_folder(url)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _URL, f"{url}\n".encode(), overwrite=True)
    write_atomically(folder / INDEX, text, overwrite=True)


def saved_index(url: str) -> list[Entry] | None:
    """The last index fetched, or None."""
    path = zoo_folder(url) / INDEX
    try:
        with open(path, "rb") as file:
            return parse_index(file.read(MAX_INDEX), str(path))
    except (OSError, ValueError):
        return None


def cached_names(name: str, version: int) -> list[str]:
    """Under which names a preset of other zoos is here, such as "https://host/zoo#menu@1"."""
    found = []
    for path in sorted((cache_folder() / "zoos").glob(f"*/{_URL}")):
        try:
            if version in presets_in(path.parent).get(name, ()):
                found.append(f"{path.read_text().strip()}#{name}@{version}")
        except (OSError, ValueError):
            continue
    return found


def recorded_hashes(folder: Path) -> dict | None:
    """What a cached preset's metadata says of its files; None where it is not complete or damaged."""
    try:
        return dict(json.loads((folder / "metadata.json").read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
