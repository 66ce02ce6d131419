# SPDX-License-Identifier: Apache-2.0
"""Discriminators, spectral norm and kinds of texture."""

import keras
import numpy as np
import pytest
from keras import ops

from gan_tfc.layers.spectral_norm import SpectralNormConv2D
from gan_tfc.models.discriminators import DISCRIMINATORS, LABEL_PATCH
from gan_tfc.models.latent_labels import LatentLabels

NAMES = list(DISCRIMINATORS)


def numpy(x):
    return ops.convert_to_numpy(x)


def inputs(rng, height, width, batch=2):
    return {
        "image": rng.uniform(-0.5, 0.5, (batch, height, width, 3)).astype(np.float32),
        "base": rng.uniform(-0.5, 0.5, (batch, height, width, 3)).astype(np.float32),
        "step": rng.uniform(0.05, 0.5, (batch, 1)).astype(np.float32),
    }


@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_place_for_each_patch_of_8_pixels(rng, name):
    discriminator = DISCRIMINATORS[name](4, 5)
    for height, width in ((32, 48), (64, 64)):
        logits = discriminator(inputs(rng, height, width))
        classes = 1 if name == "patch" else 1 + 5
        assert logits.shape == (2, height // LABEL_PATCH, width // LABEL_PATCH, classes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["image", "base", "step"])
def test_the_verdict_depends_on_the_picture_and_on_all_that_the_stream_holds(rng, name, key):
    keras.utils.set_random_seed(0)
    discriminator = DISCRIMINATORS[name](8, 5)
    x = inputs(rng, 32, 32)
    changed = x | {key: x[key] * 0.5}
    assert np.abs(numpy(discriminator(x)) - numpy(discriminator(changed))).max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip_builds_the_same_network(name):
    discriminator = DISCRIMINATORS[name](4, 5)
    again = type(discriminator).from_config(discriminator.get_config())
    assert again.get_config() == discriminator.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in discriminator.weights]


@pytest.mark.parametrize("name", NAMES)
def test_all_weights_are_named_as_the_optimizer_looks_for_them(name):
    discriminator = DISCRIMINATORS[name](4, 5)
    assert all("discriminator_" in weight.path for weight in discriminator.trainable_weights)


def test_spectral_norm_brings_the_largest_singular_value_to_1(rng):
    layer = SpectralNormConv2D(6, 3, padding="same")
    x = rng.normal(0, 1, (1, 8, 8, 4)).astype(np.float32)
    layer(x)
    layer.kernel.assign(rng.normal(0, 1, layer.kernel.shape))
    for _ in range(200):  # power iterations
        result = layer(x, training=True)
    matrix = numpy(layer.kernel.value).reshape(-1, 6)
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    assert largest > 2
    plain = numpy(ops.conv(x, layer.kernel.value, padding="same")) / largest
    np.testing.assert_allclose(numpy(result), plain, atol=1e-5)


def test_the_power_iteration_moves_in_training_alone(rng):
    layer = SpectralNormConv2D(6, 3)
    x = rng.normal(0, 1, (1, 8, 8, 4)).astype(np.float32)
    layer(x)
    before = numpy(layer.vector.value).copy()
    layer(x)
    np.testing.assert_array_equal(numpy(layer.vector.value), before)
    layer(x, training=True)
    assert not np.array_equal(numpy(layer.vector.value), before)


def stripes(period, height=64, width=64):
    """A grey grating, `(1, H, W, 3)`."""
    wave = 0.3 * np.sin(2 * np.pi * np.arange(width) / period)
    return np.broadcast_to(wave[:, None], (1, height, width, 3)).astype(np.float32)


def test_labels_tell_textures_apart_and_are_the_same_within_one(rng):
    flat, noise = np.zeros((1, 64, 64, 3)), rng.uniform(-0.5, 0.5, (1, 64, 64, 3))
    kinds = np.concatenate([stripes(3), stripes(3).swapaxes(1, 2), flat, noise]).astype(np.float32)
    labels = LatentLabels(12)
    labels.adapt(kinds)
    found = numpy(labels(kinds))
    assert found.shape == (4, 8, 8) and 0 <= found.min() and found.max() < 12
    # The edges of the picture are mirrored, so that patches there may look otherwise.
    inner = [set(kind[1:-1, 1:-1].reshape(-1).tolist()) for kind in found]
    assert len(set.union(*inner)) == sum(map(len, inner)), "two textures share a label"
    assert len(inner[0]) <= 2 and len(inner[2]) == 1


def test_labels_have_no_gradient_and_their_centres_are_not_trained():
    labels = LatentLabels(4)
    assert not labels.trainable_weights and len(labels.weights) == 3
    assert LatentLabels.from_config(labels.get_config()).count == 4
