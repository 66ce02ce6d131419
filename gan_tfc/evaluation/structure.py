# SPDX-License-Identifier: Apache-2.0
"""A distance of structure and texture after DISTS, and not DISTS itself.

For each feature map, over all its positions, with means m, variances v and the covariance c,

    l = (2 m_x m_y + e) / (m_x^2 + m_y^2 + e)        how alike the texture is
    s = (2 c + e) / (v_x + v_y + e)                  how alike the structure is
    distance = 1 - mean over layers of mean over maps of (l + s) / 2

as in K. Ding, K. Ma, S. Wang, E. P. Simoncelli, "Image quality assessment: unifying structure and
texture similarity", 2020. Two things differ: the network is that of `gan_tfc.losses.lpips` (AlexNet or
SqueezeNet, with their own pooling) in place of VGG-16, and all layers, maps and both terms weigh the
same, where DISTS learned weights from ratings. So values compare with each other only. As there, the
picture itself is the first layer, and a texture may move without cost in `l`.
"""

from keras import ops

_EPSILON = 1e-6


def structure_distance(image, reconstruction, features, other_features):
    """Distance `(B,)`: 0 for equal pictures, towards 1 for unlike ones; lower is better.

    Args:
        image: `(B, H, W, 3)` RGB in [-0.5, 0.5].
        reconstruction: of the same shape.
        features: maps `(B, h, w, C)` of the image, as of `LPIPS.features`.
        other_features: those of the reconstruction.
    """
    pairs = [(image + 0.5, reconstruction + 0.5), *zip(features, other_features, strict=True)]
    similarities = [_similarity(x, y) for x, y in pairs]
    return 1.0 - sum(similarities) / len(similarities)


def _similarity(x, y):
    positions = (1, 2)
    mean_x, mean_y = ops.mean(x, positions, keepdims=True), ops.mean(y, positions, keepdims=True)
    texture = (2 * mean_x * mean_y + _EPSILON) / (ops.square(mean_x) + ops.square(mean_y) + _EPSILON)
    dx, dy = x - mean_x, y - mean_y
    covariance = ops.mean(dx * dy, positions, keepdims=True)
    variances = ops.mean(ops.square(dx) + ops.square(dy), positions, keepdims=True)
    structure = (2 * covariance + _EPSILON) / (variances + _EPSILON)
    return ops.mean((texture + structure) / 2, axis=(1, 2, 3))
