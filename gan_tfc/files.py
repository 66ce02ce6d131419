# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a reader sees the old file, no file, or the complete new one."""

import contextlib
import errno
import os
import secrets
import shutil
import stat

from gan_tfc.errors import GanTfcError


def write_atomically(path: str | os.PathLike, data: bytes, overwrite: bool = False) -> None:
    """Writes a file completely or not at all.

    The bytes go to a hidden temporary file in the same folder, which then takes the name of the
    target; whatever fails, the temporary file is removed. A symbolic link stays one and its
    target is written. A device or a pipe (`/dev/null`, `/dev/stdout`) is written to directly.

    Args:
        path: The file to write; its folder must exist.
        data: All of its contents.
        overwrite: Whether a file of that name may be replaced; its permissions are kept.

    Raises:
        GanTfcError: The file exists and `overwrite` is false, the path is a folder, or the
            operating system refuses (no such folder, no permission, disk full).
    """
    path = os.fspath(path)
    try:
        mode = _existing_mode(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise GanTfcError(f"cannot write {path!r}, it is a folder: add a file name to it.")
        if mode is not None and not stat.S_ISREG(mode):
            with open(path, "wb") as device:
                device.write(data)
            return
        if mode is not None and not overwrite:
            raise FileExistsError
        _replace(os.path.realpath(path), data, overwrite)
    except FileExistsError as error:
        raise GanTfcError(
            f"{path!r} exists already: choose another name, or allow overwriting with "
            "overwrite=True (--force on the command line)."
        ) from error
    except (OSError, ValueError) as error:
        raise GanTfcError(f"cannot write {path!r}, {refusal(error, path, len(data))}.") from error


def _existing_mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _replace(target: str, data: bytes, overwrite: bool) -> None:
    temporary = os.path.join(os.path.dirname(target), f".gan_tfc-{secrets.token_hex(8)}.tmp")
    # Not `tempfile`, whose files nobody but the owner may read: 0o666 lets the umask decide.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
        else:
            _rename_to_a_new_name(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _rename_to_a_new_name(temporary: str, target: str) -> None:
    """Unlike `os.replace`, raises `FileExistsError` when another process was faster."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links (FAT, some network shares).
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        os.replace(temporary, target)


def refusal(error: OSError | ValueError, path: str, size: int | None = None) -> str:
    """Why a path could not be written, and what helps: the end of a sentence, without its full stop.

    Args:
        error: of the operating system, or ValueError for a path that it does not take.
        path: that was to be written.
        size: bytes that were to be written, where that is known.
    """
    folder = os.path.dirname(path) or "."
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {folder!r}: create it first"
    if isinstance(error, NotADirectoryError):
        return f"{folder!r} is not a folder: choose another path"
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        return f"the folder {folder!r} may not be written to: choose another folder"
    what = getattr(error, "strerror", None) or str(error)
    told = "" if size is None else f" ({size} bytes)"
    return f"{what}{told}: choose another path or make room there"
