# SPDX-License-Identifier: Apache-2.0
"""The range coder of TensorFlow Compression behind the interface of `PortableCoder`.

Same streams, some twenty times faster; `tensorflow_compression_ops` is imported on first use only.

**Guarding the C++ decoder.** It reads zeros past the end of its data, and it reads a gamma code's
zeros until a one comes. Where a message equals the very start of an escape's interval that one
never comes, and the op never returns: the byte 0x80 does it with the row [-1, 0, 1, 2]. Our
container's checksum stops accidents, not malice, so `TFCDecoder` gives the op a longer stream:

    data | slack: zeros | tail: bytes 0xFF | (zeros of the op)

* *Valid streams decode as before*, because we accept nothing that was decoded with a look at the
  tail. Shrinking the interval from `size` to `size'` takes log2(size / size') bits, and the op has
  read 4 + bits / 8 bytes at most. The symbols tell an upper bound of these bits, too large by a
  few per cent at worst; if it passes data and slack, or an escape is longer than any encoder
  writes, `PortableCoder`, which needs no guard, starts again from the beginning. That happens to
  hostile data, and to valid data that ends inside a carry longer than the slack: never by chance.
* *The op returns* unless it reads to the end of the tail. k zero bits in a row need a distance
  d < size / 2^k, and within the tail d >= 1, so k <= 32: a symbol read there takes 16 bytes at
  most, and the tail holds 16 for each symbol of a chunk, after which we look again. Escapes of
  more than 31 digits wrap around in the op and may look short to our bound. Within data and slack
  they hide no more than twice its length, which the tail holds as well. Within the tail each
  would need a coincidence of 31 bits to hide 8 bytes, in a computation that the data no longer
  steers; that is out of reach, though not proven impossible.

What the ops return for an overlong escape inside hostile data may be any integer, where
`PortableCoder` raises `CorruptStreamError`; all other data gives the same with both.
"""

import importlib.util

import numpy as np

from gan_tfc.coding.range_coder import PortableCoder
from gan_tfc.coding.tables import MAX_GAMMA_BITS, MAX_PRECISION, CodingTables
from gan_tfc.errors import GanTfcError

_OPS = "tensorflow_compression_ops"
_CHUNK = 1 << 16
_BYTES_PER_SYMBOL = 16
_MEND = "pip install 'gan_tfc[tfc]', or use engine='portable'."


def make_coder(tables: CodingTables, engine: str = "auto") -> "TFCCoder | PortableCoder":
    """The coder for some tables. Streams do not depend on the engine.

    Args:
        tables: the distributions.
        engine: "tfc" (C++ ops), "portable" (plain Python), or "auto": the ops if they import.

    Raises:
        GanTfcError: an unknown engine, or "tfc" where its ops cannot be imported.
    """
    if engine == "portable":
        return PortableCoder(tables)
    if engine == "tfc":
        return TFCCoder(tables)
    if engine != "auto":
        raise GanTfcError(f"Engine must be 'auto', 'tfc' or 'portable', got {engine!r}.")
    if importlib.util.find_spec(_OPS) is not None:
        try:
            return TFCCoder(tables)
        except GanTfcError:
            pass  # built for another TensorFlow
    return PortableCoder(tables)


class TFCCoder:
    """Range coder on TensorFlow Compression's C++ ops.

    Args:
        tables: the distributions that row indexes refer to.

    Raises:
        GanTfcError: the ops cannot be imported.
    """

    def __init__(self, tables: CodingTables):
        self.tables = tables
        self.portable = PortableCoder(tables)
        self._tf, self._ops = _import_ops()
        with self._tf.device("/CPU:0"):  # the ops have no other kernels
            self._lookup = self._tf.constant(tables.flat())
        self._escape = tables.escape_index()
        self._costs, self._start = cost_bounds(tables)

    def encoder(self) -> "TFCEncoder":
        """Start an empty stream."""
        return TFCEncoder(self)

    def decoder(self, data: bytes) -> "TFCDecoder":
        """Start to read `data`, exactly one finished stream."""
        return TFCDecoder(self, data)

    def bits_bound(self, index: np.ndarray, rows: np.ndarray) -> float:
        """Upper bound of the bits that symbols took; infinity if one of them has no valid code.

        Args:
            index: symbol indexes, int32 (n,).
            rows: row of each, intp (n,).
        """
        escape = self._escape.take(rows)
        # Seen as unsigned, an index below 0 is beyond every row, too.
        column = np.minimum(index.view(np.uint32), escape.view(np.uint32))
        bits = float(self._costs.take(self._start.take(rows) + column).sum(dtype=np.float64))
        if (column == escape).any():
            outside = column == escape
            at, escape = index[outside].astype(np.int64), escape[outside]
            gamma = np.where(at < 0, -at, at - escape + 1)
            if gamma.max() >= 1 << MAX_GAMMA_BITS:
                return np.inf
            # frexp's exponent of an integer is its number of binary digits.
            bits += 2.0 * float(np.frexp(gamma.astype(np.float64))[1].sum()) * (1 + 2**-14)
        return bits


