# SPDX-License-Identifier: Apache-2.0
"""The CDF 9/7 wavelet of layer 0: exact integers one way, nearly orthonormal floats the other."""

import numpy as np
import pytest

from gan_tfc.coding import lifting
from gan_tfc.coding.lifting import ALPHA, BETA, DELTA, GAMMA, LIMIT, K


def following(even):
    """Sample n + 1 at place n along axis 0, the last one repeated."""
    return np.concatenate([even[1:], even[-1:]])


def preceding(odd):
    """Sample n - 1 at place n along axis 0, the first one repeated."""
    return np.concatenate([odd[:1], odd[:-1]])


def inverse_steps(even, odd):
    """The float inverse in float64, and the operand of each of its multiplications."""
    operands = [even / K, odd * K]
    even, odd = operands
    for into_even, factor in ((True, DELTA), (False, GAMMA), (True, BETA), (False, ALPHA)):
        if into_even:
            operands.append(odd + preceding(odd))
            even = even - factor * operands[-1]
        else:
            operands.append(even + following(even))
            odd = odd - factor * operands[-1]
    return even, odd, operands


def interleaved(even, odd):
    out = np.empty((2 * len(even), *even.shape[1:]))
    out[0::2], out[1::2] = even, odd
    return out


def inverse(low, high):
    return interleaved(*inverse_steps(low, high)[:2])


def float_merge_level(low_low, details):
    """`lifting.merge_level` in float64, without clipping."""
    low = inverse(low_low, details[..., :3])
    high = inverse(details[..., 3:6], details[..., 6:])
    return inverse(low.swapaxes(0, 1), high.swapaxes(0, 1)).swapaxes(0, 1)


def largest_operand(low_low, details):
    """Largest number that the lifting steps of one level multiply."""
    first = inverse_steps(low_low, details[..., :3])
    second = inverse_steps(details[..., 3:6], details[..., 6:])
    low, high = (interleaved(*steps[:2]).swapaxes(0, 1) for steps in (first, second))
    operands = first[2] + second[2] + inverse_steps(low, high)[2]
    return max(np.abs(x).max() for x in operands)


def float_split_level(picture):
    return lifting.split_level(picture.astype(np.float32))


def gains(size=12):
    """Largest absolute row sums of what maps an error made at each of the six steps to the output.

    Returns:
        Rounding gain: the sum over all steps. Input gain: of errors in both bands.
    """
    identity = np.eye(2 * size)
    total = 0.0
    for step in range(6):
        # Its error enters even (steps 0, 2, 4) or odd (1, 3, 5) samples and goes on from there.
        even, odd = (identity[:size], 0 * identity[:size])
        if step % 2:
            even, odd = odd, even
        for later, factor in ((2, DELTA), (3, GAMMA), (4, BETA), (5, ALPHA)):
            if later <= step:
                continue
            if later % 2:
                odd = odd - factor * (even + following(even))
            else:
                even = even - factor * (odd + preceding(odd))
        total += np.abs(interleaved(even, odd)).sum(axis=1).max()
    return total, np.abs(inverse(identity[:size], identity[size:])).sum(axis=1).max()


def test_integer_inverse_follows_the_float_inverse_within_its_rounding(rng):
    picture = rng.integers(-8000, 8000, (40, 56, 3))
    details = rng.integers(-2000, 2000, (40, 56, 9))
    result = lifting.merge_level(picture.astype(np.int64), details.astype(np.int64))
    expected = float_merge_level(picture, details)
    assert np.abs(expected).max() < LIMIT
    # A step rounds by 1/2 at most, and its 16-bit factor is off by at most 2**-17 of its operand.
    one_step = 0.5 + 2**-17 * largest_operand(picture, details)
    rounding_gain, input_gain = gains()
    bound = one_step * rounding_gain * (1 + input_gain)
    error = result - expected
    assert np.abs(error).max() < bound < 32, "the bound should be below half a quantiser step"
    # Roundings are independent: far below the worst case, and without a bias.
    assert np.sqrt(np.mean(error**2)) < 1.5
    assert abs(error.mean()) < 0.05


