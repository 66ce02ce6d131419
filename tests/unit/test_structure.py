# SPDX-License-Identifier: Apache-2.0
"""The distance of structure and texture, where its value follows from the definition."""

import numpy as np
import pytest
from keras import ops

from gan_tfc.evaluation.structure import structure_distance

# Means of float32 over thousands of positions.
TOLERANCE = 1e-5


def distance(image, other):
    """With the picture itself as its only features."""
    image, other = (ops.convert_to_tensor(x[None].astype(np.float32)) for x in (image, other))
    return float(ops.convert_to_numpy(structure_distance(image, other, [image + 1], [other + 1]))[0])


@pytest.fixture
def image(photo):
    return photo / 255 - 0.5


def test_distance_is_zero_to_itself_and_the_same_both_ways(image, rng):
    other = image + rng.normal(0, 0.1, image.shape)
    assert distance(image, image) == pytest.approx(0, abs=TOLERANCE)
    assert distance(image, other) == pytest.approx(distance(other, image), abs=TOLERANCE)


def test_contrast_alone_costs_structure_as_its_formula_says(image):
    mean = image.mean(axis=(0, 1), keepdims=True)
    found = distance(image, mean + 0.5 * (image - mean))
    # Texture (means) is equal; structure is 2 * 0.5 v / (v + 0.25 v) = 0.8, and weighs a half.
    assert found == pytest.approx((1 - 0.8) / 2, abs=2e-4)  # the constant beside variances of 0.02


def test_a_brighter_picture_costs_texture_alone():
    rng = np.random.default_rng(0)
    image = rng.uniform(-0.1, 0.1, (64, 64, 3))
    found = distance(image, image + 0.2)
    layers = []
    for offset in (0.5, 1.0):  # of the picture, and of its features in `distance`
        x, y = image.mean(axis=(0, 1)) + offset, image.mean(axis=(0, 1)) + 0.2 + offset
        layers.append(np.mean(1 - 2 * x * y / (x * x + y * y)) / 2)
    assert found == pytest.approx(np.mean(layers), abs=TOLERANCE)


def test_shuffled_texture_keeps_its_means_and_loses_its_structure(rng):
    image = rng.uniform(-0.5, 0.5, (64, 64, 3))
    shuffled = rng.permutation(image.reshape(-1, 3)).reshape(image.shape)
    # Half of the terms is lost: the correlation of 4096 independent positions is 0 within 5 / 64.
    assert distance(image, shuffled) == pytest.approx(0.5, abs=0.5 * 5 / 64)


def test_distance_grows_with_noise(image, rng):
    noise = rng.normal(0, 1, image.shape)
    found = [distance(image, image + scale * noise) for scale in (0.01, 0.05, 0.2)]
    assert 0 < found[0] < found[1] < found[2] < 1
