# SPDX-License-Identifier: Apache-2.0
"""The conditional entropy model: a location-scale density on a table of 64 scales.

A latent `y`, in quantiser steps, is coded as ``symbol = quantise(y - mean)`` and decoded as
``mean + symbol``. The dead zone widens the interval of zero: with ``a = |y - mean|``

    symbol = 0    for a < 0.5 + dead_zone
    |symbol| = k  for k - 0.5 + dead_zone <= a < k + 0.5 + dead_zone

which stands in, during training, for the rate-distortion optimised quantiser of the encoder. That one
gives up a symbol for a smaller one when the bits are worth more than the error, so its dead zone is
wider where symbols are rare: with a `rate_weight` the dead zone follows from the predicted scale,

    dead_zone = rate_weight / 2 * (bits(1) - bits(0))

and the networks learn from the symbols that the encoder will really write.
"""

import math

import keras
import numpy as np
from keras import ops

SCALE_MIN = 0.07
SCALE_MAX = 500.0
SCALE_COUNT = 64
#: Scale index 1 is SCALE_MIN; index 0 ("surely zero", never coded) lies one notch below.
LOG_NOTCH = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_COUNT - 2)

#: Of a dead zone that follows from the rate; at a half, no latent below one step would be kept.
_WIDEST_DEAD_ZONE = 0.45

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


def rate_dead_zones(rate_weight, family="logistic"):
    """Dead zones of the 64 scale indexes under a rate-distortion optimised quantiser.

    Args:
        rate_weight: distortion in steps squared that one bit is worth, as of
            `gan_tfc.coding.quantiser.Quantiser`.
        family: of the density.

    Returns:
        float32 `(64,)`, in steps.
    """
    index = ops.arange(SCALE_COUNT, dtype="float32")
    zero = interval_probability(-0.5 * ops.ones_like(index), 0.5, scale_of(index), family)
    one = interval_probability(0.5 * ops.ones_like(index), 1.5, scale_of(index), family)
    bits = ops.log(zero / ops.maximum(one, 1e-30)) / math.log(2.0)
    zones = ops.clip(0.5 * rate_weight * bits, 0.0, _WIDEST_DEAD_ZONE)
    return ops.convert_to_numpy(zones).astype(np.float32)


@keras.saving.register_keras_serializable("gan_tfc")
class ConditionalEntropyModel(keras.layers.Layer):
    """Bits and values of latents given means and scale indexes.

    Args:
        family: "logistic", "gaussian" or "laplace".
        dead_zone: added to half a step on both sides of zero, in steps, 0..0.5.
        rate_weight: not 0: dead zones follow from the scales instead, see `rate_dead_zones`.
    """

    def __init__(self, family="logistic", dead_zone=0.15, rate_weight=0.0, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}. Received: family={family!r}")
        self.family = family
        self.dead_zone = dead_zone
        self.rate_weight = rate_weight
        self._dead_zones = rate_dead_zones(rate_weight, family) if rate_weight else None

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
        symbols = quantise(residual, self._dead_zone_of(scale_index))
        bits = self.bits(symbols, mean - ops.stop_gradient(mean), scale_index)
        values = ops.stop_gradient(mean + symbols)
        return values, bits, ops.square(residual - symbols)

    def values(self, latents, mean, scale_index):
        """The decoded latents alone, no gradient; arguments as of a call."""
        symbols = quantise(latents - mean, self._dead_zone_of(scale_index))
        return ops.stop_gradient(mean + symbols)

    def bits(self, symbols, shift, scale_index):
        """Bits of integer symbols whose density is moved by `shift` steps."""
        dead_zone = self._dead_zone_of(scale_index)
        magnitude = ops.abs(symbols)
        outer = magnitude + 0.5 + dead_zone
        inner = ops.where(magnitude > 0, magnitude - 0.5 + dead_zone, -outer)
        negative = symbols < 0
        low = ops.where(negative, -outer, inner) - shift
        high = ops.where(negative, -inner, outer) - shift
        mass = interval_probability(low, high, scale_of(scale_index), self.family)
        return -ops.log(ops.maximum(mass, MIN_PROBABILITY)) / math.log(2.0)

    def _dead_zone_of(self, scale_index):
        if self._dead_zones is None:
            return self.dead_zone
        zones = ops.convert_to_tensor(self._dead_zones)
        return ops.stop_gradient(ops.take(zones, ops.cast(scale_index, "int32")))

    def get_config(self):
        return {
            **super().get_config(),
            "family": self.family,
            "dead_zone": self.dead_zone,
            "rate_weight": self.rate_weight,
        }
