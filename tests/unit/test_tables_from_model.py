# SPDX-License-Identifier: Apache-2.0
"""Freezing: from a trained model to integer networks and coding tables."""

import numpy as np
import pytest
from keras import ops

from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.integer_network import SCALE_INDEXES
from gan_tfc.coding.lifting import picture_bands
from gan_tfc.coding.passes import EncodingSource
from gan_tfc.coding.quantiser import Quantiser
from gan_tfc.coding.scan import COARSEST, TABLE_ROWS, scan
from gan_tfc.entropy_models.conditional import MIN_PROBABILITY
from gan_tfc.entropy_models.freezing import (
    calibrated_tables,
    coding_tables,
    context_model,
    count_symbols,
)
from gan_tfc.errors import PresetError
from gan_tfc.models.wavelet_codec import WaveletCodec

REACH = 2047  # of the symbols that are counted


@pytest.fixture(scope="module")
def model(tiny_codec):
    return tiny_codec.model


@pytest.fixture(scope="module")
def tables(model):
    return coding_tables(model)


def probabilities(tables, row):
    """Symbols of a row and their probabilities, the escape's last."""
    counts = np.diff(tables.cdf[row][1:])
    symbols = tables.offset[row] + np.arange(len(counts) - 1)
    return symbols, counts / counts.sum()


def density(model, row, symbols):
    """What training assumed, without its floor, normalised."""
    everything = np.arange(-REACH, REACH + 1, dtype=np.float32)
    bits = model.conditional.bits(ops.convert_to_tensor(everything), 0.0, float(row))
    pmf = np.exp2(-ops.convert_to_numpy(bits).astype(np.float64))
    pmf[pmf < 1.01 * MIN_PROBABILITY] = 0
    return pmf[symbols + REACH]


def test_there_is_a_row_for_each_scale_index_octave_and_plane(tables):
    assert len(tables) == TABLE_ROWS == 64 + 3 * 7


def test_every_row_adds_up_to_2_to_the_16_and_has_an_escape(tables):
    for row in tables.cdf:
        assert row[0] == -16 and row[-1] == 2**16
        assert np.diff(row[1:]).min() >= 1


def test_conditional_rows_are_symmetric(tables):
    for index in range(SCALE_INDEXES):
        symbols, p = probabilities(tables, index)
        assert symbols[0] == -symbols[-1]
        # Which of two equal symbols gets an odd count is decided by order: one count of 2**16.
        assert np.abs(p[:-1] - p[:-1][::-1]).max() <= 2**-16


def test_rows_grow_wider_with_the_scale_index(tables):
    entropy = []
    for index in range(SCALE_INDEXES):
        _, p = probabilities(tables, index)
        entropy.append(-(p * np.log2(p)).sum())
    assert (np.diff(entropy[1:62]) > 0).all()
    assert entropy[1] < 0.01 and entropy[60] > 10


@pytest.mark.parametrize("index", [1, 5, 15, 30, 45, 56])
def test_rows_cost_next_to_nothing_more_than_the_density(model, tables, index):
    """The divergence of a row from its density; a thousand idle symbols would cost 0.06 bits."""
    symbols, p = probabilities(tables, index)
    wanted = density(model, index, symbols)
    inside = wanted > 0
    divergence = (wanted * np.log2(np.maximum(wanted, 1e-300) / p[:-1]))[inside].sum()
    escaped = 1 - wanted.sum()
    assert escaped < 2e-4
    # A symbol takes one count at least: in the tails of wide rows that is forty times its share.
    entropy = -(wanted * np.log2(np.maximum(wanted, 1e-300)))[inside].sum()
    assert divergence < 1e-4 + 0.0015 * entropy


@pytest.mark.parametrize("octave", range(7))
def test_coarsest_rows_follow_the_bottleneck(model, tables, octave):
    for plane, (offset, pmf) in enumerate(model.bottleneck.pmf(2.0**octave)):
        symbols, p = probabilities(tables, SCALE_INDEXES + 3 * octave + plane)
        assert symbols[0] == offset and len(p) == len(pmf)
        pmf = pmf / pmf.sum()
        divergence = (pmf * np.log2(pmf / p)).sum()
        # The untrained density spreads over 4095 symbols, sixteen counts each.
        assert 0 <= divergence < 0.01


