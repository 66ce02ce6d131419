# SPDX-License-Identifier: Apache-2.0
"""Names, contents and tags in an archive's database, without any codec."""

import contextlib
import fnmatch
import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from gan_tfc.archive.database import Database
from gan_tfc.coding import container
from gan_tfc.errors import GanTfcError


class NameTakenError(GanTfcError):
    """Another photo has the name."""


@dataclass(frozen=True)
class Record:
    """What an archive says of a name.

    Attributes:
        name: such as "soups/tomato.jpg".
        hash: SHA-256 of what was added, 64 hexadecimal digits; equal for names of one content.
        bytes: of the stream.
        source_bytes: of what was added.
        width, height: in pixels.
        date: ISO 8601, local time: when the photo was taken, else when its file was written.
        tags: in alphabetical order.
        preset, version: what the stream was compressed with.
    """

    name: str
    hash: str
    bytes: int
    source_bytes: int
    width: int
    height: int
    date: str
    tags: tuple[str, ...]
    preset: str
    version: int


_RECORDS = """
    SELECT names.name, lower(hex(hash)), bytes, source_bytes, width, height, date,
        (SELECT group_concat(tag, char(0)) FROM tags WHERE tags.name = names.name), preset, version
    FROM names JOIN contents ON contents.id = names.content
"""


class Store:
    """The records and streams of an archive.

    Args:
        path: of the archive.
    """

    def __init__(self, path):
        self.database = Database(path)
        self.path = self.database.path

    # --- ask ---------------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """All records, by name."""
        with self.database.reading() as connection:
            rows = connection.execute(f"{_RECORDS} ORDER BY names.name").fetchall()
        return [_record(row) for row in rows]

    def record(self, name: str) -> Record:
        """One record.

        Raises:
            GanTfcError: no such name.
        """
        with self.database.reading() as connection:
            row = connection.execute(f"{_RECORDS} WHERE names.name = ?", [name]).fetchone()
        if row is None:
            raise GanTfcError(
                f"archive {self.path!r} has no photo {name!r}: gan-tfc archive list names them."
            )
        return _record(row)

    def hash_of(self, name: str) -> str | None:
        """The hash of a name's content, None where the name is free; the archive is made if need be."""
        query = "SELECT lower(hex(hash)) FROM names JOIN contents ON contents.id = content WHERE name = ?"
        with self.database.writing() as connection:
            row = connection.execute(query, [name]).fetchone()
        return row and row[0]

    def has(self, hash: str) -> bool:
        """Whether there is a content with this hash."""
        with self.database.writing() as connection:
            return _content(connection, hash) is not None

    @contextlib.contextmanager
    def open_stream(self, hash: str):
        """The stream of a content as a file object, of which only what is read leaves the disk."""
        with self.database.reading() as connection:
            content = _content(connection, hash)
            if content is None:
                raise GanTfcError(f"archive {self.path!r} has no content {hash!r}: look its hash up again.")
            with connection.blobopen("contents", "stream", content, readonly=True) as blob:
                yield blob

    def stream(self, hash: str) -> bytes:
        """The stream of a content."""
        with self.open_stream(hash) as file:
            return file.read()

    # --- change ------------------------------------------------------------------------------------

    def put(self, name, hash, source_bytes, stream, date, tags=(), replace=False) -> Record:
        """Keep a stream under a name; it is on the disk when this returns.

        Args:
            name: see `checked_name`.
            hash: SHA-256 of what was added, hexadecimal.
            source_bytes: bytes of what was added.
            stream: a complete `.gtc` stream; left alone where the content is there and not replaced.
            date: ISO 8601.
            tags: added to those that the name has.
            replace: whether the name may point to another content, and the content get another stream.

        Raises:
            NameTakenError: the name has another content, and is not to be replaced.
            StreamError: the stream is not intact.
            GanTfcError: an archive that cannot be written.
        """
        header, _ = container.unpack(stream)
        values = {
            "hash": bytes.fromhex(hash),
            "source_bytes": source_bytes,
            "preset": header.preset,
            "version": header.preset_version,
            "width": header.width,
            "height": header.height,
            "bytes": len(stream),
            "stream_hash": hashlib.sha256(stream).digest(),
            "stream": stream,
        }
        with self.database.writing() as connection:
            content = _content(connection, hash)
            if content is None:
                columns, marks = ", ".join(values), ", ".join(f":{key}" for key in values)
                connection.execute(f"INSERT INTO contents ({columns}) VALUES ({marks})", values)
            elif replace:
                changes = ", ".join(f"{key} = :{key}" for key in values)
                connection.execute(f"UPDATE contents SET {changes} WHERE id = {content}", values)
            _name(connection, name, hash, date, tags, replace)
        return self.record(name)

    def link(self, name, hash, date, tags=(), replace=False) -> Record:
        """Give a content that is there one more name, or a name of it more tags; see `put`."""
        with self.database.writing() as connection:
            _name(connection, name, hash, date, tags, replace)
        return self.record(name)

    def remove(self, name: str) -> None:
        """Forget a name, and its content where no other name points to it; the file shrinks.

        Raises:
            GanTfcError: no such name.
        """
        self.record(name)
        with self.database.writing() as connection:
            connection.execute("DELETE FROM names WHERE name = ?", [name])
            _drop_nameless(connection)

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()


