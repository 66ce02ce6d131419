# SPDX-License-Identifier: Apache-2.0
"""Speaking to the user: sentences on stderr, answers on stdout."""

import contextlib
import errno
import logging
import os
import sys
import unicodedata

#: What helps, by what the operating system says; errors of gan_tfc's own say it themselves.
_MENDS = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file in it",
    errno.EEXIST: "choose another name",
    errno.EACCES: "change its permissions, or choose another",
    errno.EPERM: "change its permissions, or choose another",
    errno.EROFS: "choose a folder that may be written to",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
    errno.EFBIG: "raise the limit on the size of files, or choose another disk",
}


def say(text: str) -> None:
    """One line on stderr."""
    print(f"gan-tfc: {' '.join(text.split())}", file=sys.stderr)


def report(error: BaseException, source: str | None = None) -> None:
    """An error as one line on stderr, with the file it is about unless it names it."""
    text = _sentence(error)
    if source is not None and source not in text:
        text = f"{source}: {text}"
    say(f"error: {text}")


def _sentence(error) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory for this: use smaller pictures, or fewer at a time."
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename}: " if error.filename else ""
        network = isinstance(error, (ConnectionError, TimeoutError))
        mend = _MENDS.get(error.errno, "check the network" if network else "check the path and the disk")
        return f"{about}{error.strerror}: {mend}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package that brings {error.name!r} is not installed: install it, or gan_tfc again."
    return str(error) or type(error).__name__


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """`warnings.showwarning` for users: the text without the line of code that caused it."""
    say(f"warning: {message}")


def tolerate_any_file_name() -> None:
    """Lets stdout print file names that its encoding lacks, escaped."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")


def quieten_tensorflow() -> None:
    """Must run before TensorFlow is imported; `TF_CPP_MIN_LOG_LEVEL` of the user's is kept."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def close_stdout() -> None:
    """After a broken pipe: what is still buffered goes nowhere, without a complaint at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(stderr: bool = False):
    """A rich console; in a file or a pipe, wide enough that no table is wrapped."""
    from rich.console import Console

    # Names of files may look like markup.
    plain = {"stderr": stderr, "markup": False, "emoji": False, "highlight": False}
    made = Console(**plain)
    return made if made.is_terminal else Console(**plain, width=160)


@contextlib.contextmanager
def status(text: str):
    """Shows that something takes a while; only to a person at a terminal."""
    progress = console(stderr=True)
    if not progress.is_terminal:
        yield
        return
    from rich.text import Text

    with progress.status(Text(text)):
        yield


@contextlib.contextmanager
def converter_silence():
    """What converters log, and write to the standard error stream from C++, is lost; warnings are not."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with _native_silence():
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _native_silence():
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    python = sys.stderr
    with open(os.devnull, "w") as nothing, os.fdopen(os.dup(2), "w", buffering=1) as own:
        os.dup2(nothing.fileno(), 2)
        if python is sys.__stderr__:
            sys.stderr = own
        try:
            yield
        finally:
            sys.stderr = python
            os.dup2(kept, 2)
            os.close(kept)


def track(items, text: str):
    """The items, with a bar that shows how many are done; only to a person at a terminal."""
    progress = console(stderr=True)
    if not progress.is_terminal:
        return items
    from rich.progress import track as bar

    return bar(items, text, console=progress, transient=True)


@contextlib.contextmanager
def download_bar(text: str):
    """A callback that shows how far a download is; None without a terminal."""
    progress = console(stderr=True)
    if not progress.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    with Progress(*columns, console=progress, transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def load(preset: str, engine: str = "auto"):
    """`gan_tfc.load`, which takes seconds, under a status line or the bar of a download."""
    import gan_tfc

    if "://" in preset:
        with download_bar(f"loading {preset}") as progress:
            return gan_tfc.load(preset, engine, progress)
    with status(f"loading {preset}"):
        return gan_tfc.load(preset, engine)


def printable(text: str) -> str:
    """Text that others wrote, without the control characters that could rewrite the screen."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")
