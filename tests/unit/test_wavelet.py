# SPDX-License-Identifier: Apache-2.0
"""The Keras wavelet: the float transform of layer 0, batched and differentiable."""

import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.coding import lifting
from gan_tfc.layers import colour, wavelet


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("levels, size", [(1, (2, 2)), (2, (4, 12)), (6, (64, 128))])
def test_analysis_is_that_of_layer_0(rng, levels, size):
    picture = rng.uniform(-0.5, 0.5, (2, *size, 3)).astype(np.float32)
    low, details = wavelet.analyse(picture, levels)
    for item in range(2):
        expected_low, expected_details = lifting.analyse(picture[item], levels)
        # The same float32 operations, up to fused multiply-adds: values to 2**levels / 2.
        tolerance = {"rtol": 0, "atol": 2.0**levels * 1e-6}
        np.testing.assert_allclose(numpy(low)[item], expected_low, **tolerance)
        assert len(details) == len(expected_details) == levels
        for ours, theirs in zip(details, expected_details, strict=True):
            np.testing.assert_allclose(numpy(ours)[item], theirs, **tolerance)


@pytest.mark.parametrize("levels, size", [(1, (2, 6)), (3, (8, 24)), (6, (64, 64))])
def test_synthesis_undoes_analysis(rng, levels, size):
    picture = rng.uniform(-0.5, 0.5, (2, *size, 3)).astype(np.float32)
    result = numpy(wavelet.synthesise(*wavelet.analyse(picture, levels)))
    # float32: low bands reach 2**levels / 2, and their last bits come back divided by 2**levels.
    np.testing.assert_allclose(result, picture, atol=1e-5)


def test_synthesis_is_linear_and_follows_the_integers_of_layer_0(rng):
    low = rng.integers(-4000, 4000, (10, 6, 3))
    details = rng.integers(-900, 900, (10, 6, 9))
    exact = lifting.merge_level(low.astype(np.int64), details.astype(np.int64))
    floats = [x.astype(np.float32)[None] for x in (low, details)]
    result = numpy(wavelet.merge_level(*floats))[0]
    # Rounding at eight places in 1/64 step: test_lifting.py derives a bound of 30 and sees 5.
    assert np.abs(result - exact).max() < 8
    doubled = numpy(wavelet.merge_level(2 * floats[0], 2 * floats[1]))[0]
    np.testing.assert_array_equal(doubled, 2 * result)


def test_details_are_ordered_by_what_varies(rng):
    """LH varies along the height, HL along the width, HH along both; three planes each."""
    rows = np.zeros((1, 16, 16, 3), np.float32)
    rows[:, ::2, :, 1] = 1
    for picture, band in ((rows, 0), (rows.swapaxes(1, 2), 1)):
        _, details = wavelet.split_level(picture)
        energy = np.square(numpy(details)).sum(axis=(0, 1, 2)).reshape(3, 3)
        assert energy.argmax() == 3 * band + 1
        assert energy[band, 1] > 0.999 * energy.sum()


def test_axes_do_not_mix(rng):
    """Channels and batch items are transformed on their own."""
    picture = rng.normal(0, 1, (2, 8, 8, 3)).astype(np.float32)
    low, details = map(numpy, wavelet.split_level(picture))
    changed = picture.copy()
    changed[1, :, :, 2] += 1
    new_low, new_details = map(numpy, wavelet.split_level(changed))
    np.testing.assert_array_equal(new_low[0], low[0])
    np.testing.assert_array_equal(new_low[1, ..., :2], low[1, ..., :2])
    np.testing.assert_array_equal(new_details[0], details[0])
    others = [0, 1, 3, 4, 6, 7]
    np.testing.assert_array_equal(new_details[1][..., others], details[1][..., others])


def test_gradient_of_the_energy_is_that_of_a_quadratic_form(rng):
    """Of q(x): q(x + v) - q(x - v) = 2 <gradient, v>, for any v."""
    picture, direction = rng.normal(0, 1, (2, 1, 32, 32, 3)).astype(np.float32)

    def energy(x):
        low, details = wavelet.analyse(ops.convert_to_tensor(x), 3)
        return ops.sum(low**2) + sum(ops.sum(bands**2) for bands in details)

    (gradient,) = gradients(energy, [picture])
    expected = float(energy(picture + direction) - energy(picture - direction)) / 2
    # Sums of 3072 float32 numbers, energies of about 6000.
    assert float((gradient * direction).sum()) == pytest.approx(expected, abs=0.05)


def test_colour_is_orthonormal_and_undone(rng):
    image = rng.uniform(-0.5, 0.5, (2, 3, 5, 3)).astype(np.float32)
    planes = numpy(colour.rgb_to_ycc(image))
    np.testing.assert_allclose(numpy(colour.ycc_to_rgb(planes)), image, atol=1e-6)
    np.testing.assert_allclose(np.square(planes).sum(-1), np.square(image).sum(-1), atol=1e-6)
    grey = numpy(colour.rgb_to_ycc(np.full((1, 1, 1, 3), 0.5, np.float32)))
    np.testing.assert_allclose(grey[0, 0, 0], [0.5 * 3**0.5, 0, 0], atol=1e-6)