def checked_name(name: str) -> str:
    """A name as it may be kept: a relative path with "/", in Unicode, that leads nowhere else.

    Raises:
        GanTfcError: all other names.
    """
    wrong = any(part in ("", ".", "..") for part in name.split("/")) or len(name) > 1000
    # "C:" is a drive, and "a:b" a part of a file, on Windows alone.
    refused = "\\:" if os.name == "nt" else "\\"
    if wrong or any(sign in refused or unicodedata.category(sign) in ("Cc", "Cs") for sign in name):
        raise GanTfcError(
            "expected a name such as 'soups/tomato.jpg', in Unicode and without '..' and backslashes, but "
            f"{name!r} came: rename the file."
        )
    return name


def matching(records: Iterable[Record], pattern: str, exact: bool = False) -> list[Record]:
    """Records whose name matches a pattern, whatever the case.

    Args:
        records: to choose from.
        pattern: a shell pattern such as "soups/*"; text without ``*``, ``?`` and ``[`` is a part of
            the name.
        exact: such text is the whole name, in the case given.
    """
    records = list(records)
    named = [record for record in records if record.name == pattern]
    if named and exact:
        return named
    if not set(pattern) & set("*?["):
        return [] if exact else [r for r in records if pattern.casefold() in r.name.casefold()]
    return [r for r in records if fnmatch.fnmatchcase(r.name.casefold(), pattern.casefold())]


def _record(row) -> Record:
    *before, tags, preset, version = row
    return Record(*before, tuple(sorted(tags.split("\0"))) if tags else (), preset, version)


def _content(connection, hash) -> int | None:
    query = "SELECT id FROM contents WHERE hash = ?"
    row = connection.execute(query, [bytes.fromhex(hash)]).fetchone()
    return row and row[0]


def _name(connection, name, hash, date, tags, replace):
    content = _content(connection, hash)
    if content is None:
        raise GanTfcError("the photo was removed from the archive in the meantime: add it again.")
    there = connection.execute("SELECT content FROM names WHERE name = ?", [name]).fetchone()
    if there is None:
        connection.execute("INSERT INTO names VALUES (?, ?, ?)", [name, content, date])
    elif there[0] != content:
        if not replace:
            raise name_taken(name)
        connection.execute("UPDATE names SET content = ?, date = ? WHERE name = ?", [content, date, name])
        _drop_nameless(connection)
    rows = [(name, tag) for tag in tags]
    connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", rows)


def no_photo(path, name) -> GanTfcError:
    """The error for a name that is not there."""
    return GanTfcError(f"archive {path!r} has no photo {name!r}: gan-tfc archive list names them.")


def name_taken(name) -> NameTakenError:
    """The error for a name that another photo has."""
    return NameTakenError(
        f"the archive has another photo {name!r}: replace that with replace=True (--force on the command "
        "line), or rename one of them."
    )


def _drop_nameless(connection):
    connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM names)")
