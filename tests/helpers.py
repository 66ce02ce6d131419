# SPDX-License-Identifier: Apache-2.0
"""Random integer networks and coding tables without Keras, and slow, obviously exact references."""

import numpy as np

from gan_tfc.coding import steps
from gan_tfc.coding.contexts import CONTEXT_CHANNELS
from gan_tfc.coding.integer_network import BANDS, SCALE_INDEXES, IntegerContextNetwork
from gan_tfc.coding.scan import ContextModel
from gan_tfc.coding.tables import CodingTables, table_from_pmf

PHASE = np.array([0, 1, 1, 1, 0, 0, 0, 1, 1], np.int8)


def layer_shapes(features):
    """Kernel shapes of a context network."""
    return {
        "trunk_in": (3, 3, CONTEXT_CHANNELS, features),
        "trunk": (3, 3, features, features),
        "first_head": (1, 1, features, 2 * BANDS),
        "known": (3, 3, BANDS + 1, features),
        "mix": (1, 1, features, features),
        "second_head": (1, 1, features, 2 * BANDS),
    }


def random_network(rng, features=8):
    """A network whose activations spread over their whole range, as trained ones do.

    Standard deviations are such that a layer's accumulators reach some hundred times 2**shift.
    """
    inputs = {"trunk_in": 70, "trunk": 120, "known": 70, "mix": 120}
    weights = {}
    for name, shape in layer_shapes(features).items():
        fan_in = np.prod(shape[:3])
        deviation = 100 * 2**7 / (inputs[name] * fan_in**0.5) if name in inputs else 60
        kernel = rng.normal(0, deviation, shape)
        if name.endswith("head"):
            kernel[..., BANDS:] /= 4  # scale indexes have a smaller shift than means
        kernel = np.clip(np.round(kernel), -127, 127)
        weights[f"{name}/kernel"] = kernel.astype(np.int8)
        if name != "mix":
            weights[f"{name}/bias"] = rng.integers(-(2**13), 2**13, shape[3], dtype=np.int32)
    return IntegerContextNetwork(weights)


def worst_network(rng, features=28):
    """A network at the bound: weights +-127, and biases that bring accumulators up to 2**24 - 1.

    The trunk's input is forced to about 200..255, so that its accumulators run up to some 8 million
    and a bias of the other sign brings the result back into the visible range 0..255.
    """
    weights = {}
    for name, shape in layer_shapes(features).items():
        sign = rng.choice([-1, 1], shape)
        if name == "trunk":
            # Three kinds of output: all weights alike, all alike but for the last input, random.
            sign[..., 0::3] = 1
            sign[..., 1::3] = 1
            sign[:, :, -1, 1::3] = -1
        # The first layer's are smaller, so that what it gives is not all 0 or 255.
        weights[f"{name}/kernel"] = ((4 if name == "trunk_in" else 127) * sign).astype(np.int8)
    for name, shape in layer_shapes(features).items():
        if name == "mix":
            continue
        weight = np.abs(weights[f"{name}/kernel"].astype(np.int64)).sum(axis=(0, 1, 2))
        if name == "known":
            weight += np.abs(weights["mix/kernel"].astype(np.int64)).sum(axis=(0, 1, 2))
        half = 2**6 if not name.endswith("head") else 2**10
        room = 2**24 - 1 - half - 255 * weight
        if name == "trunk":
            wanted = -230 * weights["trunk/kernel"].astype(np.int64).sum(axis=(0, 1, 2))
        elif name == "trunk_in":
            wanted = np.full(shape[3], 230 * 2**7)
        else:
            # Heads and the second pass: every other output saturates with the largest bias allowed.
            wanted = np.where(np.arange(shape[3]) % 2, room, 0)
        weights[f"{name}/bias"] = np.clip(wanted, -room, room).astype(np.int32)
    return IntegerContextNetwork(weights)


