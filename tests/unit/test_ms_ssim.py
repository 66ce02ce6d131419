# SPDX-License-Identifier: Apache-2.0
"""MS-SSIM against TensorFlow's, and what it must do by definition."""

import math

import numpy as np
import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.ms_ssim import decibels, ms_ssim


@pytest.fixture
def noisy(photo, rng):
    return np.clip(photo + rng.normal(0, 20, photo.shape), 0, 255).astype(np.uint8)


@pytest.mark.tensorflow
@pytest.mark.parametrize("size", [(192, 256), (177, 191)], ids=["even", "odd"])
def test_ms_ssim_is_that_of_tensorflow(photo, noisy, size):
    import tensorflow as tf

    pair = [array[: size[0], : size[1]] for array in (photo, noisy)]
    expected = float(tf.image.ssim_multiscale(*pair, max_val=255))
    # TensorFlow works in float32, where variances are differences of larger numbers.
    assert ms_ssim(*pair) == pytest.approx(expected, abs=2e-5)


def test_ms_ssim_of_equal_pictures_is_one_and_of_inverted_ones_nearly_zero(photo):
    assert ms_ssim(photo, photo.copy()) == 1
    assert ms_ssim(photo, 255 - photo) < 0.05  # structure is negative, and cut at zero


def test_ms_ssim_falls_with_noise_and_does_not_depend_on_the_order(photo, noisy):
    assert ms_ssim(photo, noisy) == ms_ssim(noisy, photo)
    assert ms_ssim(photo, noisy) < ms_ssim(photo, (photo // 2 + noisy // 2)) < 1


def test_ms_ssim_in_decibels_is_that_of_one_minus_it():
    assert decibels(0.99) == pytest.approx(20, abs=1e-9)  # rounding of the subtraction
    assert decibels(1.0) == math.inf


@pytest.mark.parametrize("size", [(160, 300), (300, 160)])
def test_ms_ssim_refuses_pictures_without_a_fifth_scale(size):
    image = np.zeros((*size, 3), np.uint8)
    with pytest.raises(GanTfcError, match="at least 161"):
        ms_ssim(image, image)


def test_ms_ssim_refuses_pictures_of_two_sizes(photo):
    with pytest.raises(GanTfcError, match="one shape"):
        ms_ssim(photo, photo[:, :-1])
