# SPDX-License-Identifier: Apache-2.0
"""What the context networks read: integers, and their float twins in training."""

import numpy as np
import pytest
from helpers import PHASE

from gan_tfc.coding import contexts, lifting, steps
from gan_tfc.coding.contexts import COMPRESS

LEVELS = 6


def asinh_level(steps_):
    """The definition, in float64 and without a limit."""
    return np.sign(steps_) * np.floor(18 * np.arcsinh(np.abs(steps_)) + 0.5)


def test_the_compression_is_the_rounded_asinh_and_rises():
    assert COMPRESS.dtype == np.int8
    np.testing.assert_array_equal(COMPRESS, asinh_level(np.arange(8192) / 16))
    assert (np.diff(COMPRESS.astype(int)) >= 0).all()
    assert COMPRESS[0] == 0 and COMPRESS[-1] == 125


def test_no_entry_of_the_table_hangs_on_a_rounding_error():
    """The nearest to a half is 9e-6 away from it, and double precision a billion times nearer."""
    fraction = (18 * np.arcsinh(np.arange(8192) / 16)) % 1
    assert np.abs(fraction - 0.5).min() > 1e-6


def test_compression_is_odd_and_saturates():
    values = np.array([-(2**40), -8192, -8191, -17, 0, 17, 8191, 8192, 2**40])
    result = contexts.compress(values)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, -contexts.compress(-values))
    assert result[0] == result[2] == -125 and result[4] == 0 and result[-1] == 125


def test_compression_leaves_its_argument_alone():
    values = np.array([9000, -3])
    contexts.compress(values)
    assert values.tolist() == [9000, -3]


def test_relief_of_a_flat_picture_is_nothing():
    assert not contexts.relief(np.full((5, 7, 3), 12345, np.int64)).any()


def test_relief_of_a_dot_is_one_minus_a_binomial():
    picture = np.zeros((5, 5, 3), np.int64)
    picture[2, 2, 1] = 64 * 16  # sixteen steps
    expected = np.zeros((5, 5))
    # 1 2 1 x 1 2 1 over 16, of 16 steps, in 1/16 step.
    expected[1:4, 1:4] = -16 * np.outer([1, 2, 1], [1, 2, 1])
    expected[2, 2] += 16 * 16
    np.testing.assert_array_equal(contexts.relief(picture)[..., 1], expected)
    assert not contexts.relief(picture)[..., [0, 2]].any()


def test_relief_repeats_the_edge(rng):
    picture = rng.integers(-5000, 5000, (4, 6, 3))
    wide = np.pad(picture, ((1, 1), (1, 1), (0, 0)), "edge")
    np.testing.assert_array_equal(contexts.relief(picture), contexts.relief(wide)[1:-1, 1:-1])


def test_context_has_the_channels_that_its_docstring_lists(rng):
    picture = rng.integers(-40000, 40000, (4, 6, 3))
    parents = rng.integers(-300, 300, (2, 3, 9))
    context = contexts.context(picture, parents, 1234, 2)
    assert context.shape == (4, 6, 14) and context.dtype == np.float32
    assert np.abs(context).max() <= 127
    for row in range(4):
        for column in range(6):
            np.testing.assert_array_equal(
                context[row, column, :9], asinh_level(parents[row // 2, column // 2] / 4)
            )
    np.testing.assert_array_equal(context[..., 9:12], contexts.compress(contexts.relief(picture)))
    np.testing.assert_array_equal(context[..., 12], steps.luma_level(picture[..., 0], 1234, 2))
    assert (context[..., 13] == 1234 // 16).all()


def test_context_of_the_coarsest_level_has_no_parents(rng):
    context = contexts.context(rng.integers(-900, 900, (1, 3, 3)), None, 0, 5)
    assert not context[..., :9].any() and not context[..., 13].any()


def test_rows_of_a_context_are_those_of_the_whole(rng):
    picture = rng.integers(-40000, 40000, (10, 6, 3)).astype(np.int32)
    parents = rng.integers(-300, 300, (5, 3, 9))
    whole = contexts.context(picture, parents, 1234, 1)
    for top in range(10):
        for bottom in range(top + 1, 11):
            part = contexts.context(picture, parents, 1234, 1, slice(top, bottom))
            np.testing.assert_array_equal(part, whole[top:bottom])


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 3), (5, 3), (6, 8)])
def test_places_of_a_pass_are_where_its_mask_is_true(size):
    mask = contexts.first_pass_mask(*size, PHASE)
    for each in (mask, ~mask):
        np.testing.assert_array_equal(contexts.pass_places(each), np.flatnonzero(each))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3), (6, 8)])
def test_masks_of_the_two_passes_are_complementary_checkerboards(size):
    mask = contexts.first_pass_mask(*size, PHASE)
    row, column = np.indices(size)
    for band, phase in enumerate(PHASE):
        np.testing.assert_array_equal(mask[..., band], (row + column + phase) % 2 == 1)
    opposite = contexts.first_pass_mask(*size, 1 - PHASE)
    np.testing.assert_array_equal(mask, ~opposite)


