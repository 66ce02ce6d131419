# SPDX-License-Identifier: Apache-2.0
"""A convolution whose outputs are the same integers on every machine.

Weights are integers in [-127, 127] held in float32, inputs are integers of at most 8 bits held in
float32, and every accumulator stays below 2**24, so float32 arithmetic is exact whatever the order of
summation, the vector unit or the library. See `gan_tfc.coding.integer_network` for the arithmetic.
"""

import keras
import numpy as np
from keras import ops

WEIGHT_BITS = 7  # one unit of an integer weight is 2**-7
ACTIVATION_BITS = 5  # one unit of an integer activation is 2**-5


def round_through(x):
    """``floor(x + 0.5)`` with the gradient of the identity (straight-through estimator)."""
    return x + ops.stop_gradient(ops.floor(x + 0.5) - x)


def requantise(accumulator, shift, low, high):
    """``clip(floor(accumulator * 2**-shift + 0.5), low, high)``, differentiable straight through."""
    return ops.clip(round_through(accumulator * 2.0**-shift), low, high)


@keras.saving.register_keras_serializable("gan_tfc")
class IntegerConv2D(keras.layers.Layer):
    """Convolution on integers: `(B, H, W, C)` -> integer accumulators `(B, H, W, filters)`, float32.

    The trainable kernel is a float in units of the real weight; each call rounds it to integers
    straight through, so that training sees exactly the deployed arithmetic.

    Args:
        filters: number of output channels.
        kernel_size: odd side length; padding is "same" with zeros.
        use_bias: whether an integer bias is added to the accumulator.
        kernel_initializer: initialiser of the float kernel.
        bias_initializer: initialiser of the float bias.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        use_bias=True,
        kernel_initializer="he_normal",
        bias_initializer="zeros",
        **kwargs,
    ):
        # Integers up to 2**24 need every bit of float32, also under a mixed-precision policy.
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.filters,), initializer=self.bias_initializer, name="bias")

    def integer_kernel(self):
        """The deployed kernel: integers in [-127, 127] as a float32 tensor."""
        return round_through(ops.clip(self.kernel * 2.0**WEIGHT_BITS, -127.0, 127.0))

    def integer_bias(self):
        """The deployed bias in accumulator units (2**-12), |bias| < 2**22."""
        limit = 2.0**22 - 1
        unit = 2.0 ** (WEIGHT_BITS + ACTIVATION_BITS)
        return round_through(ops.clip(self.bias * unit, -limit, limit))

    def call(self, x):
        out = ops.conv(x, self.integer_kernel(), padding="same")
        return out + self.integer_bias() if self.use_bias else out

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def export_weights(self):
        """(kernel, bias) as NumPy int8 `(k, k, in, filters)` and int32 `(filters,)` arrays."""
        kernel = ops.convert_to_numpy(self.integer_kernel()).astype(np.int8)
        if not self.use_bias:
            return kernel, np.zeros(self.filters, np.int32)
        return kernel, ops.convert_to_numpy(self.integer_bias()).astype(np.int32)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
