# SPDX-License-Identifier: Apache-2.0
"""A page that shows an archive, for browsers on this machine.

    /                           the page; /style.css, /app.js
    /photos                     JSON: title, and a list of records
    /preview/HASH/SCALE         PNG
    /picture/HASH?realism=R     JPEG

Pictures are named by hashes, and files of the page by a table: no path of a request ever reaches the
disk. The server listens on 127.0.0.1 alone. Pages of other sites, which a browser on this machine may
be showing, get nothing: requests must name this address as their host, which a foreign name that
resolves to it does not (DNS rebinding), and, where browsers say which site asks, come from this page.
"""

import json
import math
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from urllib.parse import parse_qs, urlsplit

from gan_tfc.archive.gallery import Gallery
from gan_tfc.errors import GanTfcError

ADDRESS = "127.0.0.1"

_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
}
_PREVIEW = re.compile(r"/preview/([0-9a-f]{64})/([0-9]{1,2})")
_PICTURE = re.compile(r"/picture/([0-9a-f]{64})")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """The server of a gallery.

    Args:
        gallery: what it shows.
        port: 0 takes a free one.

    Raises:
        GanTfcError: the port is taken.
    """

    daemon_threads = True
    request_queue_size = 64
    # On Windows, two programs could listen on one port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, gallery: Gallery, port: int = 0):
        self.gallery = gallery
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise GanTfcError(
                f"port {port} cannot be used ({error.strerror}): choose another with --port."
            ) from error
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A browser that goes away is no error."""


class Refusal(Exception):
    """A request that gets a status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    server_version = "gan-tfc"
    sys_version = ""
    timeout = 60

    def do_GET(self):  # noqa: N802, D102 - named by http.server
        try:
            self._check_origin()
            kind, body = self._answer()
            status = 200
        except Refusal as refusal:
            status, kind, body = refusal.status, "text/plain; charset=utf-8", str(refusal).encode()
        except (GanTfcError, MemoryError) as error:
            status, kind, body = 500, "text/plain; charset=utf-8", str(error).encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        """Requests are nobody's business."""

    def _check_origin(self):
        if self.headers.get("Host") not in self.server.hosts:
            raise Refusal(403, f"Expected the address {self.server.url}.")
        site = self.headers.get("Sec-Fetch-Site", "none")
        followed = self.headers.get("Sec-Fetch-Mode") == "navigate" and self.path == "/"
        if site not in ("none", "same-origin") and not followed:
            raise Refusal(403, f"Expected a request of the page {self.server.url}.")

    def _answer(self) -> tuple[str, bytes]:
        gallery = self.server.gallery
        address = urlsplit(self.path)
        if address.path in _PAGE:
            name, kind = _PAGE[address.path]
            return kind, resources.files("gan_tfc.archive").joinpath("page", name).read_bytes()
        if address.path == "/photos":
            answer = {"title": gallery.title, "photos": gallery.photos()}
            return "application/json", json.dumps(answer).encode()
        if match := _PREVIEW.fullmatch(address.path):
            return "image/png", gallery.preview(match[1], int(match[2]))
        if match := _PICTURE.fullmatch(address.path):
            return "image/jpeg", gallery.picture(match[1], _realism(address.query))
        raise Refusal(404, "There is nothing here.")


def _realism(query: str) -> float:
    try:
        value = float(parse_qs(query).get("realism", ["1"])[0])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise Refusal(400, "Expected a realism from 0 to 1.")
    return value
