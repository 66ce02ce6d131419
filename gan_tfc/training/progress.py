# SPDX-License-Identifier: Apache-2.0
"""Callbacks of a run: stop on time, checkpoint, show where it stands."""

import importlib.util
import json
import time
from pathlib import Path

import keras

from gan_tfc.training.checkpoint import save_checkpoint


class StopAfter(keras.callbacks.Callback):
    """Stops training when a number of seconds has passed since `start`."""

    def __init__(self, seconds, start):
        super().__init__()
        self.seconds, self.start = seconds, start

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.start >= self.seconds:
            self.model.stop_training = True


class Checkpoints(keras.callbacks.Callback):
    """Saves a checkpoint every few seconds and at the end of the epoch, a run's only one.

    Not at the end of training: by then Keras has replaced the weights with their averages, and a
    run that goes on from those is not the run that was stopped.

    Args:
        folder: of the run.
        stage: recorded in the file.
        first_step: steps done before this run.
        seconds: between two checkpoints.
        on_save: called without arguments after each save.
    """

    def __init__(self, folder, stage, first_step, seconds=120.0, on_save=None):
        super().__init__()
        self.folder, self.stage, self.seconds = folder, stage, seconds
        self.on_save = on_save
        self.steps_done = first_step
        self._last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.steps_done += 1
        if time.monotonic() - self._last >= self.seconds:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        self._save()

    def _save(self):
        save_checkpoint(self.folder, self.model, self.steps_done, self.stage)
        if self.on_save is not None:
            self.on_save()
        self._last = time.monotonic()


class Progress(keras.callbacks.Callback):
    """A progress bar with time left, recent loss, bpp and PSNR, and the data's share of the time.

    Each line of `log.jsonl` holds the means since the line before.

    Args:
        folder: of the run; gets `log.jsonl` and, where TensorFlow and TensorBoard are installed,
            TensorBoard events.
        batches: the `CropBatches`, whose production time is shown as a share of the step time.
        seconds: time limit or None.
        every: steps between two log lines.
        console: a `rich.console.Console`.
    """

    def __init__(self, folder, batches, seconds, every=50, console=None):
        super().__init__()
        self.folder, self.batches, self.seconds, self.every = Path(folder), batches, seconds, every
        self.console = console
        self.writer = _tensorboard_writer(self.folder / "tensorboard")
        self._bar = None

    def on_train_begin(self, logs=None):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._start = self._window = time.monotonic()
        self._done = self._logged = 0
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("", total=self.batches.last_step, completed=self.batches.first_step)
        self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        step = self.batches.first_step + self._done
        self._bar.update(self._task, completed=step)
        if self._done % self.every and step < self.batches.last_step:
            return
        now = time.monotonic()
        rate = self._done / (now - self._start)
        left = (self.batches.last_step - step) / rate
        if self.seconds is not None:
            left = min(left, self.seconds - (now - self._start))
        row = {key: round(float(value), 4) for key, value in (logs or {}).items()}
        row |= {
            "step": step,
            "seconds": round(now - self._start, 1),
            "steps_per_second": round((self._done - self._logged) / (now - self._window), 3),
            "data_share": round(self.batches.seconds / max(1, self.batches.made) * rate, 4),
        }
        self._window, self._logged = now, self._done
        with open(self.folder / "log.jsonl", "a") as log:
            log.write(json.dumps(row) + "\n")
        shown = " ".join(f"{key} {row[key]:.3f}" for key in ("loss", "bpp", "psnr") if row.get(key))
        self._bar.update(
            self._task,
            description=f"{shown} data {row['data_share']:.1%} left {max(0, left) / 60:.1f} min",
        )
        if self.writer is not None:
            self._write_events(row)
        for metric in self.model.metrics:
            metric.reset_state()

    def _write_events(self, row):
        import tensorflow as tf

        with self.writer.as_default(step=row["step"]):
            for key, value in row.items():
                if key != "step":
                    tf.summary.scalar(key, value)

    def close(self):
        """Leave the terminal as it was; also called when training is interrupted."""
        if self._bar is not None:
            self._bar.stop()
        if self.writer is not None:
            self.writer.close()


def _tensorboard_writer(folder):
    """A writer of TensorBoard events, or None where TensorFlow or TensorBoard is not installed."""
    # TensorFlow 2.20 and newer do not bring TensorBoard, and fail at the first event without it.
    if keras.backend.backend() != "tensorflow" or importlib.util.find_spec("tensorboard") is None:
        return None
    import tensorflow as tf

    return tf.summary.create_file_writer(str(folder))
