# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc eval` on two small crops, with a tiny preset and networks of few random weights."""

import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from gan_tfc.codec import Codec
from gan_tfc.commands import evaluate
from gan_tfc.evaluation import suite
from gan_tfc.evaluation.rivals import JPEG_XL

OPTIONS = ("--presets", "tiny", "--features", "alex", "--patch", 64, "--qualities", "20,60")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path, rng):
    """An AlexNet of four channels a layer, few points, one rate, and no process to measure memory."""
    arrays = {"input/shift": np.zeros(3), "input/scale": np.ones(3)}
    for k, (size, channels) in enumerate(zip((11, 5, 3, 3, 3), (3, 4, 4, 4, 4), strict=True), 1):
        arrays[f"conv{k}/kernel"] = rng.normal(0, 1 / size, (size, size, channels, 4))
        arrays[f"conv{k}/bias"] = np.zeros(4)
        arrays[f"lin{k}"] = np.ones(4)
    folder = tmp_path / "weights"
    folder.mkdir()
    np.savez(folder / "lpips_alex.npz", **arrays)
    monkeypatch.setenv("GAN_TFC_LPIPS", str(folder))
    monkeypatch.setattr(suite, "codec_memory", lambda *arguments: {})
    monkeypatch.setattr(suite, "MATCHED_BPP", (0.24,))
    monkeypatch.setattr(evaluate, "_thinned", lambda qualities: qualities[1::7])


@pytest.fixture
def photos(photo, portrait, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo[:170, :180]).save(folder / "cup.png")
    Image.fromarray(portrait[:180, :170]).save(folder / "face.png")
    return folder


def test_report_and_result_files_are_written(run, zoo, photos, tmp_path):
    out = tmp_path / "out"
    result = run("eval", photos, *OPTIONS, "--rivals", "jpeg,webp", "-o", out)
    assert (result.code, result.err) == (0, "")
    assert "tiny@1" in result.out and str(out / "report.html") in result.out
    names = {path.name for path in (out / "results").iterdir()}
    assert names == {"tiny-1.json", "jpeg.json", "webp.json"}
    record = json.loads((out / "results" / "tiny-1.json").read_text())
    results = record["results"]
    assert results["quality"] == [20, 60] and results["bpp"][0] < results["bpp"][1]
    expected = {
        "psnr-rgb",
        "ms-ssim-rgb",
        "lpips",
        "structure",
        "fid",
        "kid",
        "encoding_time",
        "decoding_time",
    }
    assert expected <= set(results) and set(record["per_photo"]) == {"cup.png", "face.png"}
    page = (out / "report.html").read_text()
    assert "tiny@1 on 2 photos" in page and "data:image/webp" in page
    assert "not DISTS itself" in page and "AlexNet conv5" in page
    assert not re.search("https?://", page)
    assert str(tmp_path) not in page


def test_json_says_what_was_found_and_a_second_preset_costs_no_curve_again(
    run, zoo, photos, tmp_path, monkeypatch
):
    options = ("eval", photos, *OPTIONS, "--rivals", "jpeg", "-o", tmp_path / "out")
    first = json.loads(run(*options, "--json").out)
    assert first["codecs"] == ["tiny@1", "JPEG"]
    assert first["bd_rates"][0]["anchor"] == "JPEG"
    (row, _) = first["matched"]["0.24"]
    assert {"psnr-rgb", "lpips", "fid", "kid"} <= set(row)

    def measure_again(*arguments):
        raise AssertionError("a curve was measured again")

    monkeypatch.setattr(suite, "measure_all", measure_again)
    refused = run(*options)
    assert refused.code == 1 and "--force" in refused.error
    again = json.loads(run(*options, "--force", "--json").out)
    assert again["bd_rates"] == first["bd_rates"]


def test_each_realism_is_a_curve_only_where_it_changes_pixels(run, zoo, photos, tmp_path, monkeypatch):
    decompress = Codec.decompress

    def darker(self, data, realism=1.0):
        return decompress(self, data) // np.uint8(1 + realism)

    monkeypatch.setattr(Codec, "decompress", darker)
    options = ("--rivals", "none", "--limit", 1, "-o", tmp_path / "out", "--json")
    answer = json.loads(run("eval", photos, *OPTIONS, *options).out)
    assert answer["codecs"] == ["tiny@1 realism 0", "tiny@1 realism 1"]
    fidelity, realistic = (
        json.loads((tmp_path / "out" / "results" / f"tiny-1-realism-{r}.json").read_text())["results"]
        for r in (0, 1)
    )
    assert fidelity["bpp"] == realistic["bpp"] and fidelity["psnr-rgb"][1] > realistic["psnr-rgb"][1]


