# SPDX-License-Identifier: Apache-2.0
"""The integer context network against exact 64-bit integers."""

import numpy as np
import pytest
from helpers import (
    exact_convolve,
    exact_first,
    exact_requantise,
    exact_second,
    layer_shapes,
    random_context,
    random_known,
    random_network,
    worst_network,
)

from gan_tfc.coding import integer_network
from gan_tfc.coding.integer_network import (
    FoldedLayer,
    IntegerContextNetwork,
    check_bound,
    convolve,
)
from gan_tfc.errors import PresetError


@pytest.mark.parametrize("make", [random_network, worst_network])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (13, 22)])
def test_float32_gives_what_64_bit_integers_give(rng, make, size):
    network = make(rng)
    context, known = random_context(rng, *size), random_known(rng, *size)
    expected = exact_first(network.weights, context)
    for result, exact in zip(network.first(context), expected, strict=True):
        np.testing.assert_array_equal(result, exact)
    expected = exact_second(network.weights, expected[0], known)
    result = network.second(network.first(context)[0], known)
    for one, exact in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, exact)


def test_the_random_network_is_not_a_trivial_case(rng):
    features, means, scales = random_network(rng, 24).first(random_context(rng, 30, 30))
    for values, limits in ((features, (0, 255)), (means, (-127, 127)), (scales, (0, 63))):
        saturated = np.isin(values, limits).mean()
        assert saturated < 0.7, "most outputs are clipped: errors would be hidden"
        assert len(np.unique(values)) > 40


def test_the_worst_network_comes_within_a_thousandth_of_the_bound(rng):
    network = worst_network(rng)
    w = network.weights
    hidden = exact_requantise(
        exact_convolve(random_context(rng, 20, 20), w["trunk_in/kernel"]) + w["trunk_in/bias"],
        *(7, 0, 255),
    )
    products = exact_convolve(hidden, w["trunk/kernel"])
    assert np.abs(products).max() > 6e6, "the trunk's partial sums should be large"
    biases = np.concatenate([w[f"{name}/bias"] for name in ("first_head", "second_head", "known")])
    assert biases.max() > 0.6 * 2**24
    shift = integer_network.MEAN_SHIFT
    for name, kernels in (
        ("first_head", ["first_head"]),
        ("known", ["known", "mix"]),
        ("second_head", ["second_head"]),
    ):
        shift = 7 if name == "known" else 11
        weight = sum(np.abs(w[f"{k}/kernel"].astype(int)).sum(axis=(0, 1, 2)) for k in kernels)
        worst = (255 * weight + np.abs(w[f"{name}/bias"])).max() + (1 << (shift - 1))
        assert 0.999 * 2**24 < worst < 2**24


@pytest.mark.parametrize("height, width", [(3, 2000), (517, 40)])
def test_a_picture_taken_in_strips_gives_what_it_gives_at_once(rng, height, width):
    network = random_network(rng, 6)
    rows_at_once = integer_network._STRIP_ELEMENTS // (width * 9 * 6)
    assert 0 < rows_at_once < height, "the picture should take several strips"
    context = random_context(rng, height, width)
    for result, exact in zip(network.first(context), exact_first(network.weights, context), strict=True):
        np.testing.assert_array_equal(result, exact)


def requantise(accumulator, shift, low, high):
    """A 1x1 layer whose one weight is 1."""
    one = FoldedLayer.fold(np.ones((1, 1, 1, 1), np.int8), np.zeros(1, np.int32), shift, low, high)
    return convolve(np.asarray(accumulator, np.float32).reshape(1, -1, 1), one).reshape(-1)


def test_requantisation_rounds_halves_up_and_clips():
    accumulator = [-193, -192, -65, -64, -63, 0, 63, 64, 191, 192, 1e6]
    expected = [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 9]
    np.testing.assert_array_equal(requantise(accumulator, 7, -2, 9), expected)


