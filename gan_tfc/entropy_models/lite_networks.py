# SPDX-License-Identifier: Apache-2.0
"""The integer context networks on LiteRT: the numbers of the NumPy reference, in a quarter of the time.

```
 context --conv3 > floor, clip--+--conv3 > floor--(+)--clip--+--conv1 > floor, clip--> means, scales
                                +------------------+         +--conv1--> mixed
 known --conv3--(+ mixed)--floor, clip--conv1 > floor, clip--> means, scales
```

Every tensor holds integers below 2**24 (times a power of two) in float32, so any order of summation is
exact; see `gan_tfc.coding.integer_network`. Two things differ from the drawing there, not the numbers: the
first pass already multiplies its features for the second one, and the trunk's second layer is not clipped
before its input, which is at most 255, has been added and the sum is clipped.
"""

import numpy as np

from gan_tfc.coding.integer_network import (
    BANDS,
    HIDDEN_SHIFT,
    MEAN_RANGE,
    MEAN_SHIFT,
    SCALE_INDEXES,
    SCALE_OFFSET,
    SCALE_SHIFT,
    IntegerContextNetwork,
)
from gan_tfc.coding.scan import ContextModel
from gan_tfc.entropy_models.lite_graph import LiteFunction, LiteGraph, litert


def lite_contexts(model: ContextModel) -> ContextModel:
    """The same networks, run by LiteRT where it is installed, else as they are."""
    try:
        interpreter, schema = litert()
    except ImportError:
        return model
    networks = (LiteContextNetwork(network, interpreter, schema) for network in model.networks)
    return ContextModel(tuple(networks), model.phase)


class LiteContextNetwork:
    """One level's network; used like `IntegerContextNetwork`, by any number of threads.

    Args:
        network: the reference.
        interpreter, schema: as `gan_tfc.entropy_models.lite_graph.litert` gives them.
    """

    def __init__(self, network: IntegerContextNetwork, interpreter, schema):
        self.weights = network.weights
        self._first = LiteFunction(first_file(network.weights, schema), interpreter)
        self._second = LiteFunction(second_file(network.weights, schema), interpreter)

    def first(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Context `(H, W, C)` -> mixed features `(H, W, F)`, means and scale indexes `(H, W, 9)`."""
        return tuple(self._first(context))

    def second(self, mixed: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mixed features and known values `(H, W, 10)` -> means, scale indexes `(H, W, 9)`."""
        return tuple(self._second(mixed, known))


def first_file(weights: dict[str, np.ndarray], schema) -> bytes:
    """A `.tflite` file from a context to mixed features, means and scale indexes."""
    graph = LiteGraph(schema)
    context = graph.input(weights["trunk_in/kernel"].shape[2])
    hidden = graph.floor(graph.convolution(context, *_layer(weights, "trunk_in"), relu=True))
    hidden = graph.minimum(hidden, 255)
    step = graph.floor(graph.convolution(hidden, *_layer(weights, "trunk")))
    features = graph.minimum(graph.add(hidden, step, relu=True), 255)
    mixed = graph.convolution(features, *_layer(weights, "mix"))
    return graph.finish([context], [mixed, *_parameters(graph, weights, features, "first_head")])


def second_file(weights: dict[str, np.ndarray], schema) -> bytes:
    """A `.tflite` file from mixed features and known values to means and scale indexes."""
    graph = LiteGraph(schema)
    mixed = graph.input(weights["mix/kernel"].shape[3])
    known = graph.input(weights["known/kernel"].shape[2])
    hidden = graph.add(graph.convolution(known, *_layer(weights, "known")), mixed, relu=True)
    hidden = graph.minimum(graph.floor(hidden), 255)
    return graph.finish([mixed, known], list(_parameters(graph, weights, hidden, "second_head")))


def _parameters(graph, weights, hidden, head):
    means, scales = np.s_[:BANDS], np.s_[BANDS:]
    mean = graph.floor(graph.convolution(hidden, *_layer(weights, head, MEAN_SHIFT, means)))
    scale = graph.floor(graph.convolution(hidden, *_layer(weights, head, SCALE_SHIFT, scales, SCALE_OFFSET)))
    yield graph.minimum(graph.maximum(mean, -MEAN_RANGE), MEAN_RANGE)
    yield graph.minimum(graph.maximum(scale, 0), SCALE_INDEXES - 1)


def _layer(weights, name, shift=HIDDEN_SHIFT, outputs=np.s_[:], offset=0):
    """Kernel and bias with the requantising shift and its rounding half folded in, which is exact."""
    kernel = weights[f"{name}/kernel"][..., outputs].astype(np.float32) * 2.0**-shift
    if f"{name}/bias" not in weights:
        return kernel, np.zeros(kernel.shape[3])
    return kernel, weights[f"{name}/bias"][outputs] * 2.0**-shift + 0.5 + offset
