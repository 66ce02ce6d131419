# SPDX-License-Identifier: Apache-2.0
"""An archive of photos for Python."""

import dataclasses
import hashlib
import os
from datetime import datetime
from pathlib import Path

import numpy as np

from gan_tfc.archive.adding import compressor
from gan_tfc.archive.checking import check
from gan_tfc.archive.codecs import Codecs
from gan_tfc.archive.sources import Photo, read_photo
from gan_tfc.archive.store import Record, Store, checked_name, name_taken
from gan_tfc.coding import container
from gan_tfc.coding.scan import section_of
from gan_tfc.images import read_image
from gan_tfc.stream_codec import preview_level


class Archive:
    """Photos in one file; a context manager, which makes it a single file again at its end.

    The file is created by the first `add`. Reading is safe from several threads, and while another
    program adds.

    Args:
        path: of the file, by custom ``.gtca``.
        preset: what `add` compresses with, a name as for `gan_tfc.load` or a codec; streams with a
            given codec's tables are decoded with it, all others with the installed presets.
    """

    def __init__(self, path, preset="photo_mobile"):
        self.store = Store(path)
        self.codecs = Codecs(None if isinstance(preset, str) else preset)
        self._preset = preset

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        return f"<Archive {self.store.path!r}>"

    def close(self) -> None:
        """Let go of the file; the next call of any method opens it again."""
        self.store.close()

    def codec(self):
        """What `add` compresses with.

        Raises:
            PresetError: no such preset.
        """
        if isinstance(self._preset, str):
            from gan_tfc.zoo import registry

            self._preset = registry.load(self._preset)
            self.codecs.own = self._preset
        return self._preset

    def add(
        self,
        source,
        name=None,
        *,
        tags=(),
        quality=None,
        max_bytes=None,
        tune="psnr",
        date=None,
        replace=False,
    ) -> Record:
        """Keep a photo, unless the archive has it already.

        Args:
            source: path of a photo or of a `.gtc` file, which is kept as it is, or what
                `gan_tfc.images.read_image` takes.
            name: a relative path with "/"; by default the file's name. A photo whose content the
                archive has is not compressed again: the name is one more for it.
            tags: added to those that the name has.
            quality, max_bytes, tune: as for `Codec.compress`.
            date: ISO 8601; by default when the photo was taken, else when its file was written.
            replace: whether a name that another photo has goes to this one; it is then compressed
                anew.

        Returns:
            The record, which is safe on the disk.

        Raises:
            GanTfcError: no photo, a name that is taken, or an archive that cannot be written.
        """
        photo = _photo(source, name, date)
        there = self.store.hash_of(photo.name)
        if there not in (None, photo.hash) and not replace:
            raise name_taken(photo.name)
        if self.store.has(photo.hash) and not replace:
            return self.store.link(photo.name, photo.hash, photo.date, tags)
        if isinstance(source, (str, os.PathLike)):
            stream = compressor(self.codec, quality, max_bytes, tune)(photo)
        else:
            stream = self.codec().compress(source, quality, max_bytes=max_bytes, tune=tune)
        size = len(photo.data)
        return self.store.put(photo.name, photo.hash, size, stream, photo.date, tags, replace)

    def names(self) -> list[str]:
        """All names, in order."""
        return [record.name for record in self.store.records()]

    def record(self, name: str) -> Record:
        """What the archive says of a name.

        Raises:
            GanTfcError: no such name.
        """
        return self.store.record(name)

    def stream(self, name: str) -> bytes:
        """The `.gtc` stream of a photo."""
        return self.store.stream(self.record(name).hash)

    def read(self, name: str, realism: float = 1.0) -> np.ndarray:
        """Decode a photo.

        Args:
            name: of the photo.
            realism: as for `gan_tfc.decompress`.

        Returns:
            uint8 `(H, W, 3)` RGB.

        Raises:
            GanTfcError: no such name, a damaged stream, or a preset that is not installed.
        """
        return self.read_content(self.record(name).hash, realism)

    def preview(self, name: str, scale: int = 8) -> np.ndarray:
        """A small picture, for which only the beginning of the stream is read.

        Args:
            name: of the photo.
            scale: how many times smaller: 1, 2, 4, 8, 16, 32 or 64.

        Returns:
            uint8 `(ceil(H / scale), ceil(W / scale), 3)` RGB, see `Codec.preview`.

        Raises:
            GanTfcError: as for `read`.
        """
        return self.preview_content(self.record(name).hash, scale)

    def read_content(self, hash: str, realism: float = 1.0) -> np.ndarray:
        """`read` by the hash of the content."""
        data = self.store.stream(hash)
        header, _ = container.unpack(data)
        return self.codecs.of(header).decompress(data, realism)

    def preview_content(self, hash: str, scale: int = 8) -> np.ndarray:
        """`preview` by the hash of the content."""
        sections = section_of(preview_level(scale)) + 1
        with self.store.open_stream(hash) as file:
            data = file.read(container.MAX_HEADER_BYTES)
            header, _ = container.parse_header(data)
            data += file.read(max(0, container.prefix_length(header, sections) - len(data)))
        return self.codecs.of(header).preview(data, scale)

    def remove(self, name: str) -> None:
        """Forget a name, and its photo where it has no other name.

        Raises:
            GanTfcError: no such name.
        """
        self.store.remove(name)

    def verify(self, decode: bool = False) -> list[str]:
        """Check all hashes, and that all streams are intact.

        Args:
            decode: decode every photo, too.

        Returns:
            What is wrong, one sentence each; empty where all is well.
        """
        return list(check(self.store, self.codecs if decode else None))


def _photo(source, name, date) -> Photo:
    if isinstance(source, (str, os.PathLike)):
        photo = read_photo(name or Path(source).name, source)
        return dataclasses.replace(photo, date=date) if date else photo
    pixels = read_image(source)
    data = pixels.tobytes()
    digest = hashlib.sha256(repr(pixels.shape).encode() + data).hexdigest()
    date = date or datetime.now().isoformat(timespec="seconds")
    return Photo(checked_name(name or ""), name, data, digest, date, pixels.shape[0] * pixels.shape[1])
