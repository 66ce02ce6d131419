# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that resume exactly: every variable of model and optimizer in one NumPy file.

A file is written beside its final name and renamed, so a killed run leaves the previous checkpoint.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from keras import ops

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically

FILE_NAME = "checkpoint.npz"


def _variables(model):
    yield from ((f"model/{i}", v) for i, v in enumerate(model.variables))
    yield from ((f"optimizer/{i}", v) for i, v in enumerate(model.optimizer.variables))


def value_of(variable) -> np.ndarray:
    """A NumPy copy of a variable's value."""
    # A copy, for the array that a backend gives out may be the variable's own memory.
    return np.array(ops.convert_to_numpy(variable.value))


def assign_copy(variable, value):
    """Give a variable a value in memory of its own.

    JAX would share it with a NumPy array or with another variable, and a training step hands its
    buffers over to be overwritten.
    """
    variable.assign(ops.copy(value))


def save_checkpoint(folder, model, step: int, stage: str) -> None:
    """Write model, optimizer (with averaged weights) and step number to `folder`."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    arrays = {name: value_of(v) for name, v in _variables(model)}
    buffer = io.BytesIO()
    np.savez(buffer, step=step, stage=stage, **arrays)
    write_atomically(Path(folder) / FILE_NAME, buffer.getvalue(), overwrite=True)


def read_checkpoint(folder):
    """The arrays of a checkpoint as a dict, or None when the folder has none.

    Raises:
        GanTfcError: when the file is damaged.
    """
    path = Path(folder) / FILE_NAME
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if not {"step", "stage"} <= set(arrays):
            raise ValueError("it names no step and stage")
        return arrays
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise GanTfcError(f"{path} is no checkpoint ({error}); delete it to start anew.") from error


def restore_checkpoint(arrays, model) -> int:
    """Put a checkpoint's arrays into a compiled, built model and return its step number.

    Raises:
        GanTfcError: when the checkpoint belongs to a different model or optimizer.
    """
    variables = dict(_variables(model))
    wanted = {name: tuple(v.shape) for name, v in variables.items()}
    found = {name: a.shape for name, a in arrays.items() if "/" in name}
    if wanted != found:
        raise GanTfcError(
            f"The checkpoint holds {len(found)} arrays that do not fit the {len(wanted)} variables of "
            "this configuration; resume with the configuration that wrote it, or use a new folder."
        )
    for name, variable in variables.items():
        assign_copy(variable, arrays[name])
    return int(arrays["step"])
