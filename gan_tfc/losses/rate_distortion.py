# SPDX-License-Identifier: Apache-2.0
"""Stage A1: rate and distortion of the symbols, for the context networks."""

import keras
from keras import ops

from gan_tfc.coding import steps

_REFERENCE_CODE = 1024


@keras.saving.register_keras_serializable("gan_tfc")
class RateDistortion:
    """``bits + lmbda * squared_error / step**2``, a pixel, weighted by rate.

    At a fixed step the rate hardly trades against distortion, except through the means: a mean nearer
    to the latent lowers both. At high rates an optimal quantiser spends one bit on 0.12 step**2, hence
    the default. Low rates get a larger weight, ``(step / reference) ** weight_exponent``, because a
    percent of rate is worth as much there and would drown otherwise.

    Args:
        lmbda: bits per step squared.
        weight_exponent: 0 weighs bits equally at all steps, about 1 weighs percents equally.
    """

    needs_synthesis = False

    def __init__(self, lmbda=7.5, weight_exponent=0.5):
        self.lmbda = lmbda
        self.weight_exponent = weight_exponent

    def get_config(self):
        return {"lmbda": self.lmbda, "weight_exponent": self.weight_exponent}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __call__(self, inputs, outputs):
        """Mean over the batch of a `WaveletCodec`'s inputs and outputs, a scalar."""
        shape = ops.shape(inputs["image"])
        code = ops.cast(inputs["step_code"], "float32")
        octaves = (code - _REFERENCE_CODE) / steps.CODES_PER_OCTAVE
        weight = 2.0 ** (self.weight_exponent * octaves)
        cost = outputs["bits"] + self.lmbda * outputs["squared_error"]
        return ops.mean(weight * cost) / ops.cast(shape[1] * shape[2], "float32")
