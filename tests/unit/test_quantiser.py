# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion optimised quantisation against brute force."""

import numpy as np
import pytest
from helpers import logistic_tables

from gan_tfc.coding.quantiser import RATE_WEIGHT, Quantiser


@pytest.fixture(scope="module")
def tables():
    return logistic_tables()


@pytest.fixture
def residuals(rng):
    """Residuals and rows: mostly small, some beyond every table; halves and zero included."""
    wide = rng.laplace(0, 3, 20000) * rng.choice([0.1, 1, 9], 20000)
    some = np.concatenate([wide, [0, 0.5, -0.5, 15.5, -15.49, 200, -200]]).astype(np.float32)
    return some, rng.integers(1, 64, some.size).astype(np.int32)


def bits_of(tables, symbols, rows):
    """Bits of each symbol under its row, float64."""
    reach = int(np.abs(symbols).max())
    return tables.cost_matrix(-reach, reach)[rows, symbols + reach].astype(np.float64)


def test_weight_zero_rounds_to_nearest_with_halves_away_from_zero(tables, residuals):
    values, rows = residuals
    symbols = Quantiser(tables, 0)(values, rows)
    assert symbols.dtype == np.int32
    np.testing.assert_array_equal(symbols, np.sign(values) * np.floor(np.abs(values) + 0.5))


@pytest.mark.parametrize("rate_weight", [0.03, RATE_WEIGHT, 0.5])
def test_choice_costs_least_among_the_candidates(tables, residuals, rate_weight):
    values, rows = residuals
    symbols = Quantiser(tables, rate_weight)(values, rows)
    nearest = (np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(np.int32)
    costs = []
    for candidate in (nearest, nearest - np.sign(nearest), np.zeros_like(nearest)):
        bits = bits_of(tables, candidate, rows)
        costs.append((values.astype(np.float64) - candidate) ** 2 + rate_weight * bits)
    chosen = (values.astype(np.float64) - symbols) ** 2
    chosen += rate_weight * bits_of(tables, symbols, rows)
    near = np.abs(nearest) <= 15  # beyond its reach the quantiser rounds
    # float32: 2**-23 of costs up to 15**2, in a few operations.
    np.testing.assert_allclose(chosen[near], np.min(costs, axis=0)[near], atol=1e-4)
    np.testing.assert_array_equal(symbols[~near], nearest[~near])
    assert (symbols != nearest).mean() > 0.005, "the rate should matter somewhere"


def test_a_larger_weight_never_takes_more_bits(tables, residuals):
    values, rows = residuals
    before = None
    for rate_weight in (0, 0.01, 0.05, 0.11, 0.3, 1, 10, 1000):
        bits = bits_of(tables, Quantiser(tables, rate_weight)(values, rows), rows)
        if before is not None:
            # Symbol by symbol; bits are float32 numbers of up to 50.
            assert (bits <= before + 1e-5).all()
        before = bits


def test_positive_and_negative_residuals_are_treated_alike(tables, residuals):
    values, rows = residuals
    quantise = Quantiser(tables)
    mirrored = logistic_tables()  # its rows are symmetric, as those of a preset are
    matrix = mirrored.cost_matrix(-15, 15)
    symmetric = np.abs(matrix - matrix[:, ::-1]).max(axis=1) < 1e-6
    same = symmetric[rows]
    assert same.mean() > 0.1
    there, back = quantise(values, rows), -quantise(-values, rows)
    np.testing.assert_array_equal(there[same], back[same])


def test_nothing_to_quantise_gives_nothing(tables):
    empty = Quantiser(tables)(np.zeros(0, np.float32), np.zeros(0, np.int32))
    assert empty.shape == (0,) and empty.dtype == np.int32


def test_inputs_are_left_as_they_were(tables, residuals):
    values, rows = residuals
    copies = values.copy(), rows.copy()
    Quantiser(tables)(values, rows)
    np.testing.assert_array_equal(values, copies[0])
    np.testing.assert_array_equal(rows, copies[1])
