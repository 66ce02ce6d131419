# SPDX-License-Identifier: Apache-2.0
"""Crops of the same place by several codecs, in an order that says nothing of which is whose."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

WIDTH, HEIGHT = 256, 192


@dataclass
class BlindRow:
    """One place of one photo.

    Attributes:
        photo: Name of the file.
        box: Left, top, right, bottom of the crop.
        original: uint8 `(h, w, 3)`.
        crops: Name of the codec, its crop and the bytes of its whole file, in shuffled order.
    """

    photo: str
    box: tuple[int, int, int, int]
    original: np.ndarray
    crops: list[tuple[str, np.ndarray, int]] = field(default_factory=list)

    def shuffled(self) -> "BlindRow":
        """The same row in the order that the name of the photo and the place decide."""
        return BlindRow(self.photo, self.box, self.original, sorted(self.crops, key=self._rank))

    def _rank(self, crop):
        # A hash and no generator: the order is the same in every version of Python and NumPy.
        return hashlib.sha256(f"{self.photo} {self.box} {crop[0]}".encode()).hexdigest()


def blind_boxes(image: np.ndarray, count: int, width: int = WIDTH, height: int = HEIGHT):
    """Places to look at, chosen by the original alone: of disjoint windows, detailed ones.

    Windows are ranked by the standard deviation of their luma, and taken from the upper quartile on
    alternately to both sides: the busiest hides every error, and in an empty one there are none.

    Args:
        image: uint8 `(H, W, 3)`.
        count: How many at most; fewer where fewer fit.
        width: Of a window; that of the image where it is smaller.
        height: Likewise.

    Returns:
        A list of left, top, right, bottom.
    """
    width, height = min(width, image.shape[1]), min(height, image.shape[0])
    luma = image.mean(axis=2)
    boxes = [
        (left, top, left + width, top + height)
        for top in range(0, image.shape[0] - height + 1, height)
        for left in range(0, image.shape[1] - width + 1, width)
    ]
    boxes.sort(key=lambda box: float(cropped(luma, box).std()))
    middle = (len(boxes) - 1) * 3 // 4
    order = sorted(range(len(boxes)), key=lambda k: (abs(k - middle), k))
    return [boxes[k] for k in order[:count]]


def cropped(image: np.ndarray, box) -> np.ndarray:
    """The part of an image in a box of left, top, right, bottom."""
    left, top, right, bottom = box
    return image[top:bottom, left:right]
