# SPDX-License-Identifier: Apache-2.0
"""The synthesis network: a light residual on the base picture, at a quarter of its resolution."""

import keras
from keras import ops

from gan_tfc.coding import steps

_PATCH = 4
_SLOPE = 0.1


@keras.saving.register_keras_serializable("gan_tfc")
class StepGain(keras.layers.Layer):
    """``x * exp(slope * l) + offset * l + bias``, with ``l`` the log of the step, for each channel.

    Quantisation noise is as large as the step, which spans a factor of 100: a channel that looks for
    noise wants its input in steps (slope -1), one that looks at colours does not (slope 0). Both are
    offered at the start, in turn, and learned from there.

    Inputs: features `(B, H, W, C)` and log step `(B, 1)`.
    """

    def __init__(self, normalise=False, **kwargs):
        super().__init__(**kwargs)
        self.normalise = normalise

    def build(self, input_shape):
        channels = input_shape[0][-1]
        self.slope = self.add_weight(shape=(channels,), initializer="zeros", name="slope")
        self.offset = self.add_weight(shape=(channels,), initializer="zeros", name="offset")
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        if self.normalise:
            self.slope.assign(ops.cast(-(ops.arange(channels) % 2), self.slope.dtype))

    def call(self, inputs):
        x, log_step = inputs
        log_step = log_step[:, None, None, :]
        return x * ops.exp(self.slope * log_step) + self.offset * log_step + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "normalise": self.normalise}


@keras.saving.register_keras_serializable("gan_tfc")
class SynthesisNetwork(keras.Model):
    """Base picture and step -> reconstruction.

    ```
     base --4x4/4--> StepGain --[ + conv3 > StepGain > LeakyReLU > conv1 ] x blocks--> conv1 > d2s(4)
      |                                                                                     | x step
      +------------------------------------------- + <--------------------------------------+
    ```

    All features live on 4x4 patches, where dense 3x3 convolutions are the fastest thing a CPU does. The
    last convolution starts at zero, so an untrained network returns the base picture.

    Inputs: ``base`` `(B, H, W, 3)` RGB in [-0.5, 0.5], H and W multiples of 4; ``step`` `(B, 1)`, the
    quantiser step for pixels in [0, 1]. Output: `(B, H, W, 3)`, same range but not clipped.

    Args:
        features: channels on 4x4 patches.
        blocks: number of residual blocks.
    """

    def __init__(self, features=48, blocks=5, name="synthesis", **kwargs):
        # === Layers ===
        embed = keras.layers.Conv2D(features, _PATCH, strides=_PATCH, name="embed")
        embed_gain = StepGain(normalise=True, name="embed_gain")
        spatial = [
            keras.layers.Conv2D(features, 3, padding="same", use_bias=False, name=f"spatial_{i}")
            for i in range(blocks)
        ]
        gains = [StepGain(name=f"gain_{i}") for i in range(blocks)]
        mixes = [keras.layers.Conv2D(features, 1, name=f"mix_{i}") for i in range(blocks)]
        residual = keras.layers.Conv2D(3 * _PATCH**2, 1, kernel_initializer="zeros", name="residual")

        # === Functional model ===
        base = keras.Input((None, None, 3), name="base")
        step = keras.Input((1,), name="step")
        # Centred on the middle of the range of steps, so that gains start near one.
        log_step = ops.log(step) - float(ops.log(32 * steps.BASE_STEP))
        x = embed_gain([4.0 * embed(base), log_step])
        for conv, gain, mix in zip(spatial, gains, mixes, strict=True):
            hidden = ops.leaky_relu(gain([conv(x), log_step]), _SLOPE)
            x = x + mix(hidden)
        correction = ops.depth_to_space(residual(x), _PATCH)
        reconstruction = base + correction * step[:, None, None, :]
        super().__init__(inputs={"base": base, "step": step}, outputs=reconstruction, name=name, **kwargs)

        # === Config ===
        self.features = features
        self.blocks = blocks

    def get_config(self):
        return {"features": self.features, "blocks": self.blocks, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
