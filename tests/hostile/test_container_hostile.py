# SPDX-License-Identifier: Apache-2.0
"""No bytes whatsoever make the container reader raise anything but a clear error of its own."""

import binascii
import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gan_tfc.coding import container
from gan_tfc.errors import (
    CorruptStreamError,
    NotAStreamError,
    StreamError,
    StreamTooLargeError,
    TruncatedStreamError,
    UnsupportedFormatError,
)

DATA = container.pack("photo_mobile", 1, b"\xde\xad\xbe\xef", 768, 512, 77, [b"ab" * 9, b"", b"c"])
HEADER_BYTES = container.parse_header(DATA)[1]


def forged(
    start=b"GTC\x01\x00",
    name_length=b"\x05",
    name=b"photo",
    version=b"\x01",
    width=b"\x05",
    height=b"\x03",
    count=b"\x01",
    lengths=b"\x02",
    payload=b"xy",
):
    """A stream with both checksums right, whatever its fields say."""
    fields = start + name_length + name + version + b"\1\2\3\4" + width + height + b"\0\x09"
    fields += count + lengths
    body = fields + binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big") + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


def test_the_forged_stream_is_valid_until_a_field_is_changed():
    header, sections = container.unpack(forged())
    assert (header.preset, header.width, header.height, sections) == ("photo", 5, 3, [b"xy"])


@pytest.mark.parametrize("length", range(1, len(DATA)))
def test_a_stream_truncated_at_any_byte_is_refused_as_truncated(length):
    with pytest.raises(TruncatedStreamError, match=rf"only {length} came"):
        container.unpack(DATA[:length])


def test_a_truncated_payload_is_told_with_both_byte_counts():
    with pytest.raises(TruncatedStreamError, match=rf"{len(DATA)} bytes .* only {len(DATA) - 1} "):
        container.unpack(DATA[:-1])


@pytest.mark.parametrize("bit", range(8 * len(DATA)))
def test_any_single_flipped_bit_is_found(bit):
    damaged = bytearray(DATA)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StreamError):
        container.unpack(damaged)


@pytest.mark.parametrize("bit", range(8 * HEADER_BYTES))
def test_any_single_flipped_bit_of_the_header_is_found_without_the_payload(bit):
    damaged = bytearray(DATA[: HEADER_BYTES + 8])
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StreamError):
        container.parse_header(damaged)


def test_trailing_bytes_are_refused():
    with pytest.raises(CorruptStreamError, match=f"is {len(DATA)} bytes long, but {len(DATA) + 1} came"):
        container.unpack(DATA + b"\0")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no data at all"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG file came: pictures go to `compress`"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG file"),
        (b"RIFF\x0a\x0a\x0a\x0aWEBPVP8 ", "WebP file"),
        (b"GIF89a", "GIF file"),
        (b"\0\0\0\x20ftypavif", "AVIF file"),
        (b"\0\0\0\x18ftypheic", "HEIF file"),
        (b"II*\0", "TIFF file"),
        (b"hello, world", "68 65 6c 6c"),
        (b"gtc\x01", "67 74 63 01"),
        (b"RIFF\0\0\0\0WAVE", "52 49 46 46"),
    ],
)
def test_what_is_no_stream_is_named(data, words):
    with pytest.raises(NotAStreamError, match=words):
        container.unpack(data)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_an_unknown_format_version_asks_for_a_newer_reader(version):
    with pytest.raises(UnsupportedFormatError, match=f"version {version} .*install a newer"):
        container.unpack(forged(start=b"GTC" + bytes([version, 0])))


@pytest.mark.parametrize("flags", [1, 128])
def test_unknown_flags_are_refused(flags):
    with pytest.raises(UnsupportedFormatError, match=f"flags {flags}:"):
        container.unpack(forged(start=b"GTC\x01" + bytes([flags])))


@pytest.mark.parametrize(
    "sides",
    [
        {"width": b"\x80\x80\x80\x80\x08"},  # 2^31
        {"height": b"\xff\xff\xff\xff\x0f"},  # 2^32 - 1
        {"width": b"\x81\x80\x04"},  # 65537
        {"width": b"\x80\x80\x04", "height": b"\x81\x20"},  # 65536 x 4097
    ],
)
def test_a_hostile_size_is_refused_before_anything_is_allocated(sides):
    data = forged(**sides)
    tracemalloc.start()
    try:
        with pytest.raises(StreamTooLargeError):
            container.unpack(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # One row of the smallest of these pictures alone is 65537 * 3 bytes; the reader needs a few kB.
    assert peak < 100_000


@pytest.mark.parametrize("count", [1, 16])
def test_section_lengths_beyond_the_data_allocate_nothing(count):
    data = forged(count=bytes([count]), lengths=b"\xff\xff\xff\xff\x0f" * count)
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedStreamError, match=f"is {count * (2**32 - 1) + len(data) - 2}"):
            container.unpack(data)
        with pytest.raises(TruncatedStreamError):
            container.unpack_prefix(data, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # the lengths claim 4 to 64 GiB


@pytest.mark.parametrize("field", ["version", "width", "height", "lengths"])
@pytest.mark.parametrize(
    "number",
    [
        b"\x80\x80\x80\x80\x10",  # 2^32
        b"\xff\xff\xff\xff\x7f",  # 2^35 - 1
        b"\x80\x80\x80\x80\x80\x01",  # six bytes
        b"\xff" * 60,
        b"\x85\x00",  # 5, one byte too long
        b"\x80\x00",  # 0, one byte too long
    ],
)
def test_a_number_that_is_not_the_shortest_or_too_large_is_refused(field, number):
    with pytest.raises(CorruptStreamError, match="LEB128"):
        container.unpack(forged(**{field: number}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name_length": b"\0", "name": b""}, "name length is 1 to 32, but 0"),
        ({"name_length": b"\x21", "name": b"a" * 33}, "name length is 1 to 32, but 33"),
        ({"name": b"Photo"}, "preset name"),
        ({"name": b"9hoto"}, "preset name"),
        ({"name": b"../.."}, "preset name"),
        ({"name": b"ph\0to"}, "preset name"),
        ({"name": b"phot\n"}, "preset name"),
        ({"name": b"phot\xe9"}, "preset name"),
        ({"version": b"\0"}, "preset version"),
        ({"width": b"\0"}, "0 x 3"),
        ({"height": b"\0"}, "5 x 0"),
        ({"count": b"\0", "lengths": b"", "payload": b""}, "section count is 1 to 16, but 0"),
        ({"count": b"\x11", "lengths": b"\0" * 17, "payload": b""}, "section count .* but 17"),
    ],
)
def test_a_field_out_of_its_range_is_refused_although_both_checksums_are_right(change, words):
    with pytest.raises(CorruptStreamError, match=words):
        container.unpack(forged(**change))


def test_damage_to_the_width_is_reported_as_damage_not_as_a_large_picture():
    damaged = bytearray(DATA)
    position = DATA.index(b"\xde\xad\xbe\xef") + 4
    damaged[position : position + 2] = b"\xff\xff\x7f"
    with pytest.raises(CorruptStreamError, match="CRC-16"):
        container.unpack(damaged)


@given(st.binary(max_size=200))
@example(b"GTC")
def test_random_bytes_raise_only_stream_errors(noise):
    for data in (noise, b"GTC\x01\x00" + noise, DATA[:20] + noise):
        with pytest.raises(StreamError):
            container.unpack(data)
