# SPDX-License-Identifier: Apache-2.0
"""The integer context network of one wavelet level: what is decoded -> means and scale indexes.

```
 context (coarser picture, parents, step) --conv3--conv3(+)--> features --conv1--> first pass parameters
                                                       |
 first pass values, their mask ----------------conv3---+--conv1--> hidden --conv1--> second pass parameters
```

Two checkerboard passes (He et al., "Checkerboard Context Model", CVPR 2021) share one trunk: the second
pass adds what the first one decoded. All arrows carry integers; see `IntegerConv2D`.
"""

import keras
from keras import ops

from gan_tfc.coding.integer_network import (
    BANDS,
    HIDDEN_SHIFT,
    MEAN_RANGE,
    MEAN_SHIFT,
    SCALE_INDEXES,
    SCALE_OFFSET,
    SCALE_SHIFT,
)
from gan_tfc.layers.integer_conv import IntegerConv2D, requantise


@keras.saving.register_keras_serializable("gan_tfc")
class ContextNetwork(keras.layers.Layer):
    """Predicts the nine symbols at each position of one level, in two passes.

    Args:
        features: channels of the hidden layers.
        context_channels: channels of the context.
    """

    def __init__(self, features, context_channels, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.features = features
        self.context_channels = context_channels
        # Means start at zero: a wrong mean costs distortion everywhere, a wrong scale only bits.
        head = {"kernel_initializer": "zeros"}
        self.trunk_in = IntegerConv2D(features, 3, name="trunk_in")
        self.trunk = IntegerConv2D(features, 3, name="trunk")
        self.first_head = IntegerConv2D(2 * BANDS, 1, name="first_head", **head)
        self.known = IntegerConv2D(features, 3, name="known")
        self.mix = IntegerConv2D(features, 1, use_bias=False, name="mix")
        self.second_head = IntegerConv2D(2 * BANDS, 1, name="second_head", **head)

    def build(self, context_shape=None):
        space = (None, None, None)
        self.trunk_in.build((*space, self.context_channels))
        for layer in (self.trunk, self.first_head, self.mix, self.second_head):
            layer.build((*space, self.features))
        self.known.build((*space, BANDS + 1))
        self.built = True

    def first(self, context):
        """Context `(B, H, W, C)`, integers in [-127, 127] -> features `(B, H, W, F)`, parameters."""
        hidden = requantise(self.trunk_in(context), HIDDEN_SHIFT, 0.0, 255.0)
        step = requantise(self.trunk(hidden), HIDDEN_SHIFT, -255.0, 255.0)
        features = ops.clip(hidden + step, 0.0, 255.0)
        return features, self.parameters(self.first_head(features))

    def second(self, features, known):
        """Features and first-pass values `(B, H, W, 10)`, integers in [-127, 127] -> parameters."""
        hidden = self.known(known) + self.mix(features)
        hidden = requantise(hidden, HIDDEN_SHIFT, 0.0, 255.0)
        return self.parameters(self.second_head(hidden))

    @staticmethod
    def parameters(accumulator):
        """Accumulators `(B, H, W, 18)` -> means `(B, H, W, 9)` in 1/4 step, scale indexes 0..63."""
        mean, scale = ops.split(accumulator, 2, axis=-1)
        mean = requantise(mean, MEAN_SHIFT, -MEAN_RANGE, MEAN_RANGE)
        # The offset starts training at a middle scale with the bias at zero.
        scale = requantise(scale, SCALE_SHIFT, -SCALE_OFFSET, SCALE_INDEXES - 1 - SCALE_OFFSET) + SCALE_OFFSET
        return mean, scale

    def call(self, context, known):
        features, first = self.first(context)
        return first, self.second(features, known)

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.features,
            "context_channels": self.context_channels,
        }
