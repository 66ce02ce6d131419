# SPDX-License-Identifier: Apache-2.0
"""The order of the symbols, as in `gan_tfc.coding.scan`, while a graph is traced."""

from typing import NamedTuple

import tensorflow as tf

from gan_tfc.coding import steps
from gan_tfc.coding.integer_network import SCALE_INDEXES
from gan_tfc.coding.scan import MAX_SYMBOL
from gan_tfc.export.tensorflow_codec import contexts, wavelet
from gan_tfc.export.tensorflow_codec.networks import ContextGraphs
from gan_tfc.export.tensorflow_codec.passes import coarsest_octave


class Latents(NamedTuple):
    """What a scan found.

    Attributes:
        coarsest: the coarsest band `(H, W, 3)` float64 in 1/64 step.
        picture: all of the picture `(H, W, 3)`, likewise.
        values: int32 `(H/2, W/2, 9)` in 1/4 step for each level, finest first.
        scales: scale indexes behind `values`, int32.
    """

    coarsest: tf.Tensor
    picture: tf.Tensor
    values: tuple[tf.Tensor, ...]
    scales: tuple[tf.Tensor, ...]


def scan(model: ContextGraphs, height, width, code, source) -> Latents:
    """Pull all symbols from a source.

    Args:
        model: the context networks.
        height, width: of the coarsest band.
        code: step code of the stream, int32.
        source: `GraphEncodingSource` or `GraphDecodingSource`.
    """
    first = SCALE_INDEXES + 3 * (coarsest_octave(code) - steps.MIN_OCTAVE)
    symbols = _clipped(source.coarsest(tf.tile(first + tf.range(3), [height * width])))
    picture = coarsest = _coarsest_to_fixed(tf.reshape(symbols, [height, width, 3]), code)
    parents, values, scales = None, [], []
    for level in reversed(range(model.levels)):
        parents, found = _scan_level(model, picture, parents, code, level, source)
        picture = wavelet.merge_level(picture, tf.cast(16 * parents, tf.float64))
        values.insert(0, parents)
        scales.insert(0, found)
    return Latents(coarsest, picture, tuple(values), tuple(scales))


def _scan_level(model, picture, parents, code, level, source):
    height, width, _ = tf.unstack(tf.shape(picture))
    odd = contexts.odd_positions(height, width)
    mask = contexts.first_pass_mask(odd, model.phase)
    first = model.first(level, contexts.context(picture, parents, code, tf.constant(level))[None])
    values, scales = _scan_pass(first, mask, level, source)
    known = contexts.known_values(values, odd)[None]
    second = model.second(level, first["features"], known)
    more_values, more_scales = _scan_pass(second, ~mask, level, source)
    return values + more_values, scales + more_scales


def _scan_pass(parameters, mask, level, source):
    """Values and scale indexes `(H, W, 9)` of one pass, zero outside of it."""
    means, scales = (
        tf.where(mask, tf.cast(parameters[name][0], tf.int32), 0) for name in ("means", "scales")
    )
    rows = tf.reshape(scales, [-1])
    places = tf.where(rows > 0)
    coded_means, coded_rows = tf.gather_nd(tf.reshape(means, [-1]), places), tf.gather_nd(rows, places)
    symbols = _clipped(source(level, places[:, 0], coded_rows, coded_means))
    symbols = tf.scatter_nd(places, 4 * symbols, tf.shape(rows, tf.int64))
    return tf.reshape(symbols, tf.shape(means)) + means, scales


def _coarsest_to_fixed(symbols, code):
    exponent = steps.CODES_PER_OCTAVE * coarsest_octave(code) - code
    scale = contexts.octave_scale(exponent, 8 - 17)
    return tf.floor(tf.cast(symbols, tf.float64) * scale + 0.5)


def _clipped(symbols):
    return tf.clip_by_value(symbols, -MAX_SYMBOL, MAX_SYMBOL)
