# SPDX-License-Identifier: Apache-2.0
"""Discriminators: is this picture real, given what the stream holds of it?

Both see the picture, the base picture (what the stream holds, before synthesis), their difference in
quantiser steps, and the step; so a picture is judged on what was added to the stream's content.
"""

import keras
from keras import ops

from gan_tfc.coding import steps
from gan_tfc.layers.spectral_norm import SpectralNormConv2D

_SLOPE = 0.2
#: Logits of the U-Net, and labels, stand on patches of this many pixels a side.
LABEL_PATCH = 8


class _Discriminator(keras.Model):
    """Inputs: dict of ``image``, ``base`` `(B, H, W, 3)` RGB in [-0.5, 0.5], ``step`` `(B, 1)`."""

    def __init__(self, layers, name):
        image = keras.Input((None, None, 3), name="image")
        base = keras.Input((None, None, 3), name="base")
        step = keras.Input((1,), name="step")
        spread = step[:, None, None, :]
        log_step = ops.log(spread) - float(ops.log(32 * steps.BASE_STEP))
        added = ops.tanh((image - base) / spread)
        # Of the size of one, as all that follows.
        seen = [2.0 * image, 2.0 * base, added, 0.5 * log_step + 0.0 * image[..., :1]]
        logits = layers(ops.concatenate(seen, axis=-1))
        super().__init__({"image": image, "base": base, "step": step}, logits, name=name)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@keras.saving.register_keras_serializable("gan_tfc")
class PatchDiscriminator(_Discriminator):
    """HiFiC's: a few strided convolutions, one logit on each patch of 8x8 pixels.

    ```
     10 channels --4x4/2 F--4x4/2 2F--4x4/2 4F--3x3 4F--1x1--> logits (B, H/8, W/8, 1)
    ```

    Mentzer, Toderici, Tschannen, Agustsson, "High-Fidelity Generative Image Compression" (NeurIPS 2020);
    there with strides to 1/16, and conditioned on latents. LeakyReLU and spectral norm, but
    for the last convolution, whose logits could not grow under it.

    Args:
        features: F.
        labels: unused; logits are always one.
    """

    def __init__(self, features=32, labels=0, name="discriminator"):
        convolutions = [
            _conv(features, 4, 2, f"{name}_conv_0"),
            _conv(2 * features, 4, 2, f"{name}_conv_1"),
            _conv(4 * features, 4, 2, f"{name}_conv_2"),
            _conv(4 * features, 3, 1, f"{name}_conv_3"),
            keras.layers.Conv2D(1, 1, name=f"{name}_logits"),
        ]
        super().__init__(keras.Sequential(convolutions, name=f"{name}_layers"), name)
        self.features = features

    def get_config(self):
        return {"features": self.features, "name": self.name}


@keras.saving.register_keras_serializable("gan_tfc")
class UNetDiscriminator(_Discriminator):
    """MS-ILLM's: which of K kinds of texture is on each patch of 8x8 pixels, or is it decoded?

    ```
     10 channels --4x4/2 F--4x4/2 2F--4x4/2 4F--+--4x4/2 4F--up 2--(+)--3x3 4F--1x1--> (B, H/8, W/8, 1 + K)
                                                +--------------------^
    ```

    Muckley, El-Nouby, Ullrich, Jégou, Verbeek, "Improving Statistical Fidelity for Neural Image
    Compression with Implicit Local Likelihood Models" (ICML 2023); there with a larger U-Net, and labels
    from a VQ-VAE.

    Args:
        features: F.
        labels: K.
    """

    def __init__(self, features=32, labels=64, name="discriminator"):
        down = [
            _conv(features, 4, 2, f"{name}_conv_0"),
            _conv(2 * features, 4, 2, f"{name}_conv_1"),
            _conv(4 * features, 4, 2, f"{name}_conv_2"),
        ]
        bottom = _conv(4 * features, 4, 2, f"{name}_conv_3")
        up = keras.layers.UpSampling2D(2, name=f"{name}_up")
        joint = _conv(4 * features, 3, 1, f"{name}_conv_4")
        classes = keras.layers.Conv2D(1 + labels, 1, name=f"{name}_logits")

        def layers(x):
            for conv in down:
                x = conv(x)
            x = joint(ops.concatenate([x, up(bottom(x))], axis=-1))
            return classes(x)

        super().__init__(layers, name)
        self.features, self.labels = features, labels

    def get_config(self):
        return {"features": self.features, "labels": self.labels, "name": self.name}


def _conv(filters, size, stride, name):
    return SpectralNormConv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        activation=keras.layers.LeakyReLU(_SLOPE),
        name=name,
    )


DISCRIMINATORS = {"patch": PatchDiscriminator, "unet": UNetDiscriminator}
