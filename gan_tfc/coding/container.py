# SPDX-License-Identifier: Apache-2.0
"""The `.gtc` container, format version 1: what stands around the coded sections.

    field           bytes   contents
    --------------  ------  ----------------------------------------------------------------
    magic           3       "GTC", 0x47 0x54 0x43
    format version  1       1
    flags           1       0; reserved, any other value is refused
    name length     1       1..32
    preset          1..32   ASCII: a..z, 0..9 and "_", the first not a digit
    preset version  1..5    LEB128, 1 or more
    tables digest   4       digest of the coding tables, as it is
    width           1..3    LEB128, 1..65536 pixels
    height          1..3    LEB128, 1..65536 pixels; width * height <= 2^28
    step code       2       the quantiser step: an index into the logarithmic grid of
                            `gan_tfc/coding/steps.py`; the container only carries it
    section count   1       n, 1..16
    section bytes   1..5    n times, LEB128, 0 or more: payload bytes of sections 1..n
    header CRC      2       CRC-16 of all bytes before it
    --------------  ------  ----------------------------------------------------------------
    payloads                sections 1..n back to back, coarsest level first
    stream CRC      4       CRC-32 of all bytes before it; the stream ends here

Fixed-size integers (step code, both CRCs) are big-endian.

LEB128: seven bits a byte, the lowest seven first, the top bit set on every byte but the last.
Values are below 2^32, so at most 5 bytes; the encoding must be the shortest one (a last byte
of 0x00 occurs only as the whole encoding of 0). Anything else is refused.

CRC-16: polynomial 0x1021, initial value 0xFFFF, bits not reflected, no final inversion
(CRC-16/IBM-3740, also called CCITT-FALSE); "123456789" gives 0x29B1. Python: `binascii.crc_hqx`.
CRC-32: the one of zip and PNG; "123456789" gives 0xCBF43926. Python: `zlib.crc32`.

A reader of the header goes in this order: magic, format version, flags, then every field up to
the header CRC (142 bytes at most from the start), then the CRC, then the ranges of preset, preset
version, width and height: accidental damage is reported as damage, and a hostile size, however
well its CRC is made, before anything of that size is allocated. Sizes of payloads are compared
with the bytes at hand, never allocated in advance. The first k sections need only the bytes up
to the end of section k, so any prefix of a file that long is a preview; the header CRC guards it,
and the payload is guarded only when the stream is complete.

Example: preset "a", version 1, digest 01 02 03 04, 5 x 3 pixels, step code 9, sections "xy", "":

    47 54 43 01 00 01 61 01 01 02 03 04 05 03 00 09 02 02 00 72 DC 78 79 53 91 7A AC
"""

import binascii
import operator
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from gan_tfc.errors import (
    CorruptStreamError,
    GanTfcError,
    NotAStreamError,
    StreamTooLargeError,
    TruncatedStreamError,
    UnsupportedFormatError,
)

MAGIC = b"GTC"
FORMAT_VERSION = 1
MAX_NAME_BYTES = 32
MAX_SECTIONS = 16
MAX_SIDE = 1 << 16
MAX_PIXELS = 1 << 28
MAX_HEADER_BYTES = 142
DIGEST_BYTES = 4
CRC32_BYTES = 4

Buffer = bytes | bytearray | memoryview

_PRESET_NAME = re.compile(rf"[a-z_][a-z0-9_]{{0,{MAX_NAME_BYTES - 1}}}", re.ASCII)

