# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc train` and `gan-tfc freeze`."""

import pytest
from PIL import Image
from tiny_runs import config_file

import gan_tfc
from gan_tfc.training import run as training
from gan_tfc.training.checkpoint import FILE_NAME
from gan_tfc.training.config import built_in


@pytest.fixture
def photos(photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo[:128, :128]).save(folder / "cup.png")
    return folder


def test_list_names_the_built_in_configurations(run):
    assert run("train", "--list").out.split() == built_in()


@pytest.mark.slow
def test_train_then_freeze_gives_a_preset_that_codes(run, photos, picture, tmp_path):
    folder = tmp_path / "run"
    result = run("train", "--config", config_file(tmp_path, "contexts"), "--data", photos, "--resume", folder)
    assert result.code == 0, result.err
    weights = folder / "averaged.weights.h5"
    assert f"2 of 2 steps done, weights in {weights}" in result.out and weights.exists()
    # Again: nothing is left to do, and the folder's own configuration is used.
    result = run("train", "--data", photos, "--resume", folder)
    assert result.code == 0 and "2 of 2 steps done" in result.out
    assert "continuing the run" in result.err

    preset = tmp_path / "mine" / "menu" / "3"
    result = run("freeze", folder, "--data", photos, "-o", preset)
    assert result.code == 0, result.err
    assert result.out.startswith(f"menu@3 in {preset}")
    codec = gan_tfc.load(f"path:{preset}")
    assert codec.decompress(codec.compress(picture)).shape == (50, 70, 3)


def test_arguments_reach_the_training(run, tmp_path, monkeypatch):
    called = []

    def train(*args, **options):
        called.append((args, options))
        return None, 7

    monkeypatch.setattr(training, "train", train)
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "w.weights.h5"
    weights.touch()
    name = "photo_mobile_synthesis"
    options = ["--config", name, "--data", "tfds:clic", "--minutes", "1.5", "--weights", weights]
    result = run("train", *options)
    assert result.code == 0, result.err
    (((config, source, folder), options),) = called
    assert (config.stage, source) == ("synthesis", "tfds:clic")
    assert (options["minutes"], options["weights"], options["codec"]) == (1.5, str(weights), None)
    assert str(folder) == f"runs/{name}"
    assert result.out.startswith(f"7 of {config.total_steps} steps done")


@pytest.mark.parametrize(("steps", "said"), [(0, "begins again"), (9, "continues from the last checkpoint")])
def test_interruption_of_training_says_how_to_continue(run, tmp_path, monkeypatch, steps, said):
    def interrupt(config, source, folder, **options):
        if steps:
            folder.mkdir()
            (folder / FILE_NAME).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupt)
    monkeypatch.chdir(tmp_path)
    options = ["--config", config_file(tmp_path, "contexts"), "--data", "x", "--resume", "r"]
    result = run("train", *options)
    assert result.code == 130 and f"--resume r {said}" in result.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--config", "photo_mobile_contexts"], 2, "--data"),
        (["--data", "."], 2, "--list"),
        (["--data", ".", "--resume", "nowhere"], 2, "holds no run"),
        (["--data", ".", "--config", "photo_mobil"], 1, "photo_mobile_contexts"),
        (["--data", "gone", "--config", "photo_mobile_contexts"], 1, "gone"),
        (["--data", ".", "--config", "photo_mobile_contexts", "--weights", "gone"], 1, "gone"),
        (["--data", ".", "--config", "photo_mobile_contexts", "--minutes", "-1"], 2, "--minutes"),
    ],
    ids=["no-data", "no-config", "no-run", "unknown-config", "no-folder", "no-weights", "minutes"],
)
def test_wrong_arguments_are_said(run, tmp_path, monkeypatch, options, code, said):
    monkeypatch.chdir(tmp_path)
    result = run("train", *options)
    assert result.code == code and said in result.err
    assert "Traceback" not in result.err


def test_synthesis_stage_keeps_the_tables_of_a_preset(
    run, finished_run, tiny_codec, photo, picture, tmp_path
):
    # Fitted to a photo, and so not the tables that the run's own weights would give.
    preset = gan_tfc.Codec(tiny_codec.model, "fitted", 4)
    preset.freeze_tables([photo] * 2)
    assert preset.frozen.digest != tiny_codec.frozen.digest
    preset.save(tmp_path / "fitted" / "4")

    tables = f"path:{tmp_path / 'fitted' / '4'}"
    result = run("freeze", finished_run("synthesis"), "--tables", tables, "-o", tmp_path / "any")
    assert result.code == 0, result.err
    codec = gan_tfc.load(f"path:{tmp_path / 'any'}")
    assert (codec.name, codec.version) == ("fitted", 4)
    assert codec.compress(picture) == preset.compress(picture)


@pytest.mark.slow
def test_synthesis_stage_starts_from_a_preset_and_its_streams_still_decode(
    run, photos, tiny_preset, tiny_codec, picture, tmp_path
):
    preset = f"path:{tiny_preset}"
    folder = tmp_path / "run"
    options = ["--config", config_file(tmp_path, "synthesis"), "--data", photos, "-o", folder]
    result = run("train", *options, "--codec", preset)
    assert result.code == 0, result.err
    result = run("freeze", folder, "--tables", preset, "-o", tmp_path / "tuned")
    assert result.code == 0, result.err
    tuned = gan_tfc.load(f"path:{tmp_path / 'tuned'}")
    stream = tiny_codec.compress(picture)
    assert tuned.compress(picture) == stream
    assert (tuned.decompress(stream) != tiny_codec.decompress(stream)).any()


def test_contexts_stage_does_not_take_the_tables_of_a_preset(run, finished_run, tmp_path):
    result = run("freeze", finished_run("contexts"), "--tables", "tiny", "-o", tmp_path / "x")
    assert result.code == 1 and "leave out --tables" in result.error


def test_presets_are_never_overwritten(run, finished_run, tiny_preset):
    before = {file: file.read_bytes() for file in tiny_preset.iterdir()}
    result = run("freeze", finished_run("contexts"), "-o", tiny_preset)
    assert result.code == 1 and "next version" in result.error
    assert {file: file.read_bytes() for file in tiny_preset.iterdir()} == before


def test_folder_that_is_no_run_is_refused(run, tmp_path):
    result = run("freeze", tmp_path, "-o", tmp_path / "x")
    assert result.code == 1 and "expected the folder of a training run" in result.error


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_damaged_weights_are_said_in_one_sentence(run, finished_run, tmp_path, content):
    folder = finished_run("contexts")
    (folder / "averaged.weights.h5").write_bytes(content)
    result = run("freeze", folder, "-o", tmp_path / "x")
    assert result.code == 1 and "does not fit its configuration" in result.error
    assert not (tmp_path / "x").exists()
