# SPDX-License-Identifier: Apache-2.0
"""What a synthesis network makes of held-out photos at realism 1."""

from typing import NamedTuple

import numpy as np

from gan_tfc.training.checkpoint import assign_copy, value_of
from gan_tfc.training.held_out import decibels
from gan_tfc.training.texture_distance import Textures

#: At realism 1 no held-out photo may lose more PSNR, in dB, at any quality.
PSNR_TOLERANCE = 0.5


class Measures(NamedTuple):
    """Arrays `(photos, qualities)`: distance of the textures from the original's, and PSNR in dB."""

    distance: np.ndarray
    psnr: np.ndarray


class HeldOutTextures:
    """Measures weights of the layers of realism on held-out photos.

    Args:
        held_out: a `gan_tfc.training.held_out.HeldOut`.
        network: a `SynthesisNetwork` whose layers of realism alone are trainable; it gets all weights
            that are measured.

    Attributes:
        before: `Measures` of the network as it came.
        original: its trainable weights, a list of arrays.
    """

    def __init__(self, held_out, network):
        self._held_out, self._network = held_out, network
        self._textures = [Textures(photo) for photo in held_out.photos]
        self.original = [value_of(variable) for variable in network.trainable_variables]
        self.before = self.measure(self.original)

    def measure(self, weights) -> Measures:
        """Measures of a list of arrays in the order of the trainable variables."""
        for variable, value in zip(self._network.trainable_variables, weights, strict=True):
            assign_copy(variable, value)
        count = len(self._held_out.qualities)
        found = [
            (
                self._textures[i // count].distance(picture),
                decibels(picture, self._held_out.photos[i // count]),
            )
            for i, picture in enumerate(self._held_out.pictures(self._network, 1.0))
        ]
        return Measures(*np.reshape(found, (-1, count, 2)).transpose(2, 0, 1))

    def gains(self, found: Measures) -> np.ndarray:
        """How much nearer textures came, in percent of the mean distance before at the same quality."""
        return 100.0 * (self.before.distance - found.distance) / self.before.distance.mean(axis=0)

    def allowed_gains(self, found: Measures) -> np.ndarray:
        """`gains`, and minus infinity where PSNR fell by more than `PSNR_TOLERANCE`."""
        return np.where(found.psnr < self.before.psnr - PSNR_TOLERANCE, -np.inf, self.gains(found))
