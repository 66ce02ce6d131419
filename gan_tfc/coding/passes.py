# SPDX-License-Identifier: Apache-2.0
"""The two sources of symbols for a `scan`: a picture to encode, or a stream to decode."""

from collections.abc import Sequence

import numpy as np

from gan_tfc.coding import steps
from gan_tfc.coding.integer_network import BANDS
from gan_tfc.coding.scan import COARSEST, SECTIONS, coarsest_rows, section_of
from gan_tfc.coding.tables import CodingTables


class EncodingSource:
    """Quantises a picture's latents pass by pass and feeds them to the coder.

    Args:
        coarsest: `(H, W, 3)` float32, the coarsest band, pixels in [0, 1].
        details: `(H, W, 9)` float32 for each level, finest first.
        code: step code.
        quantiser: a `gan_tfc.coding.quantiser.Quantiser`.
        coder: a coder as made by `make_coder`, or None to choose symbols without writing them.
        factors: of the rate weight, `(H, W)` for each level, see `gan_tfc.coding.visibility`; or None.
    """

    def __init__(self, coarsest, details, code, quantiser, coder=None, factors=None):
        self._coarsest = coarsest / np.float32(steps.coarsest_step_size(code))
        self._details = details
        self._scale = np.float32(1 / steps.step_size(code))
        self._quantise, self._factors = quantiser, factors
        self._encoders = [coder.encoder() for _ in range(SECTIONS)] if coder else None

    def __call__(self, level, places, rows, means):
        if level == COARSEST:
            latents = self._coarsest.reshape(-1)[places]
            symbols = np.floor(latents + np.float32(0.5)).astype(np.int32)
            self._write(level, symbols, rows)
            return symbols
        symbols = np.zeros(rows.shape, np.int32)
        coded = np.flatnonzero(rows)
        places, rows = places.take(coded), rows.take(coded)
        latents = self._details[level].reshape(-1).take(places) * self._scale
        factors = None if self._factors is None else self._factors[level].reshape(-1).take(places // BANDS)
        found = self._quantise(latents - means.take(coded) * np.float32(0.25), rows, factors)
        self._write(level, found, rows)
        symbols[coded] = found
        return symbols

    def _write(self, level, symbols, rows):
        if self._encoders:
            self._encoders[section_of(level)].encode(symbols, rows)

    def finish(self) -> list[bytes]:
        """The finished sections."""
        return [encoder.finish() for encoder in self._encoders]


def least_bytes(tables: CodingTables, shape: tuple[int, int, int], code: int) -> int:
    """Bytes of the first section below which no picture can have been coded.

    Every symbol of the coarsest band takes the bits of its row's likeliest one or more. Half of that
    allows for the coder's rounding, 64 bytes for what it drops at the end of a stream; what is left
    is enough to refuse a few bytes that claim to be millions of pixels.

    Args:
        tables: coding tables.
        shape: of the coarsest band.
        code: step code.
    """
    rows = (tables.cdf[row] for row in coarsest_rows((1, 1, shape[2]), code))
    bits = sum(abs(int(row[0])) - np.log2(np.diff(row[1:]).max()) for row in rows)
    return int(shape[0] * shape[1] * bits / 16) - 64


class DecodingSource:
    """Reads symbols from the sections of a stream.

    Args:
        sections: payloads, coarse first; may be a prefix of all sections.
        coder: a coder as made by `make_coder`.
    """

    def __init__(self, sections: Sequence[bytes], coder):
        self._decoders = [coder.decoder(section) for section in sections]

    def __call__(self, level, places, rows, means):
        decoder = self._decoders[section_of(level)]
        if level == COARSEST:
            return decoder.decode(rows)
        symbols = np.zeros(rows.shape, np.int32)
        coded = np.flatnonzero(rows)
        symbols[coded] = decoder.decode(rows.take(coded))
        return symbols
