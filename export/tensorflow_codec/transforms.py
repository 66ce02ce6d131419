# SPDX-License-Identifier: Apache-2.0
"""The networks alone, of TensorFlow's own operators."""

import tensorflow as tf

from gan_tfc.coding.contexts import BANDS, CONTEXT_CHANNELS
from gan_tfc.coding.scan import ContextModel
from gan_tfc.export.tensorflow_codec.networks import ContextGraphs, variables_of


class TransformsModule(tf.Module):
    """Context networks by level and the synthesis network, one signature each.

    Args:
        contexts: the frozen context networks.
        synthesis: a `gan_tfc.models.synthesis.SynthesisNetwork`.
    """

    def __init__(self, contexts: ContextModel, synthesis):
        super().__init__(name="transforms")
        graphs = ContextGraphs(contexts)
        self.weights = graphs.variables + variables_of(synthesis)
        self.endpoints = {"synthesis": _synthesis(synthesis)}
        for level in range(graphs.levels):
            self.endpoints[f"first_{level}"] = _first(graphs, level)
            self.endpoints[f"second_{level}"] = _second(graphs, level)


def _first(graphs, level):
    signature = [_spec("context", CONTEXT_CHANNELS)]

    @tf.function(input_signature=signature, autograph=False)
    def first(context):
        return graphs.first(level, context)

    return first


def _second(graphs, level):
    signature = [_spec("features", graphs.features(level)), _spec("known", BANDS + 1)]

    @tf.function(input_signature=signature, autograph=False)
    def second(features, known):
        return graphs.second(level, features, known)

    return second


def _synthesis(network):
    scalar = tf.TensorSpec([None, 1], tf.float32)
    if not network.texture_features:

        @tf.function(input_signature=[_spec("base", 3), scalar], autograph=False)
        def synthesis(base, step):
            return {"picture": network({"base": base, "step": step}, training=False)}

        return synthesis
    signature = [_spec("base", 3), scalar, scalar, _spec("noise", network.texture_features)]

    @tf.function(input_signature=signature, autograph=False)
    def realistic_synthesis(base, step, realism, noise):
        inputs = {"base": base, "step": step, "realism": realism, "noise": noise}
        return {"picture": network(inputs, training=False)}

    return realistic_synthesis


def _spec(name, channels):
    return tf.TensorSpec([None, None, None, channels], tf.float32, name)
