# SPDX-License-Identifier: Apache-2.0
"""The wavelet of `gan_tfc.coding.lifting`: inverse in whole numbers, forward in float32.

The inverse's numbers are below 2**44 and held in float64.
"""

import tensorflow as tf

from gan_tfc.coding import lifting
from gan_tfc.export.tensorflow_codec.tables import shared_function

_UNIT = 2.0**-lifting.SHIFT
_ALPHA, _BETA, _GAMMA, _DELTA, _K, _INVERSE_K = (
    round(x / _UNIT) * _UNIT
    for x in (lifting.ALPHA, lifting.BETA, lifting.GAMMA, lifting.DELTA, lifting.K, 1 / lifting.K)
)


def _next_sum(x, axis):
    """x[n] + x[n+1] along axis 0 or 1; the last sample is repeated."""
    following = [x[1:], x[-1:]] if axis == 0 else [x[:, 1:], x[:, -1:]]
    return x + tf.concat(following, axis)


def _previous_sum(x, axis):
    """x[n] + x[n-1]; the first sample is repeated."""
    previous = [x[:1], x[:-1]] if axis == 0 else [x[:, :1], x[:, :-1]]
    return x + tf.concat(previous, axis)


def _scaled(x, factor):
    return tf.floor(x * factor + 0.5)


def _merge(low, high, axis):
    even, odd = _scaled(low, _INVERSE_K), _scaled(high, _K)
    even -= _scaled(_previous_sum(odd, axis), _DELTA)
    odd -= _scaled(_next_sum(even, axis), _GAMMA)
    even -= _scaled(_previous_sum(odd, axis), _BETA)
    odd -= _scaled(_next_sum(even, axis), _ALPHA)
    height, width, planes = tf.unstack(tf.shape(low))
    sides = [2 * height, width] if axis == 0 else [height, 2 * width]
    return tf.reshape(tf.stack([even, odd], axis + 1), [*sides, planes])


@shared_function
def merge_level(low_low, details):
    """Low band `(H, W, 3)` and details `(H, W, 9)` -> the finer picture; float64 in 1/64 step."""
    low_high, high_low, high_high = tf.split(details, 3, axis=2)
    columns = _merge(tf.concat([low_low, high_low], 2), tf.concat([low_high, high_high], 2), 0)
    low, high = tf.split(columns, 2, axis=2)
    return tf.clip_by_value(_merge(low, high, 1), -float(lifting.LIMIT), float(lifting.LIMIT))


def _split(x, axis):
    height, width, planes = tf.unstack(tf.shape(x))
    sides = [height // 2, 2, width] if axis == 0 else [height, width // 2, 2]
    even, odd = tf.unstack(tf.reshape(x, [*sides, planes]), 2, axis + 1)
    odd += lifting.ALPHA * _next_sum(even, axis)
    even += lifting.BETA * _previous_sum(odd, axis)
    odd += lifting.GAMMA * _next_sum(even, axis)
    even += lifting.DELTA * _previous_sum(odd, axis)
    return even * lifting.K, odd * (1 / lifting.K)


@shared_function
def split_level(picture):
    """`(2 H, 2 W, 3)` float32 -> low band `(H, W, 3)` and details `(H, W, 9)`."""
    low, high = _split(tf.concat(_split(picture, 1), 2), 0)
    low_low, high_low = tf.split(low, 2, axis=2)
    low_high, high_high = tf.split(high, 2, axis=2)
    return low_low, tf.concat([low_high, high_low, high_high], 2)


def analyse(picture, levels):
    """`(H, W, 3)` float32 -> coarsest band and details, finest first."""
    details = []
    for _ in range(levels):
        picture, bands = split_level(picture)
        details.append(bands)
    return picture, details
