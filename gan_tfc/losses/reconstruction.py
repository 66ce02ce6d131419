# SPDX-License-Identifier: Apache-2.0
"""Fidelity of the reconstruction: the loss of stage A2, and PSNR while training."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("gan_tfc")
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

    def get_config(self):
        return {"floor": self.floor}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __call__(self, inputs, outputs):
        """Mean over the batch of a `WaveletCodec`'s inputs and outputs, a scalar."""
        image = ops.cast(inputs["image"], "float32") / 255.0 - 0.5
        error = ops.mean(ops.square(outputs["reconstruction"] - image), axis=(1, 2, 3))
        return ops.mean(ops.log(error + self.floor)) * (10.0 / math.log(10.0))


def psnr(reconstruction, image):
    """PSNR in decibels of each picture of a batch, `(B,)`.

    Args:
        reconstruction: `(B, H, W, C)`, clipped to [-0.5, 0.5] first.
        image: `(B, H, W, C)` in [-0.5, 0.5].
    """
    error = ops.mean(ops.square(ops.clip(reconstruction, -0.5, 0.5) - image), axis=(1, 2, 3))
    return -10.0 / math.log(10.0) * ops.log(ops.maximum(error, 1e-10))
