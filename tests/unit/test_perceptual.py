# SPDX-License-Identifier: Apache-2.0
"""Perceptual distances by name, and the files of their weights."""

import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.errors import GanTfcError
from gan_tfc.losses import perceptual
from gan_tfc.losses.feature_files import feature_file, read_feature_file
from gan_tfc.losses.perceptual import VGG16Distance


@pytest.mark.slow
def test_vgg16_distance_is_0_for_equal_pictures_and_grows_with_blur(photo):
    distance = VGG16Distance(weights=None)  # random features see differences as well
    image = (photo[None, :64, :64] / 255 - 0.5).astype(np.float32)

    def blurred(x):
        return (x + np.roll(x, 1, 1) + np.roll(x, 1, 2)) / 3

    once, twice = blurred(image), blurred(blurred(image))
    values = [float(distance(image, other)[0]) for other in (image, once, twice)]
    assert values[0] == 0 and 0 < values[1] < values[2]


@pytest.mark.slow
def test_vgg16_distance_has_a_finite_gradient_also_at_equal_pictures(rng):
    distance = VGG16Distance(weights=None)
    image = rng.uniform(-0.5, 0.5, (1, 32, 32, 3)).astype(np.float32)
    for other in (image, image * 0.5):
        (found,) = gradients(lambda x, y=other: ops.sum(distance(x, y)), [image])
        assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


def test_a_function_is_its_own_distance_and_unknown_names_are_refused():
    assert perceptual.get(max) is max
    with pytest.raises(ValueError, match="among lpips_alex, lpips_squeeze, vgg16.*'ssim'"):
        perceptual.get("ssim")


def test_weights_are_looked_for_where_the_user_says_first(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("given", "variable", "data/lpips")]
    monkeypatch.setenv("GAN_TFC_LPIPS", str(folders[1]))
    monkeypatch.setenv("GAN_TFC_DATA", str(tmp_path / "data"))
    with pytest.raises(GanTfcError, match="Expected the weights lpips_alex.npz in one of .*vgg16"):
        feature_file("lpips_alex", folders[0])
    for folder in reversed(folders):
        folder.mkdir(parents=True)
        np.savez(folder / "lpips_alex.npz", x=np.zeros(1, np.float16))
        assert feature_file("lpips_alex", folders[0]).parent == folder
    assert read_feature_file("lpips_alex", folders[0])["x"].dtype == np.float32


def test_a_damaged_weights_file_is_said_to_be_one(tmp_path):
    (tmp_path / "lpips_alex.npz").write_bytes(b"nothing")
    with pytest.raises(GanTfcError, match="cannot be read .* fetch it again"):
        read_feature_file("lpips_alex", tmp_path)
