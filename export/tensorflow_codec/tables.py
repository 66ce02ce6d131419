# SPDX-License-Identifier: Apache-2.0
"""Tables and functions that many places of a graph use, which then holds them once."""

import functools

import numpy as np
import tensorflow as tf

#: Where integers are computed: a GPU's library may choose algorithms that round.
EXACT_DEVICE = "/CPU:0"


#: Traced once, not once for each level.
shared_function = functools.partial(tf.function, autograph=False, reduce_retracing=True)


def shared_table(array: np.ndarray) -> tf.Tensor:
    """A tensor outside of all graphs, which capture it: a SavedModel then holds it once."""
    with tf.init_scope(), tf.device(EXACT_DEVICE):
        return tf.constant(array)
