# SPDX-License-Identifier: Apache-2.0
"""The range coder in plain Python, byte for byte TensorFlow Compression's; all ports follow it.

**The idea.** A message is a number in [0, 1). Start with the whole interval; for each symbol, cut
the interval into pieces as long as the symbols' probabilities and keep the piece of the symbol
that came. Likely symbols hardly shrink it, so after n symbols its length is the product of their
probabilities, and naming a number inside takes about -log2 of that many bits. The decoder makes
the same cuts and looks into which piece the number falls. Numbers of unlimited length are handled
through a 32-bit window that moves 16 bits on whenever the interval has become short
(G. N. N. Martin, "Range coding", 1979).

**The format.** Integers are exact, `>>` rounds down. Tables: see `gan_tfc/coding/tables.py`.

State: base = 0, the start of the interval inside the window; size = 2^32, its length;
output = an empty list of 16-bit words. Always 2^16 <= size <= 2^32 between two steps.

One step keeps the part [lo, hi) of 2^P (0 <= lo < hi <= 2^P):

    a = (size * lo) >> P;  b = (size * hi) >> P;  base += a;  size = b - a
    if size <= 2^16:
        append base >> 16 to output;  base = (base mod 2^16) << 16;  size <<= 16

*Carry.* base may reach 2^32. Then, before anything is appended, subtract 2^32 and add one to the
last word of the output, where a word 0xFFFF becomes 0 and passes the one on to the word before it
(the first word never overflows). A writer that cannot go back keeps, while base + size > 2^32,
the last word that is not 0xFFFF and the number of words 0xFFFF after it.

A *symbol* is an integer minus the offset of its row: an index v into the row [header, c_0 .. c_n].
Without escape (header > 0) it is one step (c_v, c_{v+1}, P), 0 <= v < n. With escape (header < 0)
let e = n - 1. An index 0 <= v < e is coded as before. Any other takes index e, and then g >= 1:

    v >= e:  g = v - e + 1, sign 0          v < 0:  g = -v, sign 1

as steps with P = 1, each one bit (0: [0, 1), 1: [1, 2)): the Elias gamma code of g, which is
k - 1 zeros and then the k binary digits of g, highest first; and last the sign. g < 2^30.

*End.* After the last step (and its carry, if any):

    if base + size > 2^32:  drop all words 0xFFFF from the end of the output and add one to the then
                            last word; write the words, but not the last low byte if it is 0
    else if base = 0:       write the words
    else write the words, and after them: of m = base rounded up to a multiple of 2^24 the high
    byte if m < base + size, otherwise of base rounded up to a multiple of 2^16 the two high bytes

Words are written high byte first. Example: row [-3, 0, 1, 6, 8], offset -1; the integers
0, -1, 5, -4 (indexes 1, 0, 6 with g = 5, -3 with g = 3) make the bytes 2F D9 30.

The result does not tell its length or its number of symbols: the container does.

*Decoder.* d = the first four bytes (high first; zeros follow the end of the data, here and
below) and size = 2^32. d is the distance of the message from the interval's start, so no carry
appears. For a row, find the index v for which a <= d < b, with a and b as above from c_v and
c_{v+1}: there is exactly one. Then

    d -= a;  size = b - a;  if size <= 2^16:  d = (d << 16) | next two bytes;  size <<= 16

A gamma code of 30 zeros or more is corrupt. No other data is: every sequence of bytes decodes to
as many symbols as one asks for.
"""

from bisect import bisect_left

import numpy as np

from gan_tfc.coding.tables import MAX_GAMMA_BITS, MAX_PRECISION, CodingTables
from gan_tfc.errors import CorruptStreamError

_HALF = 1 << (MAX_PRECISION - 1)
_ONE = 1 << MAX_PRECISION


