# SPDX-License-Identifier: Apache-2.0
"""The synthesis network as TensorFlow functions of named tensors, with its weights as constants."""

import keras
import numpy as np

from gan_tfc.coding import steps
from gan_tfc.errors import GanTfcError
from gan_tfc.export import synthesis_graphs
from gan_tfc.models.synthesis import PATCH

#: Side of the pieces in which large pictures are decoded.
TILE = 512
#: Least and largest values that the inputs of a synthesis graph take.
RANGES = {
    "base": [-0.75, 0.75],
    "step": [steps.step_size(0), steps.step_size(steps.MAX_STEP_CODE)],
    "realism": [0.0, 1.0],
    "noise": [-1.0, 1.0],
}


def require_tensorflow(what: str) -> None:
    """Raise GanTfcError unless Keras runs on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise GanTfcError(
            f"Expected Keras on TensorFlow to write {what}, but it runs on "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
        )


def input_shapes(network, tile: int | None = None) -> dict[str, list]:
    """Shapes of the inputs of a synthesis graph, None where they are open.

    Args:
        network: a `gan_tfc.models.synthesis.SynthesisNetwork`.
        tile: side of the only size of picture, a multiple of `PATCH`; None for any.
    """
    side, small = (tile, tile // PATCH) if tile else (None, None)
    shapes = {"base": [1, side, side, 3], "step": [1, 1]}
    if network.texture_features:
        shapes |= {"realism": [1, 1], "noise": [1, small, small, network.texture_features]}
    return shapes


def picture(network, tile=None):
    """``base, step[, realism, noise] -> picture``, see `gan_tfc.export.synthesis_graphs.picture`."""
    return frozen(
        lambda **inputs: {"picture": synthesis_graphs.picture(network, **inputs)},
        input_shapes(network, tile),
    )


def condition(network):
    """``step[, realism] -> `` all that `body` is told of them, under names with "_" for "/"."""
    shapes = {name: shape for name, shape in input_shapes(network).items() if name in ("step", "realism")}
    return frozen(
        lambda **inputs: {
            name.replace("/", "_"): value
            for name, value in synthesis_graphs.condition(network, **inputs).items()
        },
        shapes,
    )


def body(network, tile=None):
    """``base[, noise], conditions -> correction``."""
    open_shapes = input_shapes(network, tile)
    shapes = {name: open_shapes[name] for name in ("base", "noise") if name in open_shapes}
    names = {name.replace("/", "_"): name for name in _conditions(network)}
    shapes |= {name: list(_conditions(network)[original].shape) for name, original in names.items()}

    def run(base, noise=None, **conditions):
        conditions = {names[name]: value for name, value in conditions.items()}
        return {"correction": synthesis_graphs.body(network, base, conditions, noise)}

    return frozen(run, shapes)


def sum_of_parts(tile=None):
    """``base, correction, step -> picture``."""
    side = [1, tile, tile, 3]
    return frozen(
        lambda base, correction, step: {"picture": base + correction * step[:, None, None, :]},
        {"base": side, "correction": side, "step": [1, 1]},
    )


def frozen(function, shapes: dict[str, list]):
    """A TensorFlow function of named float32 tensors that holds its weights as constants.

    Args:
        function: from tensors by keyword to a dict of tensors.
        shapes: of the inputs, in their order.

    Returns:
        A `tf.function` with an input signature; call it with the tensors in their order.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()]

    def call(*tensors):
        return function(**dict(zip(shapes, tensors, strict=True)))

    traced = tf.function(call, input_signature=signature).get_concrete_function()
    constant = convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)
    result = tf.function(
        lambda *tensors: dict(zip(names, constant(*tensors), strict=True)), input_signature=signature
    )
    result.get_concrete_function()
    return result


def _conditions(network):
    one = np.ones((1, 1), np.float32)
    realism = one if network.texture_features else None
    return synthesis_graphs.condition(network, keras.ops.convert_to_tensor(one), realism)