def test_requantisation_is_exact_up_to_the_bound():
    top = 2**24 - 1 - 2**6
    accumulator = np.concatenate([np.arange(-top, -top + 4096), np.arange(top - 4096, top + 1)])
    result = requantise(accumulator, 7, -(2**24), 2**24)
    np.testing.assert_array_equal(result, (accumulator + 64) >> 7)


def test_the_bound_is_refused_one_above_and_kept_one_below():
    kernel = np.full((1, 1, 2, 3), 100)
    largest = 2**24 - 1 - 2**6 - 255 * 200
    for sign in (1, -1):
        check_bound([kernel, -kernel * 0], np.array([0, sign * largest, 5]), 7, "layer")
        with pytest.raises(PresetError, match="layer.*16777216"):
            check_bound([kernel], np.array([0, sign * (largest + 1), 5]), 7, "layer")


def test_beyond_the_bound_float32_is_wrong(rng):
    """The broken variant: without the bound the exactness claim is false."""
    x = rng.integers(200, 256, (8, 8, 600)).astype(np.float32)
    kernel, bias = np.full((3, 3, 600, 4), 127, np.int8), np.zeros(4, np.int32)
    kernel[2] = -127
    kernel[1, 1:] = -127  # the sum is small, what it is made of is not
    with pytest.raises(PresetError):
        check_bound([kernel], bias, 1, "layer")
    limits = -(2**30), 2**30
    result = convolve(x, FoldedLayer.fold(kernel, bias, 1, *limits))
    assert (result != exact_requantise(exact_convolve(x, kernel), 1, *limits)).any()


@pytest.mark.parametrize("layer", ["trunk_in", "trunk", "first_head", "known", "second_head"])
def test_a_network_beyond_the_bound_is_refused(rng, layer):
    weights = dict(random_network(rng).weights)
    weights[f"{layer}/bias"] = np.full_like(weights[f"{layer}/bias"], 2**24 - 70)
    with pytest.raises(PresetError, match=f"Layer {layer} .*retrain"):
        IntegerContextNetwork(weights)


def test_the_bound_counts_both_kernels_that_feed_one_accumulator(rng):
    weights = dict(random_network(rng, 8).weights)
    weights["known/kernel"] = np.full(layer_shapes(8)["known"], 127, np.int8)
    weights["known/bias"] = np.full(8, 2**24 - 1 - 64 - 255 * 127 * 90, np.int32)
    weights["mix/kernel"] = np.zeros(layer_shapes(8)["mix"], np.int8)
    IntegerContextNetwork(weights)
    weights["mix/kernel"] = weights["mix/kernel"].copy()
    weights["mix/kernel"][0, 0, 0, 0] = 1
    with pytest.raises(PresetError, match="known"):
        IntegerContextNetwork(weights)


@pytest.mark.parametrize("array", ["trunk/kernel", "mix/kernel", "second_head/bias"])
def test_a_network_with_numbers_that_are_no_integers_is_refused(rng, array):
    weights = dict(random_network(rng).weights)
    weights[array] = weights[array] + np.float32(0.25)
    with pytest.raises(PresetError, match=array):
        IntegerContextNetwork(weights)


@pytest.mark.parametrize("array", ["trunk_in/kernel", "known/bias"])
def test_a_network_that_lacks_an_array_is_refused(rng, array):
    weights = dict(random_network(rng).weights)
    del weights[array]
    with pytest.raises(PresetError, match=array):
        IntegerContextNetwork(weights)


def test_inputs_are_left_as_they_were(rng):
    network = random_network(rng)
    context, known = random_context(rng, 6, 5), random_known(rng, 6, 5)
    features = network.first(context)[0]
    before = [x.copy() for x in (context, features, known)]
    network.first(context)
    network.second(features, known)
    for x, y in zip(before, (context, features, known), strict=True):
        np.testing.assert_array_equal(x, y)