def test_integer_inverse_of_a_signal_of_one_is_what_a_pencil_gives():
    # 64 along the height: even = 64 / 1.1496 = 55.67 -> 56;  odd = -0.8829 * 112 = -98.89 -> -99;
    # even += 0.05298 * -198 = -10.49 -> -10: 46;  odd += 1.586 * 92 = 145.92 -> 146: 47.
    # 46 along the width: 40.01 -> 40;  -70.63 -> -71;  40 - 7.52 -> 32;  -71 + 101.51 -> 31.
    # 47 along the width: 40.88 -> 41;  -72.40 -> -72;  41 - 7.63 -> 33;  -72 + 104.68 -> 33.
    picture = np.full((1, 1, 3), 64, np.int64)
    result = lifting.merge_level(picture, np.zeros((1, 1, 9), np.int64))
    assert result[:, :, 0].tolist() == [[32, 31], [33, 33]]


def test_a_flat_picture_has_no_details_and_doubles_at_each_level():
    picture = np.full((16, 24, 3), 0.25, np.float32)
    for _ in range(3):
        low, details = lifting.split_level(picture)
        # K = 1.149604398 makes the gain sqrt(2) for each axis, to nine digits; float32 has seven.
        np.testing.assert_allclose(low, 2 * picture[::2, ::2], rtol=1e-6)
        np.testing.assert_allclose(details, 0, atol=1e-6)
        picture = low


def test_a_ramp_has_details_at_the_borders_only():
    """Four vanishing moments: a straight line is predicted exactly."""
    picture = np.broadcast_to(np.arange(32.0)[:, None, None], (32, 16, 3)).astype(np.float32)
    _, details = lifting.split_level(picture)
    np.testing.assert_allclose(details[3:-3], 0, atol=1e-4)  # float32 of numbers up to 64
    assert np.abs(details[-1]).max() > 0.5


@pytest.mark.parametrize("levels, size", [(1, (2, 2)), (3, (8, 24)), (6, (64, 128))])
def test_float_analysis_is_undone_by_its_inverse(rng, levels, size):
    picture = rng.uniform(-0.5, 0.5, (*size, 3)).astype(np.float32)
    low, details = lifting.analyse(picture, levels)
    assert low.shape == (size[0] >> levels, size[1] >> levels, 3)
    for bands in reversed(details):
        low = float_merge_level(low, bands)
    # Six levels of float32 additions of numbers up to 64: some ulps of 2**-18.
    np.testing.assert_allclose(low, picture, atol=1e-5 * 2**levels / 4)


def test_integer_decoding_reconstructs_to_a_hundredth_of_a_step(rng):
    """Analysis, exact quantisation to 1/64 step and integer synthesis close the loop."""
    step = 8.0
    picture = rng.uniform(-128, 128, (64, 64, 3)).astype(np.float32)
    low, details = lifting.analyse(picture, 3)
    fixed = np.rint(low * 64 / step).astype(np.int64)
    for bands in reversed(details):
        fixed = lifting.merge_level(fixed, np.rint(bands * 64 / step).astype(np.int64))
    error = fixed * step / 64 - picture
    # Rounding to units of 1/64 step at four places adds to a deviation of about one unit.
    assert np.sqrt(np.mean(error**2)) < 1.5 * step / 64


def test_bands_hold_the_energy_of_the_picture_within_a_few_percent(rng):
    """Nearly orthonormal, so that one quantiser step serves every band."""
    picture = rng.normal(0, 1, (128, 128, 3)).astype(np.float32)
    low, details = lifting.analyse(picture, 5)
    energy = np.square(low).sum() + sum(np.square(bands).sum() for bands in details)
    # 49152 samples: the energy itself is known to 2 * 0.6 %, and so is the ratio, closer still.
    assert energy / np.square(picture).sum() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("band, energy", [(0, 0.966), (1, 1.023), (2, 1.023), (3, 1.082)])
