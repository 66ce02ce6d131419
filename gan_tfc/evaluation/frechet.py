# SPDX-License-Identifier: Apache-2.0
"""Distances between two sets of features: whether pictures look real, whatever each shows.

FID is the Fréchet distance of two Gaussians with the sets' means m and covariances C,

    |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

(M. Heusel et al., NeurIPS 2017). KID is the squared maximum mean discrepancy with the kernel
k(x, y) = (x.y / D + 1)^3 in its unbiased form, so its mean over draws does not depend on how many
features there are, and it may be below zero for sets that are alike (M. Binkowski et al., ICLR 2018).

FID is biased upwards where features are few, and of no meaning where they are fewer than their
dimensions, because covariances then have no full rank. `projected` is for that case.
"""

import numpy as np

from gan_tfc.errors import GanTfcError

#: So many features a dimension, at least, or `projected` takes fewer dimensions.
FEATURES_A_DIMENSION = 2
_BLOCK = 2048


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """FID of two sets of features, 0 for equal ones; lower is better.

    Args:
        first: `(N, D)`, N of at least 2.
        second: `(M, D)`.

    Raises:
        GanTfcError: Sets of other shapes.
    """
    first, second = _checked(first, second)
    difference = first.mean(axis=0) - second.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (first, second)]
    root = _square_root(covariances[0])
    # tr (C1 C2)^(1/2) = tr (R C2 R)^(1/2) with R = C1^(1/2), which is symmetric.
    mixed = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = sum(np.trace(c) for c in covariances) - 2 * np.sqrt(np.maximum(mixed, 0)).sum()
    return float(difference @ difference + trace)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """KID of two sets of features over all pairs at once, not over random subsets; lower is better.

    Args:
        first: `(N, D)`, N of at least 2.
        second: `(M, D)`.

    Raises:
        GanTfcError: Sets of other shapes.
    """
    first, second = _checked(first, second)
    within = 0.0
    for x in (first, second):
        count = len(x)
        diagonal = np.sum((np.sum(x * x, axis=1) / x.shape[1] + 1) ** 3)
        within += (_kernel_sum(x, x) - diagonal) / (count * (count - 1))
    return float(within - 2 * _kernel_sum(first, second) / (len(first) * len(second)))


def dimensions_for(count: int, dimensions: int) -> int:
    """How many dimensions FID is measured in: all, or a power of two that `count` features support."""
    if count >= FEATURES_A_DIMENSION * dimensions:
        return dimensions
    return 1 << max(0, (count // FEATURES_A_DIMENSION).bit_length() - 1)


def projected(features: np.ndarray, dimensions: int) -> np.ndarray:
    """Features on a random subspace, always the same one of a size; all if it is not smaller.

    Random, and not of the largest variance, so that it prefers no direction in which codecs err or
    do not. Expected squared lengths are kept.

    Args:
        features: `(N, D)`.
        dimensions: Of the subspace.

    Returns:
        `(N, dimensions)`.
    """
    size = features.shape[1]
    if dimensions >= size:
        return features
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, dimensions)))
    return features @ basis * np.sqrt(size / dimensions)


def _checked(first, second):
    first, second = (np.asarray(x, np.float64) for x in (first, second))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise GanTfcError(
            f"Expected two sets of features (N, D) of one D, received {first.shape} and {second.shape}; "
            "take both from the same network."
        )
    if min(len(first), len(second)) < 2:
        raise GanTfcError(
            f"Expected at least two features in each set, received {len(first)} and {len(second)}; "
            "take more or smaller patches."
        )
    return first, second


def _square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _kernel_sum(x, y):
    """Sum of the kernel over all pairs, a block of rows at a time."""
    blocks = (x[start : start + _BLOCK] for start in range(0, len(x), _BLOCK))
    return sum(float(np.sum((block @ y.T / x.shape[1] + 1) ** 3)) for block in blocks)
