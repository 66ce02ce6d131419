# SPDX-License-Identifier: Apache-2.0
"""Stage B: fidelity, perceptual distance and realism of the reconstruction."""

from keras import ops

from gan_tfc.losses import adversarial, perceptual

#: Smaller errors, of more than 50 dB, are as good as none.
_LEAST_ERROR = 1e-5


class Realism:
    """``distortion + realism * (perceptual distance + adversarial loss)``, each with its weight.

    After HiFiC (Mentzer, Toderici, Tschannen, Agustsson, NeurIPS 2020), whose distortion weight of
    0.75 * 0.1 / 32 on pixels 0..255 is 150 on pixels 0..1 beside a perceptual weight of 1. The rate is
    absent, for streams are fixed in this stage. To this comes what the discriminator minimises; the two
    never meet, see `gan_tfc.models.gan_codec`.

    Args:
        adversarial: name or object, see `gan_tfc.losses.adversarial`.
        perceptual: name or function, see `gan_tfc.losses.perceptual`.
        distortion_weight: of the mean squared error, pixels in [0, 1], or of the `drift`.
        perceptual_weight: of the perceptual distance.
        adversarial_weight: of the adversarial loss.
    """

    needs_synthesis = True

    def __init__(
        self,
        adversarial="one_vs_all",
        perceptual="lpips_squeeze",
        distortion_weight=300.0,
        perceptual_weight=3.0,
        adversarial_weight=0.07,
    ):
        self.adversarial = _adversarial(adversarial)
        self.perceptual = _perceptual(perceptual)
        self.distortion_weight = distortion_weight
        self.perceptual_weight = perceptual_weight
        self.adversarial_weight = adversarial_weight

    def parts(
        self, image, reconstruction, real_logits, fake_logits, judged_logits, labels=None, penalty=None
    ) -> dict:
        """The terms without weights, one value an example.

        Args:
            image, reconstruction: `(B, H, W, 3)` in [-0.5, 0.5].
            real_logits, fake_logits: the discriminator's, with gradient to the discriminator only.
            judged_logits: of the reconstruction, with gradient to the reconstruction only.
            labels: kinds of texture, for one_vs_all.
            penalty: on the discriminator's gradient `(B,)`, for wgan_gp.
        """
        discriminator = self.adversarial.discriminator(real_logits, fake_logits, labels)
        if penalty is not None:
            discriminator = discriminator + self.adversarial.gradient_penalty * penalty
        return {
            "distortion": ops.mean(ops.square(reconstruction - image), axis=(1, 2, 3)),
            # As a viewer sees it: what clips is clipped.
            "perceptual": self.perceptual(ops.clip(reconstruction, -0.5, 0.5), image),
            "adversarial": self.adversarial.synthesis(ops.stop_gradient(real_logits), judged_logits, labels),
            "discriminator": discriminator,
        }

    def total(self, parts, realism):
        """Scalar of `parts` and realisms `(B, 1)`."""
        worth = self.perceptual_weight * parts["perceptual"] + self.adversarial_weight * parts["adversarial"]
        synthesis = self.distortion_weight * parts["distortion"] + realism[:, 0] * worth
        return ops.mean(synthesis) + ops.mean(parts["discriminator"])


def drift(reconstruction, anchor, image):
    """How far pictures went from those of another network, in units of the other one's own error.

    ``|x' - a|**2 / (|a - x|**2 + e)`` with `a` the picture of the other network, a constant: where what
    was added has nothing in common with the error, PSNR falls by ``10 log10(1 + drift)`` dB, at every
    quality. Keeping what a network gave before while it learns something new: Z. Li, D. Hoiem, "Learning
    without Forgetting" (ECCV 2016).

    Args:
        reconstruction, anchor, image: `(B, H, W, 3)` in [-0.5, 0.5].

    Returns:
        `(B,)`.
    """
    anchor = ops.stop_gradient(anchor)
    gone, error = (ops.mean(ops.square(other - anchor), axis=(1, 2, 3)) for other in (reconstruction, image))
    return gone / (error + _LEAST_ERROR)


# The arguments above are named as users write them, and hide the modules.
_adversarial, _perceptual = adversarial.get, perceptual.get
