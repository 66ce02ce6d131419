# SPDX-License-Identifier: Apache-2.0
"""A model's weights in a file, and nothing of its training.

Keras puts the optimizer of a compiled model into the file as well, and takes it from there into one of
the same size: its moments, and the step that its schedule has reached.
"""

import contextlib
import os

import keras

from gan_tfc.errors import GanTfcError


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Write `model`'s weights to a file whose name ends in ``.weights.h5``."""
    with _without_optimizer(model):
        model.save_weights(path)


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Read a weights file into a built model.

    Raises:
        GanTfcError: there is no such file, or it belongs to another model.
    """
    try:
        with _without_optimizer(model):
            model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:  # from Keras and h5py
        raise GanTfcError(
            f"Expected a weights file of this configuration's model, but {path} is none: {error}"
        ) from error


@contextlib.contextmanager
def _without_optimizer(model):
    optimizer, model.optimizer = getattr(model, "optimizer", None), None
    try:
        yield
    finally:
        model.optimizer = optimizer
