# SPDX-License-Identifier: Apache-2.0
"""Losses under `tf.distribute`."""

import keras


def share_of_replica(loss):
    """A replica's mean loss as its share of the whole batch's: Keras adds up gradients of all replicas.

    Keras's own losses do this, and its trainer undoes it for the loss that it reports. Without effect
    outside of `tf.distribute`.
    """
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync
