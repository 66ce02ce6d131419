# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc demo`, and the measurements it prints."""

import io
import json
import socket
import sys

import numpy as np
import pytest
from PIL import Image

from gan_tfc import demo
from gan_tfc.codec import Codec
from gan_tfc.commands.comparison import comparison, detail_box
from gan_tfc.streams import describe


@pytest.fixture
def two_photos(photo, portrait, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo[:60, :80]).save(folder / "cup.png")
    Image.fromarray(portrait[:80, :60]).save(folder / "face.png")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_samples_are_photos_that_need_no_download(monkeypatch):
    def refuse(*args):
        raise AssertionError("a download")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    photos = demo.photos([])
    assert [name for name, _ in photos] == list(demo.SAMPLES)
    for _, read in photos:
        image = read()
        assert image.dtype == np.uint8 and image.ndim == 3 and min(image.shape[:2]) >= 300


def test_missing_scikit_image_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    result = run("demo")
    assert result.code == 1 and "pip install 'gan_tfc[demo]'" in result.error


def test_demo_writes_streams_pictures_and_comparison(run, zoo, two_photos, tmp_path):
    out = tmp_path / "out"
    result = run("demo", two_photos, "--preset", "tiny", "-o", out)
    assert (result.code, result.err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.png",
        "cup.gtc",
        "cup.png",
        "face.gtc",
        "face.png",
    ]
    assert "cup" in result.out and "face" in result.out and "comparison.png" in result.out
    with Image.open(out / "comparison.png") as sheet:
        assert sheet.width > 3 * 400


def test_json_is_measured_on_the_files_written(run, zoo, two_photos, tmp_path, tiny_codec):
    out = tmp_path / "out"
    cup = two_photos / "cup.png"
    result = run("demo", cup, "--preset", "tiny", "-o", out, "--quality", 40, "--json")
    answer = json.loads(result.out)
    assert (answer["preset"], answer["quality"]) == ("tiny", 40)
    (row,) = answer["photos"]
    data = (out / "cup.gtc").read_bytes()
    assert describe(data)["quality"] == pytest.approx(40, abs=0.05)  # steps of the code grid
    assert row["bytes"] == len(data) and (row["width"], row["height"]) == (80, 60)
    original, decoded = (np.array(Image.open(path)) for path in (cup, out / "cup.png"))
    assert np.array_equal(decoded, tiny_codec.decompress(data))
    assert row["psnr"] == pytest.approx(demo.psnr(original, decoded), abs=1e-3)  # 3 decimals
    assert row["jpeg_bytes"] <= row["bytes"] or row["jpeg_quality"] == 1


def test_without_a_folder_nothing_is_overwritten(run, zoo, two_photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("demo", two_photos / "cup.png", "--preset", "tiny")
    assert run(*arguments).code == 0
    (tmp_path / "demo-output" / "cup.gtc").write_text("mine")
    assert run(*arguments).code == 0
    assert (tmp_path / "demo-output-2" / "cup.gtc").exists()
    assert (tmp_path / "demo-output" / "cup.gtc").read_text() == "mine"
    assert run(*arguments, "--force").code == 0
    assert (tmp_path / "demo-output" / "cup.gtc").read_bytes()[:3] == b"GTC"


def test_named_folder_is_not_overwritten_without_force(run, two_photos, tmp_path):
    (tmp_path / "cup.png").write_text("precious")
    result = run("demo", two_photos, "-o", tmp_path)
    assert result.code == 1 and "--force" in result.error
    assert (tmp_path / "cup.png").read_text() == "precious"


def test_photo_that_fails_is_said_and_the_others_shown(run, zoo, two_photos, tmp_path):
    (two_photos / "bad.jpg").write_text("not a photo")
    result = run("demo", two_photos, "--preset", "tiny", "-o", tmp_path / "out")
    assert result.code == 1 and "bad.jpg" in result.error
    assert "cup" in result.out and "face" in result.out


def test_names_that_look_like_markup_are_printed_as_they_are(run, zoo, two_photos, tmp_path):
    path = two_photos / "[red]:cat:.png"
    (two_photos / "cup.png").rename(path)
    result = run("demo", path, "--preset", "tiny", "-o", tmp_path / "out")
    assert result.code == 0 and "[red]:cat:" in result.out


def test_folder_without_photos_is_an_error(run, tmp_path):
    assert "holds no .jpg" in run("demo", tmp_path).error


def test_two_photos_of_one_name_are_refused(run, two_photos, tmp_path):
    result = run("demo", two_photos, two_photos / "cup.png")
    assert result.code == 1 and "'cup'" in result.error


def test_interruption_leaves_only_complete_files(run, zoo, two_photos, tmp_path, monkeypatch):
    def interrupt(self, data, realism=1.0):
        if describe(data)["width"] == 60:  # the second photo
            raise KeyboardInterrupt
        return decompress(self, data, realism)

    decompress = Codec.decompress
    monkeypatch.setattr(Codec, "decompress", interrupt)
    out = tmp_path / "out"
    assert run("demo", two_photos, "--preset", "tiny", "-o", out).code == 130
    assert sorted(path.name for path in out.iterdir()) == ["cup.gtc", "cup.png", "face.gtc"]
    assert describe((out / "face.gtc").read_bytes())["height"] == 80


def test_jpeg_is_the_best_within_the_bytes(photo):
    def size(quality):
        file = io.BytesIO()
        options = {"quality": quality, "subsampling": "4:2:0", "optimize": True}
        Image.fromarray(photo).save(file, "JPEG", **options)
        return file.tell()

    for max_bytes in (2500, 5000, 9000):
        quality, data = demo.jpeg_within(photo, max_bytes)
        assert len(data) == size(quality) <= max_bytes < size(quality + 1)


def test_jpeg_that_cannot_be_so_small_is_the_smallest(photo):
    quality, data = demo.jpeg_within(photo, 10)
    assert quality == 1 and len(data) > 10


def test_psnr_is_that_of_the_mean_squared_error():
    black = np.zeros((4, 4, 3), np.uint8)
    # All off by 1: 10 log10(255^2); rounding of the logarithm only.
    assert demo.psnr(black, black + 1) == pytest.approx(48.1308, abs=1e-4)
    assert demo.psnr(black, black) == 99


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (40, 50), (400, 900), (900, 400)])
def test_any_shape_has_a_comparison(rng, size):
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(3)]
    sheet = comparison([(["a", "b", "c"], pictures)] * 2)
    left, top, right, bottom = detail_box(pictures[0])
    assert 0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]
    assert max(sheet.size) < 3000
