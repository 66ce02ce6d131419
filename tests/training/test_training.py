# SPDX-License-Identifier: Apache-2.0
"""Training runs: what they change, and that being killed changes nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from gan_tfc import losses
from gan_tfc.codec import Codec
from gan_tfc.errors import GanTfcError
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import load_weights
from gan_tfc.training import run
from gan_tfc.training.batches import CropBatches
from gan_tfc.training.checkpoint import FILE_NAME, read_checkpoint, value_of
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.progress import Progress
from gan_tfc.training.run import CONFIG, WEIGHTS, build_model, save_averaged_weights, train

# TensorFlow says so of the fixture `eager`, and means the input pipeline.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config")

ROOT = Path(__file__).parents[2]
MODEL = {"features": (4, 4), "synthesis_features": 8, "synthesis_blocks": 1}
STEPS = 8


def config(stage="contexts", **changes):
    """A run of seconds. The learning rate is high because its warm-up takes 100 steps."""
    fields = {
        "model": MODEL,
        "total_steps": STEPS,
        "batch_size": 2,
        "crop_size": 64,
        "learning_rate": 0.1,
        "ema_momentum": 0.5,
        "seed": 3,
    }
    return TrainConfig(stage, **(fields | changes))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of three real photographs."""
    from skimage import data

    folder = tmp_path_factory.mktemp("photos")
    for name in ("coffee", "astronaut", "chelsea"):
        Image.fromarray(getattr(data, name)()[100:228, 100:260]).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """(model, folder) of an uninterrupted run of the contexts stage."""
    folder = tmp_path_factory.mktemp("finished")
    model, steps = train(config(), photos, folder)
    assert steps == STEPS
    return model, folder


def values(part):
    """Copies of a layer's weights."""
    return [value_of(weight) for weight in part.weights]


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def rate_loss(model, photos):
    """Loss of the contexts stage on the same crops at the same steps, whatever was trained."""
    crops = [np.asarray(Image.open(path))[:64, 64:128] for path in sorted(photos.iterdir())]
    batch = {"image": np.stack(crops), "step_code": np.array([300.0, 900.0, 1500.0])}
    return float(losses.get("rate_distortion")(batch, model(batch)))


@pytest.mark.slow
def test_the_contexts_stage_lowers_its_loss_on_photographs(finished, photos):
    keras.utils.set_random_seed(config().seed)
    fresh = rate_loss(build_model(config()), photos)
    # The same crops before and after, so no luck is involved: 7.5 falls by 0.5.
    assert rate_loss(finished[0], photos) < fresh - 0.25


@pytest.mark.slow
def test_the_contexts_stage_changes_contexts_and_bottleneck_and_nothing_else(finished):
    keras.utils.set_random_seed(config().seed)
    fresh = build_model(config())
    model, _ = finished
    assert not any(changed(values(fresh.synthesis), values(model.synthesis)))
    for before, after in zip(fresh.networks, model.networks, strict=True):
        assert all(changed(values(before), values(after)))
    assert any(changed(values(fresh.bottleneck), values(model.bottleneck)))


@pytest.mark.slow
def test_the_synthesis_stage_changes_the_synthesis_network_and_nothing_else(
    finished, photos, tmp_path, eager
):
    start, folder = finished
    model, _ = train(config("synthesis", total_steps=3), photos, tmp_path, weights=folder / WEIGHTS)
    assert any(changed(values(start.synthesis), values(model.synthesis)))
    for before, after in zip(start.networks, model.networks, strict=True):
        assert not any(changed(values(before), values(after)))
    assert not any(changed(values(start.bottleneck), values(model.bottleneck)))


