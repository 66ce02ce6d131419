# SPDX-License-Identifier: Apache-2.0
"""Photos of a folder or a data set, as a sequence of arrays."""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_tfc.errors import GanTfcError, ImageError
from gan_tfc.images import picture_size, read_image

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".avif"}


class PhotoFolder(Sequence):
    """All readable photos below a folder, decoded when first used and kept while there is room.

    Args:
        folder: searched recursively.
        minimum_side: smaller photos are left out, with one warning that counts them.
        cache_bytes: how much decoded pixels may take.

    Raises:
        GanTfcError: when there is no usable photo.
    """

    def __init__(self, folder, minimum_side=64, cache_bytes=4 * 2**30):
        folder = Path(folder)
        if not folder.is_dir():
            raise GanTfcError(f"Expected a folder of photos, but {folder} is none; check the path.")
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_left = cache_bytes
        self._lock = threading.Lock()
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        self.paths, skipped = [], []
        for path in paths:
            try:
                usable = min(picture_size(path)) >= minimum_side
            except ImageError:
                usable = False
            (self.paths if usable else skipped).append(path)
        if skipped:
            warnings.warn(
                f"Left out {len(skipped)} files of {folder} that are unreadable or smaller than "
                f"{minimum_side} pixels, the first one {skipped[0].name}.",
                stacklevel=2,
            )
        if not self.paths:
            raise GanTfcError(
                f"Expected photos of at least {minimum_side}x{minimum_side} pixels below {folder}, "
                f"found none among {len(paths)} image files; name a folder that has some."
            )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        """uint8 `(H, W, 3)`."""
        with self._lock:
            if index in self._cache:
                return self._cache[index]
        image = read_image(self.paths[index])
        with self._lock:
            if index not in self._cache and image.nbytes <= self._cache_left:
                self._cache[index] = image
                self._cache_left -= image.nbytes
        return image


def open_photos(source: str, minimum_side: int = 64) -> Sequence:
    """Photos of a folder, or of a TensorFlow Datasets name written ``tfds:NAME`` or ``tfds:NAME:SPLIT``.

    Raises:
        GanTfcError: when the folder or the data set has no usable photos.
    """
    if not str(source).startswith("tfds:"):
        return PhotoFolder(source, minimum_side)
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise GanTfcError(f"{source} needs TensorFlow Datasets: pip install tensorflow-datasets.") from error
    _, name, *split = str(source).split(":")
    try:
        rows = tfds.as_numpy(tfds.load(name, split=split[0] if split else "train"))
        images = (row["image"] for row in rows)
        photos = [read_image(image) for image in images if min(image.shape[:2]) >= minimum_side]
    except Exception as error:  # Every data set, and every step of fetching one, has its own.
        raise GanTfcError(f"Expected a data set with images in {source}: {error}") from error
    if not photos:
        raise GanTfcError(
            f"Expected images of at least {minimum_side}x{minimum_side} pixels in {source}, found none."
        )
    return photos
