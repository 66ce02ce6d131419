# SPDX-License-Identifier: Apache-2.0
"""`codec.bin`: what every other language reads."""

import zlib

import numpy as np
import pytest

from gan_tfc.coding.codec_file import read_codec_file, write_codec_file
from gan_tfc.errors import PresetError


@pytest.fixture(scope="module")
def data(tiny_codec):
    return write_codec_file("tiny", 7, tiny_codec.frozen)


def with_crc(data):
    return bytes(data[:-4]) + zlib.crc32(data[:-4]).to_bytes(4, "little")


def test_what_was_written_is_read_back(data, tiny_codec):
    name, version, frozen = read_codec_file(data)
    assert (name, version, frozen.digest) == ("tiny", 7, tiny_codec.frozen.digest)
    before, after = tiny_codec.frozen.arrays(), frozen.arrays()
    assert before.keys() == after.keys()
    for key, array in before.items():
        np.testing.assert_array_equal(after[key], array)


def test_fields_stand_where_the_specification_says(data, tiny_codec):
    assert data[:8] == b"GTCB\x01\x06\x04\x00"
    assert data[8:12] == tiny_codec.frozen.digest
    assert int.from_bytes(data[12:16], "little") == 7
    assert int.from_bytes(data[16:20], "little") == 85
    assert list(data[20:29]) == [0, 1, 1, 1, 0, 0, 0, 1, 1]
    assert data[32:64] == b"tiny".ljust(32, b"\0")
    assert list(data[64:76]) == [4] * 6 + [0] * 6
    row = data[80:88]
    assert int.from_bytes(row[:4], "little", signed=True) == tiny_codec.frozen.tables.offset[0]
    assert int.from_bytes(row[4:6], "little") == len(tiny_codec.frozen.tables.cdf[0]) - 2
    assert np.int8(np.uint8(row[6])) == tiny_codec.frozen.tables.cdf[0][0]
    bias = np.frombuffer(data, "<i4", 4, 80 + 8 * 85)
    np.testing.assert_array_equal(bias, tiny_codec.frozen.contexts.networks[0].weights["trunk_in/bias"])
    assert len(data) % 4 == 0


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda d: b"PK\3\4" + d[4:], "begins with GTCB, received .* begin with 50 4b 03 04"),
        (lambda d: b"", "begin with nothing"),
        (lambda d: d[:4] + b"\2" + d[5:], "format version 1, this one has 2"),
        (lambda d: d[:200] + bytes([d[200] ^ 1]) + d[201:], "damaged .CRC-32"),
        (lambda d: d[:-1], "damaged"),
        (lambda d: with_crc(d[:-400] + bytes(4)), "Expected at least .* bytes"),
        (lambda d: with_crc(d[:-4] + bytes(8)), "Expected .* bytes in codec.bin, received"),
        (lambda d: with_crc(d[:20] + b"\2" + d[21:]), "phases 0 or 1"),
        (lambda d: with_crc(d[:6] + b"\0" + d[7:]), "phases 0 or 1 and a name"),
        (lambda d: with_crc(d[:16] + b"\1\0\0\0" + d[20:]), "85 rows"),
        (lambda d: with_crc(d[:64] + b"\0" + d[65:]), "1 to 12 networks"),
        (lambda d: with_crc(d[:8] + bytes(4) + d[12:]), "tables of digest 00000000"),
    ],
)
def test_damage_is_one_sentence(data, change, sentence):
    with pytest.raises(PresetError, match=sentence) as caught:
        read_codec_file(change(data))
    assert "\n" not in str(caught.value)


def test_random_damage_with_a_repaired_crc_never_escapes_as_another_error(data, rng):
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(4, len(data) - 4, 3):
            changed[at] = rng.integers(256)
        try:
            read_codec_file(with_crc(changed))
        except PresetError:
            refused += 1
    assert refused > 280  # the digest tells of all that changes what is coded
