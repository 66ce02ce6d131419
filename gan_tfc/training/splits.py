# SPDX-License-Identifier: Apache-2.0
"""Which photos are trained on and which are kept to measure with: decided by their pixels alone."""

import hashlib

import numpy as np

from gan_tfc.errors import GanTfcError

#: Of the photos kept to measure with: share, fewest and most.
SHARE, FEWEST, MOST = 0.1, 2, 32
#: Larger photos are cut to this many pixels a side, at native resolution: phones take 12 megapixels.
SIDE = 640


def split(photos, side: int = SIDE):
    """Photos to train on and photos to measure with.

    The same photos are split the same way, whatever their names, their order and their folder. Copies
    of a photo count once, so none is on both sides.

    Args:
        photos: sequence of uint8 `(H, W, 3)` arrays.
        side: larger photos are cut to it, at a place that depends on the photo alone.

    Returns:
        Two lists of uint8 `(H, W, 3)` arrays, in an order that depends on the photos alone.

    Raises:
        GanTfcError: fewer than three different photos.
    """
    by_digest = {}
    for photo in photos:
        digest = hashlib.sha256(repr(photo.shape).encode() + photo.tobytes()).digest()
        by_digest.setdefault(digest, photo)
    if len(by_digest) <= FEWEST:
        raise GanTfcError(
            f"Expected at least {FEWEST + 1} different photos, of which {FEWEST} are kept to measure with, "
            f"found {len(by_digest)}; add photos."
        )
    cut = [_cut(by_digest[digest], digest, side) for digest in sorted(by_digest)]
    kept = min(max(round(SHARE * len(cut)), FEWEST), MOST)
    return cut[kept:], cut[:kept]


def _cut(photo, digest, side):
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    top, left = (int(rng.integers(max(0, room - side) + 1)) for room in photo.shape[:2])
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


def fingerprint(photos) -> str:
    """Tells sets of photos apart, 16 hex digits."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(repr(photo.shape).encode() + photo.tobytes())
    return digest.hexdigest()[:16]
