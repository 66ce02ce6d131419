# SPDX-License-Identifier: Apache-2.0
"""LPIPS against the values of the reference implementation, which the weights' README records."""

import numpy as np
import pytest
from keras import ops

from gan_tfc.errors import GanTfcError
from gan_tfc.losses.lpips import LPIPS, reference_pair

# Both sides are float32 sums in their own order; the values have six digits.
TOLERANCE = 2e-5


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def lpips(request, data_dir):
    folder = data_dir / "lpips"
    if not (folder / f"lpips_{request.param}.npz").is_file():
        pytest.skip(f"no weights of LPIPS in {folder}")
    return LPIPS(request.param, folder)


def distance(lpips, first, second):
    return ops.convert_to_numpy(lpips(first, second))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 64), {"alex": 0.382570, "squeeze": 0.423256}),
        ((72, 56), {"alex": 0.426999, "squeeze": 0.419501}),
    ],
)
def test_distance_of_closed_form_pictures_is_the_reference(lpips, size, expected):
    found = distance(lpips, *reference_pair(*size))
    assert found == pytest.approx(expected[lpips.network], abs=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ex_p0", {"alex": 0.721881, "squeeze": 0.711048}),
        ("ex_p1", {"alex": 0.137566, "squeeze": 0.147902}),
    ],
)
def test_distance_of_the_example_pictures_is_the_reference(lpips, data_dir, name, expected):
    from gan_tfc.images import read_image

    pair = [read_image(data_dir / "lpips" / f"{n}.png")[None] / 255 - 0.5 for n in ("ex_ref", name)]
    assert distance(lpips, *pair) == pytest.approx(expected[lpips.network], abs=TOLERANCE)


def test_distance_of_flat_pictures_is_the_reference(lpips):
    flat = [np.full((1, 64, 64, 3), value, np.float32) for value in (0.0, 0.25)]
    expected = {"alex": 0.200078, "squeeze": 0.090696}[lpips.network]
    assert distance(lpips, *flat) == pytest.approx(expected, abs=TOLERANCE)


def test_distance_is_zero_to_itself_and_the_same_both_ways(lpips):
    first, second = reference_pair()
    assert distance(lpips, first, first) == 0
    assert distance(lpips, first, second) == distance(lpips, second, first)


def test_batch_is_measured_picture_by_picture(lpips):
    first, second = reference_pair()
    both = distance(lpips, np.concatenate([first, second]), np.concatenate([second, second]))
    assert both[0] == pytest.approx(distance(lpips, first, second)[0], abs=TOLERANCE) and both[1] == 0


def test_weights_that_are_not_there_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_TFC_DATA", str(tmp_path))
    monkeypatch.delenv("GAN_TFC_LPIPS", raising=False)
    with pytest.raises(GanTfcError, match="lpips_alex.npz"):
        LPIPS("alex")
