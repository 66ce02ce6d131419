# SPDX-License-Identifier: Apache-2.0
"""The trainable wavelet codec: a fixed transform, learned contexts, a learned synthesis."""

import keras
import numpy as np
from keras import ops

from gan_tfc import losses
from gan_tfc.coding import contexts as coding_contexts
from gan_tfc.coding import steps
from gan_tfc.entropy_models.conditional import ConditionalEntropyModel
from gan_tfc.entropy_models.context_network import ContextNetwork
from gan_tfc.entropy_models.deep_factorized import DeepFactorizedBottleneck
from gan_tfc.layers.colour import rgb_to_ycc, ycc_to_rgb
from gan_tfc.layers.wavelet import analyse, merge_level
from gan_tfc.losses.reconstruction import psnr
from gan_tfc.models.replicas import share_of_replica
from gan_tfc.models.synthesis import PATCH, SynthesisNetwork

PLANES = 3
#: Step of the coarsest band at the lowest octave: the unit of the factorized bottleneck.
_COARSEST_UNIT = steps.BASE_STEP * 2.0**steps.MIN_OCTAVE

#: Where the table of `gan_tfc.coding.contexts.compress` ends.
_LARGEST_LEVEL = float(coding_contexts.COMPRESS[-1])


@keras.saving.register_keras_serializable("gan_tfc")
class WaveletCodec(keras.Model):
    """Wavelet image codec with coarse-to-fine integer context networks.

    ```
     image x --colour--> CDF 9/7, L levels --> bands / step --> quantise --> symbols
                                                  ^     ^                      |
     (for each level, coarsest first:)          mean  scale index              |
        picture, parents, step --> context network (two passes) <--------------+
                                                                               |
     reconstruction <-- synthesis(base picture, step, realism) <-- inverse wavelet <----+
    ```

    After Sahin and Kamisli, "Image Compression with Learned Lifting-Based DWT and Learned Tree-Based
    Entropy Models" (arXiv 2212.03616), with the integer networks of Ballé, Johnston, Minnen, "Integer
    Networks for Data Compression with Latent-Variable Models" (ICLR 2019).

    In training the networks see float arithmetic rounded to the same integers that
    `gan_tfc.coding.scan` computes exactly when it codes.

    Args:
        features: hidden channels of the context networks, finest level first; its length is the
            number of wavelet levels.
        phase: nine integers 0 or 1 by band, see `gan_tfc.coding.contexts.first_pass_mask`.
        family: density of the conditional entropy model.
        dead_zone: of the training quantiser, in steps.
        rate_weight: not 0: the training quantiser's dead zones follow from the predicted scales, as
            the encoder's do; see `gan_tfc.entropy_models.conditional`.
        synthesis_features, synthesis_blocks, texture_features, realism_codes: of the synthesis network;
            without texture features it knows no realism.
    """

    def __init__(
        self,
        features=(24, 36, 36, 36, 36, 36),
        phase=(0, 0, 0, 0, 0, 0, 0, 0, 0),
        family="logistic",
        dead_zone=0.15,
        rate_weight=0.0,
        synthesis_features=48,
        synthesis_blocks=5,
        texture_features=0,
        realism_codes=(650, 1150),
        **kwargs,
    ):
        # Step codes are integers up to 2047, and base pictures have 12 bits: bfloat16 holds neither.
        super().__init__(autocast=False, **kwargs)
        # === Layers ===
        self.networks = [
            ContextNetwork(count, coding_contexts.CONTEXT_CHANNELS, name=f"context_{level}")
            for level, count in enumerate(features)
        ]
        self.bottleneck = DeepFactorizedBottleneck(PLANES, init_scale=500.0, name="bottleneck")
        self.conditional = ConditionalEntropyModel(family, dead_zone, rate_weight, name="conditional")
        self.synthesis = SynthesisNetwork(
            synthesis_features, synthesis_blocks, texture_features, realism_codes
        )

        # === Training ===
        self.objective = None
        self.bpp_tracker = keras.metrics.Mean(name="bpp")
        self.base_psnr_tracker = keras.metrics.Mean(name="base_psnr")
        self.psnr_tracker = keras.metrics.Mean(name="psnr")

        # === Config ===
        self.features = tuple(features)
        self.phase = tuple(phase)
        self.family = family
        self.dead_zone = dead_zone
        self.rate_weight = rate_weight
        self.synthesis_features = synthesis_features
        self.synthesis_blocks = synthesis_blocks
        self.texture_features = texture_features
        self.realism_codes = tuple(realism_codes)

    @property
    def levels(self):
        """Number of wavelet levels."""
        return len(self.features)

    def build(self, input_shape=None):
        for network in self.networks:
            network.build()
        self.bottleneck.build()
        self.built = True

    def scan(self, image, step_code, training=False):
        """Code an image with all contexts, without a coder.

        Args:
            image: `(B, H, W, 3)` RGB in [-0.5, 0.5], H and W multiples of ``2**levels``.
            step_code: `(B,)` numbers 0..2047, see `gan_tfc.coding.steps`.
            training: True makes the coarsest band noisy.

        Returns:
            base: `(B, H, W, 3)` RGB, the decoded picture before synthesis, no gradient.
            bits: `(B,)`, rate of all symbols.
            squared_error: `(B,)`, summed over all bands, in units of step squared.
        """
        code = ops.cast(step_code, "float32")[:, None, None, None]
        step = steps.BASE_STEP * 2.0 ** (code / steps.CODES_PER_OCTAVE)
        coarsest, details = analyse(rgb_to_ycc(image), self.levels)

        octave = ops.maximum(ops.floor(code / 256.0 + 0.5), float(steps.MIN_OCTAVE))
        width = 2.0 ** (octave - steps.MIN_OCTAVE)
        _, bits = self.bottleneck(coarsest / _COARSEST_UNIT, width, training=training)
        bits = ops.sum(bits, axis=(1, 2, 3))
        coarsest_step = _COARSEST_UNIT * width
        picture = ops.floor(coarsest / coarsest_step + 0.5) * coarsest_step / step

        squared_error = 0.0
        values = None
        for level in range(self.levels - 1, -1, -1):
            context = self._context(picture, values, code, step, level)
            values, level_bits, level_error = self._scan_level(
                self.networks[level], context, details[level] / step
            )
            bits = bits + level_bits
            squared_error = squared_error + level_error
            picture = merge_level(picture, values)
        return ops.stop_gradient(ycc_to_rgb(picture * step)), bits, squared_error

    def _scan_level(self, network, context, latents):
        shape = ops.shape(latents)
        odd = _odd_positions(shape[1], shape[2])
        first = ops.abs(odd - ops.convert_to_tensor(np.asarray(self.phase, "float32")))
        features, (mean, index) = network.first(context)
        known = self.conditional.values(latents, mean / 4.0, index) * first
        mask_level = ops.ones_like(latents[..., :1]) * odd * coding_contexts.MASK_LEVEL
        known = ops.concatenate([_compress(known), mask_level], axis=-1)
        second_mean, second_index = network.second(features, ops.stop_gradient(known))
        mean = mean * first + second_mean * (1.0 - first)
        index = index * first + second_index * (1.0 - first)
        values, bits, error = self.conditional(latents, mean / 4.0, index)
        return values, ops.sum(bits, axis=(1, 2, 3)), ops.sum(error, axis=(1, 2, 3))

    def _context(self, picture, parents, code, step, level):
        """Float twin of `gan_tfc.coding.contexts.context`, batched."""
        flat = ops.ones_like(picture[..., :1])
        if parents is None:
            parents = flat * ops.zeros((1, 1, 1, coding_contexts.BANDS))
        else:
            parents = _compress(ops.repeat(ops.repeat(parents, 2, axis=1), 2, axis=2))
        relief = _compress(ops.floor(16.0 * (picture - _blur(picture)) + 0.5) / 16.0)
        gain = 127.5 * 2.0 ** -(level + 1)
        brightness = ops.clip(ops.floor(picture[..., :1] * step * gain + 0.5), -127.0, 127.0)
        log_step = flat * ops.floor(code / 16.0)
        return ops.stop_gradient(ops.concatenate([parents, relief, brightness, log_step], axis=-1))

    def call(self, inputs, training=False):
        """Image and step code -> rate and reconstruction.

        Args:
            inputs: dict of ``image`` `(B, H, W, 3)`, uint8 or floats 0..255, and ``step_code`` `(B,)`.
                Optionally ``base`` `(B, H, W, 3)`, the base picture of a finished coding, RGB in
                [-0.5, 0.5]; then nothing is coded here and ``bits`` is 0.

        Returns:
            A dict of ``bits`` `(B,)`, ``squared_error`` `(B,)` in steps squared, ``base`` and
            ``reconstruction`` `(B, H, W, 3)` RGB in [-0.5, 0.5] (not clipped).
        """
        image = ops.cast(inputs["image"], "float32") / 255.0 - 0.5
        code = ops.cast(inputs["step_code"], "float32")
        if "base" in inputs:
            base, bits = ops.cast(inputs["base"], "float32"), ops.zeros_like(code)
            squared_error = bits
        else:
            base, bits, squared_error = self.scan(image, code, training=training)
        reconstruction = base
        if self.objective is None or self.objective.needs_synthesis:
            step = steps.BASE_STEP * 2.0 ** (code / steps.CODES_PER_OCTAVE)
            reconstruction = self._synthesise(base, step[:, None])
        return {
            "bits": bits,
            "squared_error": squared_error,
            "base": base,
            "reconstruction": reconstruction,
        }

    def _synthesise(self, base, step):
        """At realism 0."""
        inputs = {"base": base, "step": step}
        if self.texture_features:
            batch, height, width, _ = ops.shape(base)
            shape = (batch, height // PATCH, width // PATCH, self.texture_features)
            inputs |= {"realism": ops.zeros_like(step), "noise": ops.zeros(shape)}
        return self.synthesis(inputs)

    def freeze_for_realism(self):
        """Leave only the layers of realism trainable, for `gan_tfc.models.gan_codec.GANCodec`."""
        for part in (*self.networks, self.bottleneck):
            part.trainable = False
        self.synthesis.train_realism(True)

    def compile(self, optimizer="adam", loss="rate_distortion", **kwargs):
        """Choose what is trained, by the loss; see `gan_tfc.losses`.

        "rate_distortion" trains the context networks and the bottleneck, "reconstruction" the
        synthesis network alone, so that streams written before still decode.
        """
        self.objective = losses.get(loss)
        trains_synthesis = self.objective.needs_synthesis
        if trains_synthesis:
            self.synthesis.train_realism(False)
        else:
            self.synthesis.trainable = False
        for part in (*self.networks, self.bottleneck):
            part.trainable = not trains_synthesis
        if keras.backend.backend() == "tensorflow":
            # XLA on a CPU trains this model many times slower, and Keras would choose it.
            kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, **kwargs)

    def get_compile_config(self):
        """Optimizer and loss, for `keras.saving`; None where the loss has no configuration."""
        if self.objective is None or not hasattr(self.objective, "get_config"):
            return None
        serialize = keras.saving.serialize_keras_object
        return {"optimizer": serialize(self.optimizer), "loss": serialize(self.objective)}

    def compile_from_config(self, config):
        deserialize = keras.saving.deserialize_keras_object
        self.compile(deserialize(config["optimizer"]), deserialize(config["loss"]))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return share_of_replica(self.objective(x, y_pred))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        shape = ops.shape(x["image"])
        pixels = ops.cast(shape[1] * shape[2], "float32")
        image = ops.cast(x["image"], "float32") / 255.0 - 0.5
        self.bpp_tracker.update_state(y_pred["bits"] / pixels)
        for tracker, key in (
            (self.base_psnr_tracker, "base"),
            (self.psnr_tracker, "reconstruction"),
        ):
            tracker.update_state(psnr(y_pred[key], image))
        return self.get_metrics_result()

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.features,
            "phase": self.phase,
            "family": self.family,
            "dead_zone": self.dead_zone,
            "rate_weight": self.rate_weight,
            "synthesis_features": self.synthesis_features,
            "synthesis_blocks": self.synthesis_blocks,
            "texture_features": self.texture_features,
            "realism_codes": self.realism_codes,
        }


def _compress(x):
    """Steps -> integers in [-125, 125]; the float twin of `gan_tfc.coding.contexts.compress`."""
    return ops.clip(ops.floor(18.0 * ops.arcsinh(x) + 0.5), -_LARGEST_LEVEL, _LARGEST_LEVEL)


def _blur(x):
    """3x3 binomial blur, edge samples repeated."""
    x = ops.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    x = x[:, :-2] + 2.0 * x[:, 1:-1] + x[:, 2:]
    x = ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], axis=2)
    return (x[:, :, :-2] + 2.0 * x[:, :, 1:-1] + x[:, :, 2:]) / 16.0


def _odd_positions(height, width):
    """`(1, H, W, 1)` of 0 and 1: 1 where row + column is odd."""
    total = ops.arange(height)[:, None] + ops.arange(width)[None]
    return ops.cast(total % 2, "float32")[None, :, :, None]
