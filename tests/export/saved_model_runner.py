# SPDX-License-Identifier: Apache-2.0
"""Calls signatures of a SavedModel in a process that can import neither gan_tfc nor Keras.

    python saved_model_runner.py FOLDER IN.npz OUT.npz [MODULE ...]

The modules are imported before the SavedModel is loaded. IN holds calls, in their order: for call n,
``n/<signature>/<input>``; strings are uint8 vectors, and a text such as "3/stream" is an output of an
earlier call. OUT holds ``n/<output>`` or ``n/error``, the sentence of an error, and about the process
``modules``, those that were imported in the end, and ``foreign``, operators that TensorFlow lacks.
"""

import importlib
import re
import sys
from pathlib import Path

import numpy as np

# Importing TensorFlow imports Keras where it can, and what follows must do without.
sys.modules.update(dict.fromkeys(["gan_tfc", "keras", "tf_keras"]))

import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402


def foreign_operators(folder):
    """Operators of a SavedModel that are not registered now."""
    file = saved_model_pb2.SavedModel.FromString(Path(folder, "saved_model.pb").read_bytes())
    graph = file.meta_graphs[0].graph_def
    used = {node.op for node in graph.node}
    used |= {node.op for function in graph.library.function for node in function.node_def}
    used -= {function.signature.name for function in graph.library.function}
    return sorted(name for name in used if op_def_registry.get(name) is None)


def to_tensor(value, spec, results):
    """What an entry of IN stands for."""
    if value.dtype.kind == "U":
        value = results[str(value)]
    if spec.dtype == tf.string:
        return tf.constant(value.tobytes())
    return tf.constant(value, spec.dtype)


def to_array(tensor):
    value = tensor.numpy()
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value


def sentence_of(error):
    """The message of an assertion without what TensorFlow puts around it."""
    found = re.search(r"assertion failed: \[(.*)\]$", error.message, re.M)
    return found.group(1) if found else f"NO SENTENCE: {error.message}"


def main(folder, source, target, *modules):
    results = {"foreign": np.array(foreign_operators(folder), "U")}
    for module in modules:
        importlib.import_module(module)
    signatures = tf.saved_model.load(folder).signatures
    calls = {}
    with np.load(source) as arrays:
        for name in arrays.files:
            number, signature, argument = name.split("/")
            calls.setdefault((number, signature), {})[argument] = arrays[name]
    for (number, name), arguments in calls.items():
        call = signatures[name]
        specs = call.structured_input_signature[1]
        try:
            inputs = {key: to_tensor(value, specs[key], results) for key, value in arguments.items()}
            outputs = call(**inputs)
        except tf.errors.InvalidArgumentError as error:
            results[f"{number}/error"] = np.array(sentence_of(error))
        else:
            results |= {f"{number}/{key}": to_array(value) for key, value in outputs.items()}
    results["modules"] = np.array(sorted(name for name, module in sys.modules.items() if module))
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
