# SPDX-License-Identifier: Apache-2.0
"""A model's weights in a file, and nothing of its training.

Keras puts the optimizer of a compiled model into the file as well, and takes it from there into one of
the same size: its moments, and the step that its schedule has reached.
"""

import contextlib
import io
import os

import keras

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Write `model`'s weights to a file, completely or not at all.

    Args:
        model: built.
        path: what is there is replaced; its name ends in ``.weights.h5``, for Keras to read it.

    Raises:
        GanTfcError: the operating system refuses.
    """
    write_atomically(path, weights_file(model), overwrite=True)


def weights_file(model: keras.Model) -> bytes:
    """The bytes of a weights file, made in memory: HDF5 may end the process where a disk is full."""
    file = _NamedMemory()
    with _without_optimizer(model):
        model.save_weights(file)
    return file.getvalue()


class _NamedMemory(io.BytesIO):
    """A file in memory with a name that Keras takes for that of a weights file."""

    def __str__(self):
        return "memory.weights.h5"


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


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Give a built model the weights of another one that it extends, such as by layers of realism.

    Variables of `target` that `source` lacks keep their values.

    Raises:
        GanTfcError: `source` has variables that `target` lacks, or of other shapes.
    """
    values = {local_path(v, source): v for v in source.weights}
    places = {local_path(v, target): v for v in target.weights}
    misfits = [name for name, v in values.items() if name not in places or places[name].shape != v.shape]
    if misfits:
        raise GanTfcError(
            f"Expected a codec whose weights fit this configuration's model, but {len(misfits)} of its "
            f"{len(values)} arrays do not, the first one {misfits[0]}; choose the configuration it was "
            "trained with."
        )
    for name, variable in values.items():
        places[name].assign(keras.ops.copy(variable.value))


def local_path(variable, model) -> str:
    """A variable's path below its model, whose own name may have been made unique by a number."""
    return variable.path.removeprefix(f"{model.name}/")


@contextlib.contextmanager
def _without_optimizer(model):
    optimizer, model.optimizer = getattr(model, "optimizer", None), None
    try:
        yield
    finally:
        model.optimizer = optimizer