class PortableCoder:
    """Range coder without dependencies; `TFCCoder` is the fast one with the same bytes.

    Args:
        tables: the distributions that row indexes refer to.
    """

    def __init__(self, tables: CodingTables):
        self.tables = tables
        # (size * (c << (16 - P))) >> 16 equals (size * c) >> P, so one shift serves every row.
        scaled = [row[1:].astype(np.int64) * (_ONE >> abs(int(row[0]))) for row in tables.cdf]
        self._flat = np.concatenate(scaled)
        self._start = np.cumsum([0] + [len(row) for row in scaled[:-1]], dtype=np.int64)
        self._escape = tables.escape_index()
        has_escape = [row[0] < 0 for row in tables.cdf]
        self._row = [
            _decode_row(row.tolist(), int(offset), escape)
            for row, offset, escape in zip(scaled, tables.offset, has_escape, strict=True)
        ]

    def encoder(self) -> "RangeEncoder":
        """Start an empty stream."""
        return RangeEncoder(self)

    def decoder(self, data: bytes) -> "RangeDecoder":
        """Start to read `data`, exactly one finished stream (the end matters, see the module)."""
        return RangeDecoder(self, data)


class RangeEncoder:
    """Writes one stream; made by `PortableCoder.encoder`."""

    def __init__(self, coder: PortableCoder):
        self._coder = coder
        self._base, self._size = 0, 1 << 32
        self._words: list[int] = []

    def encode(self, symbols: np.ndarray, rows: np.ndarray) -> None:
        """Append integers to the stream.

        Args:
            symbols: integers (offsets not subtracted), any shape, coded in C order.
            rows: row index of each, the same number of elements.

        Raises:
            GanTfcError: an integer that its row cannot code, or a row that is not there; the stream
                is then as it was.
        """
        coder = self._coder
        index, rows = coder.tables.indexes(symbols, rows)
        escape = coder._escape[rows]
        inside = np.where((index < 0) | (index > escape), escape, index)
        position = coder._start[rows] + inside
        low, high = coder._flat[position].tolist(), coder._flat[position + 1].tolist()
        done = 0
        # A row without escape never gets here: its indexes are all below `escape`.
        for at in np.flatnonzero(inside == escape).tolist():
            self._narrow(low[done : at + 1], high[done : at + 1])
            self._narrow(*_escape_bits(int(index[at]), int(escape[at])))
            done = at + 1
        self._narrow(low[done:], high[done:])

    def finish(self) -> bytes:
        """End the stream and return it; the encoder must not be used afterwards."""
        self._carry()
        words, base, top = self._words, self._base, self._base + self._size
        tail = b""
        if top > 1 << 32:
            while words[-1] == 0xFFFF:
                words.pop()
            last = words.pop() + 1
            tail = last.to_bytes(2, "big") if last & 0xFF else bytes([last >> 8])
        elif base:
            m = -(-base >> 24)
            if m << 24 < top:
                tail = bytes([m])
            else:
                tail = (-(-base >> 16)).to_bytes(2, "big")
        return np.array(words, ">u2").tobytes() + tail

    def _narrow(self, low: list[int], high: list[int]) -> None:
        """Take one step for each pair [low, high) of 2^16."""
        base, size, words = self._base, self._size, self._words
        for lo, hi in zip(low, high, strict=True):
            a = (size * lo) >> 16
            size = ((size * hi) >> 16) - a
            base += a
            if size <= 65536:
                if base > 0xFFFFFFFF:
                    self._base = base
                    self._carry()
                    base = self._base
                words.append(base >> 16)
                base = (base & 0xFFFF) << 16
                size <<= 16
        self._base, self._size = base, size

    def _carry(self) -> None:
        """Pass an overflow of `base` on to the words; each word is passed through once at most."""
        if self._base >> 32:
            self._base -= 1 << 32
            words, at = self._words, -1
            while words[at] == 0xFFFF:
                words[at] = 0
                at -= 1
            words[at] += 1


