# SPDX-License-Identifier: Apache-2.0
"""The container of `gan_tfc.coding.container` with string operators, for the streams of one preset."""

from typing import NamedTuple

import tensorflow as tf

from gan_tfc.coding import container, steps
from gan_tfc.export.tensorflow_codec.byte_strings import big_endian, leb128, to_hex, to_string
from gan_tfc.export.tensorflow_codec.checks import Checks
from gan_tfc.export.tensorflow_codec.checksums import crc16, crc32
from gan_tfc.export.tensorflow_codec.header import AGAIN, Header, read_header


class Stream(NamedTuple):
    """What a stream says: sides int64, step code int32, sections as strings."""

    width: tf.Tensor
    height: tf.Tensor
    code: tf.Tensor
    sections: tuple[tf.Tensor, ...]


class Container:
    """Packs and unpacks streams while a graph is traced.

    Args:
        preset, version: what streams say of the codec that wrote them.
        digest: of its tables, 4 bytes.
    """

    def __init__(self, preset: str, version: int, digest: bytes):
        self._preset, self._version, self._digest = preset, version, digest
        self._crc16, self._crc32 = crc16(), crc32()

    def pack(self, width, height, code, sections) -> tf.Tensor:
        """Sides (int64), step code (int32) and sections (strings) -> a stream."""
        name = self._preset.encode("ascii")
        begin = container.MAGIC + bytes([container.FORMAT_VERSION, 0, len(name)]) + name
        lengths = [tf.cast(tf.strings.length(section), tf.int64) for section in sections]
        fields = tf.concat(
            [
                tf.constant(list(begin), tf.int64),
                leb128(tf.constant(self._version, tf.int64)),
                tf.constant(list(self._digest), tf.int64),
                leb128(width),
                leb128(height),
                big_endian(tf.cast(code, tf.int64), 2),
                tf.constant([len(sections)], tf.int64),
                *map(leb128, lengths),
            ],
            0,
        )
        check = big_endian(self._crc16(tf.cast(fields, tf.uint8)), 2)
        body = tf.strings.join([to_string(tf.concat([fields, check], 0)), *sections])
        check = big_endian(self._crc32(tf.io.decode_raw(body, tf.uint8)), container.CRC32_BYTES)
        return tf.strings.join([body, to_string(check)])

    def unpack(self, stream) -> Stream:
        """Take a complete stream of this preset apart."""
        checks = Checks()
        header = read_header(stream, self._crc16, checks)
        _expect_length(stream, header, checks)
        stream, header = checks.guard((stream, header))
        checks = Checks()
        self._expect_checksum(stream, checks)
        self._expect_fit(header, checks)
        stream, header = checks.guard((stream, header))
        sections, start = [], header.position
        for length in tf.unstack(tf.cast(header.lengths, tf.int32)):
            sections.append(tf.strings.substr(stream, start, length))
            start += length
        return Stream(header.width, header.height, header.code, tuple(sections))

    def _expect_checksum(self, stream, checks):
        data = tf.io.decode_raw(stream, tf.uint8)
        end = tf.size(data) - container.CRC32_BYTES
        computed = tf.cast(big_endian(self._crc32(data[:end]), container.CRC32_BYTES), tf.uint8)
        wrong = "the stream is damaged (CRC-32 ", to_hex(computed), ", expected ", to_hex(data[end:])
        checks.expect(tf.reduce_all(computed == data[end:]), *wrong, "): ", AGAIN)

    def _expect_fit(self, header, checks):
        writer = header.preset, "@", header.version, " with tables ", to_hex(header.digest)
        checks.expect(
            tf.reduce_all(header.digest == list(self._digest)),
            *("the stream was written by ", *writer),
            f", but this is {self._preset}@{self._version} with tables {self._digest.hex()}: decode it with "
            "the codec that wrote it.",
        )
        large = f"a step code is at most {steps.MAX_STEP_CODE}, but the stream has ", header.code, ": "
        checks.expect(header.code <= steps.MAX_STEP_CODE, *large, AGAIN)


def _expect_length(stream, header: Header, checks):
    came = tf.cast(tf.strings.length(stream), tf.int64)
    expected = tf.cast(header.position, tf.int64) + tf.reduce_sum(header.lengths) + container.CRC32_BYTES
    told = "the stream is ", expected, " bytes long, but "
    checks.expect(came >= expected, *told, "only ", came, " came: ", AGAIN)
    mend = " came: cut off what follows its end or "
    checks.expect(came <= expected, *told, came, mend, AGAIN)
