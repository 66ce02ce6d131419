# SPDX-License-Identifier: Apache-2.0
"""How unlike the textures of two pictures are, measured by no network.

A picture's textures are taken as a set of points: its patches of 7x7 pixels, in each of the finest
levels of its Laplacian pyramid. The distance of two such sets is the sliced Wasserstein distance: over
random directions, the mean of how far apart the sorted projections lie (Rabin, Peyré, Delon, Bernot,
"Wasserstein Barycenter and Its Application to Texture Mixing", SSVM 2011). On pyramids it is the measure
of Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs" (ICLR 2018). There patches of all
pictures are one set, each scaled to unit variance; here every picture is compared with its own original,
and in units of the original's projections, so that a blurred texture is not like the texture itself.

It tells blur from texture, too little texture from too much, and noise from what is there, and, unlike
the losses of training, it needs no weights. It does not tell where in the picture a texture is, nor what
larger things look like: a face is no texture. Values compare with each other only.
"""

import numpy as np

LEVELS = 3
_SIDE = 7
#: Patches of a level, and directions that they are projected on.
_PATCHES, _DIRECTIONS = 2048, 32
_BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16
#: Textures below a grey level are not worth telling apart.
_FLOOR = 1 / 255


class Textures:
    """The textures of a picture, to compare others with.

    Args:
        picture: uint8 `(H, W, 3)`; below 64 pixels a side, levels of less than a patch are left out.
    """

    def __init__(self, picture: np.ndarray):
        self._projections = _projections(picture)

    def distance(self, other: np.ndarray) -> float:
        """0 for equal textures, about 1 for a picture without any; more where there is too much.

        Args:
            other: uint8, of the same shape.
        """
        pairs = zip(self._projections, _projections(other), strict=True)
        return float(np.mean([np.abs(a - b).mean() / (np.abs(a).mean() + _FLOOR) for a, b in pairs]))


def _projections(picture) -> list[np.ndarray]:
    """For each level `(patches, directions)`, sorted along the patches."""
    picture, found = picture.astype(np.float32) / 255, []
    for level in range(LEVELS):
        if min(picture.shape[:2]) < _SIDE:
            break
        smaller = _halved(picture)
        patches = np.lib.stride_tricks.sliding_window_view(
            picture - _doubled(smaller, picture.shape), (_SIDE, _SIDE), (0, 1)
        )
        # The same places and directions for all pictures of a size.
        rng = np.random.default_rng(level)
        directions = rng.standard_normal((patches[0, 0].size, _DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        rows, columns = (rng.integers(room, size=_PATCHES) for room in patches.shape[:2])
        found.append(np.sort(patches[rows, columns].reshape(_PATCHES, -1) @ directions, axis=0))
        picture = smaller
    return found


def _halved(x):
    """Blurred by (1 4 6 4 1) / 16 in both directions, every second sample kept."""
    return _blurred(_blurred(x, 0)[::2], 1)[:, ::2]


def _doubled(x, shape):
    """Zeros between the samples, then blurred."""
    spread = np.zeros(shape, np.float32)
    spread[::2, ::2] = 4 * x
    return _blurred(_blurred(spread, 0), 1)


def _blurred(x, axis):
    margins = [(0, 0)] * 3
    margins[axis] = (2, 2)
    padded = np.moveaxis(np.pad(x, margins, mode="reflect"), axis, 0)
    length = x.shape[axis]
    return np.moveaxis(sum(_BLUR[i] * padded[i : i + length] for i in range(5)), 0, axis)
