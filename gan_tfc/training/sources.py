# SPDX-License-Identifier: Apache-2.0
"""The user's own photos, from wherever they are, as arrays."""

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gan_tfc.errors import GanTfcError, ImageError
from gan_tfc.images import read_image


def read_photos(source, minimum_side: int, most: int) -> list[np.ndarray]:
    """Photos of a folder or a data set; what cannot be read, or is too small, is counted in one warning.

    Args:
        source: a folder, searched recursively for every format that Pillow reads; ``tfds:NAME`` or
            ``tfds:NAME:SPLIT``; a TensorFlow Datasets builder such as `tfds.ImageFolder`; a
            `tf.data.Dataset`; or any iterable. Elements are uint8 images `(H, W, 3)`, batches of them, or
            dicts with ``image``, or tuples that begin with one.
        minimum_side: smaller photos are left out.
        most: where there are more photos, so many: of a folder at random, of others the first ones.

    Returns:
        A list of uint8 `(H, W, 3)` arrays.

    Raises:
        GanTfcError: no folder, no such data set, or no usable photo in it.
    """
    photos, left_out = [], []
    for name, image in _images(source):
        try:
            photo = read_image(image)
            if min(photo.shape[:2]) < minimum_side:
                raise ImageError(f"{name} has fewer than {minimum_side} pixels on a side.")
        except ImageError as error:
            left_out.append(str(error))
            if len(left_out) >= 2 * most and not photos:
                break
            continue
        photos.append(photo)
        if len(photos) == most:
            break
    if not photos:
        reason = "there are no images; name another folder or data set."
        if left_out:
            reason = f"{len(left_out)} could not be used: {left_out[0]}"
        raise GanTfcError(
            f"Expected photos of at least {minimum_side}x{minimum_side} pixels in {source}, but {reason}"
        )
    if left_out:
        warnings.warn(
            f"Left out {len(left_out)} images that are damaged, of an unknown kind or smaller than "
            f"{minimum_side} pixels; the first: {left_out[0]}",
            stacklevel=2,
        )
    return photos


def _images(source) -> Iterator[tuple]:
    if isinstance(source, str) and source.startswith("tfds:"):
        source = _tensorflow_dataset(source)
    if isinstance(source, (str, os.PathLike)):
        paths = _image_files(Path(source))
        return ((str(path), path) for path in paths)
    if hasattr(source, "as_dataset"):
        source = _built(source)
    if not isinstance(source, Iterable):
        raise GanTfcError(
            f"Expected a folder, tfds:NAME or a data set of images, received {type(source).__name__}."
        )
    return ((f"image {i}", image) for i, image in enumerate(_elements(source)))


def _image_files(folder: Path) -> list[Path]:
    from PIL import Image

    if not folder.is_dir():
        raise GanTfcError(
            f"Expected a folder of photos, but there is no folder {str(folder)!r}; check the path."
        )
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = (p for p in folder.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("."))
    paths = sorted(p for p in found if p.is_file())
    # Of a large folder not only the oldest photos.
    return [paths[i] for i in np.random.default_rng(0).permutation(len(paths))]


def _tensorflow_dataset(source: str):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise GanTfcError(f"{source} needs TensorFlow Datasets: pip install tensorflow-datasets.") from error
    _, name, *split = source.split(":")
    try:
        return tfds.load(name, split=split[0] if split else "train")
    except Exception as error:  # Every data set, and every step of fetching one, has its own.
        raise GanTfcError(f"Expected a data set with images in {source}: {error}") from error


def _built(builder) -> Iterator:
    """The split "train" of a builder, all splits where it has none of that name."""
    splits = list(builder.info.splits)
    for split in ["train"] if "train" in splits else splits:
        yield from builder.as_dataset(split=split, shuffle_files=False)


def _elements(rows) -> Iterator[np.ndarray]:
    for row in rows:
        if isinstance(row, dict):
            if "image" not in row:
                raise GanTfcError(f"Expected elements with 'image', received keys {', '.join(row)}.")
            row = row["image"]
        elif isinstance(row, (tuple, list)):
            row = row[0]
        row = np.asarray(row)
        yield from row if row.ndim == 4 else [row]
