# SPDX-License-Identifier: Apache-2.0
"""Integers to bytes and bytes to strings."""

import numpy as np
import tensorflow as tf

from gan_tfc.export.tensorflow_codec.tables import shared_table

#: An LEB128 number below 2^32.
LEB128_BYTES = 5
_BYTES = shared_table(np.array([bytes([value]) for value in range(256)], object))
_HEX = shared_table(np.array([f"{value:02x}" for value in range(256)], object))


def leb128(value) -> tf.Tensor:
    """An int64 scalar below 2^32 -> its bytes, int64."""
    shifted = tf.bitwise.right_shift(value, 7 * tf.range(LEB128_BYTES, dtype=tf.int64))
    length = tf.maximum(1, tf.math.count_nonzero(shifted, dtype=tf.int32))
    more = tf.cast(tf.range(LEB128_BYTES) < length - 1, tf.int64)
    return ((shifted & 0x7F) + 0x80 * more)[:length]


def big_endian(value, count) -> tf.Tensor:
    """An int64 scalar -> its last `count` bytes, int64."""
    shifts = 8 * tf.range(count - 1, -1, -1, dtype=tf.int64)
    return tf.bitwise.right_shift(value, shifts) & 0xFF


def to_string(data) -> tf.Tensor:
    """Bytes, any integers `(n,)`, -> a string of them."""
    return tf.strings.reduce_join(tf.gather(_BYTES, tf.cast(data, tf.int32)))


def to_hex(data) -> tf.Tensor:
    """The same in hexadecimal digits."""
    return tf.strings.reduce_join(tf.gather(_HEX, tf.cast(data, tf.int32)))
