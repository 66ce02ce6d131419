# SPDX-License-Identifier: Apache-2.0
"""Parameters and multiply-accumulates per source pixel, counted from the layers' shapes."""

import math

import keras

from gan_tfc.layers.integer_conv import IntegerConv2D


def context_kmacs(model) -> float:
    """Thousands of multiply-accumulates a pixel in all context networks of a `WaveletCodec`."""
    total = 0.0
    for level, network in enumerate(model.networks):
        layers = [layer for layer in network._flatten_layers() if isinstance(layer, IntegerConv2D)]
        total += sum(math.prod(layer.kernel.shape) for layer in layers) / 4 ** (level + 1)
    return total / 1000


def synthesis_kmacs(model) -> float:
    """Thousands of multiply-accumulates a pixel in the synthesis network."""
    patch = model.synthesis.get_layer("embed").strides[0]
    layers = [x for x in model.synthesis.layers if isinstance(x, keras.layers.Conv2D)]
    return sum(math.prod(layer.kernel.shape) for layer in layers) / patch**2 / 1000


def complexity(model) -> dict:
    """Counts for a preset's metadata."""
    contexts = sum(network.count_params() for network in model.networks)
    synthesis = model.synthesis.count_params()
    return {
        "parameters": contexts + synthesis + model.bottleneck.count_params(),
        "kmac_per_pixel": round(context_kmacs(model) + synthesis_kmacs(model), 3),
        "context_kmac_per_pixel": round(context_kmacs(model), 3),
        "synthesis_kmac_per_pixel": round(synthesis_kmacs(model), 3),
    }
