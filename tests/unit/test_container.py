# SPDX-License-Identifier: Apache-2.0
"""The `.gtc` container does what its module docstring says."""

import binascii
import dataclasses
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_tfc.coding import container
from gan_tfc.errors import (
    CorruptStreamError,
    GanTfcError,
    StreamTooLargeError,
    TruncatedStreamError,
)

SECTIONS = [b"coarse", b"", b"finer" * 40, b"finest" * 100]
FIELDS = {
    "preset": "photo_mobile",
    "preset_version": 1,
    "tables_digest": b"\x01\x02\x03\x04",
    "width": 768,
    "height": 512,
    "step_code": 1234,
}


def stream(**changes):
    return container.pack(**{**FIELDS, "sections": SECTIONS, **changes})


def test_the_example_in_the_specification_is_what_pack_writes():
    hex_line = re.search(r"^ +(47 54 43 .*)$", container.__doc__, re.MULTILINE).group(1)
    packed = container.pack("a", 1, b"\x01\x02\x03\x04", 5, 3, 9, [b"xy", b""])
    assert packed == bytes.fromhex(hex_line)


def test_the_check_values_in_the_specification_are_those_of_the_two_crcs():
    assert f"0x{binascii.crc_hqx(b'123456789', 0xFFFF):04X}" in container.__doc__
    assert f"0x{zlib.crc32(b'123456789'):08X}" in container.__doc__


def test_every_field_and_section_comes_back():
    header, sections = container.unpack(stream())
    lengths = tuple(len(section) for section in SECTIONS)
    assert header == container.Header(**FIELDS, section_lengths=lengths)
    assert sections == SECTIONS


@given(
    preset=st.from_regex(r"[a-z_][a-z0-9_]{0,31}", fullmatch=True),
    preset_version=st.integers(1, 2**32 - 1),
    tables_digest=st.binary(min_size=4, max_size=4),
    width=st.integers(1, 2**16),
    height=st.integers(1, 2**12),
    step_code=st.integers(0, 2**16 - 1),
    sections=st.lists(st.binary(max_size=200), min_size=1, max_size=16),
)
def test_any_valid_fields_come_back(sections, **fields):
    data = container.pack(**fields, sections=sections)
    header, payloads = container.unpack(data)
    lengths = tuple(len(section) for section in sections)
    assert header == container.Header(**fields, section_lengths=lengths)
    assert payloads == sections
    assert header.header_bytes + sum(lengths) + 4 == header.stream_bytes == len(data)
    assert header.header_bytes <= container.MAX_HEADER_BYTES


def test_overhead_is_48_bytes_at_most_for_photo_mobile():
    # Section lengths just below 100 kB, the longest that the promise names.
    sections = [b"\0" * 99_999] * 4
    assert len(stream(sections=sections)) - 4 * 99_999 <= 48


def test_overhead_is_43_bytes_for_a_256_pixel_picture_at_a_tenth_of_a_bit():
    # About 819 bytes: three sections above 127 bytes (two length bytes each), one below.
    sections = [b"\0" * size for size in (60, 160, 250, 308)]
    data = stream(width=256, height=256, sections=sections)
    assert len(data) - sum(map(len, sections)) == 43


def test_the_header_can_be_read_from_its_own_bytes_alone():
    data = stream()
    header, start = container.parse_header(data)
    assert start == header.header_bytes
    assert container.parse_header(data[:start]) == (header, start)
    with pytest.raises(TruncatedStreamError, match=f"at least {start} bytes"):
        container.parse_header(data[: start - 1])


@pytest.mark.parametrize("count", range(len(SECTIONS) + 1))
def test_the_first_sections_need_only_their_prefix(count):
    data = stream()
    header, _ = container.parse_header(data)
    length = container.prefix_length(header, count)
    assert length == header.header_bytes + sum(len(section) for section in SECTIONS[:count])
    assert container.unpack_prefix(data[:length], count) == (header, SECTIONS[:count])
    assert container.unpack_prefix(data, count) == (header, SECTIONS[:count])


def test_one_byte_less_than_the_prefix_is_refused():
    data = stream()
    length = container.prefix_length(container.parse_header(data)[0], 3)
    with pytest.raises(TruncatedStreamError, match=rf"{length} bytes, but only {length - 1} came"):
        container.unpack_prefix(data[: length - 1], 3)


@pytest.mark.parametrize("count", [-1, 5])
def test_sections_that_do_not_exist_cannot_be_asked_for(count):
    with pytest.raises(GanTfcError, match="has 4 sections"):
        container.unpack_prefix(stream(), count)


def test_a_prefix_is_read_although_the_rest_is_damaged():
    data = bytearray(stream())
    data[-10] ^= 1
    assert container.unpack_prefix(data, 2)[1] == SECTIONS[:2]
    with pytest.raises(CorruptStreamError, match="CRC-32"):
        container.unpack(data)


def test_any_bytes_like_object_is_accepted():
    data = stream()
    expected = container.unpack(data)
    strided = memoryview(bytes(byte for pair in zip(data, data, strict=True) for byte in pair))[::2]
    for same in (bytearray(data), memoryview(data), memoryview(data).cast("c"), strided):
        assert container.unpack(same) == expected


def test_a_path_is_refused_with_the_call_that_reads_it(tmp_path):
    for path in ("photo.gtc", tmp_path / "photo.gtc"):
        with pytest.raises(GanTfcError, match=r"photo\.gtc'.*open\(path, 'rb'\)\.read\(\)"):
            container.unpack(path)


@pytest.mark.parametrize("other", [None, 17, [71, 84, 67], 1.5])
def test_what_is_not_bytes_is_refused_by_its_type(other):
    with pytest.raises(GanTfcError, match=type(other).__name__):
        container.parse_header(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": ""}, "preset name"),
        ({"preset": "a" * 33}, "preset name"),
        ({"preset": "9lives"}, "preset name"),
        ({"preset": "Photo"}, "preset name"),
        ({"preset": "photo-mobile"}, "preset name"),
        ({"preset": "foto_größe"}, "preset name"),
        ({"preset": "photo\n"}, "preset name"),
        ({"preset_version": 0}, "preset version"),
        ({"preset_version": 2**32}, "preset version"),
        ({"tables_digest": b"123"}, "digest has 4 bytes, but 3 came"),
        ({"tables_digest": 4}, "int"),
        ({"width": 0}, "0 x 512"),
        ({"height": -1}, "768 x -1"),
        ({"step_code": -1}, "step code"),
        ({"step_code": 65536}, "step code"),
        ({"sections": []}, "1 to 16 sections, but 0"),
        ({"sections": [b""] * 17}, "1 to 16 sections, but 17"),
    ],
)
def test_a_field_out_of_its_range_is_not_written(change, words):
    with pytest.raises(GanTfcError, match=words):
        stream(**change)


@pytest.mark.parametrize(("width", "height"), [(65537, 1), (1, 65537), (16385, 16384)])
def test_a_picture_that_is_too_large_is_not_written(width, height):
    with pytest.raises(StreamTooLargeError, match=f"{width} x {height}"):
        stream(width=width, height=height)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (65536, 4096), (1, 65536), (16384, 16384)])
def test_the_smallest_and_the_largest_pictures_are_written(width, height):
    header, _ = container.unpack(stream(width=width, height=height))
    assert (header.width, header.height) == (width, height)


def test_a_header_cannot_be_changed_by_accident():
    header, _ = container.parse_header(stream())
    with pytest.raises(dataclasses.FrozenInstanceError):
        header.width = 1
