# SPDX-License-Identifier: Apache-2.0
"""What one codec at one setting did to all photos."""

import numpy as np

from gan_tfc.evaluation.frechet import dimensions_for, frechet_distance, kernel_distance, projected


class Tally:
    """Numbers of photos, and features of all their patches, as they come in."""

    def __init__(self):
        self.numbers: list[dict[str, float]] = []
        self._original_patches, self._patches = [], []

    def add(self, numbers: dict[str, float], original_patches=None, patches=None) -> None:
        """One more photo.

        Args:
            numbers: By name; every photo has the same names.
            original_patches: Features `(N, D)` of the photo's patches, or None.
            patches: Features of the same patches of its reconstruction.
        """
        self.numbers.append(numbers)
        if patches is not None:
            self._original_patches.append(original_patches)
            self._patches.append(patches)

    def means(self) -> dict[str, float]:
        """The means over photos, and "fid" and "kid" over all their patches together."""
        found = {key: float(np.mean([row[key] for row in self.numbers])) for key in self.numbers[0]}
        if self._patches:
            sets = [np.concatenate(part) for part in (self._original_patches, self._patches)]
            dimensions = dimensions_for(*sets[0].shape)
            found["fid"] = frechet_distance(*(projected(features, dimensions) for features in sets))
            found["kid"] = kernel_distance(*sets)
        return found
