# SPDX-License-Identifier: Apache-2.0
"""Photos on their way into an archive: which files, what they are called, when they were taken."""

import hashlib
import io
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gan_tfc.archive.store import checked_name
from gan_tfc.coding.container import MAGIC
from gan_tfc.errors import GanTfcError

_SUFFIXES = frozenset(".jpg .jpeg .png .webp .bmp .tif .tiff .gif .ppm .avif .gtc".split())
_EXIF, _TAKEN, _CHANGED = 0x8769, 0x9003, 0x0132


@dataclass(frozen=True)
class Photo:
    """A file that was read, not yet decoded.

    Attributes:
        name: in the archive.
        source: how messages call it.
        data: its bytes.
        hash: SHA-256 of them, hexadecimal.
        date: when it was taken, else when its file was written, ISO 8601.
        pixels: how many it seems to have, 0 where that is not known.
    """

    name: str
    source: str
    data: bytes
    hash: str
    date: str
    pixels: int

    @property
    def is_stream(self) -> bool:
        """Whether it is compressed already."""
        return self.data.startswith(MAGIC)


def find_photos(paths: Iterable) -> list[tuple[str, Path]]:
    """Names and paths of photos and of all photos below folders, in order of their names.

    Files are found by their suffix, and those that are given themselves are taken as they are; hidden
    ones are left out. The name of a photo in a folder is its path from there.

    Raises:
        GanTfcError: a path that does not exist, or a folder without photos.
    """
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [(_name(p.relative_to(path)), p) for p in path.rglob("*") if _is_photo(p, path)]
            if not inside:
                raise GanTfcError(f"expected photos below {str(path)!r}, found none: check the folder.")
            found += sorted(inside)
        elif path.exists():
            found.append((_name(Path(path.name)), path))
        else:
            raise GanTfcError(f"there is no file or folder {str(path)!r}: check the path.")
    return found


def read_photo(name: str, path) -> Photo:
    """Read a file.

    Raises:
        GanTfcError: a name that an archive does not take.
        OSError: a file that cannot be read.
    """
    name = checked_name(name)
    with open(path, "rb") as file:
        data = file.read()
        written = os.fstat(file.fileno()).st_mtime
    taken, pixels = _look_at(data)
    date = taken or datetime.fromtimestamp(written).isoformat(timespec="seconds")
    return Photo(name, os.fspath(path), data, hashlib.sha256(data).hexdigest(), date, pixels)


def _name(path: Path) -> str:
    # One system writes a letter with its accent as one sign, another as two.
    return unicodedata.normalize("NFC", path.as_posix())


def _is_photo(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in _SUFFIXES and not hidden and path.is_file()


def _look_at(data: bytes) -> tuple[str | None, int]:
    """When a photo was taken, as its EXIF data say, and how many pixels it has."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels, exif = image.width * image.height, image.getexif()
            text = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED)
            date = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S") if text else None
            return date and date.isoformat(), pixels
    except Exception:  # Whether it is a picture at all is said when it is decoded.
        return None, 0
