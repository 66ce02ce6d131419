# SPDX-License-Identifier: Apache-2.0
"""LPIPS, a perceptual distance: how differently a classifier sees two pictures.

    distance = sum over layers of mean over positions of sum_c lin_c (u_c(x) - u_c(y))**2

with `u` the features of a layer, scaled to unit length at each position, and `lin` weights fitted to
what people said of distorted patches (Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable
Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, version 0.1).
"""

import numpy as np
from keras import ops

from gan_tfc.losses.feature_files import read_feature_file

NETWORKS = ("alex", "squeeze")
#: Below this height or width a layer of the network would be empty.
SMALLEST_SIDE = 32


class LPIPS:
    """Distances of pictures, 0 for equal ones, differentiable in both arguments.

    Weights are constants in float32: nothing here trains, also under mixed precision.

    Args:
        network: "alex" (AlexNet; what papers print) or "squeeze" (SqueezeNet 1.1, a tenth of the
            work; its values are on another scale).
        folder: of the weights, see `gan_tfc.losses.feature_files`.

    Raises:
        GanTfcError: the weights are not there.
        ValueError: unknown network.
    """

    def __init__(self, network="alex", folder=None):
        if network not in NETWORKS:
            raise ValueError(f"Expected network to be one of {', '.join(NETWORKS)}. Received: {network!r}")
        self.network = network
        # NumPy arrays: a tensor made while one graph is traced could not be used in another.
        self._arrays = read_feature_file(f"lpips_{network}", folder)
        layers = sum(key.startswith("lin") for key in self._arrays)
        self._lin = [self._arrays[f"lin{i + 1}"] for i in range(layers)]

    def __call__(self, first, second):
        """Two batches `(B, H, W, 3)` RGB in [-0.5, 0.5], sides at least 32 -> `(B,)`."""
        return self.from_features(self.features(first), self.features(second))

    def features(self, image):
        """A list of feature maps `(B, h, w, C)`, after ReLU, finest first; arguments as of a call."""
        x = (2.0 * ops.cast(image, "float32") - self._arrays["input/shift"]) / self._arrays["input/scale"]
        return self._alex(x) if self.network == "alex" else self._squeeze(x)

    def from_features(self, first, second):
        """Distance `(B,)` of two lists as of `features`."""
        total = 0.0
        for x, y, lin in zip(first, second, self._lin, strict=True):
            difference = ops.square(unit_length(x) - unit_length(y))
            total = total + ops.mean(ops.sum(difference * lin, axis=-1), axis=(1, 2))
        return total

    def _conv(self, x, name, stride=1, padding=0):
        if padding:
            x = ops.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        kernel = ops.convert_to_tensor(self._arrays[f"{name}/kernel"])
        x = ops.conv(x, kernel, strides=stride, padding="valid")
        return ops.relu(x + self._arrays[f"{name}/bias"])

    def _alex(self, x):
        maps = [self._conv(x, "conv1", stride=4, padding=2)]
        maps.append(self._conv(ops.max_pool(maps[-1], 3, 2), "conv2", padding=2))
        maps.append(self._conv(ops.max_pool(maps[-1], 3, 2), "conv3", padding=1))
        maps.append(self._conv(maps[-1], "conv4", padding=1))
        maps.append(self._conv(maps[-1], "conv5", padding=1))
        return maps

    def _squeeze(self, x):
        maps = [self._conv(x, "conv1", stride=2)]
        x = self._fire(self._fire(_pool_up(maps[-1]), 2), 3)
        maps.append(x)
        x = self._fire(self._fire(_pool_up(x), 4), 5)
        maps.append(x)
        x = _pool_up(x)
        for number in (6, 7, 8, 9):
            x = self._fire(x, number)
            maps.append(x)
        return maps

    def _fire(self, x, number):
        squeezed = self._conv(x, f"fire{number}/squeeze1x1")
        narrow = self._conv(squeezed, f"fire{number}/expand1x1")
        wide = self._conv(squeezed, f"fire{number}/expand3x3", padding=1)
        return ops.concatenate([narrow, wide], axis=-1)


def _pool_up(x):
    """3x3 maximum with stride 2, sizes rounded up; features are not negative, so zeros pad them."""
    bottom, right = ((side - 3) % 2 for side in x.shape[1:3])
    return ops.max_pool(ops.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0))), 3, 2)


def unit_length(x):
    """Features `(B, h, w, C)` scaled to length 1 at each position."""
    # Added below the root: the gradient stays finite where all channels are zero.
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-20)


def reference_pair(height=64, width=64):
    """The closed-form pictures that reference values exist for, `(1, H, W, 3)` in [-0.5, 0.5]."""
    h, w, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    first, second = np.sin(0.3 * h + 0.1 * w * (c + 1)), np.cos(0.05 * h * (c + 1) - 0.2 * w)
    return (first[None] / 2).astype(np.float32), (second[None] / 2).astype(np.float32)
