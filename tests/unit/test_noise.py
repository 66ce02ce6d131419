# SPDX-License-Identifier: Apache-2.0
"""Position noise: the same everywhere, and noise."""

import numpy as np

from gan_tfc.coding.noise import position_noise


def reference(row, column, channel):
    """The hash in Python's integers."""
    h = (row * 0x9E3779B1 + column * 0x85EBCA77 + channel * 0xC2B2AE3D) % 2**32
    h = (h ^ h >> 15) * 0x2C1B3C6D % 2**32
    h = (h ^ h >> 12) * 0x297A2D39 % 2**32
    h ^= h >> 15
    top = h >> 24
    return (top - 256 * (top > 127) + 0.5) / 128


def test_every_value_follows_the_formula():
    noise = position_noise(5, 7, 3, top=100, left=70_000)
    expected = [[[reference(100 + i, 70_000 + j, k) for k in range(3)] for j in range(7)] for i in range(5)]
    np.testing.assert_array_equal(noise, np.array(expected, np.float32))


def test_values_are_frozen_because_decoded_pictures_depend_on_them():
    found = (position_noise(1, 4, 2).reshape(-1) * 256).astype(int).tolist()
    assert found == [int(256 * reference(0, j, k)) for j in range(4) for k in range(2)]
    assert found == FROZEN


FROZEN = [1, -109, 141, -19, -33, 97, -105, 129]


def test_a_tile_holds_what_the_whole_picture_holds_there():
    whole = position_noise(40, 50, 4)
    np.testing.assert_array_equal(position_noise(10, 20, 4, top=13, left=22), whole[13:23, 22:42])


def test_it_is_uniform_and_uncorrelated():
    noise = position_noise(256, 256, 6).astype(np.float64)
    assert np.abs(noise).max() < 1
    # A million values: the mean's deviation is 0.6 / 1000 / 0.6, five of them are allowed.
    assert abs(noise.mean()) < 5e-3 and abs(noise.var() - 1 / 3) < 5e-3
    neighbours = [
        (noise[1:], noise[:-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise[1:, 1:], noise[:-1, :-1]),
        (noise[..., 1:], noise[..., :-1]),
    ]
    for one, other in neighbours:
        assert abs(np.mean(one * other) / noise.var()) < 0.01
