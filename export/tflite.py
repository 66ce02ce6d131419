# SPDX-License-Identifier: Apache-2.0
"""Graphs of a codec as TFLite files of built-in operators.

In int8, convolutions and all else that has more than one value a picture are integers of eight bits,
weights by channel and activations by tensor, calibrated on photos. Step and realism act through gains that
are computed in float32, and the correction is added in float32 to a base picture that was never rounded:

    condition (float32) > body (int8 between float32 inputs and outputs) > sum (float32)
"""

import tempfile
from collections.abc import Sequence

from gan_tfc.coding.scan import ContextModel
from gan_tfc.entropy_models.lite_graph import litert
from gan_tfc.entropy_models.lite_networks import first_file, second_file
from gan_tfc.export import functions, lite_files

FIRST = ["context"], ["mixed", "means", "scales"]
SECOND = ["mixed", "known"], ["means", "scales"]


def contexts(model: ContextModel) -> bytes:
    """All context networks in one file, with signatures ``first_<level>`` and ``second_<level>``.

    ``context -> mixed, means, scales`` and ``mixed, known -> means, scales``, float32 `(1, H, W, C)`
    for any H and W; ``mixed`` is for the second pass of the same level and place.
    """
    schema = litert()[1]
    files = {}
    for level, network in enumerate(model.networks):
        files[f"first_{level}"] = lite_files.named(first_file(network.weights, schema), *FIRST)
        files[f"second_{level}"] = lite_files.named(second_file(network.weights, schema), *SECOND)
    return lite_files.collect(files)


def synthesis(network, precision: str, samples: Sequence[dict] = (), tile: int | None = None) -> bytes:
    """The synthesis network in one file with one signature, ``base, step[, realism, noise] -> picture``.

    Args:
        network: a `gan_tfc.models.synthesis.SynthesisNetwork`.
        precision: "float32", "float16" (weights) or "int8".
        samples: inputs to calibrate int8 with, dicts of float32 arrays by name.
        tile: side of the only size of picture; None for any.
    """
    if precision != "int8":
        return _converted(functions.picture(network, tile), half=precision == "float16")
    return lite_files.chain(
        _converted(functions.condition(network)),
        _converted(functions.body(network, tile), samples=_body_inputs(network, samples)),
        _converted(functions.sum_of_parts(tile)),
    )


def _body_inputs(network, samples):
    """What the body sees of the inputs of the whole."""
    condition = functions.condition(network)
    for sample in samples:
        pixels = {name: sample[name] for name in ("base", "noise") if name in sample}
        scalars = [sample[name] for name in ("step", "realism") if name in sample]
        yield pixels | {name: value.numpy() for name, value in condition(*scalars).items()}


def _converted(function, half=False, samples=None) -> bytes:
    import tensorflow as tf

    module = tf.Module()
    module.function = function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=function)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        if samples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: samples
        return converter.convert()
