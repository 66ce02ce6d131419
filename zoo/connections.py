# SPDX-License-Identifier: Apache-2.0
"""Connections to addresses that nobody vouches for: the web or a local file, and nowhere else."""

import contextlib
import http.client
import os
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from gan_tfc import __version__
from gan_tfc.errors import PresetError

#: Seconds without a single byte after which a connection counts as dead.
TIMEOUT = 30.0

_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)")


class Unreachable(PresetError):
    """There is no answer, or none now: later, or elsewhere, there may be one."""


class Answer(NamedTuple):
    """What a server sends, not yet read."""

    body: BinaryIO
    start: int  # the first byte that comes
    total: int | None  # bytes of the whole file, where the server says so


class NoSuchRange(Exception):
    """HTTP 416."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Redirects from the web to the web, and not from https to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        allowed = ("https",) if urlsplit(req.full_url).scheme == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise PresetError(_redirected(req.full_url, newurl))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _redirected(url, target):
    return (
        f"Expected a file at {url}, which leads to {target!r}; redirects are followed to http:// and "
        "https:// only, and not in circles."
    )


@contextlib.contextmanager
def open_url(url: str, start: int = 0) -> Iterator[Answer]:
    """Ask for a file, from byte `start` on; a server may answer with all of it, which `Answer.start` says.

    Raises:
        Unreachable: there is no answer, or an error.
        PresetError: a redirect that is not followed.
        NoSuchRange: the file has not so many bytes.
    """
    if urlsplit(url).scheme == "file":
        with _open_local(url) as answer:
            yield answer
        return
    headers = {"User-Agent": f"gan_tfc/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except PresetError:
        raise
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error, start) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(
            f"{url} cannot be reached ({why(error)}); check the address and the network."
        ) from error
    with response:
        yield Answer(response, *_extent(response))


def _opener():
    """Of urllib's handlers those for the web; the default ones also open files and ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _WebOnly(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _refusal(url, error, start) -> Exception:
    if error.code == 416 and start:
        return NoSuchRange()
    if error.code in (301, 302, 303, 307, 308):
        return PresetError(_redirected(url, error.headers.get("Location")))
    return Unreachable(f"{url} cannot be fetched (HTTP {error.code}); check the address, or try later.")


def _extent(response) -> tuple[int, int | None]:
    """First byte and bytes of the whole file, by the answer's headers."""
    if response.status == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if not found:
            return -1, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    return 0, response.length  # None where it is absent or no number


@contextlib.contextmanager
def _open_local(url):
    path = urllib.request.url2pathname(urlsplit(url).path)
    try:
        # A pipe would be waited for without end.
        body = open(path, "rb") if stat.S_ISREG(os.stat(path).st_mode) else None
    except (OSError, ValueError) as error:
        raise Unreachable(f"{path!r} cannot be read ({why(error)}); check the address.") from error
    if body is None:
        raise Unreachable(f"Expected a file in {path!r}, which is none; check the address.")
    with body:
        yield Answer(body, 0, os.fstat(body.fileno()).st_size)


def why(error) -> str:
    """The reason of a failed connection, without its class and number."""
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
