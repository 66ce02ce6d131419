# SPDX-License-Identifier: Apache-2.0
"""The portable range coder alone, and against TensorFlow Compression's ops."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_tfc.coding.range_coder import PortableCoder
from gan_tfc.coding.tables import CodingTables
from gan_tfc.entropy_models.tfc_coder import TFCCoder, make_coder
from gan_tfc.errors import CorruptStreamError, GanTfcError

seeds = st.integers(0, 2**32 - 1)
ESCAPE_ONLY, BIT = 0, 1
BITS = CodingTables([[-1, 0, 2], [1, 0, 1, 2]], [0, 0])
HANGS_TFC = CodingTables([[-1, 0, 1, 2]], [0])


def random_tables(rng, rows=6, escape=None):
    """Rows of every shape: all precisions, 1 to 2^P counts, counts of one beside huge ones."""
    cdf = []
    for _ in range(rows):
        precision = int(rng.choice([1, 2, 5, 8, 12, 15, 16]))
        inner = rng.choice(2**precision - 1, min(2**precision - 1, int(rng.integers(0, 40))), False)
        header = -precision if escape or (escape is None and rng.random() < 0.7) else precision
        row = [header, 0, *np.sort(inner + 1), 2**precision]
        # The format forbids few headers after some rows; see CodingTables.
        cdf.append([-row[0], *row[1:]] if cdf and row[0] == cdf[-1][-1] else row)
    return CodingTables(cdf, rng.integers(-50, 50, rows))


def random_symbols(rng, tables, count, escapes=0.02):
    """Rows, and integers that they can code; some escape, up to where the code ends."""
    rows = rng.integers(0, len(tables), count)
    end = tables.escape_index()[rows]
    index = rng.integers(0, np.maximum(end, 1))
    far = rng.integers(-(2**29), 2**29, count) >> rng.integers(0, 30, count)
    has_escape = np.array([row[0] < 0 for row in tables.cdf])[rows]
    index = np.where(has_escape & ((rng.random(count) < escapes) | (end == 0)), far, index)
    return (index + tables.offset[rows]).astype(np.int32), rows.astype(np.int32)


def encode(coder, symbols, rows):
    encoder = coder.encoder()
    encoder.encode(symbols, rows)
    return encoder.finish()


def carry_cases(rng, tables, length):
    """Symbols that keep the coder's interval astride one 16-bit word for `length` symbols.

    They are what a short message decodes to: the intervals then close in on its last word
    followed by zeros, from both sides. Whatever comes last decides between 0x00.. and 0xFF...
    """
    rows = rng.integers(0, len(tables), length).astype(np.int32)
    word = rng.integers(0, 256, 2, dtype=np.uint8).tobytes()
    symbols = PortableCoder(tables).decoder(b"\x55" + word).decode(rows)
    yield symbols, rows
    last = int(rng.integers(0, len(tables)))
    for index in range(int(tables.escape_index()[last])):
        yield np.append(symbols, index + tables.offset[last]), np.append(rows, last)


def exact_start_of_escape(rng, tables):
    """A message equal to the very start of an escape's interval, with the rows before it."""
    symbols, rows = random_symbols(rng, tables, int(rng.integers(0, 40)))
    encoder = PortableCoder(tables).encoder()
    encoder.encode(symbols, rows)
    row = int(rng.integers(0, len(tables)))
    # The escape without a gamma code: only the encoder's inside can write that.
    scaled = tables.cdf[row][-2:].astype(int) << (16 - abs(int(tables.cdf[row][0])))
    encoder._narrow([int(scaled[0])], [int(scaled[1])])
    encoder._carry()
    data = np.array(encoder._words, ">u2").tobytes() + encoder._base.to_bytes(4, "big")
    return data, np.append(rows, np.full(50, row)).astype(np.int32)


