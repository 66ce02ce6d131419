# SPDX-License-Identifier: Apache-2.0
"""The context networks of all levels, ready to be called inside a graph."""

import tensorflow as tf

from gan_tfc.coding.scan import ContextModel
from gan_tfc.export import graphs
from gan_tfc.export.tensorflow_codec.tables import EXACT_DEVICE


class ContextGraphs:
    """Networks as `gan_tfc.export.graphs` draws them, by level.

    Attributes:
        phase: nine 0/1 integers, see `gan_tfc.coding.contexts.first_pass_mask`.
        variables: what a SavedModel must keep of them.
    """

    def __init__(self, contexts: ContextModel):
        self.phase = [int(phase) for phase in contexts.phase]
        self.levels = contexts.levels
        networks = list(enumerate(contexts.networks))
        self._first = [graphs.first(network, f"first_{level}") for level, network in networks]
        self._second = [graphs.second(network, f"second_{level}") for level, network in networks]
        self.variables = [v for model in self._first + self._second for v in variables_of(model)]

    def first(self, level, context):
        """`(B, H, W, 14)` -> a dict of features, means and scales."""
        with tf.device(EXACT_DEVICE):
            return self._first[level]({"context": context}, training=False)

    def second(self, level, features, known):
        """`(B, H, W, F)` and `(B, H, W, 10)` -> a dict of means and scales."""
        with tf.device(EXACT_DEVICE):
            return self._second[level]({"features": features, "known": known}, training=False)

    def features(self, level) -> int:
        """F of a level."""
        return self._second[level].input["features"].shape[-1]


def variables_of(model) -> list[tf.Variable]:
    """A Keras model's variables as TensorFlow's, which a `tf.Module` saves without Keras."""
    return [variable.value for variable in model.variables]