def test_an_error_in_any_band_weighs_about_the_same_in_the_picture(band, energy):
    """Squared norms of the basis functions inside: 0.98296 low, 1.04044 high for each axis."""
    bands = np.zeros((16, 16, 12))
    bands[8, 8, 3 * band] = 1
    picture = float_merge_level(bands[..., :3], bands[..., 3:])
    assert np.square(picture).sum() == pytest.approx(energy, abs=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_borders_are_mirrored_about_the_edge_sample(rng, axis):
    picture = rng.normal(0, 1, (16, 16, 3)).astype(np.float32)
    padding = [(0, 0)] * 3
    padding[axis] = (8, 8)
    mirrored = np.pad(picture, padding, "reflect")  # ... 2 1 0 1 2 ...
    here = [slice(None)] * 3
    here[axis] = slice(4, 12)
    for whole, wide in zip(float_split_level(picture), float_split_level(mirrored), strict=True):
        # Same numbers in the same order: equal to the last bit, at both borders.
        np.testing.assert_array_equal(wide[tuple(here)], whole)


def test_merged_pictures_are_clipped():
    picture = np.full((4, 4, 3), 2**24, np.int64)
    result = lifting.merge_level(picture, np.zeros((4, 4, 9), np.int64))
    assert result.min() == result.max() == LIMIT
    result = lifting.merge_level(-picture, np.zeros((4, 4, 9), np.int64))
    assert result.min() == result.max() == -LIMIT


def test_products_of_hostile_symbols_stay_where_doubles_are_exact():
    """The coarsest band may reach 2**25 and details 2**23, see `gan_tfc.coding.scan`."""
    size = 12
    identity = np.eye(2 * size)
    *_, operands = inverse_steps(identity[:size], identity[size:])
    factors = (1, 1, DELTA, GAMMA, BETA, ALPHA)

    def largest(low, high):
        reach = np.repeat([low, high], size)
        rows = inverse(identity[:size], identity[size:])
        products = [abs(f) * np.abs(x) @ reach for f, x in zip(factors, operands, strict=True)]
        return np.max(products), (np.abs(rows) @ reach).max()

    product_low, low = largest(2**25, 2**23)
    product_high, high = largest(2**23, 2**23)
    product_width, _ = largest(low, high)
    worst = max(product_low, product_high, product_width) * 2**16
    assert 2**42 < worst < 2**44


def test_bands_of_a_padded_image_are_those_of_repeated_edges(rng):
    image = rng.integers(0, 256, (5, 9, 3), dtype=np.uint8)
    low, details = lifting.picture_bands(image, 2)
    padded = np.pad(image, ((0, 3), (0, 3), (0, 0)), "edge")
    same_low, same_details = lifting.picture_bands(padded, 2)
    assert low.shape == (2, 3, 3) and details[0].shape == (4, 6, 9)
    np.testing.assert_array_equal(low, same_low)
    for bands, same in zip(details, same_details, strict=True):
        np.testing.assert_array_equal(bands, same)


def test_a_white_image_is_luma_alone():
    low, details = lifting.picture_bands(np.full((8, 8, 3), 255, np.uint8), 3)
    # 0.5 in each of three orthonormal axes is 0.5 sqrt(3) along luma; three levels make it 8 times.
    np.testing.assert_allclose(low[0, 0], [4 * 3**0.5, 0, 0], atol=1e-5)
    assert max(np.abs(bands).max() for bands in details) < 1e-5


@pytest.mark.parametrize(
    "size, levels, padded",
    [((1, 1), 6, (64, 64)), ((64, 65), 6, (64, 128)), ((7, 8), 3, (8, 8)), ((3, 5), 1, (4, 6))],
)
def test_padded_sides_are_the_next_multiples(size, levels, padded):
    assert lifting.padded_shape(*size, levels) == padded


@pytest.mark.parametrize("shares", [(1, 0), (0, 1), (0.5, 0.5), (0.2, 0.8)])
@pytest.mark.parametrize("axis", [0, 1])
def test_32_bits_give_what_64_bits_do_up_to_their_limit(rng, shares, axis, monkeypatch):
    """Samples as large as the limit allows, all alike, alternating and with random signs."""
    low_size, high_size = (
        (lifting._NARROW - 1) * share // part for share, part in zip(shares, (2, 3), strict=True)
    )
    signs = np.where(rng.random((400, 2, 7, 7, 3)) < 0.5, -1, 1)
    signs[0], signs[1, 0], signs[1, 1] = 1, 1, -1
    checker = 1 - 2 * (np.indices((7, 7)).sum(0) % 2)[..., None]
    signs[2] = checker
    for low_sign, high_sign in signs:
        low, high = (int(low_size) * low_sign).astype(np.int32), (int(high_size) * high_sign).astype(np.int32)
        narrow = lifting._merge(low, high, axis)
        assert narrow.dtype == np.int32
        with monkeypatch.context() as patch:
            patch.setattr(lifting, "_NARROW", 0)
            wide = lifting._merge(low, high, axis)
        assert wide.dtype == np.int64
        np.testing.assert_array_equal(narrow, wide)
