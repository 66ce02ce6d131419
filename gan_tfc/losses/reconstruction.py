# SPDX-License-Identifier: Apache-2.0
"""Stage A2: fidelity of the reconstruction, for the synthesis network."""

import math

from keras import ops


class Reconstruction:
    """Negative PSNR in decibels, the mean over the batch.

    The logarithm gives a decibel the same worth at every rate and on every picture, which is how
    codecs are compared; plain squared error would train the lowest rates alone.

    Args:
        floor: added to the mean squared error (pixels in [0, 1]) so that flat crops do not dominate.
    """

    needs_synthesis = True

    def __init__(self, floor=4e-6):
        self.floor = floor

    def __call__(self, inputs, outputs):
        """Mean over the batch of a `WaveletCodec`'s inputs and outputs, a scalar."""
        image = ops.cast(inputs["image"], "float32") / 255.0 - 0.5
        error = ops.mean(ops.square(outputs["reconstruction"] - image), axis=(1, 2, 3))
        return ops.mean(ops.log(error + self.floor)) * (10.0 / math.log(10.0))
