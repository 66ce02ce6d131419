# SPDX-License-Identifier: Apache-2.0
"""Many photos into an archive, on all cores, each of them safe before it is reported."""

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from gan_tfc.archive.sources import Photo, read_photo
from gan_tfc.archive.store import NameTakenError, Record, Store, name_taken
from gan_tfc.coding.strips import cores
from gan_tfc.errors import GanTfcError, ImageError

#: Pixels that are compressed at the same time; each takes some 100 bytes of memory.
_PIXELS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        source: its path.
        kind: "added"; "linked", when the archive had its content under another name; "kept", when it
            was there under this name; "failed".
        record: of the name, None where it failed.
        error: why it failed.
    """

    source: str
    kind: str
    record: Record | None = None
    error: Exception | None = None


@dataclass
class _Flight:
    """A content that is being compressed, and all photos that have it."""

    future: Future
    photos: list[Photo]
    pixels: int = field(default=0)


class Adder:
    """Adds photos to a store.

    Args:
        store: of the archive.
        compress: from a `Photo` to its stream; called by several threads.
        tags: for all of them.
        replace: see `Store.put`.
        workers: threads; by default one more than cores, since none of them is busy all the time.
    """

    def __init__(self, store: Store, compress: Callable, tags=(), replace=False, workers=None):
        self.store, self.compress = store, compress
        self.tags, self.replace = tuple(tags), replace
        self.workers = workers or cores() + 1
        self._flights: dict[str, _Flight] = {}
        self._done: set[str] = set()

    def add(self, photos: Iterable[tuple[str, Path]]) -> Iterator[Outcome]:
        """Add photos; an outcome is given when it can no longer be lost.

        Args:
            photos: pairs of name and path.

        Yields:
            An `Outcome` for each, in the order in which they are finished.

        Raises:
            GanTfcError: the archive cannot be written.
        """
        pool = ThreadPoolExecutor(self.workers)
        try:
            for name, path in photos:
                try:
                    photo = read_photo(name, path)
                except (GanTfcError, OSError, MemoryError) as error:
                    yield Outcome(str(path), "failed", error=error)
                    continue
                while self._is_full(photo.pixels):
                    yield from self._land()
                if outcome := self._start(photo, pool):
                    yield outcome
            while self._flights:
                yield from self._land()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _is_full(self, pixels) -> bool:
        busy = sum(flight.pixels for flight in self._flights.values())
        return len(self._flights) > self.workers or bool(busy and busy + pixels > _PIXELS_AT_ONCE)

    def _start(self, photo, pool) -> Outcome | None:
        """Sees to a photo that needs no compressing, and starts compressing others."""
        there = self.store.hash_of(photo.name)
        if there not in (None, photo.hash) and not self.replace:
            return Outcome(photo.source, "failed", error=name_taken(photo.name))
        if photo.hash in self._flights:
            self._flights[photo.hash].photos.append(photo)
            return None
        if photo.hash in self._done or (not self.replace and self.store.has(photo.hash)):
            return self._link(photo, "kept" if there == photo.hash else "linked")
        future = pool.submit(self.compress, photo)
        self._flights[photo.hash] = _Flight(future, [photo], photo.pixels)
        return None

    def _land(self) -> Iterator[Outcome]:
        """Waits for the next stream and keeps it."""
        wait([flight.future for flight in self._flights.values()], return_when=FIRST_COMPLETED)
        for hash in [hash for hash, flight in self._flights.items() if flight.future.done()]:
            flight = self._flights.pop(hash)
            try:
                stream = flight.future.result()
            except (GanTfcError, OSError, MemoryError) as error:
                for photo in flight.photos:
                    yield Outcome(photo.source, "failed", error=error)
                continue
            first, *others = flight.photos
            yield self._put(first, stream)
            self._done.add(hash)
            for photo in others:
                yield self._link(photo, "linked")

    def _put(self, photo, stream) -> Outcome:
        size = len(photo.data)
        try:
            record = self.store.put(photo.name, photo.hash, size, stream, photo.date, self.tags, self.replace)
        except NameTakenError as error:
            return Outcome(photo.source, "failed", error=error)
        return Outcome(photo.source, "added", record)

    def _link(self, photo, kind) -> Outcome:
        try:
            record = self.store.link(photo.name, photo.hash, photo.date, self.tags, self.replace)
        except NameTakenError as error:
            return Outcome(photo.source, "failed", error=error)
        return Outcome(photo.source, kind, record)


def compressor(codec, quality=None, max_bytes=None, tune="psnr") -> Callable[[Photo], bytes]:
    """What compresses a `Photo`; one that is a stream already stays as it is.

    Args:
        codec: a function that gives the codec, called when it is needed.
        quality, max_bytes, tune: as for `Codec.compress`.
    """

    def compress(photo):
        from gan_tfc.images import read_image

        if photo.is_stream:
            return photo.data
        try:
            image = read_image(io.BytesIO(photo.data))
        except ImageError as error:
            raise ImageError(str(error).replace("this file object", repr(photo.source), 1)) from error
        return codec().compress(image, quality, max_bytes=max_bytes, tune=tune)

    return compress
