# SPDX-License-Identifier: Apache-2.0
"""Adversarial losses: their closed forms, and which way they push."""

import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.losses import adversarial

BINARY = [name for name in adversarial.LOSSES if name != "one_vs_all"]


def softplus(x):
    return np.log1p(np.exp(x))


def relu(x):
    return np.maximum(x, 0)


#: name -> (discriminator, synthesis) of real logits r and fake logits f, before the mean.
CLOSED_FORMS = {
    "non_saturating": (lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
    "hinge": (lambda r, f: relu(1 - r) + relu(1 + f), lambda r, f: -f),
    "least_squares": (lambda r, f: (r - 1) ** 2 + f**2, lambda r, f: (f - 1) ** 2),
    "wgan_gp": (lambda r, f: f - r, lambda r, f: -f),
    "relativistic": (
        lambda r, f: softplus(f.mean() - r) + softplus(f - r.mean()),
        lambda r, f: softplus(r.mean() - f) + softplus(r - f.mean()),
    ),
}


def logits(rng, classes=1):
    return rng.normal(0, 2, (2, 3, 4, 5, classes)).astype(np.float32)


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("name", BINARY)
def test_binary_losses_follow_their_closed_forms(rng, name):
    loss, (real, fake) = adversarial.get(name), logits(rng)
    for function, closed in zip((loss.discriminator, loss.synthesis), CLOSED_FORMS[name], strict=True):
        expected = closed(real.astype(np.float64), fake.astype(np.float64)).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(numpy(function(real, fake)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BINARY)
def test_the_discriminator_wants_real_above_fake_and_the_synthesis_the_reverse(rng, name):
    loss = adversarial.get(name)
    # Between 0 and 1, where neither side has what it wants by any of the losses.
    real, fake = 0.5 + 0.05 * logits(rng)
    by_real, by_fake = gradients(lambda r, f: ops.sum(loss.discriminator(r, f)), [real, fake])
    assert (by_real < 0).all() and (by_fake > 0).all()
    (by_fake,) = gradients(lambda f: ops.sum(loss.synthesis(real, f)), [fake])
    assert (by_fake < 0).all()


def test_one_vs_all_is_cross_entropy_with_class_0_for_decoded(rng):
    loss, (real, fake) = adversarial.get("one_vs_all"), logits(rng, classes=6)
    labels = rng.integers(0, 5, (3, 4, 5)).astype(np.int32)

    def cross_entropy(x, classes):
        x = x.astype(np.float64)
        chosen = np.take_along_axis(x, classes[..., None], -1)[..., 0]
        return (np.log(np.exp(x).sum(-1)) - chosen).mean(axis=(1, 2))

    expected = cross_entropy(real, labels + 1) + cross_entropy(fake, 0 * labels)
    np.testing.assert_allclose(numpy(loss.discriminator(real, fake, labels)), expected, rtol=1e-5)
    expected = cross_entropy(fake, labels + 1)
    np.testing.assert_allclose(numpy(loss.synthesis(real, fake, labels)), expected, rtol=1e-5)


def test_gradient_norms_are_those_of_a_known_function(rng):
    x = rng.normal(0, 1, (3, 4, 5, 2)).astype(np.float32)
    # The gradient of sum(x**3) / 3 is x**2.
    norms = adversarial.gradient_norms(lambda value: value**3 / 3, ops.convert_to_tensor(x))
    expected = np.sqrt((x.astype(np.float64) ** 4).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(numpy(norms), expected, rtol=1e-5)


def test_a_penalty_of_gradient_norms_is_itself_differentiable(rng):
    x = ops.convert_to_tensor(rng.normal(0, 1, (2, 3, 3, 1)).astype(np.float32))

    def penalty(slope):
        return ops.sum((adversarial.gradient_norms(lambda value: slope * value, x) - 1) ** 2)

    # Norms are |slope| * 3 for 9 values: d/ds 2 (3 s - 1)**2 = 12 (3 s - 1), which is 60 at 2.
    (found,) = gradients(penalty, [np.float32(2)])
    np.testing.assert_allclose(found, 60, rtol=1e-5)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="among non_saturating, hinge.*'hingy'"):
        adversarial.get("hingy")
    loss = adversarial.get("hinge")
    assert adversarial.get(loss) is loss
