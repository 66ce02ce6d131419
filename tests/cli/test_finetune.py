# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc finetune`: what reaches the training, and what becomes of its result."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.training.fine_tuning_report import FineTuning, make_rows

pytestmark = pytest.mark.usefixtures("zoo")


def outcome(improved=True):
    sizes, psnr = np.full((2, 3), 1000), np.full((2, 3), 30.0)
    gains = np.full((2, 3), 0.25 if improved else 0.0)
    rows = make_rows((15, 35, 60), sizes, sizes, psnr, psnr + gains, gains)
    return FineTuning(improved, rows, 8, 2, 100, 60.0, float(improved), None, "streams are equal to the byte")


@pytest.fixture
def training(monkeypatch):
    """Stands in for training: changes one weight. Returns the calls."""
    calls = []

    def fine_tune(codec, data, minutes=30.0, **options):
        calls.append((data, minutes, options))
        bias = codec.model.synthesis.get_layer("residual").bias
        bias.assign(np.full(bias.shape, 0.5, np.float32))
        return outcome()

    monkeypatch.setattr(Codec, "fine_tune", fine_tune)
    return calls


def test_the_new_preset_decodes_old_files_otherwise_and_writes_its_own_name(run, training, stream, tmp_path):
    output = tmp_path / "my-zoo" / "dishes" / "1"
    result = run("finetune", "tiny", "--data", "photos", "--minutes", "2", "-o", output)
    assert result.code == 0, result.err
    ((data, minutes, options),) = training
    assert (data, minutes, options["everything"], options["resume"]) == ("photos", 2.0, False, False)
    assert options["folder"] == Path("runs/dishes-1")  # not in the zoo, which is served
    assert "+0.250" in result.out and f"dishes@1 in {output}" in result.out
    # What it says of old files is what works.
    line = next(line for line in result.out.splitlines() if "gan-tfc decompress" in line)
    words = line.split("gan-tfc ")[1].replace("FILE.gtc", str(stream)).split()
    decoded = run(*words, "--realism", "0", "-o", tmp_path / "new.png")
    assert decoded.code == 0, decoded.err
    assert run("decompress", stream, "-o", tmp_path / "old.png").code == 0
    old, new = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("old", "new"))
    assert old.shape == new.shape and (old != new).any()
    codec = gan_tfc.load(f"path:{output}")
    assert gan_tfc.info(codec.compress(old))["preset"] == "dishes"
    metadata = json.loads((output / "metadata.json").read_text())
    assert metadata["fine_tuning"]["from"] == "tiny@1" and metadata["fine_tuning"]["gain_db"] == 0.25


def test_options_reach_the_training_and_json_is_printed(run, training, tmp_path):
    options = ["--all", "--resume", "--run", tmp_path / "r", "--wandb", "project", "--json"]
    result = run("finetune", "tiny", "--data", "tfds:x", "-o", tmp_path / "dishes" / "1", *options)
    assert result.code == 0, result.err
    ((data, minutes, passed),) = training
    assert (data, minutes, passed["everything"], passed["name"]) == ("tfds:x", 30.0, True, "dishes")
    assert passed["resume"] and passed["wandb_project"] == "project" and passed["folder"] == tmp_path / "r"
    assert json.loads(result.out)["gain"] == pytest.approx(0.25)


def test_without_a_gain_no_preset_is_written(run, monkeypatch, tmp_path):
    monkeypatch.setattr(Codec, "fine_tune", lambda *args, **options: outcome(improved=False))
    result = run("finetune", "tiny", "--data", ".", "-o", tmp_path / "dishes" / "1")
    assert result.code == 1 and "no preset was written" in result.err
    assert "the codec stays as it was" in result.out and not (tmp_path / "dishes" / "1").exists()


def test_interruption_says_how_to_continue(run, monkeypatch, tmp_path):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Codec, "fine_tune", interrupt)
    result = run("finetune", "tiny", "--data", ".", "-o", tmp_path / "1")
    assert result.code == 130 and "--resume continues" in result.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--data", "gone", "-o", "out/1"], 1, "gone"),
        (["--data", "."], 2, "--output"),
        (["-o", "out/1"], 2, "--data"),
        (["--data", ".", "-o", "out/1", "--minutes", "0"], 2, "--minutes"),
        (["--data", ".", "-o", "out", "--all"], 1, "NAME/VERSION"),
        (["--data", ".", "-o", "tiny/2", "--all"], 1, "new name"),
        (["--data", ".", "-o", "full"], 1, "holds a preset"),
    ],
    ids=["no-folder", "no-output", "no-data", "minutes", "no-name", "old-name", "exists"],
)
def test_wrong_arguments_are_said_before_anything_is_trained(run, tmp_path, monkeypatch, options, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").write_text("{}")
    result = run("finetune", "tiny", *options)
    assert result.code == code and said in result.err


def test_photos_that_cannot_be_used_are_told_in_one_sentence(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    result = run("finetune", "tiny", "--data", tmp_path / "photos", "-o", tmp_path / "dishes" / "1")
    assert result.code == 1 and "broken.png" in result.err and not (tmp_path / "dishes" / "1").exists()
