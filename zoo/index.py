# SPDX-License-Identifier: Apache-2.0
"""`index.json`: what a zoo holds, one record for each preset and version.

A record is the preset's `metadata.json`. In a zoo that others download from it has two entries more,
for the files that clients fetch, and for the pictures that its card names:

    "files": {"config.json": {"bytes": 819, "sha256": "f8814d2c..."}, "golden/q50.gtc": ...}
    "pictures": {"crops.jpg": {"bytes": 294520, "sha256": "c92cae19..."}}

Without `files`, clients fetch the files that `sha256` covers: enough to compress and decompress,
but neither the card nor the golden files. Pictures are not among `files`, where clients refuse names that
they do not know, and older ones know no pictures; they are fetched for a card that is shown, never to
load a preset.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

from gan_tfc.errors import PresetError
from gan_tfc.zoo.names import NAME

METADATA, CARD, INDEX = "metadata.json", "README.md", "index.json"
#: Of one file and of all files of a preset, in bytes; of an index; and presets and files in one.
MAX_FILE, MAX_PRESET, MAX_INDEX, MAX_COUNT = 256 << 20, 512 << 20, 8 << 20, 1000
#: Bytes of one picture of a card, and pictures of one card.
MAX_PICTURE, MAX_PICTURES = 4 << 20, 16

_REQUIRED = {"config.json", "model.weights.h5"}
_HASHED = {*_REQUIRED, "tables.npz"}
# A list of what may be written to disk, not of what may not.
_GOLDEN = re.compile(r"golden/[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.(png|jpg|jpeg|webp)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class File(NamedTuple):
    """A file as an index promises it; `size` in bytes is None where it says only the hash."""

    sha256: str
    size: int | None


class Entry(NamedTuple):
    """A preset of an index."""

    name: str
    version: int
    record: dict
    files: dict[str, File]
    pictures: dict[str, File]


# --- making ----------------------------------------------------------------------------------------


def presets_in(root) -> dict[str, list[int]]:
    """Versions of the presets in the folders `root/<name>/<version>`, ascending."""
    found: dict[str, list[int]] = {}
    for path in Path(root).glob(f"*/*/{METADATA}"):
        if path.parent.name.isdecimal():
            found.setdefault(path.parent.parent.name, []).append(int(path.parent.name))
    return {name: sorted(versions) for name, versions in found.items()}


def make_index(root, files: bool = False) -> str:
    """The text of `index.json`: the metadata of all presets of a folder, by name and version.

    Args:
        root: folder of `<name>/<version>/`.
        files: whether records list the files that clients download, and the cards' pictures, with
            their hashes.
    """
    records = []
    for name, versions in sorted(presets_in(root).items()):
        for version in versions:
            folder = Path(root) / name / str(version)
            record = json.loads((folder / METADATA).read_text())
            records.append(record | _describe(folder) if files else record)
    return json.dumps(records, indent=1) + "\n"


def pictures_of(folder) -> dict[str, Path]:
    """The pictures beside a preset's card that it names, by name; none where there is no card."""
    folder = Path(folder)
    try:
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    paths = [path for path in folder.iterdir() if _PICTURE.fullmatch(path.name) and path.is_file()]
    return {path.name: path for path in sorted(paths) if path.name in card}


def _describe(folder) -> dict:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    files = {name: _size_and_hash(path) for name, path in names.items() if _is_downloaded(name)}
    pictures = {name: _size_and_hash(path) for name, path in pictures_of(folder).items()}
    return {"files": files} | ({"pictures": pictures} if pictures else {})


def _size_and_hash(path) -> dict:
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _is_downloaded(name) -> bool:
    return name in {*_HASHED, METADATA, CARD} or bool(_GOLDEN.fullmatch(name))


# --- reading ---------------------------------------------------------------------------------------


def parse_index(text: bytes | str, source: str) -> list[Entry]:
    """The presets of an index that nobody vouches for.

    Raises:
        PresetError: it is no index, or names, sizes or hashes are none that a preset can have.
    """
    try:
        records = json.loads(text)
        if not isinstance(records, list) or len(records) > MAX_COUNT:
            raise ValueError(f"a list of at most {MAX_COUNT} records is expected")
        entries = [_entry(record) for record in records]
        names = {(entry.name, entry.version) for entry in entries}
        if len(names) < len(entries):
            raise ValueError("a preset is listed twice")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise PresetError(
            f"Expected an index of presets in {source}, which is none ({what}); `gan-tfc zoo index` "
            "writes one."
        ) from error
    return entries


def _entry(record) -> Entry:
    name, version = record["name"], record["version"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a preset")
    if type(version) is not int or not 1 <= version < 1 << 32:
        raise ValueError(f"{version!r} is not a version")
    bare = {key: {"sha256": value, "bytes": None} for key, value in record["sha256"].items()}
    files = {key: _file(key, value) for key, value in record.get("files", bare).items()}
    needed = {*_REQUIRED, METADATA} if "files" in record else _REQUIRED
    if not needed <= set(files):
        raise ValueError(f"{name}@{version} lists no {min(needed - set(files))}")
    # What decides a stream is said twice, and `load_preset` goes by the metadata.
    if record["sha256"] != {key: file.sha256 for key, file in files.items() if key in _HASHED}:
        raise ValueError(f"the files of {name}@{version} are not those of its metadata")
    if len(files) > MAX_COUNT or sum(file.size or 0 for file in files.values()) > MAX_PRESET:
        raise ValueError(f"the files of {name}@{version} are more than {MAX_PRESET >> 20} MiB")
    return Entry(name, version, record, files, _pictures(record.get("pictures", {})))


def _file(name, value) -> File:
    if not _is_downloaded(name):
        raise ValueError(f"{name!r} is not a file of a preset")
    return _checked(name, value, MAX_FILE, sizeless=True)


def _pictures(values) -> dict[str, File]:
    # A later version may allow other names: they are no reason to refuse the preset.
    values = {name: value for name, value in values.items() if _PICTURE.fullmatch(name)}
    if len(values) > MAX_PICTURES:
        raise ValueError(f"a card names {len(values)} pictures, where {MAX_PICTURES} are allowed")
    return {name: _checked(name, value, MAX_PICTURE) for name, value in values.items()}


def _checked(name, value, limit, sizeless=False) -> File:
    sha256, size = value["sha256"], value["bytes"]
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{name} has no SHA-256")
    if not (sizeless and size is None) and (type(size) is not int or not 0 <= size <= limit):
        raise ValueError(f"{size!r} bytes of {name}, where 0 to {limit >> 20} MiB are allowed")
    return File(sha256, size)
