# SPDX-License-Identifier: Apache-2.0
"""No bytes make decoding hang, take much memory, or raise anything but an error of our own."""

import binascii
import re
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.coding import container
from gan_tfc.coding.passes import least_bytes
from gan_tfc.coding.scan import scan, section_of
from gan_tfc.entropy_models.tfc_coder import make_coder

ENGINES = ["portable", pytest.param("tfc", marks=pytest.mark.tfc)]
LIMIT = 200_000_000  # bytes of NumPy arrays and Python objects

pytestmark = pytest.mark.usefixtures("tiny_zoo")


@pytest.fixture(scope="module")
def image():
    from skimage import data

    return data.coffee()[150:190, 200:248].copy()


@pytest.fixture(scope="module")
def stream(tiny_codec, image):
    return tiny_codec.compress(image, 40)


@pytest.fixture(scope="module", params=ENGINES)
def codec(request, tiny_codec, stream):
    tiny_codec.decompress(stream)  # compiles the synthesis network
    codec = Codec(tiny_codec.model, "tiny", 1, tiny_codec.frozen, request.param)
    codec._pixel_decoder = tiny_codec._pixel_decoder
    return codec


def forged(stream, sections=None, **fields):
    """The stream with other fields or payloads, and checksums that fit them."""
    header, payloads = container.unpack(stream)
    fields = {
        "preset": header.preset,
        "preset_version": header.preset_version,
        "tables_digest": header.tables_digest,
        "width": header.width,
        "height": header.height,
        "step_code": header.step_code,
    } | fields
    sections = payloads if sections is None else sections
    fields = container.Header(**fields, section_lengths=tuple(len(s) for s in sections))
    body = b"".join([container._serialise(fields), *sections])  # as `pack`, but without its checks
    return body + zlib.crc32(body).to_bytes(4, "big")


