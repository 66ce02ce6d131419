# SPDX-License-Identifier: Apache-2.0
"""The conditional entropy model: a location-scale density on a table of 64 scales.

A latent `y`, in quantiser steps, is coded as ``symbol = quantise(y - mean)`` and decoded as
``mean + symbol``. The dead zone widens the interval of zero: with ``a = |y - mean|``

    symbol = 0    for a < 0.5 + dead_zone
    |symbol| = k  for k - 0.5 + dead_zone <= a < k + 0.5 + dead_zone

which is a cheap stand-in, during training, for the rate-distortion optimised quantiser of the encoder.
"""

import math

import keras
from keras import ops

SCALE_MIN = 0.07
SCALE_MAX = 500.0
SCALE_COUNT = 64
#: Scale index 1 is SCALE_MIN; index 0 ("surely zero", never coded) lies one notch below.
LOG_NOTCH = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_COUNT - 2)

#: Of a symbol in training, so that no single one has an infinite cost.
MIN_PROBABILITY = 1e-7


def scale_of(index):
    """Scale in quantiser steps of a (possibly fractional) scale index 0..63."""
    return SCALE_MIN * ops.exp((index - 1.0) * LOG_NOTCH)


def _logistic(x):
    return ops.sigmoid(x)


def _gaussian(x):
    return 0.5 * ops.erfc(-x * 2**-0.5) if hasattr(ops, "erfc") else 0.5 * (1 + ops.erf(x * 2**-0.5))


def _laplace(x):
    return ops.where(x < 0, 0.5 * ops.exp(ops.minimum(x, 0)), 1 - 0.5 * ops.exp(-ops.maximum(x, 0)))


FAMILIES = {"logistic": _logistic, "gaussian": _gaussian, "laplace": _laplace}


def interval_probability(low, high, scale, family="logistic"):
    """Mass of (low, high) under a density at 0 with the given scale, accurate in both tails.

    All families here are symmetric, so an interval right of the centre is mirrored to its left, where
    the difference of two small numbers keeps its precision.
    """
    low, high = low / scale, high / scale
    right = low + high > 0
    low, high = ops.where(right, -high, low), ops.where(right, -low, high)
    cdf = FAMILIES[family]
    return cdf(high) - cdf(low)


def quantise(residual, dead_zone):
    """Residual in steps -> integer symbols (as floats, no gradient)."""
    magnitude = ops.maximum(ops.abs(residual) - dead_zone, 0.0)
    return ops.stop_gradient(ops.sign(residual) * ops.floor(magnitude + 0.5))


@keras.saving.register_keras_serializable("gan_tfc")
class ConditionalEntropyModel(keras.layers.Layer):
    """Bits and values of latents given means and scale indexes.

    Args:
        family: "logistic", "gaussian" or "laplace".
        dead_zone: added to half a step on both sides of zero, in steps, 0..0.5.
    """

    def __init__(self, family="logistic", dead_zone=0.15, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}. Received: family={family!r}")
        self.family = family
        self.dead_zone = dead_zone

    def call(self, latents, mean, scale_index):
        """Quantise around the mean.

        Args:
            latents: `(B, H, W, C)` in quantiser steps.
            mean: same shape, in quantiser steps.
            scale_index: same shape, 0..63.

        Returns:
            values: decoded latents, no gradient.
            bits: information content of each symbol; differentiable in scale and mean.
            squared_error: of each latent, in steps squared; differentiable in the mean.
        """
        residual = latents - mean
        symbols = quantise(residual, self.dead_zone)
        bits = self.bits(symbols, mean - ops.stop_gradient(mean), scale_index)
        values = ops.stop_gradient(mean + symbols)
        return values, bits, ops.square(residual - symbols)

    def bits(self, symbols, shift, scale_index):
        """Bits of integer symbols whose density is moved by `shift` steps."""
        magnitude = ops.abs(symbols)
        outer = magnitude + 0.5 + self.dead_zone
        inner = ops.where(magnitude > 0, magnitude - 0.5 + self.dead_zone, -outer)
        negative = symbols < 0
        low = ops.where(negative, -outer, inner) - shift
        high = ops.where(negative, -inner, outer) - shift
        mass = interval_probability(low, high, scale_of(scale_index), self.family)
        return -ops.log(ops.maximum(mass, MIN_PROBABILITY)) / math.log(2.0)

    def get_config(self):
        return {**super().get_config(), "family": self.family, "dead_zone": self.dead_zone}
