# SPDX-License-Identifier: Apache-2.0
"""Perceptual distances by name, for training: full-reference, differentiable, 0 for equal pictures."""

import keras
from keras import ops

from gan_tfc.losses.lpips import LPIPS, unit_length

_VGG_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
# Means of ImageNet, BGR, that keras.applications.vgg16 subtracts.
_VGG_MEANS = (103.939, 116.779, 123.68)


class VGG16Distance:
    """Squared differences of unit-length VGG16 features, mean of five layers.

    LPIPS without its fitted weights; Keras downloads the network on first use (Simonyan and Zisserman,
    ICLR 2015; as a loss: Johnson, Alahi, Fei-Fei, ECCV 2016).

    Args:
        weights: as for `keras.applications.VGG16`: "imagenet", a file, or None for random ones.
    """

    def __init__(self, weights="imagenet"):
        network = keras.applications.VGG16(include_top=False, weights=weights)
        outputs = [network.get_layer(name).output for name in _VGG_LAYERS]
        self._model = keras.Model(network.input, outputs)
        self._model.trainable = False

    def __call__(self, first, second):
        """Two batches `(B, H, W, 3)` RGB in [-0.5, 0.5], sides at least 32 -> `(B,)`."""
        pairs = zip(self._features(first), self._features(second), strict=True)
        distances = [
            ops.mean(ops.sum(ops.square(unit_length(x) - unit_length(y)), axis=-1), axis=(1, 2))
            for x, y in pairs
        ]
        return sum(distances) / len(distances)

    def _features(self, image):
        pixels = 255.0 * (ops.cast(image, "float32") + 0.5)
        return self._model(ops.flip(pixels, axis=-1) - ops.convert_to_tensor(_VGG_MEANS), training=False)


DISTANCES = {
    "lpips_alex": lambda: LPIPS("alex"),
    "lpips_squeeze": lambda: LPIPS("squeeze"),
    "vgg16": VGG16Distance,
}


def get(name):
    """A distance by name, or the function itself.

    Raises:
        ValueError: unknown name.
        GanTfcError: LPIPS weights that are not there.
    """
    if callable(name):
        return name
    if name not in DISTANCES:
        raise ValueError(f"Expected a perceptual distance among {', '.join(DISTANCES)}. Received: {name!r}")
    return DISTANCES[name]()