_OTHER_FILES = [
    (re.compile(rb"\x89PNG"), "PNG"),
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP"),
    (re.compile(rb"GIF8"), "GIF"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "AVIF"),
    (re.compile(rb"....ftyp(heic|heix|mif1)", re.DOTALL), "HEIF"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
]


@dataclass(frozen=True)
class Header:
    """The fields of a stream's header; `pack` and `parse_header` check their ranges.

    Args:
        preset: Preset name, 1 to 32 characters of `a..z0..9_`, the first not a digit.
        preset_version: Version of that preset, from 1.
        tables_digest: The 4 bytes of `CodingTables.digest()`.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        step_code: Quantiser step, 0..65535 on the grid of `coding/steps.py`.
        section_lengths: Payload bytes of each section, coarsest first.
    """

    preset: str
    preset_version: int
    tables_digest: bytes
    width: int
    height: int
    step_code: int
    section_lengths: tuple[int, ...]

    @property
    def header_bytes(self) -> int:
        """Bytes from the start of the stream to the first payload, header CRC included."""
        return len(_serialise(self))

    @property
    def stream_bytes(self) -> int:
        """Bytes of the complete stream, the closing CRC included."""
        return self.header_bytes + sum(self.section_lengths) + CRC32_BYTES


def pack(
    preset: str,
    preset_version: int,
    tables_digest: bytes,
    width: int,
    height: int,
    step_code: int,
    sections: Sequence[Buffer],
) -> bytes:
    """Puts header, sections and checksums together to a complete stream.

    Args:
        preset: See `Header`, as for the five arguments that follow.
        preset_version: Version of that preset.
        tables_digest: 4 bytes.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        step_code: Quantiser step, 0..65535.
        sections: 1 to 16 payloads, coarsest level first; a payload may be empty.

    Returns:
        The stream: overhead `header_bytes + 4`, 48 bytes for a preset name of 12 letters and
    XX

    Raises:
        StreamTooLargeError: A side over 65536 or an area over 2^28 pixels.
        GanTfcError: Any other field out of its range.
    """
    payloads = [bytes(_as_view(section)) for section in sections]
    header = Header(
        preset,
        operator.index(preset_version),
        bytes(_as_view(tables_digest)),
        operator.index(width),
        operator.index(height),
        operator.index(step_code),
        tuple(len(payload) for payload in payloads),
    )
    _check_values(header, GanTfcError)
    if len(header.tables_digest) != DIGEST_BYTES:
        raise GanTfcError(
            f"a tables digest has {DIGEST_BYTES} bytes, but {len(header.tables_digest)} came: "
            "pass `CodingTables.digest()`."
        )
    if not 0 <= header.step_code <= 0xFFFF:
        raise GanTfcError(
            f"a step code lies in 0..65535, but {step_code} came: take it from `coding/steps.py`."
        )
    if not 1 <= len(payloads) <= MAX_SECTIONS:
        raise GanTfcError(
            f"a stream holds 1 to {MAX_SECTIONS} sections, but {len(payloads)} came: join the finest ones."
        )
    body = b"".join([_serialise(header), *payloads])
    return body + zlib.crc32(body).to_bytes(CRC32_BYTES, "big")


def parse_header(data: Buffer) -> tuple[Header, int]:
    """Reads the header from the beginning of a stream; the payload need not be there.

    Args:
        data: The stream or any prefix that holds the header; `MAX_HEADER_BYTES` always suffice.

    Returns:
        The header, and its length in bytes, which is where the first payload begins.

    Raises:
        StreamError: The subclass says what is wrong; see the order in the module docstring.
    """
    view = _as_view(data)
    _check_magic(view)
    reader = _Reader(view, len(MAGIC))
    format_version, flags = reader.byte(), reader.byte()
    if format_version != FORMAT_VERSION or flags != 0:
        raise UnsupportedFormatError(
            f"this gan_tfc reads .gtc format version {FORMAT_VERSION} with flags 0, but the "
            f"stream has version {format_version} with flags {flags}: install a newer gan_tfc."
        )
    name = reader.take(_in_range(reader.byte(), 1, MAX_NAME_BYTES, "name length"))
    header = Header(
        preset=name.decode("latin-1"),
        preset_version=reader.leb128(),
        tables_digest=reader.take(DIGEST_BYTES),
        width=reader.leb128(),
        height=reader.leb128(),
        step_code=int.from_bytes(reader.take(2), "big"),
        section_lengths=tuple(
            reader.leb128() for _ in range(_in_range(reader.byte(), 1, MAX_SECTIONS, "section count"))
        ),
    )
    computed = binascii.crc_hqx(view[: reader.position], 0xFFFF)
    stored = int.from_bytes(reader.take(2), "big")
    if stored != computed:
        raise CorruptStreamError(
            f"the header of the stream is damaged (CRC-16 {computed:04x}, expected {stored:04x}): "
            "fetch the file again."
        )
    _check_values(header, CorruptStreamError)
    return header, reader.position


def unpack(data: Buffer) -> tuple[Header, list[bytes]]:
    """Takes a complete stream apart and checks all of it.

    Args:
        data: The stream, neither shorter nor longer.

    Returns:
        The header, and the payload of every section.

    Raises:
        TruncatedStreamError: Bytes are missing at the end.
        CorruptStreamError: A checksum fails or bytes follow the end.
        StreamError: Another subclass, from `parse_header`.
    """
    view = _as_view(data)
    header, start = parse_header(view)
    expected = header.stream_bytes
    if len(view) < expected:
        raise TruncatedStreamError(
            f"the stream is {expected} bytes long, but only {len(view)} came: fetch the file again."
        )
    if len(view) > expected:
        raise CorruptStreamError(
            f"the stream is {expected} bytes long, but {len(view)} came: "
            "cut off what follows its end or fetch the file again."
        )
    end = expected - CRC32_BYTES
    computed, stored = zlib.crc32(view[:end]), int.from_bytes(view[end:], "big")
    if stored != computed:
        raise CorruptStreamError(
            f"the stream is damaged (CRC-32 {computed:08x}, expected {stored:08x}): fetch the file again."
        )
    return header, _split(view, start, header.section_lengths)


def prefix_length(header: Header, sections: int) -> int:
    """Bytes needed from the start of the file to decode the first `sections` sections."""
    count = operator.index(sections)
    if not 0 <= count <= len(header.section_lengths):
        raise GanTfcError(
            f"this stream has {len(header.section_lengths)} sections, but {count} were asked for: "
            f"ask for 0 to {len(header.section_lengths)}."
        )
    return header.header_bytes + sum(header.section_lengths[:count])


def unpack_prefix(data: Buffer, sections: int) -> tuple[Header, list[bytes]]:
    """Takes only the first sections out of a stream or a prefix of one, for previews.

    Args:
        data: At least `prefix_length(header, sections)` bytes; what follows is not looked at.
        sections: How many sections, 0 to all.

    Returns:
        The header (checked by its CRC-16), and the first payloads (not checked: their CRC-32
        stands at the end of the complete stream).

    Raises:
        StreamError: As in `parse_header`, or the prefix is too short.
    """
    view = _as_view(data)
    header, start = parse_header(view)
    expected = prefix_length(header, sections)
    if len(view) < expected:
        raise TruncatedStreamError(
            f"the first {sections} sections need {expected} bytes, but only {len(view)} came: "
            "read more of the file or ask for fewer sections."
        )
    return header, _split(view, start, header.section_lengths[:sections])


class _Reader:
    """A cursor over the header that refuses to run past the end of the data."""

    def __init__(self, view: memoryview, position: int):
        self.view = view
        self.position = position

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.view):
            raise TruncatedStreamError(
                f"the header of the stream needs at least {end} bytes, but only {len(self.view)} "
                "came: fetch the file again."
            )
        taken = bytes(self.view[self.position : end])
        self.position = end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def leb128(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 32 or (byte == 0 and shift > 0):
                    break
                return value
        raise CorruptStreamError(
            f"the stream is damaged: the number before byte {self.position} is not the shortest "
            "LEB128 encoding of a value below 2^32: fetch the file again."
        )


def _leb128(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _serialise(header: Header) -> bytes:
    name = header.preset.encode("ascii")
    fields = b"".join(
        [
            MAGIC,
            bytes([FORMAT_VERSION, 0, len(name)]),
            name,
            _leb128(header.preset_version),
            header.tables_digest,
            _leb128(header.width),
            _leb128(header.height),
            header.step_code.to_bytes(2, "big"),
            bytes([len(header.section_lengths)]),
            *(_leb128(length) for length in header.section_lengths),
        ]
    )
    return fields + binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big")


def _check_values(header: Header, error: type[GanTfcError]) -> None:
    if not _PRESET_NAME.fullmatch(header.preset):
        raise error(
            f"a preset name is 1 to {MAX_NAME_BYTES} characters a..z, 0..9 and _, the first not a "
            f"digit, but {header.preset!r} came: rename the preset."
        )
    if not 1 <= header.preset_version < 1 << 32:
        raise error(
            f"a preset version is 1 or more and below 2^32, but {header.preset_version} came: "
            "number the versions of a preset from 1."
        )
    if min(header.width, header.height) < 1:
        raise error(
            f"a picture has at least 1 pixel a side, but {header.width} x {header.height} came: "
            "pass a picture that is not empty."
        )
    if max(header.width, header.height) > MAX_SIDE or header.width * header.height > MAX_PIXELS:
        raise StreamTooLargeError(
            f"a picture has at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all, but "
            f"{header.width} x {header.height} came: code it in tiles."
        )


def _in_range(value: int, low: int, high: int, what: str) -> int:
    if not low <= value <= high:
        raise CorruptStreamError(
            f"the stream is damaged: its {what} is {low} to {high}, but {value} came: fetch the file again."
        )
    return value


def _split(view: memoryview, start: int, lengths: Sequence[int]) -> list[bytes]:
    payloads = []
    for length in lengths:
        payloads.append(bytes(view[start : start + length]))
        start += length
    return payloads


def _as_view(data: Buffer) -> memoryview:
    if isinstance(data, bytes | bytearray):
        return memoryview(data)
    if isinstance(data, memoryview):
        plain = data.format == "B" and data.ndim == 1 and data.c_contiguous
        return data if plain else memoryview(data.tobytes())
    if isinstance(data, str | os.PathLike):
        raise GanTfcError(
            f"expected the bytes of a .gtc stream, but the path {os.fspath(data)!r} came: "
            "read the file first, `open(path, 'rb').read()`."
        )
    raise GanTfcError(
        f"expected the bytes of a .gtc stream, but an object of type {type(data).__name__} came: "
        "pass bytes, bytearray or memoryview."
    )


def _check_magic(view: memoryview) -> None:
    start = bytes(view[:12])
    if start.startswith(MAGIC):
        return
    if start and MAGIC.startswith(start):
        raise TruncatedStreamError(
            f"a .gtc stream begins with the {len(MAGIC)} bytes of its magic, but only "
            f"{len(start)} came: fetch the file again."
        )
    looks_like = "no data at all" if not start else f"data starting with {start[:4].hex(' ')}"
    mend = "pass what `compress` returned."
    for pattern, name in _OTHER_FILES:
        if pattern.match(start):
            looks_like, mend = f"what looks like a {name} file", "pictures go to `compress`."
    raise NotAStreamError(f"a .gtc stream begins with 'GTC', but {looks_like} came: {mend}")
