# SPDX-License-Identifier: Apache-2.0
"""CRC-16 and CRC-32 of whole vectors of bytes at once.

A CRC that starts at zero is linear over GF(2): a message's is the exclusive or of what each of its bytes
gives alone. Blocks of bytes are looked up in tables, then neighbours are joined in pairs,

    crc(left | right) = crc(left) @ M  xor  crc(right),        M: what as many zeros as `right` has do

with the bits of a CRC as a row of numbers, products modulo 2, and M squared from one round to the next.
Zeros in front change nothing, and a start with all bits set is the same as flipping the first bits.
"""

import binascii
import zlib

import numpy as np
import tensorflow as tf

from gan_tfc.export.tensorflow_codec.tables import shared_table

_BLOCK = 64


class Checksum:
    """A CRC as a function of a uint8 vector `(N,)`, which gives an int64 scalar.

    Args:
        function: the CRC in Python, of bytes and the CRC of what precedes them.
        bits: width of the CRC; N must be that many bits or more.
        inverted: whether the CRC is inverted in the end.
    """

    def __init__(self, function, bits: int, inverted: bool):
        self._bits = bits
        self._final = (1 << bits) - 1 if inverted else 0
        zeros = bytes(_BLOCK)
        still = function(zeros, 0)
        self._tables = shared_table(_block_tables(function))
        matrix = [[(function(zeros, 1 << i) ^ still) >> j & 1 for j in range(bits)] for i in range(bits)]
        self._after_block = shared_table(np.array(matrix, np.float32))

    def __call__(self, data: tf.Tensor) -> tf.Tensor:
        start = self._bits // 8
        ones = tf.bitwise.invert(data[:start])
        padding = tf.zeros([-tf.size(data) % _BLOCK], tf.uint8)
        blocks = tf.reshape(tf.concat([padding, ones, data[start:]], 0), [-1, _BLOCK])
        entries = tf.cast(blocks, tf.int32) + 256 * tf.range(_BLOCK)
        found = tf.gather(self._tables, entries)
        while found.shape[1] > 1:
            found = tf.bitwise.bitwise_xor(*tf.split(found, 2, axis=1))
        bits = tf.bitwise.right_shift(found, tf.range(self._bits, dtype=tf.int64)) & 1
        joined = self._join(tf.cast(bits, tf.float32))
        value = tf.reduce_sum(tf.cast(joined[0], tf.int64) * 2 ** tf.range(self._bits, dtype=tf.int64))
        return tf.bitwise.bitwise_xor(value, tf.constant(self._final, tf.int64))

    def _join(self, states):
        """Bits of all blocks' CRCs `(n, bits)` -> `(1, bits)`."""

        def join_pairs(states, after):
            states = tf.pad(states, [[tf.shape(states)[0] % 2, 0], [0, 0]])
            joined = tf.math.mod(states[::2] @ after + states[1::2], 2.0)
            return joined, tf.math.mod(after @ after, 2.0)

        states, _ = tf.while_loop(
            lambda states, _: tf.shape(states)[0] > 1,
            join_pairs,
            (states, self._after_block),
            shape_invariants=(tf.TensorShape([None, self._bits]), tf.TensorShape([self._bits] * 2)),
        )
        return states


def _block_tables(function):
    """What each byte value at each place of a block gives, flat int64, 256 entries a place."""
    still = function(bytes(_BLOCK), 0)
    tables = np.zeros((_BLOCK, 256), np.int64)
    for place in range(_BLOCK):
        for bit in range(8):
            block = bytearray(_BLOCK)
            block[place] = 1 << bit
            given = function(bytes(block), 0) ^ still
            tables[place] ^= np.where(np.arange(256) >> bit & 1, given, 0)
    return tables.reshape(-1)


def crc16() -> Checksum:
    """The CRC of a header."""
    return Checksum(binascii.crc_hqx, 16, inverted=False)


def crc32() -> Checksum:
    """The CRC of a stream."""
    return Checksum(zlib.crc32, 32, inverted=True)