def test_each_tune_is_measured_for_itself(run, zoo, photos, tmp_path):
    options = ("--tune", "visual,psnr", "--rivals", "none", "--limit", 1, "-o", tmp_path / "out", "--json")
    answer = json.loads(run("eval", photos, *OPTIONS, *options).out)
    assert answer["codecs"] == ["tiny@1 visual", "tiny@1"]
    visual, plain = (
        json.loads((tmp_path / "out" / "results" / f"{name}.json").read_text())
        for name in ("tiny-1-visual", "tiny-1")
    )
    assert visual["description"].endswith("tune visual")
    assert visual["results"]["bpp"] != plain["results"]["bpp"]
    wrong = run("eval", photos, *OPTIONS, "--tune", "visual,ssim")
    assert wrong.code == 2 and "expected psnr or visual, received 'ssim'" in wrong.err


def test_rival_that_is_not_installed_is_left_out_unless_it_is_asked_for(
    run, zoo, photos, tmp_path, monkeypatch
):
    sentence = "Expected pillow-jxl-plugin; pip install it."
    monkeypatch.setattr(type(JPEG_XL), "missing", lambda self: sentence)
    asked = run("eval", photos, *OPTIONS, "--rivals", "jpegxl", "-o", tmp_path / "a")
    assert asked.code == 1 and sentence in asked.error
    from gan_tfc.evaluation import rivals

    two = {"jpeg": rivals.JPEG, "jpegxl": JPEG_XL}
    monkeypatch.setattr(rivals, "ALL_RIVALS", two)
    result = run("eval", photos, *OPTIONS, "--limit", 1, "-o", tmp_path / "b")
    assert result.code == 0 and f"Without JPEG XL: {sentence}" in result.err
    assert sentence in (tmp_path / "b" / "report.html").read_text()


def test_metrics_without_weights_are_left_out_and_said(run, zoo, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_TFC_LPIPS", str(tmp_path))
    monkeypatch.setenv("GAN_TFC_DATA", str(tmp_path))
    monkeypatch.setattr("gan_tfc.evaluation.patch_features.inception_network", None)  # no download
    options = [option if option != "alex" else "auto" for option in OPTIONS]
    options += ["--rivals", "none", "--limit", 1]
    result = run("eval", photos, *options, "-o", tmp_path / "out")
    assert result.code == 0
    assert "Without LPIPS and structure" in result.err and "Without FID and KID" in result.err
    results = json.loads((tmp_path / "out" / "results" / "tiny-1.json").read_text())["results"]
    assert "ms-ssim-rgb" in results and not {"lpips", "fid"} & set(results)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--rivals", "gif"], 2, "among jpeg, webp, avif, jpegxl"),
        (["--qualities", "50"], 2, "two points or more"),
        (["--qualities", "5,200"], 2, "from 1 to 100"),
        (["--patch", "32"], 2, "from 64 to 256"),
        (["--published", "gone.json"], 1, "gone.json"),
        (["--presets", "tinny"], 1, "did you mean 'tiny'?"),
        (["--patch", "200"], 1, "at least 200 pixels"),
    ],
    ids=["rival", "quality", "range", "patch", "published", "preset", "photos"],
)
def test_wrong_arguments_are_said(run, zoo, photos, tmp_path, options, code, said):
    result = run("eval", photos, *OPTIONS[:4], *options, "-o", tmp_path / "out")
    assert result.code == code and said in result.err
    assert "Traceback" not in result.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-9000], "is damaged (image file is truncated): fetch it again."),
        (lambda data: b"no picture", "is not a picture in any format that Pillow reads: convert it"),
    ],
    ids=["cut", "text"],
)
def test_a_photo_that_cannot_be_read_is_named_with_the_mend(run, zoo, photos, tmp_path, damage, said):
    photo = photos / "face.png"
    photo.write_bytes(damage(photo.read_bytes()))
    result = run("eval", photos, *OPTIONS, "--rivals", "none", "-o", tmp_path / "out")
    assert result.code == 1 and f"face.png' {said}" in result.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_results_are_written_whole_or_not_at_all(run, zoo, photos, tmp_path, monkeypatch, error):
    def fail(descriptor):
        raise error

    out = tmp_path / "out"
    monkeypatch.setattr(os, "fsync", fail)
    result = run("eval", photos, *OPTIONS, "--rivals", "none", "--limit", 1, "-o", out)
    assert [path for path in out.rglob("*") if path.is_file()] == []
    if isinstance(error, OSError):
        assert result.code == 1 and "make room there" in result.error
    else:
        assert (result.code, result.err) == (130, "gan-tfc: interrupted\n")


def test_folder_without_photos_is_an_error(run, tmp_path):
    assert "found none" in run("eval", tmp_path).error