KILLED_WHILE_WRITING = """
import os, signal, sys
from gan_tfc.training.config import load_config
from gan_tfc.training.run import train

replace, written = os.replace, 0
def replace_or_die(source, target):
    global written
    if str(target).endswith("checkpoint.npz"):
        written += 1
        if written == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replace_or_die
train(load_config(sys.argv[1]), sys.argv[2], sys.argv[3], checkpoint_seconds=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_and_resumed_run_ends_like_an_uninterrupted_one(finished, photos, tmp_path):
    json_file, folder = tmp_path / "tiny.json", tmp_path / "run"
    json_file.write_text(config().to_json())
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, json_file, photos, folder],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert int(read_checkpoint(folder)["step"]) == 3
    model, steps = train(config(), photos, folder)
    assert steps == STEPS
    expected, found = read_checkpoint(finished[1]), read_checkpoint(folder)
    assert expected.keys() == found.keys()
    for name in expected:  # model, optimizer, averages, random seeds: to the last bit
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert not any(changed(values(model), values(finished[0])))


@pytest.mark.slow
def test_a_run_that_stopped_on_time_goes_on_from_its_own_weights_not_from_their_averages(
    photos, tmp_path, eager
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    short = config(total_steps=3)
    train(short, photos, whole)
    # Twice, for after a single step weights and averages are the same.
    for done, minutes in ((1, 0), (2, 0), (3, None)):
        _, steps = train(short, photos, stopped, minutes=minutes)
        assert steps == done
    expected, found = read_checkpoint(whole), read_checkpoint(stopped)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.slow
def test_a_finished_run_trains_no_further_and_finds_its_averages_again(finished, photos, tmp_path):
    (tmp_path / FILE_NAME).write_bytes((finished[1] / FILE_NAME).read_bytes())
    for total_steps in (STEPS, STEPS - 3):
        model, steps = train(config(total_steps=total_steps), photos, tmp_path)
        assert steps == STEPS
        assert not any(changed(values(finished[0]), values(model)))


@pytest.mark.slow
def test_the_averaged_weights_load_into_a_model_of_the_same_configuration(finished):
    model, folder = finished
    loaded = WaveletCodec(**json.loads((folder / CONFIG).read_text())["model"])
    loaded.build()
    loaded.load_weights(folder / WEIGHTS)
    assert not any(changed(values(loaded), values(model)))
    # They are averages: with a momentum of 0.5, near the last weights but not equal to them.
    arrays = read_checkpoint(folder)
    last = [arrays[f"model/{i}"] for i in range(len(model.variables))]
    averaged = [value_of(variable) for variable in model.variables]
    assert any(changed(last, averaged))


@pytest.mark.slow
def test_a_run_leaves_a_log_of_what_it_did(finished):
    rows = [json.loads(line) for line in (finished[1] / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == STEPS
    for row in rows:
        assert {"loss", "bpp", "psnr", "seconds", "steps_per_second", "data_share"} <= set(row)
        assert 0 < row["bpp"] < 100 and 5 < row["psnr"] < 60
        # Cutting crops out of photos in memory is next to nothing, even of steps as small as these.
        assert 0 <= row["data_share"] < 0.2


class FallingSteps(CropBatches):
    """Batches whose step falls from one to the next, so that each takes more bits."""

    def __getitem__(self, index):
        (batch,) = super().__getitem__(index)
        return (batch | {"step_code": np.full(2, [1700, 1100, 700, 300][index], np.float32)},)


def test_a_line_of_the_log_holds_the_means_since_the_line_before(photo, tmp_path, eager):
    settings = config(model=MODEL | {"features": (4,)}, total_steps=4, learning_rate=1e-9)
    batches = FallingSteps([photo], settings)
    model = build_model(settings)
    bits = [np.mean(keras.ops.convert_to_numpy(model(batches[i][0])["bits"])) for i in range(4)]
    progress = Progress(tmp_path, batches, None, every=2)
    model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[progress])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert bits[0] < bits[1] < bits[2] < bits[3]
    # In training the coarsest band is noisy and not rounded: far below 5 % of all bits.
    expected = np.array([bits[0] + bits[1], bits[2] + bits[3]]) / 2 / 64**2
    np.testing.assert_allclose([row["bpp"] for row in rows], expected, rtol=0.05)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_run_leaves_tensorboard_events(finished):
    pytest.importorskip("tensorboard", reason="needs extra train: newer TensorFlow has no TensorBoard")
    events = list((finished[1] / "tensorboard").glob("events.out.tfevents.*"))
    assert events and all(file.stat().st_size > 100 for file in events)


def test_the_averages_are_saved_without_touching_the_trained_weights(tmp_path):
    model = build_model(config())
    for index, average in enumerate(model.optimizer._model_variables_moving_average):
        average.assign(0 * average + index)
    before = values(model)
    save_averaged_weights(model, tmp_path / WEIGHTS)
    assert not any(changed(before, values(model)))
    load_weights(model, tmp_path / WEIGHTS)
    for index, variable in enumerate(model.trainable_variables):
        np.testing.assert_array_equal(value_of(variable), index)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]


def test_the_trained_weights_survive_when_the_averages_cannot_be_saved(tmp_path):
    model = build_model(config())
    for average in model.optimizer._model_variables_moving_average:
        average.assign(0 * average)
    before = values(model)
    with pytest.raises(GanTfcError, match="there is no folder"):
        save_averaged_weights(model, tmp_path / "no folder" / WEIGHTS)
    assert not any(changed(before, values(model)))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["half", "none", "noise", "no step", "flipped"])
def test_a_damaged_checkpoint_is_refused_with_the_mend(finished, photos, tmp_path, damage):
    data = (finished[1] / FILE_NAME).read_bytes()
    path = tmp_path / FILE_NAME
    if damage == "no step":
        np.savez(path, x=np.zeros(3))
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes(
            {"half": data[:middle], "none": b"", "noise": b"noise" * 99, "flipped": flipped}[damage]
        )
    with pytest.raises(GanTfcError, match="is no checkpoint .* delete it to start anew"):
        train(config(), photos, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "synthesis"}, "use a folder of its own for each stage"),
        ({"model": MODEL | {"features": (4, 8)}}, "resume with the configuration that wrote it"),
        ({"model": MODEL | {"features": (4, 4, 4)}}, "do not fit"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(finished, photos, tmp_path, change, words):
    (tmp_path / FILE_NAME).write_bytes((finished[1] / FILE_NAME).read_bytes())
    with pytest.raises(GanTfcError, match=words):
        train(config(**change), photos, tmp_path)
    assert not (tmp_path / CONFIG).exists()  # nothing says that this run is of that configuration


def test_a_run_that_starts_from_weights_starts_its_schedule_anew(tmp_path):
    trained = build_model(config())
    trained.optimizer.iterations.assign(1000)
    for index, average in enumerate(trained.optimizer._model_variables_moving_average):
        average.assign(0 * average + index)
    save_averaged_weights(trained, tmp_path / WEIGHTS)
    trained.save_weights(tmp_path / "keras.weights.h5")  # holds the optimizer as well
    for name in (WEIGHTS, "keras.weights.h5"):
        model = build_model(config())
        load_weights(model, tmp_path / name)
        assert int(value_of(model.optimizer.iterations)) == 0


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_weights_that_are_none_are_refused(photos, tmp_path, content):
    path = tmp_path / "some.weights.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanTfcError, match="Expected a weights file of this configuration"):
        train(config(), photos, tmp_path / "run", weights=path)


@pytest.fixture(scope="module")
def frozen_codec():
    """A codec of the configuration's model, with random weights and frozen tables."""
    keras.utils.set_random_seed(5)
    model = WaveletCodec(**MODEL)
    model.build()
    codec = Codec(model, "tiny", 1)
    codec.freeze_tables(None)
    return codec


