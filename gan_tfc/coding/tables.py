# SPDX-License-Identifier: Apache-2.0
"""Coding tables: what encoder and decoder must share to the last bit, so they are data.

One row per distribution, in TensorFlow Compression's format, int32:

    [header, 0, c_1, c_2, ..., 2^P]      P = |header|, 1..16

The numbers after the header rise strictly from 0 to 2^P; symbol index v = 0, 1, ... has probability
(c_{v+1} - c_v) / 2^P. The integer that index v of row r stands for is v + offset[r]. header < 0
says that the row's last index is the *escape*: it announces any other integer, which follows as an
Elias gamma code (see `gan_tfc/coding/range_coder.py`). A row with header > 0 can code no other.

Tables are built once, stored with the model and never rebuilt: a reader whose floating-point
unit rounds one count differently could not decode a single image (Ballé et al., "Integer
Networks for Data Compression with Latent-Variable Models", ICLR 2019).
"""

import hashlib
import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gan_tfc.errors import GanTfcError, PresetError

MAX_PRECISION = 16
#: The escape code reaches every gamma value g with 1 <= g < 2^30, that is at most 30 binary digits.
MAX_GAMMA_BITS = 30
MAX_OFFSET = 2**29


@dataclass(frozen=True, eq=False)
class CodingTables:
    """Rows and offsets of a set of distributions; immutable and checked on construction.

    Args:
        cdf: rows as in the module's docstring; kept as a tuple of read-only int32 arrays.
        offset: integer that index 0 of each row stands for, int32 `(rows,)`, |offset| <= 2^29.

    Raises:
        PresetError: a row or an offset breaks the format.
    """

    cdf: Sequence[np.ndarray]
    offset: np.ndarray

    def __post_init__(self):
        cdf = tuple(_checked_row(row, index) for index, row in enumerate(self.cdf))
        offset = _integers(self.offset, "offsets")
        if offset.shape != (len(cdf),) or not cdf:
            raise PresetError(
                f"Coding tables need one offset per row and at least one row, got {len(cdf)} rows "
                f"and offsets of shape {offset.shape}; the preset is damaged."
            )
        if np.abs(offset).max() > MAX_OFFSET:
            raise PresetError(f"Offsets must lie within +-2^29, got {offset.tolist()}.")
        for index, (row, following) in enumerate(zip(cdf, cdf[1:], strict=False)):
            # In the flat form TensorFlow Compression skips repetitions of 2^P after a row.
            if following[0] == row[-1]:
                raise PresetError(
                    f"Row {index + 1} may not have the header {following[0]} after a row that ends "
                    "in the same number; give it an escape or another precision."
                )
        offset = offset.astype(np.int32)
        offset.flags.writeable = False
        object.__setattr__(self, "cdf", cdf)
        object.__setattr__(self, "offset", offset)

    def __len__(self) -> int:
        return len(self.cdf)

    def flat(self) -> np.ndarray:
        """All rows one after another, int32 (n,): the `lookup` of TensorFlow Compression's ops."""
        return np.concatenate(self.cdf)

    def lengths(self) -> np.ndarray:
        """Length of each row, header included, int32 (rows,)."""
        return np.array([len(row) for row in self.cdf], np.int32)

    def escape_index(self) -> np.ndarray:
        """Index of each row's escape, int32 (rows,); the number of symbols where it has none."""
        return self.lengths() - np.array([3 if row[0] < 0 else 2 for row in self.cdf], np.int32)

    def digest(self) -> bytes:
        """4 bytes that tie a stream to these tables.

        They are the first of the SHA-256 of, as little-endian int32: the number of rows, their
        lengths (header included), their contents, the offsets.
        """
        parts = [[len(self.cdf)], self.lengths(), *self.cdf, self.offset]
        return hashlib.sha256(np.concatenate(parts).astype("<i4").tobytes()).digest()[:4]

    def save(self) -> dict[str, np.ndarray]:
        """The tables as three int32 arrays to store, say, in an npz file."""
        return {"cdf": self.flat(), "cdf_length": self.lengths(), "cdf_offset": self.offset.copy()}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray]) -> "CodingTables":
        """Read back what `save` returned.

        Raises:
            PresetError: an array is missing, or the arrays do not fit together.
        """
        missing = {"cdf", "cdf_length", "cdf_offset"} - set(arrays)
        if missing:
            raise PresetError(f"Coding tables lack {sorted(missing)}; the preset is damaged.")
        flat = _integers(arrays["cdf"], "rows")
        lengths = _integers(arrays["cdf_length"], "row lengths")
        if flat.ndim != 1 or lengths.ndim != 1 or (lengths < 3).any() or lengths.sum() != flat.size:
            raise PresetError(
                f"Row lengths must be 3 or more and add up to {flat.size}, got {lengths.tolist()}; "
                "the preset is damaged."
            )
        return cls(np.split(flat, np.cumsum(lengths)[:-1]), arrays["cdf_offset"])

    def indexes(self, symbols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flatten integers and their rows for a coder, and check that each can be coded.

        Args:
            symbols: integers, any shape.
            rows: the row of each, the same number of elements.

        Returns:
            Symbol indexes (integer minus offset; those outside the row need its escape) and rows,
            both contiguous int32 (n,).

        Raises:
            GanTfcError: a row that is not there, or an integer that its row cannot code.
        """
        rows = self.checked_rows(rows)
        symbols = np.asarray(symbols).reshape(-1)
        if symbols.dtype.kind not in "iu" or symbols.size != rows.size:
            raise GanTfcError(
                f"Expected {rows.size} integers, one per row index, got {symbols.size} of type "
                f"{symbols.dtype}; round and cast them first."
            )
        if not rows.size:
            return np.zeros(0, np.int32), rows
        index = symbols.astype(np.int64) - self.offset[rows]
        limit = np.int64(2) ** MAX_GAMMA_BITS
        escape = self.escape_index().astype(np.int64)
        has_escape = np.array([row[0] < 0 for row in self.cdf])
        low = np.where(has_escape, 1 - limit, 0)
        high = np.where(has_escape, limit + escape - 2, escape - 1)
        # Two numbers decide nearly always; the comparison by row costs as much as the C++ coder.
        if index.min() < low.max() or index.max() > high.min():
            bad = np.flatnonzero((index < low[rows]) | (index > high[rows]))
            if bad.size:
                raise GanTfcError(
                    f"Row {rows[bad[0]]} cannot code the integer {symbols[bad[0]]} (symbol "
                    f"{bad[0]}); clip it to the row, or use tables with an escape."
                )
        return index.astype(np.int32), rows

    def checked_rows(self, rows: np.ndarray) -> np.ndarray:
        """Flatten row indexes to contiguous int32 (n,) and check that every row exists."""
        rows = np.asarray(rows)
        if rows.dtype.kind not in "iu" or (rows.size and (rows.min() < 0 or rows.max() >= len(self.cdf))):
            raise GanTfcError(
                f"Row indexes must be integers 0..{len(self.cdf) - 1}, got {rows.dtype} "
                + (f"from {rows.min()} to {rows.max()}." if rows.size else "without elements.")
            )
        return np.ascontiguousarray(rows.reshape(-1), np.int32)

    def cost_matrix(self, low: int, high: int) -> np.ndarray:
        """Ideal cost of integers in every row.

        Args:
            low: first integer, offsets included.
            high: last integer.

        Returns:
            Bits, float32 `(rows, high - low + 1)`. Outside a row: the escape and twice the binary
            digits of the gamma value, exactly what the coder spends; infinity without an escape.
        """
        costs = np.empty((len(self.cdf), high - low + 1), np.float64)
        escapes = self.escape_index()
        for out, row, offset, escape in zip(costs, self.cdf, self.offset, escapes, strict=True):
            bits = abs(int(row[0])) - np.log2(np.diff(row[1:]))
            index = np.arange(low, high + 1, dtype=np.int64) - offset
            gamma = np.where(index < 0, -index, index - escape + 1)
            outside = (index < 0) | (index >= escape)
            out[~outside] = bits[index[~outside]]
            # frexp's exponent of an integer is its number of binary digits.
            digits = np.frexp(gamma[outside].astype(np.float64))[1]
            out[outside] = bits[escape] + 2 * digits if row[0] < 0 else np.inf
        return costs.astype(np.float32)


def table_from_pmf(pmf: np.ndarray, offset: int, precision: int = 16) -> tuple[np.ndarray, int]:
    """Quantise probabilities to one row with an escape.

    Every index gets one count; the other counts go one by one to the index where the next one
    saves most bits, which minimises the expected code length. Only correctly rounded operations
    are used, so the same float64 input gives the same row on every machine.

    Args:
        pmf: probabilities of offset, offset + 1, ..., and last the escape's; (n,), not negative,
            need not add up to 1.
        offset: integer that the first probability belongs to.
        precision: P, 1..16; n must not exceed 2^P.

    Returns:
        `(row, offset)`: a row for `CodingTables.cdf`, int32 (n + 2,), and its offset.

    Raises:
        GanTfcError: the probabilities or the precision cannot make a row.
    """
    pmf = np.asarray(pmf, np.float64)
    if not 1 <= precision <= MAX_PRECISION or pmf.ndim != 1 or not 1 <= pmf.size <= 2**precision:
        raise GanTfcError(
            f"Expected 1..2^P probabilities and P in 1..16, got shape {pmf.shape}, P = {precision}."
        )
    if not np.isfinite(pmf).all() or pmf.min() < 0 or not 0 < pmf.max() < 2**64:
        raise GanTfcError(
            "Probabilities must be finite, not negative and not all zero, got "
            f"{pmf.min()} to {pmf.max()}; check the distribution's parameters."
        )
    pmf = pmf / math.fsum(pmf)  # correctly rounded, unlike a sum whose order may vary
    # With n counts set aside for the ones, nobody starts above its share.
    counts = np.maximum(np.floor(pmf * (2**precision - pmf.size)), 1).astype(np.int64).tolist()
    pmf = pmf.tolist()
    saving = [(-p * _log_step(counts[index]), index) for index, p in enumerate(pmf)]
    heapq.heapify(saving)
    for _ in range(2**precision - sum(counts)):
        index = saving[0][1]
        counts[index] += 1
        heapq.heapreplace(saving, (-pmf[index] * _log_step(counts[index]), index))
    return np.concatenate([[-precision, 0], np.cumsum(counts)]).astype(np.int32), int(offset)


def _log_step(count: int) -> float:
    """ln((count + 1) / count) to 6 digits; libraries' logarithms differ in the last bit."""
    z = 1 / (2 * count + 1)
    w = z * z
    return 2 * z * (1 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w / 9))))  # 2 artanh(z)


def _integers(values, what: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise PresetError(f"Coding tables need integer {what}, got {values.dtype}.")
    return values.astype(np.int64)


def _checked_row(row, index: int) -> np.ndarray:
    row = _integers(row, "rows")
    if row.ndim != 1 or row.size < 3:
        raise PresetError(f"Row {index} must be [header, 0, ..., 2^P], got shape {row.shape}.")
    precision = abs(int(row[0]))
    if not 1 <= precision <= MAX_PRECISION:
        raise PresetError(f"Row {index} must have a precision of 1..16, got {precision}.")
    if row[1] != 0 or row[-1] != 2**precision or (np.diff(row[1:]) <= 0).any():
        raise PresetError(
            f"Row {index} must rise strictly from 0 to {2**precision}, got {row[1:]}; the preset is damaged."
        )
    row = row.astype(np.int32)
    row.flags.writeable = False
    return row
