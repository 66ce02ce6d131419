# SPDX-License-Identifier: Apache-2.0
"""What the page of an archive shows: its list, previews and pictures as bytes, kept in memory."""

import functools
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict

from gan_tfc.archive.archive import Archive
from gan_tfc.coding.strips import cores
from gan_tfc.errors import GanTfcError, PresetError

#: Bytes of encoded previews and pictures.
_PREVIEWS, _PICTURES = 1 << 26, 1 << 26


class Gallery:
    """An archive's pictures for browsers, each made once.

    Args:
        archive: read only.
    """

    def __init__(self, archive: Archive):
        self.archive = archive
        self.title = archive.store.path
        self._previews = Cache(_PREVIEWS)
        self._pictures = Cache(_PICTURES)
        # More at a time would only make each of them later.
        self._small, self._large = threading.Semaphore(cores()), threading.Semaphore(1)

    def photos(self) -> list[dict]:
        """All records, with whether the realism of their pictures can be chosen."""
        return [
            asdict(record) | {"realism": self._has_realism(record.preset, record.version)}
            for record in self.archive.store.records()
        ]

    def warm_up(self) -> list[str]:
        """Load all codecs that streams need, and run each once.

        Returns:
            What is wrong, a sentence for each preset that is missing.
        """
        problems = []
        smallest = {}
        for record in self.archive.store.records():
            key = (record.preset, record.version)
            other = smallest.get(key)
            if other is None or record.width * record.height < other.width * other.height:
                smallest[key] = record
        for record in smallest.values():
            try:
                self.archive.preview_content(record.hash)
                self.archive.read_content(record.hash)
            except PresetError as error:
                problems.append(str(error))
            except GanTfcError:
                pass  # a damaged photo is said where it is shown
        return problems

    def preview(self, hash: str, scale: int) -> bytes:
        """A PNG file; see `Archive.preview`."""
        return self._previews.get((hash, scale), lambda: self._preview(hash, scale))

    def picture(self, hash: str, realism: float) -> bytes:
        """A JPEG file of quality 95 without chroma subsampling; see `Archive.read`."""
        return self._pictures.get((hash, realism), lambda: self._picture(hash, realism))

    def _preview(self, hash, scale):
        with self._small:
            return _encoded(self.archive.preview_content(hash, scale), "PNG", compress_level=1)

    def _picture(self, hash, realism):
        with self._large:
            pixels = self.archive.read_content(hash, realism)
        return _encoded(pixels, "JPEG", quality=95, subsampling=0)

    @functools.cache  # noqa: B019 - a gallery lives as long as its process
    def _has_realism(self, preset, version) -> bool:
        try:
            codec = self.archive.codecs.own
            if codec is None or (codec.name, codec.version) != (preset, version):
                codec = self.archive.codecs.named(preset, version)
        except GanTfcError:
            return False
        return bool(getattr(codec.model, "texture_features", 0))


class Cache:
    """Values by key, the least recently used ones dropped; what several threads want is made once.

    Args:
        limit: bytes of all values.
    """

    def __init__(self, limit: int):
        self._limit, self._size = limit, 0
        self._values: OrderedDict = OrderedDict()
        self._making: dict = {}
        self._lock = threading.Lock()

    def get(self, key, make: Callable[[], bytes]) -> bytes:
        """The value of a key, made if it is not there; where making fails, nothing is kept."""
        with self._lock:
            maker = self._making.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
            try:
                value = make()
                with self._lock:
                    self._keep(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def _keep(self, key, value):
        self._size += len(value) - len(self._values.pop(key, b""))
        self._values[key] = value
        while self._size > self._limit and len(self._values) > 1:
            self._size -= len(self._values.popitem(last=False)[1])


def _encoded(pixels, file_format, **options) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()
