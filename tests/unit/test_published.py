# SPDX-License-Identifier: Apache-2.0
"""Published curves: which are read, and which numbers do not compare."""

import json

import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.published import NAMED, read_published


def points(*rows):
    return [dict(zip(("bpp", "psnr_rgb", "ms_ssim", "lpips"), row, strict=False)) for row in rows]


@pytest.fixture
def curves(tmp_path):
    records = {
        "compressai/vtm": {
            "name": "VTM",
            "family": "classical",
            "points": points((0.5, 34.0, 0.98), (0.1, 28.0, 0.91)),
        },
        "shallow-ntc/x": {"name": "x", "family": "learned", "points": points((0.1, 27, 0.9, 0.4)) * 2},
        "other/broken": {"name": "b", "family": "learned", "suspect": "yes", "points": points((1, 30)) * 2},
        "other/single": {"name": "s", "family": "learned", "points": points((0.3, 30.0))},
    }
    path = tmp_path / "published.json"
    path.write_text(json.dumps({"curves": records}))
    return {curve.key: curve for curve in read_published(path)}


def test_points_come_by_ascending_rate_under_the_names_of_result_files(curves):
    vtm = curves["compressai/vtm"]
    assert vtm.named and vtm.name == NAMED["compressai/vtm"]
    assert vtm.points == {
        "psnr-rgb": ((0.1, 0.5), (28.0, 34.0)),
        "ms-ssim-rgb": ((0.1, 0.5), (0.91, 0.98)),
    }


def test_suspect_curves_and_lpips_of_other_networks_are_left_out(curves):
    assert "other/broken" not in curves
    assert set(curves["shallow-ntc/x"].points) == {"psnr-rgb", "ms-ssim-rgb"}


def test_a_single_point_is_no_curve(curves):
    assert curves["other/single"].points == {}


@pytest.mark.parametrize("text", ["no json", "[]", '{"curves": {"a": {"name": "a"}}}', "{}"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(GanTfcError, match="leave out --published"):
        read_published(tmp_path / "other.json")


def test_every_named_curve_is_among_the_published_ones(data_dir):
    path = data_dir.parent / "research" / "kodak_rd.json"
    if not path.is_file():
        pytest.skip(f"no published curves in {path}")
    found = {curve.key: curve for curve in read_published(path)}
    assert set(NAMED) <= set(found) and len(found) > 100
    assert all("psnr-rgb" in found[key].points for key in NAMED)
