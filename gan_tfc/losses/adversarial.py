# SPDX-License-Identifier: Apache-2.0
"""Adversarial losses by name: what a discriminator and a synthesis network each minimise.

With `r` and `f` the logits of real and decoded pictures, `softplus(x) = log(1 + exp(x))`:

| name | discriminator | synthesis | source |
|---|---|---|---|
| non_saturating | softplus(-r) + softplus(f) | softplus(-f) | Goodfellow et al., NeurIPS 2014 |
| hinge | relu(1 - r) + relu(1 + f) | -f | Lim and Ye, arXiv 1705.02894 |
| least_squares | (r - 1)**2 + f**2 | (f - 1)**2 | Mao et al., ICCV 2017 |
| wgan_gp | f - r, with a gradient penalty | -f | Gulrajani et al., NeurIPS 2017 |
| relativistic | softplus(mean f - r) + softplus(f - mean r) | the same, r and f exchanged | \
Jolicoeur-Martineau, ICLR 2019 |
| one_vs_all | cross-entropy: r of its label, f of "decoded" | cross-entropy: f of the label | \
Muckley et al. (MS-ILLM), ICML 2023 |

Logits are `(B, h, w, 1)`; for one_vs_all `(B, h, w, 1 + labels)`, class 0 being "decoded", with labels
`(B, h, w)` from 0. All functions return one loss an example, `(B,)`.
"""

import abc

import keras
from keras import ops


class AdversarialLoss(abc.ABC):
    """Base of all losses; stateless.

    Attributes:
        gradient_penalty: weight of the penalty on the discriminator's gradient, 0 for none.
        one_vs_all: whether logits are classes, and labels are needed.
    """

    gradient_penalty = 0.0
    one_vs_all = False

    @abc.abstractmethod
    def discriminator(self, real, fake, labels=None):
        """What the discriminator minimises."""

    @abc.abstractmethod
    def synthesis(self, real, fake, labels=None):
        """What the synthesis network minimises; `real` is a constant here."""


def _mean(x):
    return ops.mean(x, axis=(1, 2, 3))


class NonSaturating(AdversarialLoss):
    """Cross-entropy, with the synthesis network's part turned around so that it never saturates."""

    def discriminator(self, real, fake, labels=None):
        return _mean(ops.softplus(-real)) + _mean(ops.softplus(fake))

    def synthesis(self, real, fake, labels=None):
        return _mean(ops.softplus(-fake))


class Hinge(AdversarialLoss):
    """Margins of 1 on both sides."""

    def discriminator(self, real, fake, labels=None):
        return _mean(ops.relu(1.0 - real)) + _mean(ops.relu(1.0 + fake))

    def synthesis(self, real, fake, labels=None):
        return -_mean(fake)


class LeastSquares(AdversarialLoss):
    """Squared distances from 1 and 0."""

    def discriminator(self, real, fake, labels=None):
        return _mean(ops.square(real - 1.0)) + _mean(ops.square(fake))

    def synthesis(self, real, fake, labels=None):
        return _mean(ops.square(fake - 1.0))


class WassersteinGP(AdversarialLoss):
    """Earth mover's distance; the discriminator's gradient is kept near 1 by a penalty."""

    gradient_penalty = 10.0

    def discriminator(self, real, fake, labels=None):
        return _mean(fake) - _mean(real)

    def synthesis(self, real, fake, labels=None):
        return -_mean(fake)


class Relativistic(AdversarialLoss):
    """Is a real picture more real than the average decoded one of its batch?"""

    def discriminator(self, real, fake, labels=None):
        return self._compare(real, fake)

    def synthesis(self, real, fake, labels=None):
        return self._compare(fake, real)

    @staticmethod
    def _compare(more, less):
        above = ops.softplus(ops.mean(less) - more)
        below = ops.softplus(less - ops.mean(more))
        return _mean(above) + _mean(below)


class OneVsAll(AdversarialLoss):
    """Which kind of texture is here, or is it decoded?"""

    one_vs_all = True

    def discriminator(self, real, fake, labels=None):
        decoded = ops.zeros(ops.shape(fake)[:-1], "int32")
        return self._cross_entropy(real, labels + 1) + self._cross_entropy(fake, decoded)

    def synthesis(self, real, fake, labels=None):
        return self._cross_entropy(fake, labels + 1)

    @staticmethod
    def _cross_entropy(logits, classes):
        loss = keras.losses.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        return ops.mean(loss, axis=(1, 2))


LOSSES = {
    "non_saturating": NonSaturating,
    "hinge": Hinge,
    "least_squares": LeastSquares,
    "wgan_gp": WassersteinGP,
    "relativistic": Relativistic,
    "one_vs_all": OneVsAll,
}


def get(name) -> AdversarialLoss:
    """A loss by name, or the object itself.

    Raises:
        ValueError: unknown name.
    """
    if isinstance(name, AdversarialLoss):
        return name
    if name not in LOSSES:
        raise ValueError(f"Expected an adversarial loss among {', '.join(LOSSES)}. Received: {name!r}")
    return LOSSES[name]()


def gradient_norms(function, x):
    """Norm of the gradient of `function`'s sum at each example of `x`, `(B,)`, differentiable.

    Args:
        function: from a tensor like `x` to any shape.
        x: `(B, H, W, C)`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(function(x))
        gradient = tape.gradient(total, x)
    elif backend == "jax":
        import jax

        gradient = jax.grad(lambda value: ops.sum(function(value)))(x)
    else:
        raise ValueError(f"wgan_gp needs the TensorFlow or the JAX backend. Received: {backend!r}")
    # Added below the root: its derivative is infinite at 0.
    return ops.sqrt(ops.sum(ops.square(gradient), axis=(1, 2, 3)) + 1e-12)
