# SPDX-License-Identifier: Apache-2.0
"""The tables of an archive, format version 1: an SQLite file whose `application_id` is "GTCA".

A content is what was added once, and any number of names point to it. Hashes are SHA-256. A content's
hash is that of the file that was added (of an array: of its shape and pixels), so that a photo is
recognised without compressing it; the stream has a hash of its own, for `verify`. Previews are not
stored: they are the beginnings of the streams.

Dates are ISO 8601, local time without a zone: when the photo was taken, else when its file was
written.
"""

APPLICATION_ID = int.from_bytes(b"GTCA", "big")
FORMAT_VERSION = 1

#: `stream` is the last column: what stands before it is read without it.
TABLES = (
    """
    CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        source_bytes INTEGER NOT NULL,
        preset TEXT NOT NULL,
        version INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        stream_hash BLOB NOT NULL,
        stream BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE names (
        name TEXT PRIMARY KEY,
        content INTEGER NOT NULL REFERENCES contents (id),
        date TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX names_of_content ON names (content)",
    """
    CREATE TABLE tags (
        name TEXT NOT NULL REFERENCES names (name) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (name, tag)
    ) WITHOUT ROWID
    """,
)
