# SPDX-License-Identifier: Apache-2.0
"""Where a fine-tuning run shows itself: a bar, a table, TensorBoard, Weights & Biases."""

import contextlib
import importlib.util
import time

import keras

from gan_tfc.training.wandb_logger import WandbLogger


def loggers(folder, part="", wandb=None) -> list[keras.callbacks.Callback]:
    """`log.csv`, TensorBoard where it is installed, Weights & Biases where a run there is given.

    Args:
        folder: of the part of the run.
        part: its name; empty where the run is all of one piece.
        wandb: see `gan_tfc.training.wandb_logger.wandb_run`.
    """
    made = [keras.callbacks.CSVLogger(str(folder / "log.csv"), append=True)]
    if keras.backend.backend() == "tensorflow" and importlib.util.find_spec("tensorboard"):
        made.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    if wandb is not None:
        made.append(WandbLogger(wandb, part))
    return made


class TimeBar(keras.callbacks.Callback):
    """A progress bar over time, with the loss and what was gained on held-out photos.

    Args:
        keep_best: the run's `gan_tfc.training.rounds.KeepBest`.
        console: a `rich.console.Console` or None.
        unit: of the score.
    """

    def __init__(self, keep_best, console, unit="dB"):
        super().__init__()
        self.keep_best, self.console, self.unit = keep_best, console, unit
        self._bar, self._shown = None, 0.0

    def on_train_begin(self, logs=None):
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
        self._bar = Progress(*columns, console=self.console)
        self._task = self._bar.add_task("", total=self.keep_best.seconds)
        self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if now - self._shown < 1.0:
            return
        self._shown = now
        score = f"held-out {self.keep_best.last_score:+.3f} {self.unit}, "
        best = f"best {self.keep_best.state['best']:+.3f}"
        self._bar.update(self._task, completed=self.keep_best.spent, description=score + best)

    def close(self):
        """Leave the terminal as it was; also called when training is interrupted."""
        if self._bar is not None:
            self._bar.stop()


@contextlib.contextmanager
def counted(console, text, total):
    """A bar for work of known length: gives the function that takes how much is done."""
    from rich.progress import Progress

    with Progress(console=console) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)
