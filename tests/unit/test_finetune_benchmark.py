# SPDX-License-Identifier: Apache-2.0
"""benchmarks/finetune.py, finetune_realism.py, and the screenshots that they train on."""

import functools
import json
import os
import shutil

import pytest
from fine_tuned import QUICK, make_codec
from PIL import Image
from skimage import data

from gan_tfc.codec import Codec


@pytest.fixture
def finetune(benchmark_script):
    """The script as a module."""
    return benchmark_script("finetune")


@pytest.fixture
def finetune_realism(benchmark_script, monkeypatch, data_dir):
    """The script as a module."""
    monkeypatch.setenv("GAN_TFC_LPIPS", os.environ.get("GAN_TFC_LPIPS", str(data_dir / "lpips")))
    return benchmark_script("finetune_realism")


@pytest.fixture
def screenshots(benchmark_script):
    """The script as a module."""
    return benchmark_script("screenshots")


@pytest.fixture
def photos(tmp_path):
    """20 photos of food and 2 others to train on, 2 and 1 to measure on; all are different."""
    coffee = data.coffee()
    names = [f"train/food_{i:02}.png" for i in range(20)] + ["train/plant_0.png", "train/plant_1.png"]
    names += ["val/food_a.png", "val/food_b.png", "val/street.png"]
    for i, name in enumerate(names):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coffee[5 * i : 5 * i + 200, 7 * i : 7 * i + 192]).save(path)
    return tmp_path / "photos"


def test_photos_that_are_measured_are_not_trained_on(finetune, photos):
    train, groups = finetune.food(photos, None)
    measured = [path for group in groups for path in group.paths]
    assert len(train) == 18 and all(path.name.startswith("food_") for path in train)
    assert [len(group.paths) for group in groups] == [2, 2, 1]
    assert [group.own for group in groups] == [True, True, False]
    assert not set(train) & set(measured)


def test_both_pages_of_a_module_are_on_the_same_side(finetune, photos, tmp_path, monkeypatch):
    names = [f"{module}-{page}.png" for module in "abcdefghij" for page in ("code", "documentation")]
    monkeypatch.setattr(finetune.screenshots, "render", lambda folder: [folder / name for name in names])
    train, (own, others) = finetune.screens(photos, tmp_path)
    assert [path.name for path in own.paths] == [
        f"{module}-{page}.png" for module in "ai" for page in ("code", "documentation")
    ]
    assert len(train) == 16 and not set(train) & set(own.paths)
    assert own.own and not others.own and len(others.paths) == 3


def group(gain, least, photos, own=True, changed=0):
    return {"gain": gain, "least_gain": least, "photos": photos, "own": own, "changed_streams": changed}


def test_bars_weigh_photos_of_the_kind_and_look_at_all_streams(finetune):
    groups = {"a": group(0.3, -0.05, 1), "b": group(0.1, 0.0, 3), "c": group(-9, -9, 5, own=False)}
    gain, least, streams = finetune.bars(groups, everything=False)
    assert (gain["value"], least["value"], streams["value"]) == (0.15, -0.05, 0)
    assert gain["met"] and least["met"] and streams["met"]
    groups["b"] |= {"gain": 0.03, "least_gain": -0.11}
    groups["c"] |= {"changed_streams": 1}
    assert not any(bar["met"] for bar in finetune.bars(groups, everything=False))
    # New tables make new streams.
    assert len(finetune.bars(groups, everything=True)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True])
def test_what_is_written_is_what_was_measured(finetune, photos, tmp_path, monkeypatch, capsys, everything):
    make_codec(bias=3.0).save(tmp_path / "zoo" / "tiny" / "1")
    monkeypatch.setattr(Codec, "fine_tune", functools.partialmethod(Codec.fine_tune, settings=QUICK))
    arguments = ["--preset", f"path:{tmp_path}/zoo/tiny/1", "--minutes", "0.1", "--photos", str(photos)]
    arguments += ["--results", str(tmp_path), *(["--all"] if everything else [])]
    code = finetune.main(arguments)
    name = "finetune-all" if everything else "finetune"
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert code == (0 if all(bar["met"] for bar in record["bars"]) else 1)
    food = record["groups"]["food, never seen in fine-tuning"]
    assert food["gain"] > 0.1 and food["bd_rate_percent"] < 0 and food["photos"] == 2
    page = (tmp_path / f"{name}.md").read_text()
    assert page in capsys.readouterr().out
    assert f"benchmarks/finetune.py{' --all' if everything else ''} --minutes 0.1" in page
    assert page.count("| food, never seen in fine-tuning (2) |") == 3
    streams = [entry["changed_streams"] for entry in record["groups"].values()]
    assert all(streams) if everything else not any(streams)


@pytest.mark.slow
def test_realism_is_measured_on_what_was_left_out(finetune_realism, photos, tmp_path, monkeypatch, capsys):
    make_codec().save(tmp_path / "zoo" / "tiny" / "1")
    monkeypatch.setattr(Codec, "fine_tune", functools.partialmethod(Codec.fine_tune, settings=QUICK))
    arguments = ["--preset", f"path:{tmp_path}/zoo/tiny/1", "--minutes", "0.1", "--photos", str(photos)]
    code = finetune_realism.main([*arguments, "--results", str(tmp_path)])
    record = json.loads((tmp_path / "finetune-realism.json").read_text())
    assert record["photos"] == 4 and record["changed"] == {"streams": 0, "pictures": 0}
    assert record["held_out"]["improved"] == (record["before"] != record["after"])
    fid = [sum(row["realism 1"]["fid"] for row in record[when].values()) for when in ("before", "after")]
    assert code == int(fid[1] > fid[0])
    for before, after in zip(record["before"].values(), record["after"].values(), strict=True):
        assert before["realism 0"] == after["realism 0"] != before["realism 1"]
    page = (tmp_path / "finetune-realism.md").read_text()
    assert page in capsys.readouterr().out and page.count("| 1, after |") == 3


def test_a_changed_stream_or_picture_is_counted(finetune_realism, photo):
    codec = make_codec()
    images = [photo[:64, :64], photo[64:128, :64]]
    streams = [codec.compress(image, q) for image in images for q in finetune_realism.QUALITIES]
    pictures = [codec.decompress(stream, realism=0) for stream in streams]
    assert finetune_realism.changes(codec, images, streams, pictures) == {"streams": 0, "pictures": 0}
    pictures[2] = pictures[2] ^ 1
    streams[0], streams[3] = codec.compress(images[0], 99), streams[0]
    assert finetune_realism.changes(codec, images, streams, pictures) == {"streams": 2, "pictures": 3}


def test_there_are_two_different_pages_of_each_module(screenshots):
    pages = dict(screenshots.pages())
    modules = {name.rpartition("-")[0] for name in pages}
    assert len(modules) > 60 and len(pages) == 2 * len(modules) == len(set(pages.values()))
    assert "argparse" in modules and "this" not in modules
    assert "ArgumentParser" in pages["argparse-documentation"]


@pytest.mark.slow
def test_screenshots_are_rendered_once_at_two_zooms(screenshots, tmp_path, monkeypatch):
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium")
    chosen = list(screenshots.pages())[:4]
    monkeypatch.setattr(screenshots, "pages", lambda: iter(chosen))
    paths = screenshots.render(tmp_path)
    assert [path.stem for path in paths] == [name for name, _ in chosen]
    assert [Image.open(path).size for path in paths] == [(512, 512)] * 2 + [(768, 768)] * 2
    assert all(len(Image.open(path).convert("RGB").getcolors(2**20)) > 8 for path in paths)
    assert screenshots.render(tmp_path, chromium="no such program") == paths