def test_known_values_are_those_of_the_first_pass_and_zero_elsewhere(rng):
    values = rng.integers(-2000, 2000, (5, 7, 9))
    mask = contexts.first_pass_mask(5, 7, PHASE)
    known = contexts.known_values(values, mask)
    assert known.shape == (5, 7, 10) and known.dtype == np.float32
    np.testing.assert_array_equal(known[..., :9], np.where(mask, asinh_level(values / 4), 0))
    np.testing.assert_array_equal(known[..., 9], 64 * (np.indices((5, 7)).sum(0) % 2))


# --- the float twins in gan_tfc.models.wavelet_codec, which training sees ------------------------


def decoded(photo, code):
    """Picture and parents of every level as a decoder has them: quantised without a dead zone."""
    step = steps.step_size(code)
    coarsest, details = lifting.picture_bands(photo, LEVELS)
    symbols = np.rint(coarsest / steps.coarsest_step_size(code)).astype(np.int64)
    picture, values, found = steps.coarsest_to_fixed(symbols, code), None, []
    for level in range(LEVELS - 1, -1, -1):
        found.append((level, picture, values))
        values = np.rint(4 * details[level] / step).astype(np.int64)
        picture = lifting.merge_level(picture, 16 * values)
    return found


def float_context(model, picture, parents, code, level):
    import keras

    step = np.full((1, 1, 1, 1), steps.step_size(code), np.float32)
    result = model._context(
        keras.ops.convert_to_tensor((picture / 64).astype(np.float32)[None]),
        None if parents is None else keras.ops.convert_to_tensor((parents / 4).astype("float32")[None]),
        keras.ops.convert_to_tensor(np.full((1, 1, 1, 1), code, np.float32)),
        keras.ops.convert_to_tensor(step),
        level,
    )
    return keras.ops.convert_to_numpy(result)[0]


@pytest.mark.parametrize("code", [150, 731, 1752])
def test_training_sees_the_contexts_that_coding_sees(tiny_codec, photo, code):
    compared = parents_differ = relief_differs = other_differs = 0
    for level, picture, parents in decoded(photo, code):
        exact = contexts.context(picture, parents, code, level)
        training = float_context(tiny_codec.model, picture, parents, code, level)
        assert training.shape == exact.shape
        difference = np.abs(training - exact)
        # The table ends at 512 steps and level 125, the float goes on to 127.
        ordinary = np.abs(exact) < 125
        assert difference[ordinary].max() <= 1
        assert difference.max() <= 2
        different = (difference > 0) & ordinary
        compared += exact[..., 0].size
        parents_differ += different[..., :9].sum()
        relief_differs += different[..., 9:12].sum()
        other_differs += different[..., 12:].sum()
    # Parents are multiples of 1/4 step on both sides: only float32's asinh can differ, at a half.
    assert parents_differ <= 1e-4 * 9 * compared
    # Brightness: the octave table has 16 bits, levels are whole numbers.
    assert other_differs <= 1e-3 * 2 * compared
    # Coding rounds relief to 1/16 step first, up to 0.56 levels near zero, where 1/16 step is 1.1
    # levels: a quarter of the flattest reliefs may fall on the other side of a half.
    assert relief_differs <= 0.28 * 3 * compared


@pytest.mark.parametrize("code", [150, 1752])
def test_relief_differs_by_its_rounding_only(photo, code):
    """Before the compression, to 1/32 step."""
    from gan_tfc.models.wavelet_codec import _blur

    for _, picture, _ in decoded(photo, code):
        floats = (picture / 64).astype(np.float32)[None]
        exact = np.asarray(floats - _blur(floats))[0]
        # float32 pictures of up to 5000 steps: 2**-11 more.
        assert np.abs(contexts.relief(picture) / 16 - exact).max() <= 1 / 32 + 2**-10


def test_training_sees_the_known_values_that_coding_sees(tiny_codec, rng, monkeypatch):
    """Captured from what the second pass of the training model is called with."""
    import keras

    from gan_tfc.entropy_models.context_network import ContextNetwork

    seen = []
    original = ContextNetwork.second

    def second(self, features, known):
        seen.append(keras.ops.convert_to_numpy(known)[0])
        return original(self, features, known)

    monkeypatch.setattr(ContextNetwork, "second", second)
    model = tiny_codec.model
    context = rng.integers(-127, 128, (1, 12, 10, 14)).astype(np.float32)
    latents = rng.laplace(0, 4, (1, 12, 10, 9)).astype(np.float32)
    values, *_ = model._scan_level(
        model.networks[0], keras.ops.convert_to_tensor(context), keras.ops.convert_to_tensor(latents)
    )
    quarters = 4 * keras.ops.convert_to_numpy(values)[0]
    assert (quarters == np.rint(quarters)).all()
    mask = contexts.first_pass_mask(12, 10, model.phase)
    expected = contexts.known_values(quarters.astype(np.int64), mask)
    # At values that are multiples of 1/4, float32's asinh is nowhere near a half.
    np.testing.assert_array_equal(seen[0], expected)
