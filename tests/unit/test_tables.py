# SPDX-License-Identifier: Apache-2.0
"""Coding tables: format, digest, storage, quantisation of probabilities, costs."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_tfc.coding.tables import CodingTables, table_from_pmf
from gan_tfc.errors import GanTfcError, PresetError

ROWS = [[-3, 0, 1, 6, 8], [2, 0, 1, 4], [-1, 0, 2]]
OFFSETS = [-1, 5, 0]
TABLES = CodingTables(ROWS, OFFSETS)


def expected_bits(pmf, counts):
    """Mean code length in bits with the given counts."""
    return float(-(pmf * np.log2(counts / counts.sum())).sum())


def test_the_digest_never_changes():
    # SHA-256 of 19 numbers, worked out outside this package; streams in the wild carry it.
    assert TABLES.digest().hex() == "e64d63f1"


@pytest.mark.parametrize(
    "rows, offsets",
    [
        ([[-3, 0, 2, 6, 8], *ROWS[1:]], OFFSETS),
        ([[3, 0, 1, 6, 8], *ROWS[1:]], OFFSETS),
        (ROWS[:2], OFFSETS[:2]),
        (ROWS, [-1, 5, 1]),
        ([ROWS[1], ROWS[0], ROWS[2]], OFFSETS),
    ],
)
def test_the_digest_depends_on_every_number(rows, offsets):
    assert CodingTables(rows, offsets).digest() != TABLES.digest()


def test_tables_come_back_from_an_npz_file():
    file = io.BytesIO()
    np.savez(file, **TABLES.save())
    file.seek(0)
    with np.load(file) as arrays:
        again = CodingTables.load(arrays)
    assert again.digest() == TABLES.digest()
    np.testing.assert_array_equal(again.flat(), np.concatenate(ROWS))
    assert again.flat().dtype == again.offset.dtype == np.int32


@pytest.mark.parametrize(
    "damage",
    [
        {"cdf_length": [4, 5, 3]},
        {"cdf_length": [5, 4, 2]},
        {"cdf_length": [5, 4, 3, 0]},
        {"cdf_length": [-1, 10, 3]},
        {"cdf_length": [[5, 4, 3]]},
        {"cdf": np.concatenate(ROWS)[:-1]},
        {"cdf": np.concatenate(ROWS).astype(float)},
        {"cdf_offset": [0, 0]},
        {"cdf_offset": [0, 0, 2**29 + 1]},
        {"cdf_offset": 0},
    ],
)
def test_damaged_arrays_are_refused(damage):
    arrays = TABLES.save() | {key: np.array(value) for key, value in damage.items()}
    with pytest.raises(PresetError):
        CodingTables.load(arrays)


@pytest.mark.parametrize("key", ["cdf", "cdf_length", "cdf_offset"])
def test_missing_arrays_are_named(key):
    arrays = TABLES.save()
    del arrays[key]
    with pytest.raises(PresetError, match=key):
        CodingTables.load(arrays)


@pytest.mark.parametrize(
    "row",
    [
        [-3, 0, 1, 1, 8],  # a probability of zero cannot be coded
        [-3, 0, 6, 1, 8],
        [-3, 1, 6, 8],
        [-3, 0, 1, 6],
        [-3, 0, 8, 9],
        [0, 0, 1],
        [17, 0, 2**17],
        [-17, 0, 2**17],
        [3, 8],
        [[3, 0, 8]],
        [],
        [3.0, 0.0, 8.0],
    ],
)
def test_rows_that_break_the_format_are_refused(row):
    with pytest.raises(PresetError):
        CodingTables([row], [0])


def test_a_table_without_rows_is_refused():
    with pytest.raises(PresetError, match="at least one row"):
        CodingTables([], np.zeros(0, np.int32))


def test_headers_that_would_vanish_in_the_flat_form_are_refused():
    # TensorFlow Compression takes a 4 after a row that ends in 4 for padding of that row.
    with pytest.raises(PresetError, match="header 4"):
        CodingTables([[-2, 0, 4], [4, 0, 16]], [0, 0])
    assert len(CodingTables([[-2, 0, 4], [-4, 0, 16]], [0, 0])) == 2


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        TABLES.cdf[0][1] = 1
    with pytest.raises(ValueError, match="read-only"):
        TABLES.offset[0] = 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 16))
def test_quantised_rows_are_valid_and_close_to_optimal(seed, precision):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 2 ** min(precision, 9) + 1))
    pmf = rng.gamma(10.0 ** rng.uniform(-2, 1), size=size) + 1e-300
    row, offset = table_from_pmf(pmf, -7, precision)
    tables = CodingTables([row], [offset])
    assert len(tables.cdf[0]) == size + 2 and row[0] == -precision and tables.offset[0] == -7
    pmf /= pmf.sum()
    counts = np.ones(size)
    for _ in range(2**precision - size if precision <= 10 else 0):  # the optimum, count by count
        counts[np.argmax(pmf * np.log1p(1 / counts))] += 1
    if precision <= 10:
        # 1e-5: the logarithm that chooses has 6 digits.
        assert expected_bits(pmf, np.diff(row[1:])) <= expected_bits(pmf, counts) + 1e-5
    else:
        entropy = -(pmf * np.log2(np.maximum(pmf, 1e-300))).sum()
        # Of 2^P counts one is set aside for each index; rounding up p times the others uses no more than
        # all, and the optimum is no worse than that.
        set_aside = -np.log2(1 - size / 2**precision)
        assert expected_bits(pmf, np.diff(row[1:])) <= entropy + set_aside + 1e-4


def test_quantisation_never_changes():
    pmf = np.array([0.001, 0.25, 0.498, 0.25, 0.0, 1e-9])
    row = [-8, 0, 1, 65, 191, 254, 255, 256]
    assert table_from_pmf(pmf, -2, 8)[0].tolist() == row
    assert table_from_pmf(pmf * 1024, -2, 8)[0].tolist() == row


def test_certainty_leaves_one_count_to_every_other_index():
    row, _ = table_from_pmf(np.array([0.0, 1.0, 0.0]), 0, 16)
    assert row.tolist() == [-16, 0, 1, 2**16 - 1, 2**16]


@pytest.mark.parametrize(
    "pmf, precision",
    [
        ([], 8),
        ([[1.0]], 8),
        ([1.0], 0),
        ([1.0], 17),
        ([0.2] * 5, 2),
        ([-0.1, 1.1], 8),
        ([np.nan, 1.0], 8),
        ([np.inf, 1.0], 8),
        ([0.0, 0.0], 8),
    ],
)
def test_probabilities_that_make_no_row_are_refused(pmf, precision):
    with pytest.raises(GanTfcError):
        table_from_pmf(np.array(pmf), 0, precision)


@pytest.mark.tfc
def test_quantisation_is_no_worse_than_that_of_tensorflow_compression(rng):
    import tensorflow_compression_ops as ops

    for _ in range(20):
        pmf = rng.gamma(0.3, size=60) + 1e-6
        pmf = (pmf / pmf.sum()).astype(np.float32)
        theirs = np.diff(ops.pmf_to_quantized_cdf(pmf, precision=10).numpy())
        ours = np.diff(table_from_pmf(pmf, 0, 10)[0][1:])
        # 1e-5: the logarithm that chooses has 6 digits.
        assert expected_bits(pmf, ours) <= expected_bits(pmf, theirs) + 1e-5


def test_costs_are_those_of_the_code():
    costs = TABLES.cost_matrix(-3, 8)
    assert costs.dtype == np.float32 and costs.shape == (3, 12)
    # Row 0: integers -1 and 0 of 1/8 and 5/8; escape 2/8; gamma of 1 and of 2 costs 2 and 4 bits.
    low = np.log2(8 / 5)
    expected = [2 + 4, 2 + 2, 3, low, 2 + 2, 2 + 4, 2 + 4, 2 + 6, 2 + 6, 2 + 6, 2 + 6, 2 + 8]
    np.testing.assert_allclose(costs[0], expected, rtol=1e-6)  # float32
    # Row 1 has no escape: 5 and 6 of 1/4 and 3/4.
    assert np.isinf(costs[1]).sum() == 10
    np.testing.assert_allclose(costs[1, 8:10], [2, np.log2(4 / 3)], rtol=1e-6)
