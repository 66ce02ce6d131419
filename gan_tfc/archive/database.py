# SPDX-License-Identifier: Apache-2.0
"""The file of an archive: opened when needed, changed in whole transactions, one file in the end."""

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

from gan_tfc.archive.schema import APPLICATION_ID, FORMAT_VERSION, TABLES
from gan_tfc.errors import GanTfcError

#: How long another program's transaction is waited for, in seconds.
_PATIENCE = 30.0

_MENDS = {
    "FULL": "there is no room left for it: make room on the disk",
    "READONLY": "it may not be written to: change its permissions or copy it elsewhere",
    "CANTOPEN": "it cannot be opened there: check the permissions of the file and of its folder",
    "PERM": "it may not be opened: change its permissions",
    "BUSY": "another program is changing it: wait for that one to end",
    "LOCKED": "another program is changing it: wait for that one to end",
    "NOTADB": "it is no archive: choose a file that gan-tfc archive add wrote",
    "CORRUPT": "it is damaged: fetch it again or restore a copy",
    "IOERR": "the disk refuses: check that it has room and works",
}


class Database:
    """One SQLite file, used by any number of threads.

    Nothing is opened before the first transaction, and nothing created before the first change. While
    this object changes the file, SQLite keeps a log beside it (WAL): a process that is killed leaves
    the log, and the next one that opens the archive finds all that was committed.

    Args:
        path: of the file.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._mode = None
        self._writable = self._created = self._used = False

    @contextlib.contextmanager
    def reading(self):
        """The connection, for queries.

        Raises:
            GanTfcError: no archive there, or one that cannot be read.
        """
        with self._lock, self._explained():
            if self._connection is None:
                self._connection = self._opened_for_reading()
            yield self._connection

    @contextlib.contextmanager
    def writing(self):
        """The connection in a transaction, which is on the disk when the block is left, or undone.

        Raises:
            GanTfcError: a file that cannot be written, or a full disk.
        """
        with self._lock, self._explained():
            if not self._writable:
                self._open_for_writing()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
                self._used |= connection.total_changes > 0
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Make it a single file again; one that was created here and holds no photo is removed."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                alone = self._mode != "ro" and _settle(connection)
                unused = alone and self._created and not self._used and _is_empty(connection)
            finally:
                connection.close()
                self._writable = self._created = False
            if unused:
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        os.unlink(self.path + suffix)

    def _opened_for_reading(self):
        if not os.path.isfile(self.path):
            raise GanTfcError(
                f"there is no archive {self.path!r}: check the path, or make one with gan-tfc archive add."
            )
        # What a killed process left is put right by the next one, which for that must be able to write.
        may_write = os.access(self.path, os.W_OK) and os.access(os.path.dirname(self.path) or ".", os.W_OK)
        connection = self._connected("rw" if may_write else "ro")
        try:
            if not _is_archive(connection, self.path):
                raise GanTfcError(f"{self.path!r} is an archive without photos: add some.")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_for_writing(self):
        folder = os.path.dirname(self.path) or "."
        if not os.path.isdir(folder):
            raise GanTfcError(f"there is no folder {folder!r}: create it first.")
        self.close()
        created = not os.path.exists(self.path)
        connection = self._connected("rwc")
        self._connection, self._created, self._writable = connection, created, True
        try:
            _prepare(connection, self.path)
        except BaseException:
            self.close()
            raise

    def _connected(self, mode):
        self._mode = mode
        address = f"{Path(self.path).absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", None) or ""
            mend = next((mend for name, mend in _MENDS.items() if code.startswith(f"SQLITE_{name}")), None)
            raise GanTfcError(f"archive {self.path!r}: {mend or f'{error}: restore a copy'}.") from error


def _settle(connection) -> bool:
    """Takes the log into the file, if nobody else uses it and the disk has room; else a later writer does.

    Returns:
        Whether nobody else uses it.
    """
    try:
        connection.execute("PRAGMA busy_timeout = 200")
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        return error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return True


def _prepare(connection, path):
    exists = _is_archive(connection, path)
    if not exists:
        connection.execute("PRAGMA auto_vacuum = FULL")  # works before the first table alone
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    # Again, now that nobody else can be doing the same.
    if not _is_archive(connection, path):
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    connection.execute("COMMIT")


def _is_archive(connection, path) -> bool:
    """Whether the file is an archive (True) or has nothing in it yet (False); all else is refused."""
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if identity == 0 and tables == 0:
        return False
    if identity != APPLICATION_ID:
        raise GanTfcError(
            f"archive {path!r}: it is a database of another program: choose a file that gan-tfc archive "
            "add wrote."
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT_VERSION:
        raise GanTfcError(
            f"this gan_tfc reads archives of version {FORMAT_VERSION}, but {path!r} has version {version}: "
            "install a newer gan_tfc."
        )
    return True


def _is_empty(connection) -> bool:
    try:
        return not _is_archive(connection, "") or not connection.execute("SELECT 1 FROM names").fetchone()
    except sqlite3.Error:  # The disk was full before there were tables.
        return True
