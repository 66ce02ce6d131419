# SPDX-License-Identifier: Apache-2.0
"""All metrics of one reconstruction, with what they need of the original worked out once."""

from collections.abc import Callable

import numpy as np
from keras import ops

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.evaluation.ms_ssim import SMALLEST_SIDE, ms_ssim
from gan_tfc.evaluation.patch_features import PatchFeatures
from gan_tfc.evaluation.structure import structure_distance
from gan_tfc.losses.lpips import LPIPS


class Judge:
    """What pictures are measured with.

    Args:
        lpips: For "lpips" and "structure"; None leaves these two out.
        patch_features: For FID and KID; None leaves them out.
    """

    def __init__(self, lpips: LPIPS | None = None, patch_features: PatchFeatures | None = None):
        self.lpips = lpips
        self.patch_features = patch_features

    @property
    def smallest_side(self) -> int:
        """Pictures must have sides of at least so many pixels."""
        return max(SMALLEST_SIDE, self.patch_features.size if self.patch_features else 0)

    def original(self, image: np.ndarray) -> "Original":
        """A uint8 `(H, W, 3)` picture to compare reconstructions with.

        Raises:
            GanTfcError: It is too small for a metric.
        """
        if min(image.shape[:2]) < self.smallest_side:
            raise GanTfcError(
                f"Expected photos with sides of at least {self.smallest_side} pixels, received "
                f"{image.shape[1]}x{image.shape[0]}; leave it out, or take smaller patches."
            )
        return Original(self, image)


class Original:
    """A photo, and its features; of `Judge.original`."""

    def __init__(self, judge: Judge, image: np.ndarray):
        self.judge, self.image = judge, image
        self.patches = judge.patch_features(image) if judge.patch_features else None
        self._batch = self._features = None
        if judge.lpips:
            self._batch, self._features = _batch(image), judge.lpips.features(_batch(image))

    def compare(self, decoded: np.ndarray) -> dict[str, float]:
        """Distances of a uint8 reconstruction, under the names that result files use."""
        found = {"psnr-rgb": psnr(self.image, decoded), "ms-ssim-rgb": ms_ssim(self.image, decoded)}
        if self.judge.lpips:
            batch = _batch(decoded)
            features = self.judge.lpips.features(batch)
            found["lpips"] = _value(self.judge.lpips.from_features(self._features, features))
            found["structure"] = _value(structure_distance(self._batch, batch, self._features, features))
        return found

    def patches_of(self, decoded: np.ndarray) -> np.ndarray | None:
        """Features of a reconstruction's patches, `(N, D)`; None where FID and KID are left out."""
        extract: Callable | None = self.judge.patch_features
        return extract(decoded) if extract else None


def _batch(image):
    return ops.convert_to_tensor(image[None].astype(np.float32) / 255 - 0.5)


def _value(tensor):
    return float(ops.convert_to_numpy(tensor)[0])