def finishes(function, seconds=60):
    """Runs `function` in a thread, because a C++ op that hangs cannot be interrupted."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except CorruptStreamError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, "the decoder hangs or raised something else than CorruptStreamError"
    return outcome[0]


@given(seeds)
def test_what_was_encoded_is_decoded(seed):
    rng = np.random.default_rng(seed)
    coder = PortableCoder(random_tables(rng))
    symbols, rows = random_symbols(rng, coder.tables, 300)
    decoded = coder.decoder(encode(coder, symbols, rows)).decode(rows)
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, symbols)


@given(seeds)
def test_calls_may_be_split_and_shaped_anyhow(seed):
    rng = np.random.default_rng(seed)
    coder = PortableCoder(random_tables(rng))
    symbols, rows = random_symbols(rng, coder.tables, 240)
    encoder = coder.encoder()
    cut = int(rng.integers(0, 240))
    encoder.encode(symbols[:cut], rows[:cut])
    encoder.encode(symbols[cut:], rows[cut:])
    data = encoder.finish()
    assert data == encode(coder, symbols.reshape(4, 6, 10), rows.reshape(4, 6, 10))
    decoder = coder.decoder(data)
    first, second = decoder.decode(rows[:120].reshape(12, 10)), decoder.decode(rows[120:])
    assert first.shape == (12, 10)
    np.testing.assert_array_equal(np.append(first, second), symbols)


def test_no_symbols_make_no_bytes():
    coder = PortableCoder(BITS)
    nothing = np.zeros((0, 3), np.int32)
    assert encode(coder, nothing, nothing) == coder.encoder().finish() == b""
    assert coder.decoder(b"").decode(nothing).shape == (0, 3)


@pytest.mark.parametrize(
    "bits, data",
    [
        ([0] * 40, b"\0\0\0\0"),  # base 0 at the end: the rest is implied
        ([1], b"\x80"),
        ([0] * 15 + [1] * 2, b"\x00\x01\x80"),  # the next multiple of 2^24 is inside
        ([0] * 15 + [1] * 9 + [0] * 7 + [1], b"\x00\x01\xff\x01"),  # only one of 2^16 is
    ],
)
def test_streams_end_as_the_format_says(bits, data):
    rows = np.full(len(bits), BIT)
    assert encode(PortableCoder(BITS), np.array(bits), rows) == data


def test_the_example_of_the_specification_holds():
    coder = PortableCoder(CodingTables([[-3, 0, 1, 6, 8]], [-1]))
    symbols, rows = np.array([0, -1, 5, -4]), np.zeros(4, int)
    assert encode(coder, symbols, rows) == bytes.fromhex("2F D9 30")
    np.testing.assert_array_equal(coder.decoder(bytes.fromhex("2F D9 30")).decode(rows), symbols)


def test_carries_run_through_many_bytes(rng):
    zeros = ones = 0
    for _ in range(20):
        tables = random_tables(rng, escape=False)
        for symbols, rows in carry_cases(rng, tables, 400):
            coder = PortableCoder(tables)
            data = encode(coder, symbols, rows)
            np.testing.assert_array_equal(coder.decoder(data).decode(rows), symbols)
            zeros += bytes(100) in data
            ones += b"\xff" * 100 in data
    assert zeros and ones, "the cases do not do what they are made for"


@pytest.mark.parametrize("index", [2**30 - 1, -(2**30 - 1), 2**29, -(2**29), 0, -1])
def test_escapes_reach_as_far_as_their_code(index):
    symbols = np.array([index if index < 0 else max(index - 1, 0)])
    coder, row = PortableCoder(BITS), np.array([ESCAPE_ONLY])
    np.testing.assert_array_equal(coder.decoder(encode(coder, symbols, row)).decode(row), symbols)


@pytest.mark.parametrize("symbol, row", [(2**30, 0), (-(2**30), 0), (2, 1), (-1, 1)])
def test_an_integer_that_its_row_cannot_code_is_refused_and_leaves_no_trace(symbol, row):
    encoder = PortableCoder(BITS).encoder()
    with pytest.raises(GanTfcError, match="cannot code the integer"):
        encoder.encode([0, symbol], [1, row])
    assert encoder.finish() == b""


@pytest.mark.parametrize("rows", [[2], [-1], [0.0]])
def test_a_row_that_is_not_there_is_refused(rows):
    with pytest.raises(GanTfcError, match="Row indexes must be"):
        PortableCoder(BITS).encoder().encode([0], rows)
    with pytest.raises(GanTfcError, match="Row indexes must be"):
        PortableCoder(BITS).decoder(b"").decode(rows)


@pytest.mark.parametrize("symbols", [[0.5, 1.0], [0], [0, 1, 0]])
def test_symbols_that_are_no_integers_or_do_not_match_the_rows_are_refused(symbols):
    with pytest.raises(GanTfcError, match="Expected 2 integers"):
        PortableCoder(BITS).encoder().encode(symbols, [1, 1])


@pytest.mark.parametrize("zeros, valid", [(29, True), (30, False), (31, False), (5000, False)])
def test_an_escape_code_longer_than_any_encoder_writes_is_corrupt(zeros, valid):
    bits = np.array([0] * zeros + [1] * (zeros + 2))
    coder = PortableCoder(BITS)
    decoder = coder.decoder(encode(coder, bits, np.full(len(bits), BIT)))
    if valid:
        assert decoder.decode(np.array([ESCAPE_ONLY])) == -(2**30 - 1)
    else:
        with pytest.raises(CorruptStreamError, match="escape code"):
            decoder.decode(np.array([ESCAPE_ONLY]))


@given(st.binary(max_size=60), seeds)
def test_arbitrary_bytes_decode_or_are_corrupt(data, seed):
    rng = np.random.default_rng(seed)
    decoder = PortableCoder(random_tables(rng)).decoder(data)
    try:
        assert decoder.decode(rng.integers(0, 6, 500)).shape == (500,)
    except CorruptStreamError:
        pass


@given(seeds)
def test_streams_are_within_a_half_per_cent_of_the_ideal_cost(seed):
    rng = np.random.default_rng(seed)
    coder = PortableCoder(random_tables(rng))
    rows = rng.integers(0, 6, 2000)
    # Uniform messages make each symbol as frequent as its row says.
    symbols = coder.decoder(rng.bytes(8000)).decode(rows)
    symbols, rows = symbols[np.abs(symbols) < 2**11], rows[np.abs(symbols) < 2**11]
    ideal = coder.tables.cost_matrix(-(2**11), 2**11)[rows, symbols + 2**11].sum(dtype=np.float64)
    bits = 8 * len(encode(coder, symbols, rows))
    # 16 bits end a stream; half a per cent is what rounding of small intervals may cost.
    assert ideal - 16 <= bits <= 1.005 * ideal + 16


def test_make_coder_gives_the_engine_asked_for():
    assert isinstance(make_coder(BITS, "portable"), PortableCoder)
    with pytest.raises(GanTfcError, match="'auto', 'tfc' or 'portable'"):
        make_coder(BITS, "fast")


def test_the_portable_coder_stands_in_where_the_ops_are_missing(monkeypatch):
    monkeypatch.setattr("gan_tfc.entropy_models.tfc_coder._OPS", "no_such_ops")
    assert isinstance(make_coder(BITS), PortableCoder)
    with pytest.raises(GanTfcError, match="engine='portable'"):
        make_coder(BITS, "tfc")


@pytest.mark.tfc
def test_auto_takes_the_ops_where_they_are():
    assert isinstance(make_coder(BITS), TFCCoder)


@pytest.mark.tfc
@given(seeds)
def test_both_coders_write_the_same_bytes_and_read_each_other(seed):
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    portable, fast = PortableCoder(tables), TFCCoder(tables)
    symbols, rows = random_symbols(rng, tables, 300, escapes=rng.choice([0, 0.01, 0.5]))
    data = encode(portable, symbols, rows)
    assert encode(fast, symbols, rows) == data
    np.testing.assert_array_equal(portable.decoder(data).decode(rows), symbols)
    decoder = fast.decoder(data)
    np.testing.assert_array_equal(decoder.decode(rows.reshape(20, 15)), symbols.reshape(20, 15))
    assert decoder._portable is None, "the guard takes a good stream for a bad one"


@pytest.mark.tfc
def test_both_coders_agree_on_long_carries(rng):
    restarts = 0
    for _ in range(20):
        tables = random_tables(rng, escape=False)
        portable, fast = PortableCoder(tables), TFCCoder(tables)
        for symbols, rows in carry_cases(rng, tables, 2000):
            data = encode(portable, symbols, rows)
            assert encode(fast, symbols, rows) == data
            decoder = fast.decoder(data)
            np.testing.assert_array_equal(decoder.decode(rows), symbols)
            restarts += decoder._portable is not None
    assert restarts, "no case ends inside a carry longer than the guard's slack"


@pytest.mark.tfc
def test_the_guard_holds_over_many_chunks(rng):
    tables = random_tables(rng)
    fast = TFCCoder(tables)
    symbols, rows = random_symbols(rng, tables, 100_000)
    data = encode(fast, symbols, rows)
    decoder = fast.decoder(data)
    np.testing.assert_array_equal(decoder.decode(rows), symbols)
    assert decoder._portable is None
    # Read on past the end: from some symbol on the portable decoder takes over.
    more = rows[:20_000]
    portable = PortableCoder(tables).decoder(data)
    portable.decode(rows)
    try:
        expected = portable.decode(more)
    except CorruptStreamError:
        with pytest.raises(CorruptStreamError):
            decoder.decode(more)
    else:
        np.testing.assert_array_equal(decoder.decode(more), expected)


@pytest.mark.tfc
@given(st.binary(max_size=60), seeds)
def test_both_decoders_agree_on_arbitrary_bytes(data, seed):
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    rows = rng.integers(0, 6, 500)
    outcome = finishes(lambda: TFCCoder(tables).decoder(data).decode(rows))
    try:
        expected = PortableCoder(tables).decoder(data).decode(rows)
    except CorruptStreamError:
        return  # the ops may take an overlong escape for some integer
    np.testing.assert_array_equal(outcome, expected)


@pytest.mark.tfc
@pytest.mark.parametrize("data", [b"\x80", b"\xc0", b"\x80" + bytes(3000), b"\xff" * 300])
def test_streams_on_which_the_ops_never_return_end(data):
    finishes(lambda: TFCCoder(HANGS_TFC).decoder(data).decode(np.zeros(40_000, np.int32)))


@pytest.mark.tfc
def test_messages_at_the_start_of_an_escape_end(rng):
    for _ in range(100):
        tables = random_tables(rng, escape=True)
        data, rows = exact_start_of_escape(rng, tables)
        with pytest.raises(CorruptStreamError):
            PortableCoder(tables).decoder(data).decode(rows)
        finishes(lambda t=tables, d=data, r=rows: TFCCoder(t).decoder(d).decode(r))
