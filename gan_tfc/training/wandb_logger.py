# SPDX-License-Identifier: Apache-2.0
"""Weights & Biases: one run there for a fine-tuning run, with the metrics of all its rounds.

wandb's own `WandbMetricsLogger` needs TensorFlow, which a run on JAX may not have, and leaves the run open.
"""

import contextlib

import keras

from gan_tfc.errors import GanTfcError


def import_wandb():
    """The module.

    Raises:
        GanTfcError: it is not installed, or not one that works beside what is.
    """
    try:
        import wandb
    except ImportError as error:
        # Newer releases of wandb bring a protobuf that TensorFlow 2.17 cannot be imported with.
        raise GanTfcError(
            f"Logging to Weights & Biases needs its package ({error}): pip install wandb, beside TensorFlow "
            "2.17 pip install wandb 'protobuf<5'."
        ) from error
    return wandb


@contextlib.contextmanager
def wandb_run(project: str, run):
    """What metrics are logged to; finished at the end, and failed there if it fails here.

    A run that the caller has begun with `wandb.init` is used, and stays open. Where data are kept, and
    whether they are sent at once, is for wandb's own settings.

    Args:
        project: at Weights & Biases.
        run: a claimed `gan_tfc.training.fine_tuning_run.Run`; resumed, it goes on with the same one there.

    Yields:
        A `wandb.Run`.

    Raises:
        GanTfcError: wandb is not installed, or does not start.
    """
    wandb = import_wandb()
    if wandb.run is not None:
        yield wandb.run
        return
    known = run.record.get("wandb_id")
    try:
        there = wandb.init(project=project, id=known, resume=known and "allow", config=run.record["key"])
    except wandb.Error as error:
        raise GanTfcError(
            f"Weights & Biases did not start ({error}): log in with `wandb login`, or set WANDB_MODE=offline."
        ) from error
    run.remember(wandb_id=there.id)
    failed = True
    try:
        yield there
        failed = False
    finally:
        there.finish(exit_code=int(failed))


class WandbLogger(keras.callbacks.Callback):
    """Logs the metrics of each round, and the learning rate, over the round's number.

    Args:
        run: a `wandb.Run`.
        part: of the fine-tuning run, in front of all names: each part has a loss of its own.
    """

    def __init__(self, run, part: str = ""):
        super().__init__()
        self.run, self.prefix = run, f"{part}/" if part else ""
        # By itself wandb draws over its own count of calls, which goes on where rounds are repeated.
        run.define_metric(f"{self.prefix}*", step_metric=f"{self.prefix}epoch")

    def on_epoch_end(self, epoch, logs=None):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        values = {**(logs or {}), "learning_rate": rate, "epoch": epoch}
        self.run.log({f"{self.prefix}{name}": value for name, value in values.items()})
