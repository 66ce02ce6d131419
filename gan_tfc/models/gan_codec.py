# SPDX-License-Identifier: Apache-2.0
"""Stage B: a codec and its adversary as one Keras model."""

import keras
from keras import ops

from gan_tfc.coding import steps
from gan_tfc.losses.adversarial import gradient_norms
from gan_tfc.losses.realism import Realism, drift
from gan_tfc.losses.reconstruction import psnr
from gan_tfc.models.discriminators import DISCRIMINATORS
from gan_tfc.models.latent_labels import LatentLabels
from gan_tfc.models.replicas import share_of_replica
from gan_tfc.models.synthesis import PATCH


class GANCodec(keras.Model):
    """Trains the realism of a codec's synthesis network; nothing that decides bits.

    ```
     image --codec, frozen--> base picture, step --synthesis(realism, noise)--> reconstruction
       |                           |                                               |
       +------> discriminator <----+----------------> discriminator <--------------+
                    |                                     |
               real logits                            fake logits
    ```

    After HiFiC and MS-ILLM (see `gan_tfc.models.discriminators`), with the frozen encoder of the latter:
    streams written before stay valid, and are byte-identical after.

    One optimizer trains both sides at once. The reconstruction is judged twice: by the discriminator on a
    copy without gradient, for the discriminator's loss, and by a copy of the discriminator without
    gradient, for the synthesis network's. So either side sees only its own loss, and `fit` is Keras's
    own, on TensorFlow and on JAX.

    Args:
        codec: a built `gan_tfc.models.wavelet_codec.WaveletCodec` with texture features. Only the layers
            of realism in its synthesis network are trained.
        discriminator: "unet" (for the loss one_vs_all), "patch" (for all others), or a model with the same
            inputs.
        features: of the discriminator.
        labels: kinds of texture, for "unet"; see `gan_tfc.models.latent_labels`.
        full_realism: share of the examples trained at realism 1; the others are uniform in [0, 1].
        seed: of realisms and noise.
        anchor: None, or a `SynthesisNetwork`: then distortion is the drift from its pictures, of the same
            realism and noise, see `gan_tfc.losses.realism.drift`.
    """

    def __init__(
        self,
        codec,
        discriminator="unet",
        features=32,
        labels=64,
        full_realism=0.75,
        seed=0,
        anchor=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if not codec.texture_features:
            raise ValueError(
                "GANCodec needs a codec whose synthesis network knows realism. Received: "
                "texture_features=0; build it with texture_features=12, say."
            )
        self.codec = codec
        self.codec.freeze_for_realism()
        if isinstance(discriminator, str):
            if discriminator not in DISCRIMINATORS:
                names = ", ".join(DISCRIMINATORS)
                raise ValueError(f"Expected discriminator among {names}. Received: {discriminator!r}")
            discriminator = DISCRIMINATORS[discriminator](features, labels)
        self.discriminator = discriminator
        self.labels = LatentLabels(labels, name="labels") if discriminator.output.shape[-1] > 1 else None
        self.full_realism = full_realism
        self.anchor = anchor
        if anchor is not None:
            anchor.trainable = False
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.objective = None
        names = ("psnr", "base_psnr", "perceptual", "adversarial", "discriminator", "told_apart")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """Choose optimizer and loss.

        Args:
            optimizer: as for `keras.Model.compile`; `gan_tfc.training.optimizers.TwoRateAdam` gives the
                discriminator a learning rate of its own.
            loss: a `gan_tfc.losses.realism.Realism`; None for its defaults.

        Raises:
            ValueError: a loss over labels for a discriminator without, or the reverse.
        """
        self.objective = loss or Realism()
        if self.objective.adversarial.one_vs_all != (self.labels is not None):
            raise ValueError(
                "The loss one_vs_all goes with the discriminator unet, and no other loss does. Received: "
                f"{type(self.objective.adversarial).__name__} and {type(self.discriminator).__name__}"
            )
        if keras.backend.backend() == "tensorflow":
            # XLA on a CPU trains this model many times slower, and Keras would choose it.
            kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, **kwargs)

    def adapt(self, images):
        """Find the kinds of texture, once, in training pictures: uint8 `(N, H, W, 3)`, a few hundred crops.

        Without effect with discriminators that need none.
        """
        if self.labels is not None:
            self.labels.adapt(ops.convert_to_numpy(images).astype("float32") / 255.0 - 0.5)

    def fit(self, *args, **kwargs):
        """Train; see `keras.Model.fit`.

        Raises:
            ValueError: the discriminator tells kinds of texture apart, and `adapt` has found none.
        """
        if self.labels is not None and not self.labels.adapted:
            raise ValueError(
                "The discriminator unet tells kinds of texture apart, and none were found yet; call "
                "adapt(images) with some hundred training crops first, uint8 (N, H, W, 3)."
            )
        return super().fit(*args, **kwargs)

    def call(self, inputs, training=False):
        """Decode at a realism, and let the discriminator judge.

        Args:
            inputs: as for `WaveletCodec`: ``image``, ``step_code``, optionally ``base``; and optionally
                ``realism`` `(B, 1)`, otherwise drawn at random in training, and 1 outside.

        Returns:
            A dict of ``image``, ``base``, ``reconstruction`` `(B, H, W, 3)` in [-0.5, 0.5], ``realism``
            `(B, 1)`; in training also the discriminator's ``real_logits`` and ``fake_logits``, and the
            parts of the loss, see `gan_tfc.losses.realism.Realism.parts`.
        """
        image = ops.cast(inputs["image"], "float32") / 255.0 - 0.5
        code = ops.cast(inputs["step_code"], "float32")
        if "base" in inputs:
            base = ops.cast(inputs["base"], "float32")
        else:
            base, *_ = self.codec.scan(image, code)
        step = (steps.BASE_STEP * 2.0 ** (code / steps.CODES_PER_OCTAVE))[:, None]
        realism = self._realism(inputs, step, training)
        batch, height, width, _ = ops.shape(image)
        shape = (batch, height // PATCH, width // PATCH, self.codec.texture_features)
        noise = keras.random.uniform(shape, -1.0, 1.0, seed=self.seed_generator)
        decoding = {"base": base, "step": step, "realism": realism, "noise": noise}
        reconstruction = self.codec.synthesis(decoding, training=training)

        outputs = {"image": image, "base": base, "realism": realism, "reconstruction": reconstruction}
        if training and self.objective is not None:
            outputs |= self._judge(image, reconstruction, {"base": base, "step": step})
            if self.anchor is not None:
                outputs["distortion"] = drift(reconstruction, self.anchor(decoding), image)
        return outputs

    def _judge(self, image, reconstruction, known):
        """Logits, and the parts of the loss."""
        fake = ops.stop_gradient(reconstruction)
        both = {key: ops.concatenate([value, value]) for key, value in known.items()}
        both["image"] = ops.concatenate([image, fake])
        real_logits, fake_logits = ops.split(self.discriminator(both, training=True), 2)
        judged_logits = _without_gradient(self.discriminator, {"image": reconstruction, **known})
        labels = self.labels(image) if self.labels is not None else None
        penalty = None
        if self.objective.adversarial.gradient_penalty:
            mix = keras.random.uniform((ops.shape(image)[0], 1, 1, 1), seed=self.seed_generator)
            between = mix * image + (1.0 - mix) * fake
            norms = gradient_norms(lambda x: self.discriminator({"image": x, **known}), between)
            penalty = ops.square(norms - 1.0)
        parts = self.objective.parts(
            image, reconstruction, real_logits, fake_logits, judged_logits, labels, penalty
        )
        return {"real_logits": real_logits, "fake_logits": fake_logits, **parts}

    def _realism(self, inputs, like, training):
        if "realism" in inputs:
            return ops.cast(inputs["realism"], "float32")
        if not training:
            return ops.ones_like(like)
        # Beyond the range and clipped: the part above is at 1.
        high = 1.0 / (1.0 - self.full_realism) if self.full_realism < 1 else 1e9
        drawn = keras.random.uniform(ops.shape(like), 0.0, high, seed=self.seed_generator)
        return ops.minimum(drawn, 1.0)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return share_of_replica(self.objective.total(y_pred, y_pred["realism"]))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for name in ("perceptual", "adversarial", "discriminator"):
            self.trackers[name].update_state(y_pred[name])
        for name, key in (("psnr", "reconstruction"), ("base_psnr", "base")):
            self.trackers[name].update_state(psnr(y_pred[key], y_pred["image"]))
        self.trackers["told_apart"].update_state(self._told_apart(y_pred))
        return self.get_metrics_result()

    def _told_apart(self, outputs):
        """Share of patches where the real picture looks more real than the decoded one; 1/2 is chance."""
        real, fake = outputs["real_logits"], outputs["fake_logits"]
        if self.labels is not None:
            real, fake = (-ops.log_softmax(x, axis=-1)[..., :1] for x in (real, fake))
        return ops.mean(ops.cast(real > fake, "float32"))


def _without_gradient(model, inputs):
    """The model's outputs, differentiable in the inputs, its own weights being constants."""
    trainable = [ops.stop_gradient(ops.convert_to_tensor(v.value)) for v in model.trainable_variables]
    fixed = [ops.convert_to_tensor(v.value) for v in model.non_trainable_variables]
    outputs, _ = model.stateless_call(trainable, fixed, inputs, training=False)
    return outputs
