# SPDX-License-Identifier: Apache-2.0
"""The two sources of symbols for a scan, as in `gan_tfc.coding.passes`, while a graph is traced."""

import numpy as np
import tensorflow as tf

from gan_tfc.coding import steps
from gan_tfc.coding.passes import least_bytes
from gan_tfc.coding.scan import COARSEST, SECTIONS, section_of
from gan_tfc.coding.tables import CodingTables
from gan_tfc.export.tensorflow_codec.tables import shared_table


class GraphEncodingSource:
    """Quantises a picture's latents and writes the symbols.

    Args:
        coarsest: `(H, W, 3)` float32, the coarsest band.
        details: `(H, W, 9)` float32 for each level, finest first.
        code: step code.
        quantiser: a `GraphQuantiser`.
        coder: a `GraphCoder`.
    """

    def __init__(self, coarsest, details, code, quantiser, coder):
        step = steps.BASE_STEP * 2.0 ** tf.cast(coarsest_octave(code), tf.float64)
        self._coarsest = coarsest / tf.cast(step, tf.float32)
        self._details = details
        self._scale = tf.cast(1 / step_size(code), tf.float32)
        self._quantise = quantiser
        self._encoders = [coder.encoder() for _ in range(SECTIONS)]

    def coarsest(self, rows):
        """Symbols of the coarsest band, flat, whose table rows are `rows`."""
        symbols = tf.cast(tf.floor(tf.reshape(self._coarsest, [-1]) + 0.5), tf.int32)
        self._encoders[section_of(COARSEST)].encode(symbols, rows)
        return symbols

    def __call__(self, level, places, rows, means):
        """Symbols at flat places of a level, with their table rows and means in 1/4 step."""
        latents = tf.gather(tf.reshape(self._details[level], [-1]), places) * self._scale
        symbols = self._quantise(latents - tf.cast(means, tf.float32) * 0.25, rows)
        self._encoders[section_of(level)].encode(symbols, rows)
        return symbols

    def finish(self) -> list:
        """The finished sections."""
        return [encoder.finish() for encoder in self._encoders]


class GraphDecodingSource:
    """Reads symbols from the sections of a stream.

    Args:
        sections: strings, coarse first.
        coder: a `GraphCoder`.
    """

    def __init__(self, sections, coder):
        self._decoders = [coder.decoder(section) for section in sections]

    def coarsest(self, rows):
        """See `GraphEncodingSource`, as for the next."""
        return self._decoders[section_of(COARSEST)].decode(rows)

    def __call__(self, level, places, rows, means):
        return self._decoders[section_of(level)].decode(rows)


class LeastBytes:
    """`gan_tfc.coding.passes.least_bytes` of some tables.

    It grows in proportion to the picture, so a position's share is read off a very large one.
    """

    def __init__(self, tables: CodingTables):
        positions = 1 << 40
        octaves = range(steps.MIN_OCTAVE, steps.MAX_OCTAVE + 1)
        codes = [min(steps.CODES_PER_OCTAVE * octave, steps.MAX_STEP_CODE) for octave in octaves]
        share = [(least_bytes(tables, (positions, 1, 3), code) + 64) / positions for code in codes]
        self._share = shared_table(np.array(share))

    def __call__(self, height, width, code):
        """Sides of the coarsest band (int64) and step code -> bytes, int64."""
        share = tf.gather(self._share, coarsest_octave(code) - steps.MIN_OCTAVE)
        return tf.cast(tf.cast(height * width, tf.float64) * share, tf.int64) - 64


def coarsest_octave(code):
    """Octave of the step of the coarsest band."""
    return tf.maximum(steps.MIN_OCTAVE, (code + steps.CODES_PER_OCTAVE // 2) // steps.CODES_PER_OCTAVE)


def step_size(code):
    """The quantiser step of a code, float64."""
    return steps.BASE_STEP * 2.0 ** (tf.cast(code, tf.float64) / steps.CODES_PER_OCTAVE)
