# SPDX-License-Identifier: Apache-2.0
"""Metrics, BD-rates, rivals and curves against values known from elsewhere."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation import rivals
from gan_tfc.evaluation.bd_rate import bd_rate
from gan_tfc.evaluation.curves import Curve, measure, photos_in
from gan_tfc.evaluation.metrics import file_bpp, psnr

# --- metrics -------------------------------------------------------------------------------------


def test_psnr_of_an_error_of_one_everywhere_is_that_of_white():
    image = np.full((4, 5, 3), 17, np.uint8)
    assert psnr(image, image + np.uint8(1)) == 20 * math.log10(255)


def test_psnr_of_black_and_white_is_zero_both_ways():
    black, white = np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0


def test_psnr_averages_over_pixels_and_channels():
    image = np.zeros((10, 10, 3), np.uint8)
    other = image.copy()
    other[3, 4, 1] = 30  # mean squared error 900 / 300 = 3
    assert psnr(image, other) == 10 * math.log10(255**2 / 3)


def test_psnr_of_equal_images_is_infinite(photo):
    assert psnr(photo, photo.copy()) == math.inf


@pytest.mark.parametrize(
    "other", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 5, 3), np.uint8)], ids=["float", "size"]
)
def test_psnr_refuses_what_cannot_be_compared(other):
    with pytest.raises(GanTfcError, match="received"):
        psnr(np.zeros((4, 4, 3), np.uint8), other)


def test_file_bpp_counts_every_byte():
    assert file_bpp(b"x" * 100, np.zeros((20, 40, 3), np.uint8)) == 1.0


# --- BD-rate -------------------------------------------------------------------------------------

RATES, QUALITIES = [0.1, 0.22, 0.4, 0.9, 1.7], [25.1, 28.0, 30.2, 34.4, 37.9]


def test_bd_rate_of_a_curve_against_itself_is_zero():
    assert bd_rate(RATES, QUALITIES, RATES, QUALITIES) == 0


@pytest.mark.parametrize("factor", [0.5, 0.9, 3.0])
def test_bd_rate_is_the_factor_by_which_all_rates_differ(factor):
    scaled = [factor * rate for rate in RATES]
    found = bd_rate(RATES, QUALITIES, scaled, QUALITIES)
    assert found == pytest.approx(100 * (factor - 1), abs=1e-9)  # rounding of float64 alone


def test_bd_rate_of_straight_lines_is_the_difference_in_the_middle_of_what_they_share():
    anchor, test = np.array([20.0, 24, 27, 36]), np.array([26.0, 31, 40])
    # ln R = 0.2 d - 6 and 0.26 d - 8: over 26..36 dB they differ by 0.06 * 31 - 2 in the mean.
    found = bd_rate(np.exp(0.2 * anchor - 6), anchor, np.exp(0.26 * test - 8), test)
    assert found == pytest.approx(100 * math.expm1(0.06 * 31 - 2), abs=1e-9)


def test_bd_rate_does_not_depend_on_the_order_of_points():
    backwards = bd_rate(RATES[::-1], QUALITIES[::-1], [0.2, 0.8], [27.0, 33.0])
    assert backwards == bd_rate(RATES, QUALITIES, [0.2, 0.8], [27.0, 33.0])


def test_bd_rate_has_the_integral_of_scipys_interpolation(rng):
    interpolate = pytest.importorskip("scipy.interpolate", reason="SciPy comes with scikit-image")
    for _ in range(50):
        curves = []
        for points in rng.integers(2, 12, 2):
            quality = 25 + 10 * np.sort(rng.random(points))
            quality[[0, -1]] = 24, 36
            curves.append((np.sort(rng.lognormal(size=points)), quality))
        (r0, q0), (r1, q1) = curves
        expected = np.diff([interpolate.PchipInterpolator(q, np.log(r)).integrate(24, 36) for r, q in curves])
        found = bd_rate(r0, q0, r1, q1)
        assert math.log1p(found / 100) * 12 == pytest.approx(float(expected[0]), abs=1e-9)


# Computed by others from the same published points on Kodak, to one decimal.
PUBLISHED = [
    ("jpeg", "webp", -36.2),
    ("jpeg", "jpeg2000", -35.9),
    ("jpeg", "bpg_444_x265_ycbcr", -58.9),
    ("jpeg", "av1", -62.4),
    ("jpeg", "vtm", -67.6),
    ("bpg_444_x265_ycbcr", "jpeg", 143.0),
    ("bpg_444_x265_ycbcr", "webp", 44.2),
    ("vtm", "webp", 78.7),
    ("vtm", "hm", 23.3),
    ("vtm", "mbt2018-mean-vbr-ans", 23.4),
]


@pytest.mark.parametrize(("anchor", "test", "expected"), PUBLISHED)
def test_bd_rate_of_published_curves_is_the_published_one(data_dir, anchor, test, expected):
    path = data_dir.parent / "research" / "kodak_rd.json"
    if not path.is_file():
        pytest.skip(f"no published curves in {path}")
    curves = json.loads(path.read_text())["curves"]
    points = [curves[f"compressai/{name}"]["points"] for name in (anchor, test)]
    lists = [[p[key] for p in curve] for curve in points for key in ("bpp", "psnr_rgb")]
    assert bd_rate(*lists) == pytest.approx(expected, abs=0.06)  # one decimal, and its rounding


@pytest.mark.parametrize(
    ("rates", "qualities", "message"),
    [
        ([1, 2], [40.0, 45.0], "overlap"),
        ([1, 2, 3], [26.0, 30.0, 29.9], "grow with the rate"),
        ([0, 2], [26.0, 30.0], "grow with the rate"),
        ([1, 2], [26.0, math.inf], "grow with the rate"),
        ([1], [30.0], "at least two points"),
    ],
)
def test_bd_rate_refuses_curves_that_it_cannot_compare(rates, qualities, message):
    with pytest.raises(GanTfcError, match=message):
        bd_rate(RATES, QUALITIES, rates, qualities)


# --- rivals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rivals.RIVALS)
def test_rival_gives_back_the_picture_and_more_of_it_for_more_bytes(photo, name):
    rival = rivals.RIVALS[name]
    if not features.check(rival.library[0]):
        pytest.skip(f"Pillow was built without {rival.name}")
    streams = [rival.encode(photo, quality) for quality in (30, 80)]
    pictures = [rival.decode(data) for data in streams]
    assert all(p.shape == photo.shape and p.dtype == np.uint8 for p in pictures)
    assert len(streams[0]) < len(streams[1])
    assert 25 < psnr(photo, pictures[0]) < psnr(photo, pictures[1])


def test_jpeg_is_subsampled_and_has_its_own_huffman_tables(photo, tmp_path):
    data = rivals.JPEG.encode(photo, 50)
    (tmp_path / "photo.jpg").write_bytes(data)
    with Image.open(tmp_path / "photo.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 2  # Pillow's number for 4:2:0
    plain = dataclasses.replace(rivals.JPEG, options={"subsampling": "4:2:0"})
    assert len(data) < len(plain.encode(photo, 50))


def test_rival_that_pillow_lacks_is_one_sentence(photo, monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(GanTfcError, match="without it; pip install"):
        rivals.AVIF.encode(photo, 50)


# --- curves --------------------------------------------------------------------------------------


class Counting:
    """Writes as many bytes as the quality says and misses every pixel by 100 - quality."""

    name, description, identity = "counting", "a test", {"sha256": "abc"}

    def encode(self, image, quality):
        self.image, self.quality = image, quality
        return bytes(int(quality))

    def decode(self, data):
        return self.image + np.uint8(100 - self.quality)


@pytest.fixture
def folder(tmp_path):
    """Two grey pictures of 80 and 160 pixels, and a file that is none."""
    for name, width in (("b.png", 10), ("a.png", 20)):
        Image.new("RGB", (width, 8), (50, 60, 70)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_curve_holds_the_means_over_photos(folder):
    curve = measure(Counting(), photos_in(folder), [90, 40])
    assert curve.photos == ("a.png", "b.png")
    assert curve.quality == (40, 90)
    assert curve.bpp == pytest.approx([8 * 40 * (1 / 160 + 1 / 80) / 2, 8 * 90 * 3 / 320])
    assert curve.psnr == pytest.approx([20 * math.log10(255 / 60), 20 * math.log10(255 / 10)])
    assert all(time > 0 for time in curve.encoding_time + curve.decoding_time)


def test_curve_comes_back_from_its_file_in_compressais_schema(folder):
    curve = measure(Counting(), photos_in(folder), [40, 90])
    curve.save(folder / "results" / "counting.json")
    record = json.loads((folder / "results" / "counting.json").read_text())
    assert {"name", "description", "results"} <= set(record)
    assert {"bpp", "psnr-rgb", "encoding_time", "decoding_time"} <= set(record["results"])
    loaded = Curve.load(folder / "results" / "counting.json")
    assert loaded.codec == {"sha256": "abc"}
    assert loaded.photos == curve.photos
    assert loaded.bpp == pytest.approx(curve.bpp, abs=1e-6)  # six digits are kept


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"results": {}}'])
def test_a_file_that_holds_no_curve_is_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(GanTfcError, match="measure the codec again"):
        Curve.load(tmp_path / "other.json")


def test_curves_of_other_photos_are_not_compared(folder):
    curve = measure(Counting(), photos_in(folder), [40, 90])
    with pytest.raises(GanTfcError, match="same photos"):
        curve.bd_rate(dataclasses.replace(curve, photos=("a.png",)))


def test_photos_are_found_by_name_and_an_empty_folder_is_an_error(folder, tmp_path_factory):
    assert [p.name for p in photos_in(folder)] == ["a.png", "b.png"]
    assert [p.name for p in photos_in(folder, 1)] == ["a.png"]
    with pytest.raises(GanTfcError, match="found none"):
        photos_in(tmp_path_factory.mktemp("empty"))
