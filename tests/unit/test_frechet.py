# SPDX-License-Identifier: Apache-2.0
"""FID and KID where their values are known, and the features that they compare."""

import numpy as np
import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation import patch_features
from gan_tfc.evaluation.frechet import dimensions_for, frechet_distance, kernel_distance, projected
from gan_tfc.evaluation.patch_features import PatchFeatures, inception_network, patches
from gan_tfc.evaluation.tally import Tally


@pytest.fixture
def features(rng):
    return rng.normal(size=(300, 12)) @ rng.normal(size=(12, 12))


# --- FID -----------------------------------------------------------------------------------------


def test_fid_of_moved_features_is_the_square_of_the_way(features, rng):
    way = rng.normal(size=12)
    # The square root of a matrix is taken by its eigenvalues in float64.
    assert frechet_distance(features, features + way) == pytest.approx(way @ way, abs=1e-8)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-8)


def test_fid_of_stretched_features_is_that_of_the_deviations(features):
    centred = features - features.mean(axis=0)
    trace = np.cov(centred, rowvar=False).trace()
    # tr(C + 9 C - 2 * 3 C) = 4 tr C
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * trace, rel=1e-9)


def test_fid_has_the_closed_form_of_covariances_that_do_not_commute(rng):
    scipy = pytest.importorskip("scipy.linalg", reason="SciPy comes with scikit-image")
    first, second = (rng.normal(size=(100, 6)) @ rng.normal(size=(6, 6)) for _ in range(2))
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    way = first.mean(0) - second.mean(0)
    expected = way @ way + np.trace(c1 + c2 - 2 * scipy.sqrtm(c1 @ c2).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


# --- KID -----------------------------------------------------------------------------------------


def test_kid_is_the_sum_over_pairs_that_its_definition_says(rng):
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))

    def mean(a, b, skip):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (skip and i == j)]
        return np.mean([(a[i] @ b[j] / 3 + 1) ** 3 for i, j in pairs])

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    assert kernel_distance(x, y) == pytest.approx(expected, abs=1e-10)


def test_kid_of_two_draws_from_one_distribution_is_zero_in_the_mean(rng):
    found = [kernel_distance(*rng.normal(size=(2, 40, 8))) for _ in range(200)]
    # Unbiased: the mean lies within four of its own standard errors, and single values below zero.
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0 < kernel_distance(rng.normal(size=(40, 8)), 1 + rng.normal(size=(40, 8)))


def test_kid_does_not_depend_on_the_size_of_blocks(features, rng, monkeypatch):
    other = features + rng.normal(size=features.shape)
    expected = kernel_distance(features, other)
    monkeypatch.setattr("gan_tfc.evaluation.frechet._BLOCK", 7)
    assert kernel_distance(features, other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_features_of_two_networks_or_of_one_patch_are_refused(distance):
    with pytest.raises(GanTfcError, match="same network"):
        distance(np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(GanTfcError, match="at least two"):
        distance(np.zeros((1, 3)), np.zeros((5, 3)))


# --- few features --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "dimensions", "expected"),
    [(1024, 512, 512), (1023, 512, 256), (360, 2048, 128), (12, 512, 4), (2, 512, 1)],
)
def test_fid_takes_so_many_dimensions_that_there_are_two_features_for_each(count, dimensions, expected):
    assert dimensions_for(count, dimensions) == expected


def test_projection_is_always_the_same_and_keeps_lengths_in_the_mean(rng):
    features = rng.normal(size=(2000, 64))
    small = projected(features, 16)
    assert small.shape == (2000, 16)
    np.testing.assert_array_equal(small, projected(features, 16))
    # The mean of 2000 squared lengths, each within a third of its own expectation.
    ratio = np.mean(np.sum(small**2, axis=1)) / np.mean(np.sum(features**2, axis=1))
    assert ratio == pytest.approx(1, abs=0.05)
    assert projected(features, 64) is features


def test_tally_pools_the_patches_of_all_photos_and_prints_kid_beside_fid(rng):
    tally, sets = Tally(), []
    for _ in range(3):
        original = rng.normal(size=(4, 2))
        sets.append((original, original + 1))
        tally.add({"lpips": 0.3}, *sets[-1])
    means = tally.means()
    pooled = [np.concatenate(part) for part in zip(*sets, strict=True)]
    assert means["lpips"] == pytest.approx(0.3)
    assert means["fid"] == pytest.approx(frechet_distance(*pooled))
    assert means["kid"] == pytest.approx(kernel_distance(*pooled))


# --- patches -------------------------------------------------------------------------------------


def test_patches_cover_the_picture_each_half_over_the_next(photo):
    found = list(patches(photo, 64))
    assert len(found) == 5 * 7  # 192 x 256 pixels in steps of 32
    np.testing.assert_array_equal(found[8], photo[32:96, 32:96])


def test_features_do_not_depend_on_the_batch(photo):
    def network(batch):
        return batch.mean(axis=(1, 2), dtype=np.float64)

    whole = PatchFeatures("mean", network, size=64, batch=100)(photo)
    parts = PatchFeatures("mean", network, size=64, batch=3)(photo)
    np.testing.assert_array_equal(whole, parts)
    expected = [patch.mean(axis=(0, 1)) / 255 - 0.5 for patch in patches(photo, 64)]
    np.testing.assert_allclose(whole, expected, atol=1e-7)  # pixels in float32


@pytest.mark.parametrize("size", [63, 257, 65])
def test_patches_have_64_to_256_pixels(size):
    with pytest.raises(GanTfcError, match="from 64 to 256"):
        PatchFeatures("any", None, size=size)


def test_photo_smaller_than_a_patch_is_refused(photo):
    with pytest.raises(GanTfcError, match="smaller patches"):
        PatchFeatures("any", None, size=200)(photo)


@pytest.mark.slow
def test_inception_gives_2048_features_that_differ_with_the_picture(photo):
    name, network = inception_network(weights=None)
    features = PatchFeatures(name, network, size=128)(photo[:128, :192])
    assert features.shape == (2, 2048)
    assert np.isfinite(features).all() and not np.array_equal(*features)


def test_auto_takes_alexnet_where_inceptions_weights_cannot_be_had(monkeypatch):
    def fail(weights="imagenet"):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(patch_features, "inception_network", fail)
    monkeypatch.setattr(patch_features, "alex_network", lambda lpips: ("alex", lpips))
    assert patch_features.network_for_patches("auto", "shared") == ("alex", "shared")
    with pytest.raises(GanTfcError, match="--features alex"):
        patch_features.network_for_patches("inception")
