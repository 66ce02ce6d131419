# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc compress`."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import gan_tfc
from gan_tfc import pil_images
from gan_tfc.codec import Codec
from gan_tfc.streams import describe


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_output_is_named_after_the_input_and_holds_what_codec_compress_returns(run, zoo, picture, tiny_codec):
    result = run("compress", picture, "--preset", "tiny")
    assert (result.code, result.err) == (0, "")
    written = picture.with_suffix(".gtc").read_bytes()
    assert written == tiny_codec.compress(picture)
    assert f"{len(written)} bytes" in result.out


@pytest.mark.parametrize(
    ("option", "value", "keyword"),
    [
        ("--quality", 33.5, "quality"),
        ("--max-bytes", 3000, "max_bytes"),
        ("--bpp", 6, "target_bpp"),
        ("--min-psnr", 25, "min_psnr"),
        ("--tune", "visual", "tune"),
    ],
)
def test_target_is_handed_to_the_codec(run, zoo, picture, tiny_codec, option, value, keyword):
    result = run("compress", picture, "--preset", "tiny", option, value)
    assert result.code == 0, result.err
    expected = tiny_codec.compress(picture, **{keyword: value})
    assert picture.with_suffix(".gtc").read_bytes() == expected


def test_json_is_one_object_a_line_with_the_size_of_each_file(run, zoo, picture, tmp_path):
    other = tmp_path / "other.png"
    shutil.copy(picture, other)
    result = run("compress", picture, other, "--preset", "tiny", "--json")
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["input"] for row in rows] == [str(picture), str(other)]
    for row in rows:
        assert row["bytes"] == os.path.getsize(row["output"])
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (70 * 50))


def test_folder_as_output_takes_several_inputs(run, zoo, picture, tmp_path):
    folder = tmp_path / "out"
    result = run("compress", picture, "--preset", "tiny", "-o", f"{folder}/")
    assert result.code == 0 and names(folder) == ["cup.gtc"]
    other = tmp_path / "other.png"
    shutil.copy(picture, other)
    result = run("compress", picture, other, "--preset", "tiny", "-o", folder, "--force")
    assert result.code == 0 and names(folder) == ["cup.gtc", "other.gtc"]


def test_several_inputs_need_a_folder(run, picture, tmp_path):
    result = run("compress", picture, picture, "-o", tmp_path / "one.gtc")
    assert result.code == 2 and "expected a folder for 2 inputs" in result.err


def test_two_inputs_of_one_name_are_refused_before_either_is_written(run, picture, tmp_path):
    twin = picture.with_suffix(".jpg")
    shutil.copy(picture, twin)
    result = run("compress", picture, twin, "--force")
    assert result.code == 2 and "would both be written to" in result.err
    assert names(tmp_path) == ["cup.jpg", "cup.png"]