def outcome(codec, data):
    """The decoded picture, or the StreamError; any other error or warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return codec.decompress(data)
        except gan_tfc.StreamError as error:
            return error


def test_the_forgery_is_the_stream_itself_until_a_field_is_changed(stream):
    assert forged(stream) == stream


def test_a_stream_truncated_at_any_byte_is_refused(stream):
    for length in range(1, len(stream)):
        with pytest.raises(gan_tfc.TruncatedStreamError):
            gan_tfc.decompress(stream[:length])


def test_a_single_flipped_bit_is_found_wherever_it_is(stream, rng):
    header_bits = 8 * container.parse_header(stream)[1]
    payload = rng.choice(np.arange(header_bits, 8 * len(stream)), 2000, replace=False)
    for bit in (*range(header_bits), *payload):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(gan_tfc.StreamError):
            gan_tfc.decompress(bytes(damaged))


def test_what_is_no_stream_is_refused(tmp_path):
    path = tmp_path / "photo.gtc"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    for data in (b"", b"hello", bytes(1000), path):
        for function in (gan_tfc.decompress, gan_tfc.preview, gan_tfc.info):
            with pytest.raises(gan_tfc.NotAStreamError):
                function(data)


def test_an_unknown_format_version_is_refused(stream):
    with pytest.raises(gan_tfc.UnsupportedFormatError):
        gan_tfc.decompress(stream[:3] + b"\x02" + stream[4:])


def test_an_unknown_preset_or_version_is_refused_by_its_name(stream):
    with pytest.raises(gan_tfc.PresetError, match="no preset 'tiny_b'; did you mean 'tiny'"):
        gan_tfc.decompress(forged(stream, preset="tiny_b"))
    with pytest.raises(gan_tfc.PresetError, match="no version '7' of preset 'tiny'; available: 1"):
        gan_tfc.preview(forged(stream, preset_version=7))


@pytest.mark.parametrize("name", ["../tiny", "a/b", "", "TINY", "tiny\0"])
def test_a_preset_name_that_could_be_a_path_is_refused_as_damage(stream, name):
    with pytest.raises(gan_tfc.CorruptStreamError):
        gan_tfc.decompress(forged(stream, preset=name))


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize("value", [2**31, 2**16 + 1])
def test_a_hostile_size_is_refused(stream, side, value):
    with pytest.raises(gan_tfc.StreamTooLargeError):
        gan_tfc.decompress(forged(stream, **{side: value}))


@pytest.mark.parametrize(("width", "height"), [(2**16, 2**12), (2**14, 2**14), (2000, 3000)])
def test_a_size_that_the_payload_is_too_short_for_is_refused(stream, width, height):
    # 2^28 pixels are allowed, and would take 30 GB; no picture of them fits into 3 kB.
    for sections in (None, [b"", b"", b"", b""]):
        data = forged(stream, sections, width=width, height=height)
        with pytest.raises(gan_tfc.CorruptStreamError, match=f"bytes in .* {width} x {height} "):
            gan_tfc.decompress(data)
        with pytest.raises(gan_tfc.CorruptStreamError):
            gan_tfc.preview(data, 64)


@pytest.mark.parametrize(("quality", "value"), [(1, 128), (50, 0), (100, 255)])
def test_flat_pictures_are_short_but_not_too_short(tiny_codec, quality, value):
    # With every symbol the likeliest they could be shorter, but not by half.
    data = tiny_codec.compress(np.full((512, 640, 3), value, np.uint8), quality)
    header, sections = container.unpack(data)
    least = least_bytes(tiny_codec.frozen.tables, (8, 10, 3), header.step_code)
    assert 0 < least < len(sections[0]) / 2
    assert tiny_codec.preview(data, 64).shape == (8, 10, 3)


@pytest.mark.parametrize("code", [2048, 65535])
def test_a_step_code_beyond_2047_is_refused(stream, code):
    with pytest.raises(gan_tfc.CorruptStreamError, match=f"at most 2047, the stream has {code}"):
        gan_tfc.decompress(forged(stream, step_code=code))


@pytest.mark.parametrize("code", [0, 1, 149, 1753, 2047])
def test_every_step_code_up_to_2047_decodes(codec, stream, code):
    assert outcome(codec, forged(stream, step_code=code)).shape == (40, 48, 3)


@pytest.mark.parametrize("count", [1, 3, 5, 16])
def test_another_number_of_sections_is_refused(stream, count):
    sections = [container.unpack(stream)[1][0]] * count
    data = forged(stream, sections)
    with pytest.raises(gan_tfc.CorruptStreamError, match=f"4 sections, the stream has {count}"):
        gan_tfc.decompress(data)
    with pytest.raises(gan_tfc.StreamError):
        gan_tfc.preview(data, 8)


def test_other_tables_are_refused(stream):
    with pytest.raises(gan_tfc.TablesMismatchError):
        gan_tfc.decompress(forged(stream, tables_digest=b"\0\0\0\0"))


def payloads(rng, lengths):
    """Sections of random bytes, of one byte value, none, and random ones of other lengths."""
    for _ in range(6):
        yield [rng.bytes(n) for n in lengths]
    for value in (0x00, 0x01, 0x55, 0x7F, 0x80, 0xAA, 0xFE, 0xFF):
        yield [bytes([value]) * n for n in lengths]
    yield [b""] * len(lengths)
    yield [b"\x80"] * len(lengths)
    for _ in range(2):
        yield [rng.bytes(int(rng.integers(0, 3 * n))) for n in lengths]


@pytest.mark.parametrize("code", [0, 1100, 2047])
def test_random_payloads_decode_to_some_picture_or_are_refused(codec, stream, code, rng):
    lengths = container.parse_header(stream)[0].section_lengths
    portable = Codec(codec.model, "tiny", 1, codec.frozen, "portable")
    portable._pixel_decoder = codec._pixel_decoder
    decoded = 0
    for sections in payloads(rng, lengths):
        data = forged(stream, sections, step_code=code)
        found = outcome(codec, data)
        if isinstance(found, np.ndarray):
            assert found.shape == (40, 48, 3)
            expected = outcome(portable, data)
            # An overlong escape is an error to the portable coder and any number to the C++ ops.
            if isinstance(expected, np.ndarray):
                decoded += 1
                np.testing.assert_array_equal(found, expected)
        for scale in (1, 8, 64):
            try:
                assert codec.preview(data, scale).dtype == np.uint8
            except gan_tfc.StreamError:
                pass
    assert decoded > 5  # most noise is a picture of noise


def test_a_flipped_bit_in_a_prefix_gives_some_preview_or_an_error(codec, stream, rng):
    # Nothing guards the payload of a prefix.
    header, start = container.parse_header(stream)
    prefix = stream[: container.prefix_length(header, 1)]
    for bit in rng.choice(8 * (len(prefix) - start), 60, replace=False):
        damaged = bytearray(prefix)
        damaged[start + bit // 8] ^= 1 << bit % 8
        try:
            assert codec.preview(bytes(damaged), 8).shape == (5, 6, 3)
        except gan_tfc.StreamError:
            pass


class HostileSource:
    """Codes symbols that no picture has: up to 2^29, at random."""

    def __init__(self, coder, rng):
        self.encoders = [coder.encoder() for _ in range(4)]
        self.rng = rng

    def __call__(self, level, places, rows, means):
        choice = self.rng.integers(0, 60, rows.size)
        symbols = np.zeros(rows.size, np.int32)
        for number, value in enumerate([1, -1, 2**17 - 1, 2**17, 2**17 + 1, -(2**17) - 1]):
            symbols[choice == number] = value
        symbols[choice == 10], symbols[choice == 11] = 2**29, -(2**29)
        coded = rows > 0
        symbols[~coded] = 0
        self.encoders[section_of(level)].encode(symbols[coded], rows[coded])
        return symbols


@pytest.mark.parametrize("code", [0, 700, 2047])
def test_symbols_beyond_any_picture_are_clipped_alike_by_writer_and_reader(codec, stream, code, rng):
    source = HostileSource(make_coder(codec.frozen.tables, codec.engine), rng)
    *_, last = scan(codec.frozen.contexts, (64, 64), code, source)
    data = forged(stream, [e.finish() for e in source.encoders], step_code=code)
    assert isinstance(outcome(codec, data), np.ndarray)
    np.testing.assert_array_equal(codec.symbols(data)[-1].picture, last.picture)
    assert np.abs(last.picture).max() == 2**22 - 1  # the limit, so it was tried


def test_no_bad_input_takes_much_memory(codec, stream, rng):
    header, start = container.parse_header(stream)
    bad = [
        b"",
        stream[:start],
        stream[:-1],
        stream + b"\0",
        forged(stream, width=2**31),
        forged(stream, width=2**16, height=2**12),
        forged(stream, width=2**14, height=2**14),
        forged(stream, step_code=65535),
        forged(stream, [b"\xff" * 500] * 16),
        forged(stream, [rng.bytes(n) for n in header.section_lengths]),
        forged(stream, [b"\x80"] * 4),
        forged(stream, [b""] * 4),
        long_section(stream),
    ]
    tracemalloc.start()
    try:
        for data in bad:
            tracemalloc.reset_peak()
            outcome(codec, data)
            assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


def long_section(stream):
    """A header whose first section claims 2^32 - 1 bytes, with a checksum that fits."""
    header, start = container.parse_header(stream)
    lengths = b"".join(container._leb128(length) for length in header.section_lengths)
    fields = stream[: start - 2].removesuffix(lengths) + b"\xff\xff\xff\xff\x0f\0\0\0"
    body = fields + binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big") + stream[start:-4]
    return body + zlib.crc32(body).to_bytes(4, "big")


def test_a_section_that_claims_4_gigabytes_is_truncated(stream):
    with pytest.raises(gan_tfc.TruncatedStreamError, match="is 4294967[0-9]{3} bytes long"):
        gan_tfc.decompress(long_section(stream))


def test_errors_are_one_sentence(stream):
    for data in (b"", stream[:50], stream[:-1], stream + b"\0", forged(stream, step_code=2048)):
        with pytest.raises(gan_tfc.StreamError) as caught:
            gan_tfc.decompress(data)
        assert re.fullmatch(r"[^\n]{20,300}\.", str(caught.value))
