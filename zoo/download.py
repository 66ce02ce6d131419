# SPDX-License-Identifier: Apache-2.0
"""Files of addresses that nobody vouches for: bounded, resumable, and kept only with the right hash."""

import contextlib
import hashlib
import http.client
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gan_tfc.errors import PresetError
from gan_tfc.zoo.connections import Answer, NoSuchRange, Unreachable, open_url, why
from gan_tfc.zoo.index import MAX_FILE, File

#: Connections for one file, and seconds before the second; each later wait is twice as long.
ATTEMPTS, PAUSE = 5, 0.5
#: Bytes a second that a server must keep up on average, and seconds before that is asked.
SLOWEST, PATIENCE = 1024, 60.0
#: Seconds after which what a killed process left is removed.
STALE = 7 * 86400.0

_CHUNK = 1 << 16


class _Cut(Exception):
    """A connection ended before the file did; its text says how."""


def read(url: str, limit: int) -> bytes:
    """A small file.

    Raises:
        Unreachable: the server cannot be reached, or does not have it.
        PresetError: it has more than `limit` bytes, or the server leads elsewhere.
    """
    reason = None
    for attempt in range(2):
        time.sleep(PAUSE * attempt)
        blocks = []
        with open_url(url) as answer:
            try:
                for block in _blocks(url, answer, limit):
                    blocks.append(block)
                return b"".join(blocks)
            except _Cut as cut:
                reason = cut
    raise Unreachable(f"{url} ended early ({reason}); try again.")


def download(
    url: str, target: Path, file: File, partials: Path, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Fetch a file to a temporary name, and give it its own once its hash is right.

    Args:
        url: of the file.
        target: where it goes; what is there is replaced.
        file: hash and size that it must have.
        partials: folder, on the same disk, for what a cut connection left; the next call goes on with it.
        progress: told the bytes that are here, again and again; fewer than before after a new start.

    Raises:
        Unreachable: the server cannot be reached, or its connections keep breaking.
        PresetError: another size or hash: nothing of it is kept.
        OSError: the disk is full or may not be written to.
    """
    with _partial(partials, file.sha256) as part:
        resumed = part.stat().st_size > 0
        try:
            _complete(url, part, file, progress)
            if _digest(part) != file.sha256 and resumed:
                # What was kept belonged to something else: once more, from the beginning.
                os.truncate(part, 0)
                _complete(url, part, file, progress)
            if (found := _digest(part)) != file.sha256:
                raise PresetError(
                    f"{url} is damaged or was changed: expected SHA-256 {file.sha256}, found {found}; "
                    "nothing of it was kept, tell who runs the zoo."
                )
        except Unreachable:
            raise
        except PresetError:
            part.unlink()
            raise
        target.parent.mkdir(parents=True, exist_ok=True)
        _install(part, target, file)


def matches(path: Path, file: File) -> bool:
    """Whether a file is here with the right hash."""
    try:
        return _digest(path) == file.sha256
    except OSError:
        return False


def _complete(url, part, file, progress):
    reason = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            if part.stat().st_size != file.size:
                _transfer(url, part, file, progress)
            return
        except _Cut as cut:
            reason = cut
        except Unreachable as error:
            if reason is None:
                raise
            reason = error
    size = part.stat().st_size
    raise Unreachable(
        f"{url} ended early {ATTEMPTS} times, the last time {reason}; the first {size} bytes are kept, "
        "try again to go on."
    )


def _transfer(url, part, file, progress):
    """One connection, which goes on where the last one ended if the server can."""
    with open(part, "r+b") as sink:
        start = sink.seek(0, os.SEEK_END)
        try:
            with open_url(url, start) as answer:
                if answer.start != start:
                    sink.truncate(0)
                    sink.seek(0)
                if answer.start not in (0, start):
                    raise _Cut("with another part of the file than was asked for")
                for block in _blocks(url, answer, MAX_FILE if file.size is None else file.size, file.size):
                    sink.write(block)
                    progress(sink.tell())
        except NoSuchRange:
            sink.truncate(0)
            raise _Cut("without the part that was missing") from None
        if file.size is not None and sink.tell() < file.size:
            raise _Cut(f"after {sink.tell()} of {file.size} bytes")


def _blocks(url, answer: Answer, limit: int, size: int | None = None) -> Iterator[bytes]:
    """What comes, up to the limit; with `size`, it must be what the server announces."""
    if answer.total is not None and (answer.total > limit or size not in (None, answer.total)):
        raise PresetError(
            f"Expected {'at most ' if size is None else ''}{limit} bytes from {url}, its server announces "
            f"{answer.total}; tell who runs the zoo."
        )
    done, began = answer.start, time.monotonic()
    # Not up to the end of the connection, which a server may leave open.
    while done != answer.total:
        try:
            block = answer.body.read1(min(_CHUNK, limit - done + 1))
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(why(error)) from error
        if not block:
            break
        done += len(block)
        if done > limit:
            raise PresetError(
                f"Expected at most {limit} bytes from {url}, received more; tell who runs the zoo."
            )
        yield block
        elapsed = time.monotonic() - began
        if elapsed > PATIENCE and done - answer.start < SLOWEST * elapsed:
            raise _Cut(f"slower than {SLOWEST} bytes a second")
    if answer.total is not None and done < answer.total:
        raise _Cut(f"after {done} of {answer.total} bytes")


# --- files -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _partial(folder: Path, sha256: str) -> Iterator[Path]:
    """A temporary file that no other process writes, with what an earlier call left of that hash.

    A rename takes what was left, and only one process can win it; another one starts anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder)
    left = folder / f"{sha256}.part"
    own = folder / f"{sha256}-{secrets.token_hex(8)}.tmp"
    try:
        os.replace(left, own)
    except OSError:
        own.touch(exist_ok=False)
    try:
        yield own
    finally:
        with contextlib.suppress(OSError):
            if own.stat().st_size:
                os.replace(own, left)
            own.unlink(missing_ok=True)


def _remove_stale(folder):
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def _install(part, target, file):
    try:
        os.replace(part, target)
    except PermissionError:
        # Windows replaces no file that is open: another process was faster, and reads it already.
        if not matches(target, file):
            raise
        part.unlink()


def _digest(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
