# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Compression's deep factorized density as a Keras 3 layer.

Ballé, Minnen, Singh, Hwang, Johnston, "Variational Image Compression with a Scale Hyperprior",
ICLR 2018, appendix 6.1: the cumulative of each channel is a small monotone network

    h_k(x) = softplus(matrix_k) x + bias_k;   h_k += tanh(factor_k) tanh(h_k);   c = sigmoid(h_K ... h_1(x)).
"""

import math

import keras
import numpy as np
from keras import ops

_MIN_PROBABILITY = 1e-9


@keras.saving.register_keras_serializable("gan_tfc")
class DeepFactorizedBottleneck(keras.layers.Layer):
    """Fully factorised entropy bottleneck; noisy in training, rounding in evaluation.

    Args:
        channels: number of channels, each with a density of its own.
        filters: widths of the hidden layers of the cumulative.
        init_scale: width of the initial density; should cover the latents' range.
    """

    def __init__(self, channels, filters=(3, 3, 3), init_scale=10.0, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.channels = channels
        self.filters = tuple(filters)
        self.init_scale = init_scale
        self.seed_generator = keras.random.SeedGenerator(0)

    def build(self, input_shape=None):
        widths = (1, *self.filters, 1)
        scale = self.init_scale ** (1 / (len(self.filters) + 1))
        self.matrices, self.biases, self.factors = [], [], []
        for i, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            start = math.log(math.expm1(1 / scale / after))
            self.matrices.append(
                self.add_weight(
                    shape=(self.channels, after, before),
                    initializer=keras.initializers.Constant(start),
                    name=f"matrix_{i}",
                )
            )
            self.biases.append(
                self.add_weight(
                    shape=(self.channels, after, 1),
                    initializer=keras.initializers.RandomUniform(-0.5, 0.5, seed=i),
                    name=f"bias_{i}",
                )
            )
            if i < len(self.filters):
                self.factors.append(
                    self.add_weight(shape=(self.channels, after, 1), initializer="zeros", name=f"factor_{i}")
                )
        self.built = True

    def logits(self, x):
        """Logits of the cumulative at `x`: `(C, 1, N)` -> `(C, 1, N)`, increasing in N's values."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = ops.matmul(ops.softplus(matrix), x) + bias
            if i < len(self.factors):
                x = x + ops.tanh(self.factors[i]) * ops.tanh(x)
        return x

    def interval_probability(self, x, width):
        """Mass of ``x +- width / 2``, shape of `x`, which is `(..., C)`; `width` broadcasts."""
        width = ops.broadcast_to(width, ops.shape(x))
        low, high = (self.logits(self._channels_first(x + s * width)) for s in (-0.5, 0.5))
        # Mirroring the right tail to the left keeps the difference of sigmoids accurate.
        # (Never 0, as the sign of low + high would be in the very middle: that mass would vanish.)
        sign = ops.where(low + high > 0, -1.0, 1.0)
        mass = ops.abs(ops.sigmoid(sign * high) - ops.sigmoid(sign * low))
        return self._channels_last(mass, ops.shape(x))

    def _channels_first(self, x):
        x = ops.reshape(x, (-1, self.channels))
        return ops.expand_dims(ops.transpose(x), 1)

    def _channels_last(self, x, shape):
        return ops.reshape(ops.transpose(ops.squeeze(x, 1)), shape)

    def call(self, latents, width=1.0, training=False):
        """Quantise to multiples of `width` and measure.

        Args:
            latents: `(B, H, W, C)`.
            width: quantiser step, scalar or broadcastable to `latents`.
            training: True adds uniform noise instead of rounding.

        Returns:
            values: noisy or rounded latents, same shape.
            bits: in training a differentiable upper bound in expectation, in evaluation the
                information content of the rounded symbols.
        """
        if training:
            noise = keras.random.uniform(ops.shape(latents), -0.5, 0.5, seed=self.seed_generator)
            values = latents + noise * width
        else:
            values = ops.floor(latents / width + 0.5) * width
        mass = ops.maximum(self.interval_probability(values, width), _MIN_PROBABILITY)
        return values, -ops.log(mass) / math.log(2.0)

    def pmf(self, width, tail_mass=2.0**-12, max_symbols=4095):
        """Probability tables of the rounded symbols, one a channel, float64 NumPy.

        Args:
            width: quantiser step.
            tail_mass: about how much mass each table may leave to the escape symbol.
            max_symbols: limit of a table's length.

        Returns:
            A list of ``(offset, pmf)``: pmf[i] is the probability of symbol ``offset + i``; the last
            entry is the escape's.
        """
        half = max_symbols // 2
        symbols = np.arange(-half, half + 1, dtype="float32")
        grid = np.repeat((symbols * width)[:, None], self.channels, axis=1)
        mass = ops.convert_to_numpy(self.interval_probability(ops.convert_to_tensor(grid), width))
        tables = []
        for channel in mass.astype(np.float64).T:
            cumulative = np.cumsum(channel)
            outside = 1.0 - cumulative[-1]
            low = int(np.searchsorted(cumulative, tail_mass / 2))
            high = int(np.searchsorted(cumulative, 1.0 - outside - tail_mass / 2)) + 1
            kept = channel[low:high]
            escape = max(1.0 - kept.sum(), tail_mass / 4)
            tables.append((int(symbols[low]), np.append(kept, escape)))
        return tables

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "filters": self.filters,
            "init_scale": self.init_scale,
        }