class RangeDecoder:
    """Reads one stream; made by `PortableCoder.decoder`."""

    def __init__(self, coder: PortableCoder, data: bytes):
        self._coder = coder
        data = bytes(data)
        self._words = iter(np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").tolist())
        self._distance = (next(self._words, 0) << 16) | next(self._words, 0)
        self._size = 1 << 32

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Read as many integers as there are row indexes.

        Args:
            rows: row index of each integer, any shape, in the order of encoding (C order).

        Returns:
            Integers, offsets included, int32, the shape of `rows`.

        Raises:
            CorruptStreamError: an escape code longer than any encoder writes.
            GanTfcError: a row that is not there.
        """
        flat = self._coder.tables.checked_rows(rows)
        return np.array(self._read(flat.tolist()), np.int32).reshape(np.shape(rows))

    def _read(self, rows: list[int]) -> list[int]:
        # d, size: see the module. One function and local names only: this is the hot loop.
        d, size, words = self._distance, self._size, self._words
        out = []
        push = out.append
        for low, high, likely, cdf, first, escape in map(self._coder._row.__getitem__, rows):
            # Most symbols are the likeliest of their row: two products tell.
            a = (size * low) >> 16
            b = (size * high) >> 16
            if a <= d < b:
                d -= a
                size = b - a
                push(likely)
            else:
                # a <= d < b says c_v < q <= c_{v+1} with q = ceil(((d + 1) << 16) / size).
                v = bisect_left(cdf, ((d << 16) + 65535) // size + 1) - 1
                a = (size * cdf[v]) >> 16
                size = ((size * cdf[v + 1]) >> 16) - a
                d -= a
                if v == escape:
                    self._distance, self._size = d, size
                    v = self._read_escape(escape)
                    d, size = self._distance, self._size
                push(v + first)
            if size <= 65536:
                d = d << 16 | next(words, 0)
                size <<= 16
        self._distance, self._size = d, size
        return out

    def _read_escape(self, escape: int) -> int:
        """Read gamma code and sign of an index outside its row; returns the index."""
        digits = 1
        while not self._read_bit():
            digits += 1
            if digits > MAX_GAMMA_BITS:
                raise CorruptStreamError(
                    f"An escape code must have at most {MAX_GAMMA_BITS} binary digits, got more; "
                    "the data is damaged or belongs to other tables."
                )
        gamma = 1
        for _ in range(digits - 1):
            gamma = gamma << 1 | self._read_bit()
        return -gamma if self._read_bit() else gamma + escape - 1

    def _read_bit(self) -> int:
        """Finish the step before, then take one with two equal halves."""
        d, size = self._distance, self._size
        if size <= 65536:
            d = d << 16 | next(self._words, 0)
            size <<= 16
        half = size >> 1
        bit = int(d >= half)
        self._distance, self._size = (d - half, size - half) if bit else (d, half)
        return bit


def _escape_bits(index: int, escape: int) -> tuple[list[int], list[int]]:
    """Steps of 2^16 for the gamma code and the sign of an index outside its row."""
    gamma, sign = (-index, 1) if index < 0 else (index - escape + 1, 0)
    digits = [int(digit) for digit in f"{gamma:b}"]
    low = [bit * _HALF for bit in [0] * (len(digits) - 1) + digits + [sign]]
    return low, [lo + _HALF for lo in low]


def _decode_row(cdf: list[int], offset: int, has_escape: bool) -> tuple:
    """(low, high, integer) of the likeliest index; cdf; offset; index of the escape or -1."""
    escape = len(cdf) - 2 if has_escape else -1
    widths = np.diff(cdf)
    if has_escape:
        widths[-1] = 0
    likely = int(np.argmax(widths))
    if likely == escape:  # the row has no other symbol: [0, 0) never matches
        return 0, 0, 0, cdf, offset, escape
    return cdf[likely], cdf[likely + 1], likely + offset, cdf, offset, escape
