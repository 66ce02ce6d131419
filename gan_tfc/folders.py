# SPDX-License-Identifier: Apache-2.0
"""Folders: written as a whole or not at all, and refused before work goes into what they would hold."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from gan_tfc.errors import GanTfcError
from gan_tfc.files import refusal


def check_writable(folder: str | os.PathLike) -> None:
    """Whether files can be written into a folder, which may have to be made first.

    Raises:
        GanTfcError: it is a file, is below one, or may not be written to.
    """
    there = Path(folder).absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise GanTfcError(f"expected a folder, but {str(there)!r} is a file: name another.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise GanTfcError(f"the folder {str(there)!r} may not be written to: choose another folder.")


def check_new(folder: str | os.PathLike) -> None:
    """Whether `new_folder` will take a path.

    Raises:
        GanTfcError: it is neither new nor an empty folder, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GanTfcError(f"Expected a new or an empty folder, but {folder} is neither; name another.")
    check_writable(folder)


@contextlib.contextmanager
def new_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Make a folder in a block: what it puts into the folder that it is given gets its name at the end.

    Whatever else ends the block, nothing of it stays, nor of the folders that were made to hold it.

    Args:
        folder: a new one, or an empty one.

    Yields:
        A folder beside it.

    Raises:
        GanTfcError: it is neither new nor empty, or the operating system refuses.
    """
    check_new(folder)
    target = Path(os.path.abspath(folder))
    made = [path for path in target.parents if not path.exists()]
    scratch = target.parent / f".gan_tfc-{secrets.token_hex(8)}"
    done = False
    try:
        with explained(folder):
            scratch.mkdir(parents=True)
            yield scratch
            if target.exists():
                target.rmdir()
            os.replace(scratch, target)
            done = True
    finally:
        if not done:
            shutil.rmtree(scratch, ignore_errors=True)
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()


@contextlib.contextmanager
def explained(folder: str | os.PathLike) -> Iterator[None]:
    """Has what the operating system refuses in a block, which writes to a folder, told with the mend."""
    try:
        yield
    except (FileNotFoundError, ConnectionError, TimeoutError):
        raise  # of something that was to be read
    except OSError as error:
        raise GanTfcError(f"cannot write {str(folder)!r}, {refusal(error, os.fspath(folder))}.") from error
