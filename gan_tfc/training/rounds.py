# SPDX-License-Identifier: Apache-2.0
"""Training for a given time, by Keras's `fit`, that keeps the best averaged weights and survives its end."""

import io
import json
import time
import zipfile
from pathlib import Path

import keras
import numpy as np

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.training.checkpoint import read_checkpoint, restore_checkpoint, save_checkpoint, value_of

BEST, STATE = "best.npz", "state.json"
#: Rounds until the learning rate is at its peak, for Adam knows nothing of the gradients yet.
_WARM_UP = 3
#: Share of the time that measuring may take.
_MEASURING = 0.1


class Rounds(keras.utils.PyDataset):
    """An endless source of batches, cut into epochs of a few steps.

    Args:
        batches: with ``len(batches)`` and ``batches[i]``, a function of ``i`` alone.
        steps: in an epoch.
        first_step: where a resumed run goes on.
    """

    def __init__(self, batches, steps, first_step=0):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.batches, self.steps, self.first_step = batches, steps, first_step

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batches[(self.first_step + index) % len(self.batches)]

    def on_epoch_end(self):
        self.first_step += self.steps


class KeepBest(keras.callbacks.Callback):
    """Cosine schedule over time, checkpoints, and the averaged weights that scored best.

    Args:
        folder: gets `checkpoint.npz`, `best.npz` and `state.json`.
        score: function of averaged weights, a list of NumPy arrays in the order of the trainable
            variables; the higher the better; weights as they were score 0.
        stage: recorded in the checkpoint.
        seconds: time for the whole run, earlier parts included.
        peak: learning rate.
        patience: training ends after so many scores that are no better than the best.
        name: of the score in logs.
        hold: share of the time, at its beginning, that the optimizer holds what is scored where it is, see
            `gan_tfc.training.optimizers.HoldingAdam`.
    """

    def __init__(self, folder, score, stage, seconds, peak, patience, name="held_out_gain", hold=0.0):
        super().__init__()
        self.folder, self.score, self.stage, self.name = Path(folder), score, stage, name
        self.seconds, self.peak, self.patience, self.hold = seconds, peak, patience, hold
        self.state = {"seconds": 0.0, "step": 0, "best": 0.0, "stale": 0}
        self.state |= _read_state(self.folder)
        self.last_score, self.rounds_done = 0.0, 0

    @property
    def spent(self):
        """Seconds of training, in this and earlier parts of the run."""
        return self._before + time.monotonic() - self._start

    def on_train_begin(self, logs=None):
        self._before, self._start = self.state["seconds"], time.monotonic()
        # The first score comes when a tenth of the time is over.
        self._scored, self._scoring = self._start, self.seconds * _MEASURING**2
        self._scored_step = self.state["step"]

    def on_epoch_begin(self, epoch, logs=None):
        # Not in every step: only here does JAX take in what a callback changes.
        passed = min(1.0, self.spent / self.seconds)
        rate = self.peak * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * passed)))
        self.rounds_done += 1
        self.model.optimizer.learning_rate = rate * min(1.0, self.rounds_done / _WARM_UP)
        if self.hold:
            self.model.optimizer.hold(passed < self.hold)

    def on_train_batch_end(self, batch, logs=None):
        self.state["step"] += 1
        if self.spent >= self.seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        save_checkpoint(self.folder, self.model, self.state["step"], self.stage)
        over, free = self.spent >= self.seconds, self.spent >= self.hold * self.seconds
        if over or (free and time.monotonic() - self._scored >= self._scoring / _MEASURING):
            self._measure()
        if logs is not None:
            logs[self.name] = self.last_score
        if self.state["stale"] >= self.patience:
            self.model.stop_training = True
        self._write_state()

    def on_train_end(self, logs=None):
        if self.state["step"] != self._scored_step:
            self._measure()
            self._write_state()

    def _write_state(self):
        self.state["seconds"] = self.spent
        write_atomically(self.folder / STATE, json.dumps(self.state).encode(), overwrite=True)

    def _measure(self):
        start = time.monotonic()
        values = averages(self.model)
        self.last_score = float(self.score(values))
        if self.last_score > self.state["best"]:
            buffer = io.BytesIO()
            np.savez(buffer, *values)
            write_atomically(self.folder / BEST, buffer.getvalue(), overwrite=True)
            self.state |= {"best": self.last_score, "stale": 0}
        else:
            self.state["stale"] += 1
        self._scored, self._scored_step = time.monotonic(), self.state["step"]
        self._scoring = max(self._scored - start, self.seconds * _MEASURING / 40)


def averages(model) -> list[np.ndarray]:
    """Moving averages of the trainable variables, in their order."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    return [value_of(average) for average in model.optimizer._model_variables_moving_average]


def train_rounds(model, batches, keep_best: KeepBest, steps, most_rounds=None, callbacks=()):
    """Fit a compiled model until the time is over or its score no longer rises.

    Args:
        model: compiled, its optimizer averaging weights; goes on from the folder's checkpoint.
        batches: as for `Rounds`.
        keep_best: says for how long, and where the run is kept.
        steps: between two checkpoints.
        most_rounds: times `steps`, at most; None for any number.
        callbacks: more of Keras's.

    Returns:
        The best averaged weights, a list of arrays in the order of the trainable variables, or None
        when none scored above 0.
    """
    folder = keep_best.folder
    model.optimizer.build(model.trainable_variables)
    arrays = read_checkpoint(folder)
    if arrays is not None:
        if str(arrays["stage"]) != keep_best.stage:
            raise GanTfcError(f"{folder} holds a run of stage {arrays['stage']}; use another folder.")
        keep_best.state["step"] = restore_checkpoint(arrays, model)
    state = keep_best.state
    left = keep_best.seconds - state["seconds"]
    rounds = most_rounds if most_rounds is not None else 10**6
    done = -(-state["step"] // steps)  # a round that the end of the time cut short has its line in logs, too
    if left > 0 and done < rounds and state["stale"] < keep_best.patience:
        data = Rounds(batches, steps, state["step"])
        model.fit(
            data,
            initial_epoch=done,
            epochs=rounds,
            shuffle=False,
            verbose=0,
            callbacks=[keep_best, *callbacks],
        )
    return _read_best(folder)


def _read_best(folder):
    path = Path(folder) / BEST
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[f"arr_{i}"] for i in range(len(file.files))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise GanTfcError(f"{path} is damaged ({error}); delete {folder} to start anew.") from error


def _read_state(folder):
    path = folder / STATE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise GanTfcError(f"{path} is damaged ({error}); delete {folder} to start anew.") from error