class TFCEncoder:
    """Writes one stream; made by `TFCCoder.encoder`, used like `RangeEncoder`."""

    def __init__(self, coder: TFCCoder):
        self._coder = coder
        with coder._tf.device("/CPU:0"):
            self._handle = coder._ops.create_range_encoder([], coder._lookup)

    def encode(self, symbols: np.ndarray, rows: np.ndarray) -> None:
        """Append integers to the stream; see `RangeEncoder.encode`."""
        index, rows = self._coder.tables.indexes(symbols, rows)
        if rows.size:
            with self._coder._tf.device("/CPU:0"):
                self._handle = self._coder._ops.entropy_encode_index(self._handle, rows, index)

    def finish(self) -> bytes:
        """End the stream and return it; the encoder must not be used afterwards."""
        with self._coder._tf.device("/CPU:0"):
            return self._coder._ops.entropy_encode_finalize(self._handle).numpy()


class TFCDecoder:
    """Reads one stream; made by `TFCCoder.decoder`, used like `RangeDecoder`."""

    def __init__(self, coder: TFCCoder, data: bytes):
        self._coder = coder
        self._data = bytes(data)
        self._portable = None
        self._done: list[np.ndarray] = []  # rows read so far, for a second start
        self._bits = 0.0
        self._limit = len(self._data) + len(self._data) // 8 + 256
        tail = 2 * self._limit + _BYTES_PER_SYMBOL * (_CHUNK + 4)
        guarded = self._data.ljust(self._limit, b"\0") + b"\xff" * tail
        with coder._tf.device("/CPU:0"):
            self._handle = coder._ops.create_range_decoder(guarded, coder._lookup)

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Read as many integers as there are row indexes; see `RangeDecoder.decode`."""
        flat = self._coder.tables.checked_rows(rows)
        out = np.empty(flat.size, np.int32)
        for at in range(0, flat.size, _CHUNK):
            out[at : at + _CHUNK] = self._decode_chunk(flat[at : at + _CHUNK])
        return out.reshape(np.shape(rows))

    def _decode_chunk(self, rows: np.ndarray) -> np.ndarray:
        if self._portable:
            return self._portable.decode(rows)
        coder = self._coder
        with coder._tf.device("/CPU:0"):
            self._handle, index = coder._ops.entropy_decode_index(
                self._handle, rows, rows.shape, coder._tf.int32
            )
        index = index.numpy()
        places = rows.astype(np.intp)  # NumPy would convert them for every look-up
        self._bits += coder.bits_bound(index, places)
        if 4 + self._bits / 8 <= self._limit:
            self._done.append(rows.copy())
            return index + coder.tables.offset.take(places)
        self._portable = coder.portable.decoder(self._data)
        for before in self._done:
            self._portable.decode(before)
        self._handle, self._done = None, []
        return self._portable.decode(rows)


def _import_ops():
    try:
        import tensorflow as tf

        errors = (ImportError, tf.errors.OpError)
    except ImportError as error:
        raise GanTfcError(f"The C++ coder needs TensorFlow ({error}); {_MEND}") from error
    try:
        return tf, importlib.import_module(_OPS)
    except errors as error:
        raise GanTfcError(
            f"The C++ coder needs {_OPS} for TensorFlow {tf.__version__} ({error}); {_MEND}"
        ) from error


def cost_bounds(tables: CodingTables) -> tuple[np.ndarray, np.ndarray]:
    """Upper bound of the bits of every index of every row, and where each row begins.

    Of an interval of `size` >= 2^16, a count c of 2^P leaves at least max(1, x - 1) where
    x = size * c / 2^P >= c * 2^(16 - P): log2(x / max(1, x - 1)) bits more than the ideal.
    """
    costs = []
    for row in tables.cdf:
        precision = abs(int(row[0]))
        count = np.diff(row[1:]).astype(np.float64)
        scaled = count * 2 ** (MAX_PRECISION - precision)
        loss = np.where(scaled < 2, 1, np.log2(scaled / np.maximum(scaled - 1, 1)))
        # A row without escape gets an entry that is never used.
        costs.append(np.append(precision - np.log2(count) + loss, [] if row[0] < 0 else 0))
    start = np.cumsum([0] + [len(row) for row in costs[:-1]], dtype=np.int64)
    return np.concatenate(costs).astype(np.float32) * np.float32(1 + 2**-20), start
