# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Compression's range coder inside a graph.

**Guarding the C++ decoder.** As `gan_tfc.entropy_models.tfc_coder` explains, some data makes the operator
search for the end of a gamma code forever. It is therefore given

    data | slack: zeros | tail: bytes 0xFF

and stops after each chunk of symbols for a look at what they took: if a bound of it, too large by a few
per cent at worst, passes data and slack, or if an escape is longer than any encoder writes, the stream is
refused. The reference reads on with its portable coder there, for which a graph has no place. So

* a graph decodes everything that an encoder writes, but for a stream that ends inside a carry longer
  than the slack of 256 bytes and an eighth of the data, which does not happen by chance;
* of damaged data whose checksums are right, it refuses what reads far beyond its end, where the reference
  returns some picture;
* what an overlong escape inside hostile data decodes to is any integer, not an error.
"""

import numpy as np
import tensorflow as tf

from gan_tfc.coding.tables import MAX_GAMMA_BITS, CodingTables
from gan_tfc.entropy_models.tfc_coder import cost_bounds, make_coder
from gan_tfc.export.tensorflow_codec.checks import Checks
from gan_tfc.export.tensorflow_codec.header import AGAIN
from gan_tfc.export.tensorflow_codec.tables import shared_function, shared_table

_CHUNK = 1 << 15
_BYTES_PER_SYMBOL = 16
_SLACK = 256
_BLOCK = 1 << 14


class GraphCoder:
    """Makes encoders and decoders for some tables, to be used while a graph is traced.

    Args:
        tables: the distributions; all rows have an escape.

    Raises:
        GanTfcError: TensorFlow Compression's operators cannot be imported.
    """

    def __init__(self, tables: CodingTables):
        make_coder(tables, "tfc")
        import tensorflow_compression_ops

        self.ops = tensorflow_compression_ops
        self.lookup = shared_table(tables.flat())
        self._offset = shared_table(tables.offset)
        self._escape = shared_table(tables.escape_index())
        costs, start = cost_bounds(tables)
        self._costs, self._start = shared_table(costs), shared_table(start.astype(np.int32))

    def encoder(self) -> "GraphEncoder":
        """Start an empty section."""
        return GraphEncoder(self)

    def decoder(self, data) -> "GraphDecoder":
        """Start to read a section, a string."""
        return GraphDecoder(self, data)

    def offsets(self, rows):
        """What index 0 of each row stands for."""
        return tf.gather(self._offset, rows)

    def bits_bound(self, index, rows):
        """Upper bound, float64, of the bits that symbols took; infinity if one has no valid code."""
        escape = tf.gather(self._escape, rows)
        outside = (index < 0) | (index >= escape)
        column = tf.where(outside, escape, index) + tf.gather(self._start, rows)
        costs = tf.cast(tf.gather(self._costs, column), tf.float64)
        at = tf.cast(tf.boolean_mask(index, outside), tf.int64)
        gamma = tf.where(at < 0, -at, at - tf.cast(tf.boolean_mask(escape, outside), tf.int64) + 1)
        # Half a unit keeps the logarithm of a power of two from being rounded across it.
        digits = tf.floor(tf.math.log(tf.cast(gamma, tf.float64) + 0.5) / np.log(2.0)) + 1
        digits = tf.where(gamma < 1 << MAX_GAMMA_BITS, digits, np.inf)
        return tf.reduce_sum(costs) + 2 * tf.reduce_sum(digits) * (1 + 2**-14)

    @shared_function
    def decode_chunks(self, handle, bits, limit, rows):
        """Read symbols of some rows with the state of a `GraphDecoder`, and stop where it is past its end.

        Returns:
            The handle and the bits afterwards, and the symbols.
        """
        # One chunk at least, since joining none of them has no type.
        chunks = tf.maximum(1, (tf.size(rows) + _CHUNK - 1) // _CHUNK)
        parts = tf.TensorArray(tf.int32, chunks, element_shape=[None], infer_shape=False)

        def decode_chunk(number, handle, bits, parts):
            chunk = rows[number * _CHUNK : (number + 1) * _CHUNK]
            handle, index = self.ops.entropy_decode_index(handle, chunk, tf.shape(chunk), tf.int32)
            bits += self.bits_bound(index, chunk)
            checks = Checks()
            checks.expect(
                4 + bits / 8 <= limit,
                "the stream is damaged: a section ends before its symbols do, or holds an escape longer than "
                f"any encoder writes: {AGAIN}",
            )
            # All of it, or the next chunk would not wait for the look at this one.
            handle, bits, symbols = checks.guard((handle, bits, index + self.offsets(chunk)))
            return number + 1, handle, bits, parts.write(number, symbols)

        _, handle, bits, parts = tf.while_loop(
            lambda number, *_: number < chunks, decode_chunk, (0, handle, bits, parts)
        )
        return handle, bits, parts.concat()


class GraphEncoder:
    """Writes one section; made by `GraphCoder.encoder`."""

    def __init__(self, coder: GraphCoder):
        self._coder = coder
        self._handle = coder.ops.create_range_encoder([], coder.lookup)

    def encode(self, symbols, rows) -> None:
        """Append int32 symbols `(n,)`, coded with table rows `(n,)`."""
        index = symbols - self._coder.offsets(rows)
        self._handle = self._coder.ops.entropy_encode_index(self._handle, rows, index)

    def finish(self):
        """End the section and return it."""
        return self._coder.ops.entropy_encode_finalize(self._handle)


class GraphDecoder:
    """Reads one section; made by `GraphCoder.decoder`."""

    def __init__(self, coder: GraphCoder, data):
        self._coder = coder
        size = tf.strings.length(data)
        slack = size // 8 + _SLACK
        tail = 2 * (size + slack) + _BYTES_PER_SYMBOL * (_CHUNK + 4)
        guarded = tf.strings.join([data, _repeated(b"\0", slack), _repeated(b"\xff", tail)])
        self._handle = coder.ops.create_range_decoder(guarded, coder.lookup)
        self._limit = tf.cast(size + slack, tf.float64)
        self._bits = tf.constant(0.0, tf.float64)

    def decode(self, rows):
        """Read as many int32 symbols as there are table rows `(n,)`."""
        self._handle, self._bits, symbols = self._coder.decode_chunks(
            self._handle, self._bits, self._limit, rows
        )
        return symbols


def _repeated(byte, count):
    """A string of `count` equal bytes."""
    block = tf.constant(byte * _BLOCK)
    whole = tf.strings.reduce_join(tf.fill([count // _BLOCK], block))
    return tf.strings.join([whole, tf.strings.substr(block, 0, count % _BLOCK)])
