# SPDX-License-Identifier: Apache-2.0
"""What a fine-tuning run writes about itself: `log.csv`, TensorBoard's events, Weights & Biases."""

import csv
import json
import sys

import keras
import numpy as np
import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.training.fine_tuning_run import Run, Settings
from gan_tfc.training.rounds import KeepBest, train_rounds
from gan_tfc.training.wandb_logger import wandb_run

METRICS = {"loss", "held_out_gain"}


class Line:
    """Batches of points on a line, each a function of its number alone."""

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        x = np.random.default_rng(index).normal(size=(4, 1)).astype(np.float32)
        return x, 3 * x


def fit(run, rounds, score="held_out_gain", metrics=()):
    """Fits a line, two steps a round; a run in a folder that has one goes on."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(use_ema=True), "mse", metrics=list(metrics))
    keep_best = KeepBest(run.folder, lambda weights: 1.0, "line", 600.0, 0.1, 100, score)
    train_rounds(model, Line(), keep_best, 2, rounds, run.callbacks)


def claimed(folder):
    """A run, or the resumption of the one in `folder`."""
    run = Run(folder, 600.0, Settings())
    path = folder / "fine_tuning.json"
    run.record = json.loads(path.read_text()) if path.exists() else {"key": {"kind": "decoder"}}
    return run


def rows(folder):
    with open(folder / "log.csv") as file:
        return list(csv.DictReader(file))


def column(folder, name):
    return [float(row[name]) for row in rows(folder)]


# --- log.csv and TensorBoard -------------------------------------------------------------------------


def test_a_resumed_run_counts_its_rounds_on(tmp_path):
    for rounds in (2, 4):
        fit(claimed(tmp_path), rounds)
    assert METRICS <= set(rows(tmp_path)[0])
    assert column(tmp_path, "epoch") == [0, 1, 2, 3]


def test_parts_of_a_run_have_columns_of_their_own(tmp_path):
    run = claimed(tmp_path)
    fit(run.below("contexts", 600.0), 2, "held_out_contexts", ["mae"])
    fit(run.below("decoder", 600.0), 1)
    assert len(column(tmp_path / "contexts", "held_out_contexts")) == 2
    assert column(tmp_path / "contexts", "mae") != column(tmp_path / "contexts", "loss")
    assert len(column(tmp_path / "decoder", "held_out_gain")) == 1


@pytest.mark.tensorflow
def test_tensorboard_shows_what_the_log_says(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs extra train: newer TensorFlow has no TensorBoard",
    )
    import tensorflow as tf

    for rounds in (2, 4):
        fit(claimed(tmp_path), rounds)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "train")).Reload()
    for name in METRICS:
        found = {x.step: float(tf.make_ndarray(x.tensor_proto)) for x in events.Tensors(f"epoch_{name}")}
        assert list(found) == [0, 1, 2, 3]
        assert list(found.values()) == pytest.approx(column(tmp_path, name), rel=1e-6)  # float32 in events
    rates = [float(tf.make_ndarray(x.tensor_proto)) for x in events.Tensors("epoch_learning_rate")]
    assert all(0 < rate <= 0.1 for rate in rates) and rates[1] > rates[0]


# --- Weights & Biases --------------------------------------------------------------------------------


def log_to_wandb(folder, rounds):
    run = claimed(folder)
    with wandb_run("dishes", run) as run.wandb:
        fit(run, rounds)


def test_every_round_is_logged_with_its_learning_rate_and_the_run_is_finished(wandb, tmp_path):
    log_to_wandb(tmp_path, 3)
    (there,) = wandb.runs
    assert there.options == {"project": "dishes", "resume": None, "config": {"kind": "decoder"}}
    assert there.exit_code == 0 and there.axes == {"*": "epoch"}
    for name in (*METRICS, "epoch"):
        assert [values[name] for values in there.logged] == column(tmp_path, name)
    # The rate grows over the first three rounds, see `KeepBest`.
    rates = [values["learning_rate"] for values in there.logged]
    assert rates == pytest.approx([0.1 / 3, 0.2 / 3, 0.1], rel=0.01)  # less what the cosine takes in seconds


def test_a_resumed_run_goes_on_with_the_same_one_there(wandb, tmp_path):
    log_to_wandb(tmp_path, 2)
    log_to_wandb(tmp_path, 3)
    first, second = wandb.runs
    assert second.id == first.id == "new" and second.options["resume"] == "allow"
    assert [values["epoch"] for values in first.logged + second.logged] == [0, 1, 2]


def test_parts_of_a_run_are_told_apart(wandb, tmp_path):
    run = claimed(tmp_path)
    with wandb_run("dishes", run) as run.wandb:
        fit(run.below("contexts", 600.0), 1, "held_out_contexts")
        fit(run.below("decoder", 600.0), 1)
    (there,) = wandb.runs
    contexts, decoder = there.logged
    assert {"contexts/loss", "contexts/held_out_contexts", "contexts/epoch"} <= set(contexts)
    assert {"decoder/loss", "decoder/held_out_gain", "decoder/epoch"} <= set(decoder)
    assert there.axes == {"contexts/*": "contexts/epoch", "decoder/*": "decoder/epoch"}


def test_a_run_that_fails_here_is_finished_as_failed(wandb, tmp_path):
    with pytest.raises(KeyboardInterrupt), wandb_run("dishes", claimed(tmp_path)):
        raise KeyboardInterrupt
    assert wandb.runs[0].exit_code == 1


def test_a_run_that_the_caller_began_is_used_and_stays_open(wandb, tmp_path):
    wandb.run = wandb.init("mine")
    log_to_wandb(tmp_path, 1)
    assert wandb.runs == [wandb.run] and len(wandb.run.logged) == 1 and wandb.run.exit_code is None


def test_weights_and_biases_that_does_not_start_is_said_with_the_mend(wandb, tmp_path):
    def init(**options):
        raise wandb.Error("no API key")

    wandb.init = init
    with pytest.raises(GanTfcError, match=r"did not start \(no API key\): log in .* WANDB_MODE=offline"):
        log_to_wandb(tmp_path, 1)


def test_weights_and_biases_that_is_not_installed_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(GanTfcError, match="pip install wandb"):
        log_to_wandb(tmp_path, 1)


@pytest.mark.slow
def test_the_real_package_keeps_what_it_is_given(monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="needs wandb: pip install wandb, beside TensorFlow 2.17 'protobuf<5'")
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    for name, value in {"MODE": "offline", "DIR": str(tmp_path), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    for rounds in (2, 3):
        log_to_wandb(tmp_path, rounds)
    paths = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    assert len(paths) == 2 and paths[0].name == paths[1].name  # one run, in two sittings
    logged, codes = [], []
    for path in paths:
        store = DataStore()
        store.open_for_scan(str(path))
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                items = record.history.item
                logged.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
            if record.HasField("exit"):
                codes.append(record.exit.exit_code)
    assert codes == [0, 0]
    for name in (*METRICS, "epoch"):
        assert [values[name] for values in logged] == pytest.approx(column(tmp_path, name))
    assert all(0 < values["learning_rate"] <= 0.1 for values in logged)
