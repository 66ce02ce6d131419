# SPDX-License-Identifier: Apache-2.0
"""Patches of pictures, as a classifier sees them: what FID and KID compare.

A set of photos for a codec is small, so patches overlap by half: every photo gives
``((H - size) // (size / 2) + 1) ((W - size) // (size / 2) + 1)`` of them. Distances of one network, patch
size and set of photos compare with each other, and with nothing else.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from keras import ops

from gan_tfc.errors import GanTfcError
from gan_tfc.losses.lpips import LPIPS

SMALLEST, LARGEST = 64, 256
_INCEPTION_SIDE = 299


@dataclass(frozen=True)
class PatchFeatures:
    """A picture -> features of its patches.

    Args:
        name: Of the network, for reports.
        network: Patches `(B, size, size, 3)` RGB in [-0.5, 0.5] -> features `(B, D)`.
        size: Of patches in pixels, even, 64 to 256.
        batch: So many patches are in memory at once.
    """

    name: str
    network: Callable
    size: int = 128
    batch: int = 32

    def __post_init__(self):
        if not SMALLEST <= self.size <= LARGEST or self.size % 2:
            raise GanTfcError(
                f"Expected an even patch size from {SMALLEST} to {LARGEST}, received {self.size}; try 128."
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Features `(patches, D)`, float32, of a uint8 `(H, W, 3)` picture.

        Raises:
            GanTfcError: The picture is smaller than a patch.
        """
        if min(image.shape[:2]) < self.size:
            raise GanTfcError(
                f"Expected a picture of at least {self.size} pixels a side, received "
                f"{image.shape[1]}x{image.shape[0]}; take smaller patches."
            )
        found = list(patches(image, self.size))
        batches = (found[k : k + self.batch] for k in range(0, len(found), self.batch))
        return np.concatenate([self._features(np.stack(part)) for part in batches])

    def _features(self, part):
        return np.asarray(ops.convert_to_numpy(self.network(part.astype(np.float32) / 255 - 0.5)))


def patches(image: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Square parts of a picture, row by row, each half over the one before."""
    step = size // 2
    for top in range(0, image.shape[0] - size + 1, step):
        for left in range(0, image.shape[1] - size + 1, step):
            yield image[top : top + size, left : left + size]


def alex_network(lpips: LPIPS | None = None) -> tuple[str, Callable]:
    """Mean and standard deviation of each map of AlexNet's last convolution, and what to call that.

    Args:
        lpips: A loaded `LPIPS("alex")`, to share its weights.
    """
    lpips = lpips or LPIPS("alex")

    def network(batch):
        maps = lpips.features(batch)[-1]
        return ops.concatenate([ops.mean(maps, (1, 2)), ops.std(maps, (1, 2))], axis=-1)

    return "AlexNet conv5, mean and deviation", network


def inception_network(weights="imagenet") -> tuple[str, Callable]:
    """Inception v3's 2048 pooled features of patches scaled to 299 pixels, and what to call that.

    These are Keras's weights of 2015, not those of the original FID code, so values differ from
    published ones even on the same patches.

    Args:
        weights: As for `keras.applications.InceptionV3`: "imagenet", which is downloaded once, a
            file, or None for random ones (in tests).
    """
    import keras

    shape = (_INCEPTION_SIDE, _INCEPTION_SIDE, 3)
    model = keras.applications.InceptionV3(
        include_top=False, weights=weights, pooling="avg", input_shape=shape
    )

    def network(batch):
        scaled = ops.image.resize(batch, shape[:2], interpolation="bilinear")
        return model(2.0 * scaled, training=False)

    return "Inception v3 (Keras)", network


def network_for_patches(choice: str, lpips: LPIPS | None = None) -> tuple[str, Callable]:
    """The network by name.

    Args:
        choice: "inception", "alex", or "auto" for the first of the two whose weights can be had.
        lpips: As for `alex_network`.

    Raises:
        GanTfcError: Its weights cannot be had.
    """
    if choice == "alex":
        return alex_network(lpips)
    try:
        # Keras tells of a download on stdout, where answers go.
        with contextlib.redirect_stdout(sys.stderr):
            return inception_network()
    except Exception as error:  # Keras raises bare `Exception` when a download fails.
        if choice == "auto":
            return alex_network(lpips)
        raise GanTfcError(
            f"Expected Inception v3's weights from Keras, but they cannot be had ({error}); choose "
            "--features alex."
        ) from error
