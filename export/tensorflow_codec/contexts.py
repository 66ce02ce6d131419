# SPDX-License-Identifier: Apache-2.0
"""What the context networks read, as in `gan_tfc.coding.contexts`; pictures are float64 integers."""

import numpy as np
import tensorflow as tf

from gan_tfc.coding import contexts, steps
from gan_tfc.export.tensorflow_codec.tables import shared_function, shared_table

_REACH = len(contexts.COMPRESS) - 1
_COMPRESS = shared_table(contexts.compress(np.arange(-_REACH, _REACH + 1)).astype(np.float32))
_OCTAVE = shared_table(steps.OCTAVE.astype(np.float64))


def compress(sixteenths):
    """Integers in 1/16 step, of any type, -> float32 in [-127, 127]."""
    entries = tf.clip_by_value(tf.cast(sixteenths, tf.int32), -_REACH, _REACH) + _REACH
    return tf.gather(_COMPRESS, entries)


def _binomial(x, axis):
    if axis == 0:
        before, after = tf.concat([x[:1], x[:-1]], 0), tf.concat([x[1:], x[-1:]], 0)
    else:
        before, after = tf.concat([x[:, :1], x[:, :-1]], 1), tf.concat([x[:, 1:], x[:, -1:]], 1)
    return before + 2 * x + after


def relief(picture):
    """Picture minus its blur, in 1/16 step."""
    return tf.floor((16 * picture - _binomial(_binomial(picture, 0), 1)) * 2.0**-6 + 0.5)


def octave_scale(code, shift):
    """``OCTAVE[code & 255] << (shift + (code >> 8))``, float64; `code` may be negative."""
    octave = tf.gather(_OCTAVE, code & 255)
    return octave * 2.0 ** tf.cast(code // 256 + shift, tf.float64)


def _brightness(luma, code, level):
    unit = 2.0 ** -tf.cast(6 + steps.OCTAVE_BITS + level + 1, tf.float64)
    exact = luma * (octave_scale(code, 0) * unit)
    return tf.clip_by_value(tf.floor(exact + 0.5), -127.0, 127.0)


@shared_function
def context(picture, parents, code, level):
    """The context of a level `(H, W, 14)` float32.

    Args:
        picture: low band `(H, W, 3)` in 1/64 step.
        parents: int32 `(H/2, W/2, 9)` in 1/4 step, None at the coarsest.
        code: step code, int32.
        level: int32, 0 for the finest.
    """
    height, width, _ = tf.unstack(tf.shape(picture))
    if parents is None:
        above = tf.zeros([height, width, contexts.BANDS])
    else:
        above = compress(4 * parents)[:, None, :, None]
        above = tf.broadcast_to(above, [height // 2, 2, width // 2, 2, contexts.BANDS])
        above = tf.reshape(above, [height, width, contexts.BANDS])
    bright = tf.cast(_brightness(picture[..., :1], code, level), tf.float32)
    log_step = tf.fill([height, width, 1], tf.cast(code // 16, tf.float32))
    return tf.concat([above, compress(relief(picture)), bright, log_step], 2)


def odd_positions(height, width):
    """int32 `(height, width, 1)`: 1 where row + column is odd."""
    return ((tf.range(height)[:, None] + tf.range(width)) & 1)[..., None]


def first_pass_mask(odd, phase):
    """Boolean `(H, W, 9)`: what the first pass codes."""
    return odd != tf.constant(phase, tf.int32)


@shared_function
def known_values(values, odd):
    """Values of the first pass `(H, W, 9)` in 1/4 step, zero elsewhere, -> `(H, W, 10)` float32."""
    return tf.concat([compress(4 * values), tf.cast(contexts.MASK_LEVEL * odd, tf.float32)], 2)