def random_context(rng, height, width):
    """Integers in [-127, 127], float32 `(height, width, 14)`, a quarter of them at the ends."""
    values = rng.integers(-127, 128, (height, width, CONTEXT_CHANNELS))
    ends = rng.choice([-127, 127], values.shape)
    return np.where(rng.random(values.shape) < 0.25, ends, values).astype(np.float32)


def random_known(rng, height, width):
    """Integers in [-127, 127], float32 `(height, width, 10)`."""
    return rng.integers(-127, 128, (height, width, BANDS + 1)).astype(np.float32)


def exact_convolve(x, kernel):
    """Convolution with zeros outside in int64, one tap at a time."""
    half = kernel.shape[0] // 2
    height, width, _ = x.shape
    padded = np.pad(x.astype(np.int64), ((half, half), (half, half), (0, 0)))
    out = np.zeros((height, width, kernel.shape[3]), np.int64)
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            tap = padded[row : row + height, column : column + width]
            out += tap @ kernel[row, column].astype(np.int64)
    return out


def exact_requantise(accumulator, shift, low, high):
    """Round halves up, and clip, in int64."""
    return np.clip((accumulator + (1 << (shift - 1))) >> shift, low, high)


def exact_parameters(accumulator):
    """Means and scale indexes of a head's accumulators."""
    return exact_requantise(accumulator[..., :9], 11, -127, 127), (
        exact_requantise(accumulator[..., 9:], 9, -20, 43) + 20
    )


def exact_first(weights, context):
    """`IntegerContextNetwork.first` in int64."""

    def layer(name, x):
        return exact_convolve(x, weights[f"{name}/kernel"]) + weights[f"{name}/bias"]

    hidden = exact_requantise(layer("trunk_in", context), 7, 0, 255)
    step = exact_requantise(layer("trunk", hidden), 7, -255, 255)
    features = np.clip(hidden + step, 0, 255)
    return features, *exact_parameters(layer("first_head", features))


def exact_second(weights, features, known):
    """`IntegerContextNetwork.second` in int64."""
    hidden = exact_convolve(known, weights["known/kernel"]) + weights["known/bias"]
    hidden += exact_convolve(features, weights["mix/kernel"])
    hidden = exact_requantise(hidden, 7, 0, 255)
    return exact_parameters(
        exact_convolve(hidden, weights["second_head/kernel"]) + weights["second_head/bias"]
    )


def random_model(rng, levels=3, features=5):
    """A `ContextModel` of random networks."""
    return ContextModel(tuple(random_network(rng, features) for _ in range(levels)), PHASE)


def logistic_tables(widest=20.0, reach=60):
    """Tables with as many rows as a scan uses: logistic, wider with the scale index."""
    rows, offsets = [], []
    edges = np.arange(-reach, reach + 2) - 0.5
    octaves = 3 * (steps.MAX_OCTAVE - steps.MIN_OCTAVE + 1)
    scales = [*np.geomspace(0.1, widest, SCALE_INDEXES), *[widest] * octaves]
    for scale in scales:
        pmf = np.diff(0.5 + 0.5 * np.tanh(edges / scale / 2))
        row, offset = table_from_pmf(np.append(pmf, max(1 - pmf.sum(), 1e-5)), -reach)
        rows.append(row)
        offsets.append(offset)
    return CodingTables(rows, np.array(offsets, np.int32))


def gradients(function, values):
    """Gradients of a scalar function of tensors on the Keras backend in use, as NumPy arrays.

    Args:
        function: takes as many tensors as there are values.
        values: NumPy arrays or Keras variables; a variable keeps its place in the layer it belongs to.
    """
    import keras

    variables = [v if isinstance(v, keras.Variable) else keras.Variable(v) for v in values]
    if keras.backend.backend() == "jax":
        import jax

        def stateless(tensors):
            with keras.StatelessScope(state_mapping=list(zip(variables, tensors, strict=True))):
                return function(*variables)

        found = jax.grad(stateless)([v.value for v in variables])
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = function(*variables)
        found = tape.gradient(loss, [v.value for v in variables])
    return [keras.ops.convert_to_numpy(g) for g in found]