@pytest.mark.slow
def test_training_on_coded_copies_starts_from_the_codec_and_keeps_what_decides_bits(
    frozen_codec, photos, tmp_path, eager
):
    digest = frozen_codec.frozen.digest
    coded = config("synthesis", total_steps=2, coded_copies=2)
    model, _ = train(coded, photos, tmp_path, codec=frozen_codec)
    trained = Codec(model, "tiny", 1)
    trained.freeze_tables(None)
    assert trained.frozen.digest == digest
    assert any(changed(values(frozen_codec.model.synthesis), values(model.synthesis)))
    made = (tmp_path / "bases.npy").stat().st_mtime_ns
    train(config("synthesis", total_steps=3, coded_copies=2), photos, tmp_path, codec=frozen_codec)
    assert (tmp_path / "bases.npy").stat().st_mtime_ns == made  # photos were not coded again


def test_coded_copies_need_a_codec_with_tables(photos, tmp_path):
    with pytest.raises(GanTfcError, match="Expected a codec with frozen tables"):
        train(config("synthesis", coded_copies=2), photos, tmp_path)


def test_the_command_line_and_scripts_may_pass_the_console_by_place(photos, tmp_path, monkeypatch):
    from rich.console import Console

    seen = {}
    monkeypatch.setattr(run, "_batches", lambda *args: seen.update(args=args) or range(0))
    console = Console(quiet=True)
    train(config(), photos, tmp_path, None, None, console)
    assert any(arg is console for arg in seen["args"])
