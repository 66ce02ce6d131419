# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc finetune`: what reaches the training, and what becomes of its result."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.training import realism_report
from gan_tfc.training.fine_tuning_report import FineTuning, make_rows
from gan_tfc.training.held_out_textures import Measures

pytestmark = pytest.mark.usefixtures("zoo")


def outcome(improved=True):
    sizes, psnr = np.full((2, 3), 1000), np.full((2, 3), 30.0)
    gains = np.full((2, 3), 0.25 if improved else 0.0)
    rows = make_rows((15, 35, 60), sizes, sizes, psnr, psnr + gains, gains)
    return FineTuning(improved, rows, 8, 2, 100, 60.0, float(improved), "streams are equal to the byte")


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
    # Its card says what the table said, with and without the file.
    card = (output / "README.md").read_text()
    assert card.startswith("# dishes@1\n") and "## Fine-tuned from tiny@1" in card
    assert "| 35 | 1000 | 1000 | 30.00 | 30.25 | +0.250 | +0.250 |" in card
    assert "The decoder alone was trained" in card and "tables: not stated" in card
    assert run("zoo", "show", f"path:{output}").out == card
    (output / "README.md").unlink()
    assert run("zoo", "show", f"path:{output}").out == card


def test_options_reach_the_training_and_json_is_printed(run, training, tmp_path):
    options = ["--all", "--resume", "--run", tmp_path / "r", "--wandb", "project", "--json"]
    result = run("finetune", "tiny", "--data", "tfds:x", "-o", tmp_path / "dishes" / "1", *options)
    assert result.code == 0, result.err
    ((data, minutes, passed),) = training
    assert (data, minutes, passed["everything"], passed["name"]) == ("tfds:x", 30.0, True, "dishes")
    assert passed["resume"] and passed["wandb_project"] == "project" and passed["folder"] == tmp_path / "r"
    assert json.loads(result.out)["gain"] == pytest.approx(0.25)
    assert "files of tiny@1 need tiny@1" in (tmp_path / "dishes" / "1" / "README.md").read_text()


def test_realism_is_trained_when_asked_and_its_card_speaks_of_textures(run, monkeypatch, tmp_path):
    before = Measures(np.full((2, 3), 0.2), np.full((2, 3), 30.0))
    after = Measures(np.full((2, 3), 0.15), np.full((2, 3), 29.75))
    rows = realism_report.make_rows((10, 25, 50), np.full((2, 3), 1000), before, after, np.full((2, 3), 25.0))
    result = realism_report.RealismFineTuning(True, rows, 8, 2, 100, 60.0, 1.0, "streams are equal")
    monkeypatch.setattr(Codec, "fine_tune", lambda *args, **options: options["realism"] and result)
    output = tmp_path / "my-zoo" / "dishes" / "1"
    done = run("finetune", "tiny", "--data", "photos", "--realism", "-o", output)
    assert done.code == 0, done.err
    row = "10    1000             0.200  0.150  +25.0%      +25.0%         30.00  29.75       -0.25"
    assert row in done.out
    metadata = json.loads((output / "metadata.json").read_text())["fine_tuning"]
    assert metadata["trained"] == "realism" and metadata["texture_gain_percent"] == 25
    assert metadata["least_psnr_gain_db"] == -0.25 and metadata["from"] == "tiny@1"
    assert "## Realism fine-tuned from tiny@1" in (output / "README.md").read_text()
    both = run("finetune", "tiny", "--data", "photos", "--realism", "--all", "-o", tmp_path / "2" / "1")
    assert both.code == 2 and "not allowed with argument --realism" in both.err


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
        (["--data", ".", "-o", "out/1", "--realism"], 1, "a preset with realism, received tiny@1"),
    ],
    ids=["no-folder", "no-output", "no-data", "minutes", "no-name", "old-name", "exists", "no-realism"],
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
