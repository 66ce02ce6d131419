# SPDX-License-Identifier: Apache-2.0
"""Reads a stream's header, whose fields `gan_tfc.coding.container` lists.

It is read with zeros after its end, so that no field waits for the check of another. The checks follow in
the reference's order, but that a number of sections that no codec writes is told before the CRC.
"""

from typing import NamedTuple

import tensorflow as tf

from gan_tfc.coding import container
from gan_tfc.coding.scan import SECTIONS
from gan_tfc.export.tensorflow_codec.byte_strings import LEB128_BYTES, big_endian, to_hex, to_string
from gan_tfc.export.tensorflow_codec.checks import Checks

#: What to do about damage.
AGAIN = "fetch the file again."
_NAME = rf"[a-z_][a-z0-9_]{{0,{container.MAX_NAME_BYTES - 1}}}"


class Header(NamedTuple):
    """Fields of a header: strings, int64, and the step code and position int32.

    Attributes:
        preset, version, digest, width, height, code: see `gan_tfc.coding.container.Header`.
        lengths: payload bytes of the sections `(SECTIONS,)`.
        position: where the first section begins.
    """

    preset: tf.Tensor
    version: tf.Tensor
    digest: tf.Tensor
    width: tf.Tensor
    height: tf.Tensor
    code: tf.Tensor
    lengths: tf.Tensor
    position: tf.Tensor


def read_header(stream, crc16, checks: Checks) -> Header:
    """The fields at the beginning of a stream; `checks` gets what must hold for them.

    Args:
        stream: bytes, a string scalar.
        crc16: a `gan_tfc.export.tensorflow_codec.checksums.Checksum`.
        checks: guard the fields with it before anything of their size is allocated.
    """
    start = tf.io.decode_raw(tf.strings.substr(stream, 0, container.MAX_HEADER_BYTES), tf.uint8)
    reader, size = _Reader(start), tf.strings.length(stream)
    name_length = _read_begin(reader, to_hex(start[:4]), size, checks)
    name = reader.take(tf.clip_by_value(name_length, 0, container.MAX_NAME_BYTES))
    version, shortest = reader.leb128()
    digest = reader.take(container.DIGEST_BYTES)
    (width, width_shortest), (height, height_shortest) = reader.leb128(), reader.leb128()
    high, low, count = tf.unstack(reader.take(3))
    lengths, lengths_shortest = zip(*(reader.leb128() for _ in range(SECTIONS)), strict=True)
    computed, stored = big_endian(crc16(reader.passed()), 2), reader.take(2)
    longer = "the header of the stream is longer than the ", size, " bytes that came: "
    checks.expect(size >= reader.position, *longer, AGAIN)
    spelled = f"a number of a header has the shortest LEB128 encoding below 2^32, but another came: {AGAIN}"
    checks.expect(shortest & width_shortest & height_shortest, spelled)
    counted = f"a stream of this codec has {SECTIONS} sections, but ", count, " came: ", AGAIN
    checks.expect(count == SECTIONS, *counted)
    checks.expect(tf.reduce_all(lengths_shortest), spelled)
    wrong = "the header of the stream is damaged (CRC-16 ", to_hex(computed), ", expected ", to_hex(stored)
    checks.expect(tf.reduce_all(computed == tf.cast(stored, tf.int64)), *wrong, "): ", AGAIN)
    preset, code, lengths = to_string(name), 256 * high + low, tf.stack(lengths)
    header = Header(preset, version, digest, width, height, code, lengths, reader.position)
    _expect_ranges(header, checks)
    return header


def _read_begin(reader, shown, size, checks):
    magic = tf.reduce_all(reader.take(len(container.MAGIC)) == list(container.MAGIC))
    begins = f"a .gtc stream begins with {container.MAGIC.hex()}, the letters GTC, but {{", shown, "} came: "
    checks.expect(magic, *begins, "pass what compress returned.")
    format_version, flags, name_length = tf.unstack(reader.take(3))
    ended = size < reader.position  # which a later check tells
    checks.expect(
        (format_version == container.FORMAT_VERSION) & (flags == 0) | ended,
        f"this codec reads .gtc format version {container.FORMAT_VERSION} with flags 0, but the stream has "
        "version ",
        *(format_version, " with flags ", flags, ": use a newer codec."),
    )
    known = (name_length >= 1) & (name_length <= container.MAX_NAME_BYTES) | ended
    named = f"the name of a preset has 1 to {container.MAX_NAME_BYTES} letters, but ", name_length, " came: "
    checks.expect(known, *named, AGAIN)
    return name_length


def _expect_ranges(header, checks):
    checks.expect(
        tf.strings.regex_full_match(header.preset, _NAME),
        f"the name of a preset has letters a..z, 0..9 and _, the first not a digit, but others came: {AGAIN}",
    )
    numbered = "a preset version is 1 or more, but ", header.version, " came: ", AGAIN
    checks.expect(header.version >= 1, *numbered)
    expect_size(checks, header.width, header.height, AGAIN)


def expect_size(checks: Checks, width, height, mend: str) -> None:
    """What sides, int64, the format allows."""
    came = width, " x ", height, " came: ", mend
    least = "a picture has at least 1 pixel a side, but "
    checks.expect(tf.minimum(width, height) >= 1, least, *came)
    checks.expect(
        (tf.maximum(width, height) <= container.MAX_SIDE) & (width * height <= container.MAX_PIXELS),
        f"a picture has at most {container.MAX_SIDE} pixels a side and {container.MAX_PIXELS} in all, but ",
        *came,
    )


class _Reader:
    """A cursor over the bytes of a header and the zeros after them."""

    def __init__(self, data):
        self._data = tf.pad(data, [[0, container.MAX_HEADER_BYTES + LEB128_BYTES - tf.size(data)]])
        self.position = tf.constant(0)

    def take(self, count):
        """The next bytes, int32."""
        taken = self._data[self.position : self.position + count]
        self.position = self.position + count
        return tf.cast(taken if tf.is_tensor(count) else tf.ensure_shape(taken, [count]), tf.int32)

    def leb128(self):
        """The next number, int64, and whether it has the one encoding that is allowed."""
        data = tf.cast(self._data[self.position : self.position + LEB128_BYTES], tf.int64)
        data = tf.ensure_shape(data, [LEB128_BYTES])
        follows = tf.cast(data >= 0x80, tf.int64)
        used = tf.math.cumprod(follows, exclusive=True)
        value = tf.reduce_sum(used * (data & 0x7F) * 2 ** (7 * tf.range(LEB128_BYTES, dtype=tf.int64)))
        length = tf.reduce_sum(used)
        self.position = self.position + tf.cast(length, tf.int32)
        ends = tf.reduce_prod(follows) == 0
        return value, ends & (value < 1 << 32) & ((length == 1) | (data[length - 1] > 0))

    def passed(self):
        """All bytes before the position, uint8."""
        return self._data[: self.position]
