# SPDX-License-Identifier: Apache-2.0
"""Kinds of texture: k-means over what the wavelet sees on each patch of 8x8 pixels."""

import keras
import numpy as np
from keras import ops

from gan_tfc.layers.colour import rgb_to_ycc
from gan_tfc.layers.wavelet import analyse

_LEVELS = 3  # patches of 2**3 pixels
_BANDS = 9 * _LEVELS + 3
#: Amplitudes below a grey level are noise to the eye.
_FLOOR = 1 / 255


@keras.saving.register_keras_serializable("gan_tfc")
class LatentLabels(keras.layers.Layer):
    """Picture `(B, H, W, 3)`, RGB in [-0.5, 0.5] -> labels `(B, H/8, W/8)`, int32, 0..count-1.

    A patch is described by the logarithms of its mean amplitudes in the nine bands of three wavelet
    levels, and by its colour. They stand in for the VQ-VAE of MS-ILLM, which would need a training of its
    own. The centres are weights, so that a saved training goes on with the same labels.

    Args:
        count: how many labels.
    """

    def __init__(self, count=64, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.count = count
        fixed = {"trainable": False, "initializer": "zeros"}
        self.centres = self.add_weight(shape=(count, _BANDS), name="centres", **fixed)
        self.mean = self.add_weight(shape=(_BANDS,), name="mean", **fixed)
        self.deviation = self.add_weight(
            shape=(_BANDS,), name="deviation", trainable=False, initializer="ones"
        )

    def describe(self, image):
        """`(B, H/8, W/8, 30)`, not yet of unit variance."""
        low, details = analyse(rgb_to_ycc(image), _LEVELS)
        amplitudes = []
        for level, bands in enumerate(details):
            size = 2 ** (_LEVELS - 1 - level)
            mean = ops.average_pool(ops.abs(bands), size, size) if size > 1 else ops.abs(bands)
            amplitudes.append(ops.log(mean + _FLOOR))
        return ops.concatenate([*amplitudes, low / 2**_LEVELS], axis=-1)

    @property
    def adapted(self) -> bool:
        """Whether `adapt` was called, now or before the weights were saved."""
        return bool(np.any(ops.convert_to_numpy(self.centres.value)))

    def adapt(self, images, seed=0):
        """Find the centres, once, before training.

        Args:
            images: `(N, H, W, 3)` float32 in [-0.5, 0.5]; a few hundred crops.
            seed: of k-means.
        """
        from scipy.cluster.vq import kmeans2

        described = [
            ops.convert_to_numpy(self.describe(images[i : i + 16])) for i in range(0, len(images), 16)
        ]
        points = np.concatenate(described).reshape(-1, _BANDS).astype(np.float64)
        self.mean.assign(points.mean(0))
        self.deviation.assign(points.std(0) + 1e-6)
        points = (points - points.mean(0)) / (points.std(0) + 1e-6)
        centres, _ = kmeans2(points, self.count, minit="++", seed=seed, missing="warn")
        self.centres.assign(centres)

    def call(self, image):
        points = (self.describe(image) - self.mean) / self.deviation
        # |p - c|**2 without |p|**2, which is the same for all centres.
        distances = ops.sum(ops.square(self.centres), axis=-1) - 2.0 * ops.matmul(
            points, ops.transpose(self.centres)
        )
        return ops.stop_gradient(ops.argmin(distances, axis=-1))

    def get_config(self):
        return {**super().get_config(), "count": self.count}
