# SPDX-License-Identifier: Apache-2.0
"""A convolution of bounded gain, for discriminators."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("gan_tfc")
class SpectralNormConv2D(keras.layers.Conv2D):
    """Convolution whose kernel, as a matrix of outputs by taps, has its largest singular value at 1.

    Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial Networks"
    (ICLR 2018): one power iteration a training step, and gradients flow through the division
    (`keras.layers.SpectralNormalization` overwrites the kernel instead, which no functional backend
    can do to a trained variable).
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.vector = self.add_weight(
            shape=(1, self.filters), initializer="random_normal", trainable=False, name="vector"
        )

    def call(self, x, training=False):
        kernel = self.kernel / self._largest_singular_value(training)
        x = ops.conv(x, ops.cast(kernel, x.dtype), strides=self.strides, padding=self.padding)
        return self.activation(x + ops.cast(self.bias, x.dtype))

    def _largest_singular_value(self, training):
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        constant = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(self.vector.value, ops.transpose(constant)))
        right = _unit(ops.matmul(left, constant))
        if training:
            self.vector.assign(right)
        left, right = ops.stop_gradient(left), ops.stop_gradient(right)
        return ops.sum(ops.matmul(left, matrix) * right)


def _unit(x):
    return x / (ops.norm(x) + 1e-12)
