# SPDX-License-Identifier: Apache-2.0
"""The order of symbols: what the encoder wrote is what the decoder reads, each latent once."""

import numpy as np
import pytest
from helpers import PHASE, logistic_tables, random_model

from gan_tfc.coding import contexts, lifting, steps, strips
from gan_tfc.coding.integer_network import SCALE_INDEXES
from gan_tfc.coding.passes import DecodingSource, EncodingSource
from gan_tfc.coding.quantiser import Quantiser
from gan_tfc.coding.range_coder import PortableCoder
from gan_tfc.coding.scan import COARSEST, SECTIONS, TABLE_ROWS, coarsest_rows, scan, section_of

LEVELS = 3


@pytest.fixture(scope="module")
def tables():
    tables = logistic_tables()
    assert len(tables) == TABLE_ROWS
    return tables


@pytest.fixture(scope="module")
def model():
    return random_model(np.random.default_rng(5), LEVELS, features=24)


def smooth_image(rng, height, width):
    """Noise of all scales, uint8 `(height, width, 3)`."""
    image = np.zeros((height, width, 3))
    for size in (1, 4, 16):
        coarse = rng.normal(0, 20, (-(-height // size), -(-width // size), 3))
        image += coarse.repeat(size, 0).repeat(size, 1)[:height, :width]
    return np.clip(image + 128, 0, 255).astype(np.uint8)


class Spy:
    """Passes on what a source gives and keeps a copy of all it saw.

    A pass may come in several calls, top to bottom: `calls` has them joined.
    """

    def __init__(self, source):
        self.source, self.calls = source, []

    def __call__(self, level, places, rows, means):
        symbols = self.source(level, places, rows, means)
        seen = tuple(x.copy() for x in (places, rows, means, symbols))
        if self.calls and self.calls[-1][0] == level and self.calls[-1][1][-1] < places[0]:
            before = self.calls.pop()[1:]
            seen = tuple(np.concatenate(pair) for pair in zip(before, seen, strict=True))
        self.calls.append((level, *seen))
        return symbols


def encode(model, tables, image, code):
    coarsest, details = lifting.picture_bands(image, LEVELS)
    source = EncodingSource(coarsest, details, code, Quantiser(tables), PortableCoder(tables))
    spy = Spy(source)
    shape = lifting.padded_shape(*image.shape[:2], LEVELS)
    found = list(scan(model, shape, code, spy))
    return found, spy.calls, source.finish()


@pytest.mark.parametrize("code", [150, 900, 1752])
@pytest.mark.parametrize("size", [(1, 1), (1, 17), (23, 2), (40, 24), (33, 50)])
def test_the_decoder_sees_exactly_what_the_encoder_coded(model, tables, rng, size, code):
    written, encoder_calls, sections = encode(model, tables, smooth_image(rng, *size), code)
    assert len(sections) == SECTIONS
    spy = Spy(DecodingSource(sections, PortableCoder(tables)))
    read = list(scan(model, lifting.padded_shape(*size, LEVELS), code, spy))
    assert len(spy.calls) == len(encoder_calls) == 1 + 2 * LEVELS
    for one, other in zip(encoder_calls, spy.calls, strict=True):
        assert one[0] == other[0]
        for ours, theirs in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for one, other in zip(written, read, strict=True):
        assert one.level == other.level
        np.testing.assert_array_equal(one.picture, other.picture)
        if one.values is not None:
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.scales, other.scales)


def test_a_prefix_of_the_sections_gives_the_same_coarse_pictures(model, tables, rng):
    written, _, sections = encode(model, tables, smooth_image(rng, 32, 48), 600)
    for count in range(1, SECTIONS + 1):
        source = DecodingSource(sections[:count], PortableCoder(tables))
        decoding = scan(model, (32, 48), 600, source)
        last = max(section_of(level) for level in (COARSEST, *range(LEVELS)))
        for expected in written:
            if section_of(expected.level) >= count:
                break
            np.testing.assert_array_equal(next(decoding).picture, expected.picture)
        assert count > last or section_of(expected.level) == count


def test_each_latent_is_coded_exactly_once(model, tables, rng):
    _, calls, _ = encode(model, tables, smooth_image(rng, 40, 24), 500)
    for level in range(LEVELS):
        passes = [places for at, places, *_ in calls if at == level]
        assert len(passes) == 2
        assert all((np.diff(places) > 0).all() for places in passes)
        everywhere = np.arange((20 >> level) * (12 >> level) * 9)
        np.testing.assert_array_equal(np.sort(np.concatenate(passes)), everywhere)
    assert [level for level, *_ in calls] == [COARSEST, 2, 2, 1, 1, 0, 0]


def test_rows_and_means_belong_to_their_places(model, tables, rng):
    found, calls, _ = encode(model, tables, smooth_image(rng, 16, 32), 700)
    finest = found[-1]
    rebuilt = np.zeros(finest.values.size, int)
    scales = np.zeros(finest.scales.size, int)
    for level, places, rows, means, symbols in calls:
        assert rows.shape == means.shape == symbols.shape == places.shape
        if level == 0:
            rebuilt[places] = 4 * symbols + means
            scales[places] = rows
    np.testing.assert_array_equal(rebuilt, finest.values.reshape(-1))
    np.testing.assert_array_equal(scales, finest.scales.reshape(-1))


@pytest.mark.parametrize("size", [(512, 48), (65 * 8, 8), (300, 24)])
def test_strips_and_threads_change_nothing(model, tables, rng, size, monkeypatch):
    """One strip on one thread, against many of them on eight."""
    image = smooth_image(rng, *size)
    found = []
    for cores, rows in ((1, 10**6), (8, 2), (3, 18)):
        monkeypatch.setattr(strips, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(strips, "_LEAST_ROWS", rows)
        strips._pool.cache_clear()
        found.append(encode(model, tables, image, 500))
    strips._pool.cache_clear()
    (reference, _, sections), *others = found
    for steps_, _, other_sections in others:
        assert other_sections == sections
        for one, other in zip(reference[1:], steps_[1:], strict=True):
            np.testing.assert_array_equal(one.picture, other.picture)
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.scales, other.scales)


def test_the_first_pass_is_blind_to_the_second(model, tables, rng):
    """Parameters of the first pass come from the coarser levels alone."""
    image = smooth_image(rng, 32, 32)
    _, calls, _ = encode(model, tables, image, 500)
    finest = [call for call in calls if call[0] == 0]
    coarsest, details = lifting.picture_bands(image, LEVELS)
    details[0] = details[0] + rng.normal(0, 0.3, details[0].shape).astype(np.float32)
    spy = Spy(EncodingSource(coarsest, details, 500, Quantiser(tables)))
    list(scan(model, (32, 32), 500, spy))
    other = [call for call in spy.calls if call[0] == 0]
    for index in (2, 3):
        np.testing.assert_array_equal(finest[0][index], other[0][index])
    assert (finest[1][2] != other[1][2]).any(), "the second pass should see the first"


def test_surely_zero_symbols_are_not_coded(model, tables, rng):
    class Recorder:
        """A coder that counts what it is given."""

        def __init__(self):
            self.rows = []

        def encoder(self):
            return self

        def encode(self, symbols, rows):
            assert symbols.shape == rows.shape
            self.rows.append(rows)

        def finish(self):
            return b""

    coder = Recorder()
    coarsest, details = lifting.picture_bands(smooth_image(rng, 64, 64), LEVELS)
    spy = Spy(EncodingSource(coarsest, details, 600, Quantiser(tables), coder))
    list(scan(model, (64, 64), 600, spy))
    coded = np.concatenate(coder.rows)
    assert coded.min() > 0
    skipped = 0
    for _, _, rows, _, symbols in spy.calls:
        assert (symbols[rows == 0] == 0).all()
        skipped += (rows == 0).sum()
    assert skipped > 100, "the test should meet some"
    assert coded.size + skipped == 64 * 64 * 3


def test_rows_of_the_coarsest_band_depend_on_octave_and_plane():
    seen = set()
    for code in range(0, steps.MAX_STEP_CODE + 1, 64):
        rows = coarsest_rows((2, 3, 3), code).reshape(2, 3, 3)
        octave = steps.coarsest_octave(code) - steps.MIN_OCTAVE
        assert (rows == SCALE_INDEXES + 3 * octave + np.arange(3)).all()
        seen |= set(rows.ravel().tolist())
    assert seen == set(range(SCALE_INDEXES, TABLE_ROWS))


def test_sections_hold_an_eighth_size_picture_and_then_one_level_each():
    assert [section_of(level) for level in (COARSEST, 6, 5, 4, 3, 2, 1, 0)] == [0] * 5 + [1, 2, 3]


@pytest.mark.parametrize("symbol", [2**30 - 1, -(2**30) + 1])
def test_hostile_symbols_neither_overflow_nor_leave_the_range(model, symbol):
    def source(level, places, rows, means):
        return np.full(rows.shape, symbol, np.int32)

    with np.errstate(all="raise"):
        found = list(scan(model, (32, 32), 0, source))
    for step in found[1:]:
        assert np.abs(step.picture).max() <= lifting.LIMIT
        assert np.abs(step.values).max() <= 4 * 2**17 + 127
    # Values next to the border of the range must not have wrapped around.
    assert np.sign(found[0].picture).min() == np.sign(symbol)


def test_alternating_hostile_symbols_give_contexts_in_range(model, rng, monkeypatch):
    seen = []
    original = contexts.context
    monkeypatch.setattr(contexts, "context", lambda *args: seen.append(original(*args)) or seen[-1])

    def source(level, places, rows, means):
        return rng.choice(np.array([-(2**30), 2**30 - 1], np.int32), rows.shape)

    list(scan(model, (32, 32), 2047, source))
    assert len(seen) == LEVELS
    for context in seen:
        assert np.abs(context).max() <= 127 and (context == np.rint(context)).all()


def test_phases_of_bands_reach_the_passes(model, tables, rng):
    _, calls, _ = encode(model, tables, smooth_image(rng, 16, 16), 500)
    first = calls[1][1]  # of the coarsest level, 2 x 2 positions
    assert np.isin(np.arange(9), first).tolist() == [bool(p) for p in PHASE]
    assert np.isin(np.arange(9, 18), first).tolist() == [not p for p in PHASE]
