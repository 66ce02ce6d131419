# SPDX-License-Identifier: Apache-2.0
"""The distance of textures: what it tells apart, and what it does not."""

import numpy as np
import pytest

from gan_tfc.training.texture_distance import Textures


def blurred(picture, times=1):
    x = picture.astype(np.float32)
    for _ in range(times):
        for axis in (0, 1):
            x = (np.roll(x, 1, axis) + 2 * x + np.roll(x, -1, axis)) / 4
    return np.round(x).astype(np.uint8)


def changed(picture, factor, rng=None, noise=0.0):
    """What blur takes away, times a factor, and grey noise."""
    low = blurred(picture, 2).astype(np.float32)
    found = low + factor * (picture - low)
    if noise:
        found += rng.normal(0, noise, (*picture.shape[:2], 1))
    return np.clip(np.round(found), 0, 255).astype(np.uint8)


def test_a_picture_is_at_no_distance_from_itself_and_a_flat_one_at_about_one(photo):
    textures = Textures(photo)
    assert textures.distance(photo) == 0
    assert 0.7 < textures.distance(np.full_like(photo, 128)) <= 1


def test_blur_and_exaggeration_are_further_the_more_there_is_of_them(photo):
    textures = Textures(photo)
    weaker = [textures.distance(changed(photo, factor)) for factor in (0.8, 0.5, 0.0)]
    stronger = [textures.distance(changed(photo, factor)) for factor in (1.2, 1.5, 2.0)]
    assert 0 < weaker[0] < weaker[1] < weaker[2] and 0 < stronger[0] < stronger[1] < stronger[2]


def test_noise_does_not_pass_for_the_texture_that_blur_took(photo, rng):
    textures = Textures(photo)
    soft = changed(photo, 0.0)
    noisy = [changed(photo, 0.0, rng, noise) for noise in (2.0, 4.0, 8.0, 16.0)]
    # Some noise is nearer than none, but not near, and more of it is further.
    distances = [textures.distance(picture) for picture in noisy]
    assert min(distances) > 0.5 * textures.distance(soft)
    assert distances[-1] > textures.distance(soft)


def test_a_texture_may_lie_elsewhere(photo):
    textures = Textures(photo)
    # All patches are there, but for those across the seam; a sample of other places is looked at.
    assert textures.distance(np.roll(photo, 40, axis=1)) < 0.5 * textures.distance(changed(photo, 0.0))


@pytest.mark.parametrize("size", [(64, 64), (67, 131), (28, 23), (8, 7)])
def test_any_size_that_photos_have_is_measured(photo, size):
    part = photo[: size[0], : size[1]]
    textures = Textures(part)
    assert textures.distance(part) == 0 < textures.distance(blurred(part))