def test_counts_pull_a_row_towards_what_was_observed(model, tables):
    counts = np.zeros((SCALE_INDEXES, 2 * REACH + 1), np.int64)
    counts[20, REACH + 3] = 3000
    counts[20, REACH] = 1000
    calibrated = coding_tables(model, counts)
    symbols, p = probabilities(calibrated, 20)
    _, before = probabilities(tables, 20)
    at = {symbol: place for place, symbol in enumerate(symbols.tolist())}
    # Both signs share what was seen of one, and 1000 symbols of the density stand beside 8000.
    wanted = (3000 + 1000 * density(model, 20, np.array([3]))[0]) / 9000
    assert p[at[3]] == pytest.approx(wanted, abs=2**-15)
    assert p[at[-3]] == pytest.approx(wanted, abs=2**-15)
    assert p[at[0]] == pytest.approx((2000 + 1000 * density(model, 20, np.array([0]))[0]) / 9000, abs=2**-15)
    assert p[at[1]] < before[at[1]] / 8
    for row in set(range(TABLE_ROWS)) - {20}:
        np.testing.assert_array_equal(calibrated.cdf[row], tables.cdf[row])
        assert calibrated.offset[row] == tables.offset[row]


def test_counts_far_out_widen_a_row(model, tables):
    counts = np.zeros((SCALE_INDEXES, 2 * REACH + 1), np.int64)
    counts[3, REACH - 40] = 500
    assert tables.offset[3] > -10
    assert coding_tables(model, counts).offset[3] == -40


def test_exported_networks_give_exactly_what_the_layers_give(model, rng):
    frozen = context_model(model)
    assert frozen.levels == model.levels
    np.testing.assert_array_equal(frozen.phase, model.phase)
    for layer, network in zip(model.networks, frozen.networks, strict=True):
        context = rng.integers(-127, 128, (1, 9, 14, 14)).astype(np.float32)
        known = rng.integers(-127, 128, (1, 9, 14, 10)).astype(np.float32)
        features, first = layer.first(context)
        expected = [features, *first, *layer.second(features, known)]
        mine = network.first(context[0])
        mine = [*mine, *network.second(mine[0], known[0])]
        for ours, theirs in zip(mine, expected, strict=True):
            theirs = ops.convert_to_numpy(theirs)[0]
            np.testing.assert_array_equal(ours, theirs)
            assert len(np.unique(theirs)) > 2


def test_a_network_that_floats_could_not_hold_is_refused():
    model = WaveletCodec(features=(64,), synthesis_features=8, synthesis_blocks=0)
    model.build()
    kernel = model.networks[0].trunk.kernel
    kernel.assign(np.full(kernel.shape, 2.0))
    with pytest.raises(PresetError, match="Layer trunk needs accumulators below 2"):
        context_model(model)


def test_symbols_are_counted_as_they_are_coded(model, tables, photo):
    contexts = context_model(model)
    coarsest, details = picture_bands(photo[:64, :128], model.levels)
    counts = count_symbols(contexts, tables, [(coarsest, details, 700)])
    assert counts.shape == (SCALE_INDEXES, 2 * REACH + 1)
    expected = np.zeros_like(counts)
    source = EncodingSource(coarsest, details, 700, Quantiser(tables))

    def counting(level, places, rows, means):
        symbols = source(level, places, rows, means)
        if level != COARSEST:
            np.add.at(expected, (rows, symbols + REACH), 1)
        return symbols

    list(scan(contexts, (64, 128), 700, counting))
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == 64 * 128 * 3 - coarsest.size


def test_calibration_on_photos_saves_bits_on_them(model, tables, photo, portrait):
    photos = [photo[:128, :128], portrait[:128, :128], photo[64:, 128:]]
    frozen = calibrated_tables(model, photos, count=3)
    contexts = context_model(model)
    spent = {}
    for name, used in (("assumed", tables), ("calibrated", frozen.tables)):
        cost = used.cost_matrix(-REACH, REACH)
        bits = 0.0
        for image in photos:
            prepared = [(*picture_bands(image, model.levels), 800)]
            bits += (count_symbols(contexts, used, prepared) * cost[:SCALE_INDEXES])[1:].sum()
        spent[name] = bits
    assert spent["calibrated"] < 0.97 * spent["assumed"]


def test_calibration_is_repeatable_and_the_digest_tells_tables_apart(model, tables, photo):
    # A photo smaller than one sample of the coarsest band is passed over.
    photos = [photo[:64, :64], photo[:63, :200]]
    one, other = (calibrated_tables(model, photos, seed=3) for _ in range(2))
    assert one.digest == other.digest and len(one.digest) == 4
    assert one.digest != FrozenTables.of(one.contexts, tables).digest
