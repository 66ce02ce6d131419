# SPDX-License-Identifier: Apache-2.0
"""The synthesis network: a light residual on the base picture, at a quarter of its resolution."""

import math

import keras
from keras import ops

from gan_tfc.coding import steps

#: All features live on patches of 4x4 pixels.
PATCH = 4
#: Of the leaky rectifiers.
LEAK = 0.1
_MIDDLE_STEP = 32 * steps.BASE_STEP
_REALISM = "realism"


@keras.saving.register_keras_serializable("gan_tfc")
class StepGain(keras.layers.Layer):
    """``x * exp(slope * l) + offset * l + bias``, with ``l`` the log of the step, for each channel.

    Quantisation noise is as large as the step, which spans a factor of 100: a channel that looks for
    noise wants its input in steps (slope -1), one that looks at colours does not (slope 0). Both are
    offered at the start, in turn, and learned from there.

    Inputs: features `(B, H, W, C)`, log step `(B, 1)`, and optionally a change `(B, 2 C)`: what is added
    to the exponent, and what is added to the result.
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
        x, *condition = inputs
        scale, shift = self.scale_and_shift(*condition)
        return x * scale[:, None, None, :] + shift[:, None, None, :]

    def scale_and_shift(self, log_step, change=None):
        """What features are multiplied by and what is added to them, `(B, C)` each."""
        exponent = self.slope * log_step
        shift = self.offset * log_step + self.bias
        if change is not None:
            more_exponent, more_shift = ops.split(change, 2, axis=-1)
            exponent, shift = exponent + more_exponent, shift + more_shift
        return ops.exp(exponent), shift

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "normalise": self.normalise}


@keras.saving.register_keras_serializable("gan_tfc")
class NoisyAmplitude(keras.layers.Layer):
    """``x * (keep + noise * spread)``, for each channel: features become the amplitude of noise.

    Inputs: features and noise, both `(B, H, W, C)`.
    """

    def build(self, input_shape):
        channels = input_shape[0][-1]
        self.keep = self.add_weight(shape=(channels,), initializer="ones", name="keep")
        self.spread = self.add_weight(shape=(channels,), initializer="ones", name="spread")

    def call(self, inputs):
        x, noise = inputs
        return x * (self.keep + noise * self.spread)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable("gan_tfc")
class SynthesisNetwork(keras.Model):
    """Base picture, step and realism -> reconstruction.

    ```
     base --4x4/4--> StepGain --[ + conv3 > StepGain > LeakyReLU > conv1 ] x blocks--> conv1 > d2s(4)
      |                             ^                         ^                         |   | x step
      |       realism, step --------+                         |      realism x conv1 > d2s  |
      |                                                       |                         v   |
      |  realism x [ conv3 > LeakyReLU > x noise > conv1 ] ---+ before the last two     +   |
      +------------------------------------------- + <--------------------------------------+
    ```

    Dense 3x3 convolutions on 4x4 patches are the fastest thing a CPU does. The last convolutions start
    at zero, so an untrained network returns the base picture.

    Where the stream holds the textures itself, none need be invented: realism fades with the step.

    Everything that belongs to realism is a product with it and has layers of its own, whose names begin
    with "realism": at realism 0 the network is what stage A2 trained, to the bit, whatever stage B did.
    Conditioning by gains and biases: Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic
    Style" (ICLR 2017); noise with learned amplitudes: Karras, Laine, Aila, "A Style-Based Generator
    Architecture" (CVPR 2019).

    Inputs: ``base`` `(B, H, W, 3)` RGB in [-0.5, 0.5], H and W multiples of 4; ``step`` `(B, 1)`, the
    quantiser step for pixels in [0, 1]; with `texture_features` also ``realism`` `(B, 1)` in [0, 1] and
    ``noise`` `(B, H/4, W/4, texture_features)`, see `gan_tfc.coding.noise`. Output: `(B, H, W, 3)`, same
    range but not clipped.

    Args:
        features: channels on 4x4 patches.
        blocks: number of residual blocks.
        texture_features: channels of the noisy texture that realism adds; 0 for a network without
            realism.
        realism_codes: step codes between which realism fades in: none up to the first, all from the
            second.
    """

    def __init__(
        self,
        features=48,
        blocks=5,
        texture_features=0,
        realism_codes=(650, 1150),
        name="synthesis",
        **kwargs,
    ):
        # === Layers ===
        embed = keras.layers.Conv2D(features, PATCH, strides=PATCH, name="embed")
        embed_gain = StepGain(normalise=True, name="embed_gain")
        spatial = [
            keras.layers.Conv2D(features, 3, padding="same", use_bias=False, name=f"spatial_{i}")
            for i in range(blocks)
        ]
        gains = [StepGain(name=f"gain_{i}") for i in range(blocks)]
        mixes = [keras.layers.Conv2D(features, 1, name=f"mix_{i}") for i in range(blocks)]
        residual = keras.layers.Conv2D(3 * PATCH**2, 1, kernel_initializer="zeros", name="residual")

        # === Functional model ===
        base = keras.Input((None, None, 3), name="base")
        step = keras.Input((1,), name="step")
        inputs = {"base": base, "step": step}
        log_step = log_of_step(step)
        texture, changes, details = None, [[]] * (blocks + 1), None
        if texture_features:
            realism = keras.Input((1,), name="realism")
            noise = keras.Input((None, None, texture_features), name="noise")
            inputs |= {"realism": realism, "noise": noise}
            realism = realism * fade(log_step, *realism_codes)
            condition = ops.concatenate([realism, realism * log_step], axis=-1)
            changes = [[_change(features, f"gain_{i}")(condition)] for i in range(-1, blocks)]
            texture = _Texture(features, texture_features, realism, noise)
            details = _zeros(3 * PATCH**2, "residual")
        x = embed_gain([4.0 * embed(base), log_step, *changes[0]])
        for i, (conv, gain, mix) in enumerate(zip(spatial, gains, mixes, strict=True)):
            if texture is not None and i == texture_block(blocks):
                x = x + texture(x, log_step)
            hidden = ops.leaky_relu(gain([conv(x), log_step, *changes[i + 1]]), LEAK)
            x = x + mix(hidden)
        correction = residual(x)
        if details is not None:
            correction = correction + realism[:, None, None, :] * details(x)
        correction = ops.depth_to_space(correction, PATCH)
        reconstruction = base + correction * step[:, None, None, :]
        super().__init__(inputs=inputs, outputs=reconstruction, name=name, **kwargs)

        # === Config ===
        self.features = features
        self.blocks = blocks
        self.texture_features = texture_features
        self.realism_codes = tuple(realism_codes)

    def train_realism(self, realism: bool) -> None:
        """Make either the layers of realism trainable or all others."""
        self.trainable = True  # of which each layer then has its own
        for layer in self.layers:
            layer.trainable = layer.name.startswith(_REALISM) == realism

    def get_config(self):
        return {
            "features": self.features,
            "blocks": self.blocks,
            "texture_features": self.texture_features,
            "realism_codes": self.realism_codes,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def log_of_step(step):
    """Centred on the middle of the range of steps, so that gains start near one."""
    return ops.log(step) - math.log(_MIDDLE_STEP)


def fade(log_step, low, high):
    """0 up to the step code `low`, 1 from `high`, linear in the logarithm of the step between."""
    octaves = (log_step + math.log(_MIDDLE_STEP / steps.BASE_STEP)) / math.log(2.0)
    return ops.clip((steps.CODES_PER_OCTAVE * octaves - low) / (high - low), 0.0, 1.0)


def _change(features, name):
    """What realism changes in a `StepGain`: linear in realism and in realism times log step."""
    return keras.layers.Dense(
        2 * features, use_bias=False, kernel_initializer="zeros", name=f"{_REALISM}_{name}"
    )


def _zeros(filters, name):
    return keras.layers.Conv2D(filters, 1, kernel_initializer="zeros", name=f"{_REALISM}_{name}")


def texture_block(blocks):
    """The residual block before which texture is added."""
    return max(0, blocks - 2)


class _Texture:
    """Realism times a few channels of noise whose amplitudes are learned."""

    def __init__(self, features, channels, realism, noise):
        self._conv = keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, name=f"{_REALISM}_texture"
        )
        self._gain = StepGain(name=f"{_REALISM}_texture_gain")
        self._amplitude = NoisyAmplitude(name=f"{_REALISM}_amplitude")
        self._mix = _zeros(features, "mix")
        self._realism, self._noise = realism, noise

    def __call__(self, x, log_step):
        hidden = ops.leaky_relu(self._gain([self._conv(x), log_step]), LEAK)
        mixed = self._mix(self._amplitude([hidden, self._noise]))
        return self._realism[:, None, None, :] * mixed