def test_failing_inputs_are_named_and_the_others_done(run, zoo, picture, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture at all, only words and words")
    result = run("compress", tmp_path / "gone.png", tmp_path / "notes.txt", picture, "--preset", "tiny")
    assert result.code == 1
    first, second = result.err.splitlines()
    assert first.startswith("gan-tfc: error: ") and "gone.png" in first
    assert second.startswith("gan-tfc: error: ") and "notes.txt" in second
    assert picture.with_suffix(".gtc").exists()


@pytest.mark.parametrize(("bad", "said"), [("gone.png", "there is no file"), (".", "is a folder")])
def test_missing_file_and_folder_are_said(run, tmp_path, bad, said):
    result = run("compress", tmp_path / bad)
    assert result.code == 1 and said in result.error


def test_existing_output_is_kept_without_force_and_replaced_with_it(run, zoo, picture, tmp_path):
    output = tmp_path / "x.gtc"
    output.write_text("precious")
    # Refused before a codec is loaded: otherwise the preset would be what is wrong.
    result = run("compress", picture, "-o", output, "--preset", "no_such_preset")
    assert result.code == 1 and "--force" in result.error
    assert output.read_text() == "precious"
    result = run("compress", picture, "-o", output, "--preset", "tiny", "--force")
    assert result.code == 0 and gan_tfc.info(output)["width"] == 70


def test_an_input_is_never_the_output_even_with_force(run, picture):
    before = picture.read_bytes()
    result = run("compress", picture, "-o", picture, "--force")
    assert result.code == 1 and "is an input itself" in result.error
    assert picture.read_bytes() == before


def test_unknown_preset_is_said_once_with_the_nearest_name(run, zoo, picture, tmp_path):
    other = tmp_path / "other.png"
    shutil.copy(picture, other)
    result = run("compress", picture, other, "--preset", "tinny")
    assert result.code == 1 and "did you mean 'tiny'?" in result.error


def test_folder_without_prefix_is_no_preset(run, zoo, picture, tiny_preset):
    result = run("compress", picture, "--preset", tiny_preset)
    assert result.code == 1 and f"path:{tiny_preset}" in result.error


@pytest.mark.parametrize(
    "options",
    [
        ["--quality", "0"],
        ["--quality", "101"],
        ["--quality", "nan"],
        ["--quality", "high"],
        ["--max-bytes", "0"],
        ["--max-bytes", "1.5"],
        ["--bpp", "-1"],
        ["--bpp", "inf"],
        ["--quality", "50", "--bpp", "0.5"],
        ["--engine", "fast"],
        ["--max", "2000"],
    ],
    ids=" ".join,
)
def test_wrong_options_are_wrong_usage(run, picture, tmp_path, options):
    result = run("compress", picture, *options)
    assert result.code == 2 and options[0] in result.err
    assert names(tmp_path) == ["cup.png"]


def test_target_that_cannot_be_met_is_an_error(run, zoo, picture, tmp_path):
    result = run("compress", picture, "--preset", "tiny", "--max-bytes", "50")
    assert result.code == 1 and "50 bytes" in result.error
    assert names(tmp_path) == ["cup.png"]


def test_unwritable_folder_is_an_error(run, zoo, picture, monkeypatch):
    def refuse(path, flags, *mode, **options):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", path)
        return os_open(path, flags, *mode, **options)

    # Not a folder without permission, which does not stop root.
    os_open = os.open
    monkeypatch.setattr(os, "open", refuse)
    result = run("compress", picture, "--preset", "tiny")
    assert result.code == 1 and "may not be written to" in result.error


def test_missing_output_folder_is_an_error(run, picture, tmp_path):
    result = run("compress", picture, "-o", tmp_path / "nowhere" / "x.gtc")
    assert result.code == 1 and "there is no folder" in result.error


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_full_disk_is_an_error(run, zoo, picture):
    result = run("compress", picture, "--preset", "tiny", "-o", "/dev/full")
    assert result.code == 1 and "/dev/full" in result.error


@pytest.mark.parametrize("where", ["compress", "write"])
def test_interruption_leaves_nothing_half_written(run, zoo, picture, tmp_path, monkeypatch, where):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((Codec, "compress") if where == "compress" else (os, "fsync")), interrupt)
    result = run("compress", picture, "--preset", "tiny")
    assert result.code == 130 and result.err == "gan-tfc: interrupted\n"
    assert names(tmp_path) == ["cup.png"]


@pytest.mark.parametrize("name", ["Füße und 雪.png", "-q.png"])
def test_odd_file_names_work(run, zoo, picture, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    picture.rename(name)
    result = run("compress", "--preset", "tiny", "--", name)
    assert result.code == 0, result.err
    assert describe((tmp_path / name).with_suffix(".gtc").read_bytes())["height"] == 50


@pytest.mark.filterwarnings("default::gan_tfc.images.ImageWarning")
def test_warning_is_one_line(run, zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(pil_images, "_warned", set())
    Image.fromarray(np.full((8, 8, 4), 100, np.uint8)).save(tmp_path / "clear.png")
    result = run("compress", tmp_path / "clear.png", "--preset", "tiny")
    assert result.code == 0
    assert result.err.startswith("gan-tfc: warning: transparency is not kept")
    assert len(result.err.splitlines()) == 1


def test_engine_does_not_change_the_file(run, zoo, picture, tiny_codec):
    result = run("compress", picture, "--preset", "tiny", "--engine", "portable")
    assert result.code == 0, result.err
    assert picture.with_suffix(".gtc").read_bytes() == tiny_codec.compress(picture)
