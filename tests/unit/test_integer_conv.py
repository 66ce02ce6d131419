# SPDX-License-Identifier: Apache-2.0
"""The trainable integer convolution and the context network made of it."""

import keras
import numpy as np
import pytest
from helpers import exact_convolve, gradients
from keras import ops

from gan_tfc.entropy_models.context_network import ContextNetwork
from gan_tfc.layers.integer_conv import IntegerConv2D, requantise, round_through


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.fixture
def mixed_precision():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_dtype_policy(before)


def random_layer(rng, filters=6, size=3, channels=10, **arguments):
    layer = IntegerConv2D(filters, size, **arguments)
    layer.build((None, None, None, channels))
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return layer


def random_input(rng, shape=(2, 7, 9, 10)):
    return rng.integers(-127, 256, shape).astype(np.float32)


def network(rng, features=5):
    result = ContextNetwork(features, 14)
    result.build()
    for weight in result.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return result


@pytest.mark.parametrize("size, use_bias", [(3, True), (3, False), (1, True)])
def test_outputs_are_the_integers_of_the_exported_weights(rng, size, use_bias):
    layer, x = random_layer(rng, size=size, use_bias=use_bias), random_input(rng)
    kernel, bias = layer.export_weights()
    assert kernel.dtype == np.int8 and bias.dtype == np.int32
    assert kernel.shape == (size, size, 10, 6) and bias.shape == (6,)
    assert use_bias or not bias.any()
    for item, result in zip(x, numpy(layer(x)), strict=True):
        np.testing.assert_array_equal(result, exact_convolve(item, kernel) + bias)
    assert layer.compute_output_shape((2, 7, 9, 10)) == (2, 7, 9, 6)


def test_weights_are_rounded_in_units_of_2_to_the_minus_7_and_clipped(rng):
    layer = IntegerConv2D(1, 1)
    layer.build((None, None, None, 5))
    layer.kernel.assign(np.reshape([0.5 / 128, 0.49 / 128, -0.5 / 128, 3.0, -3.0], (1, 1, 5, 1)))
    layer.bias.assign([1e9])
    kernel, bias = layer.export_weights()
    assert kernel.ravel().tolist() == [1, 0, 0, 127, -127]
    assert bias.tolist() == [2**22 - 1]
    layer.bias.assign([-2.6 / 4096])
    assert layer.export_weights()[1].tolist() == [-3]


def test_gradients_flow_straight_through_the_rounding(rng):
    """As if the integer kernel were the float kernel in other units."""
    layer, x = random_layer(rng), random_input(rng, (1, 4, 4, 10))
    wanted = rng.normal(0, 1, (1, 4, 4, 6)).astype(np.float32)
    layer.kernel.assign(np.clip(numpy(layer.kernel), -0.9, 0.9))

    def loss(kernel, bias):
        return ops.sum(layer(x) * wanted)

    def smooth(kernel, bias):
        return ops.sum((ops.conv(x, kernel * 2.0**7, padding="same") + bias * 2.0**12) * wanted)

    for ours, plain in zip(
        gradients(loss, [layer.kernel, layer.bias]),
        gradients(smooth, [numpy(layer.kernel), numpy(layer.bias)]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-2)
        assert np.abs(plain).min() > 0


def test_requantisation_rounds_halves_up_clips_and_passes_gradients_inside():
    accumulator = np.array([-300, -192, -65, 64, 63, 191, 1000], np.float32)
    np.testing.assert_array_equal(
        numpy(requantise(ops.convert_to_tensor(accumulator), 7, -1.0, 4.0)),
        [-1, -1, -1, 1, 0, 1, 4],
    )
    (gradient,) = gradients(lambda x: ops.sum(requantise(x * 1.0, 7, -1.5, 4.0)), [accumulator])
    np.testing.assert_array_equal(gradient, [0, 2**-7, 2**-7, 2**-7, 2**-7, 2**-7, 0])


@pytest.mark.parametrize("value, expected", [(0.5, 1), (-0.5, 0), (1.49, 1), (-1.51, -2)])
def test_rounding_through_rounds_halves_up_with_gradient_one(value, expected):
    values = np.array([value], np.float32)
    assert numpy(round_through(ops.convert_to_tensor(values)))[0] == expected
    (gradient,) = gradients(lambda x: ops.sum(round_through(x * 1.0)), [values])
    assert gradient[0] == 1


@pytest.mark.parametrize(
    "layer",
    [
        IntegerConv2D(4, 3, name="conv"),
        IntegerConv2D(2, 1, use_bias=False, kernel_initializer="zeros", bias_initializer="ones"),
        ContextNetwork(6, 14, name="level"),
    ],
    ids=["conv", "conv without bias", "network"],
)
def test_config_survives_serialisation(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    saved = keras.saving.serialize_keras_object(layer)
    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is type(layer)
    assert loaded.get_config() == layer.get_config()


def test_integers_stay_exact_in_a_mixed_precision_session(rng, mixed_precision):
    """bfloat16 has 8 bits: one cast of a weight, an input or a sum would show."""
    layer, x = random_layer(rng), random_input(rng)
    assert layer.dtype_policy.name == "float32" and not layer.autocast
    kernel, bias = layer.export_weights()
    result = layer(x)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    for item, found in zip(x, numpy(result), strict=True):
        np.testing.assert_array_equal(found, exact_convolve(item, kernel) + bias)


def test_a_mixed_precision_model_does_not_cast_the_weights_of_an_integer_layer(rng, mixed_precision):
    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = network(rng)

        def call(self, inputs):
            return self.network.first(ops.cast(inputs, "float32"))[0]

    outer = Outer()
    assert outer.compute_dtype == "bfloat16"
    x = rng.integers(-127, 128, (1, 6, 6, 14))
    expected = numpy(outer.network.first(ops.cast(x, "float32"))[0])
    np.testing.assert_array_equal(numpy(outer(x)), expected)
    assert len(np.unique(expected)) > 20


def test_network_gives_integers_in_their_ranges(rng):
    level = network(rng)
    context = random_input(rng, (2, 5, 6, 14)).clip(-127, 127)
    known = random_input(rng, (2, 5, 6, 10)).clip(-127, 127)
    features, first = level.first(context)
    assert numpy(features).min() >= 0 and numpy(features).max() <= 255
    both = (*first, *level.second(features, known))
    for tensor, low, high in zip(both, (-127, 0) * 2, (127, 63) * 2, strict=True):
        values = numpy(tensor)
        assert values.shape == (2, 5, 6, 9)
        assert values.min() >= low and values.max() <= high
        assert (values == np.rint(values)).all()
    called = [tensor for pair in level(context, known) for tensor in pair]
    for one, other in zip(both, called, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))


def test_every_weight_of_a_network_is_trained(rng):
    level = network(rng)
    context = random_input(rng, (1, 6, 6, 14)).clip(-127, 127)
    known = random_input(rng, (1, 6, 6, 10)).clip(-127, 127)

    def loss(*weights):
        (mean, scale), (second_mean, second_scale) = level(context, known)
        return ops.sum(mean + scale + 2 * second_mean + 3 * second_scale)

    for weight, gradient in zip(
        level.trainable_variables, gradients(loss, level.trainable_variables), strict=True
    ):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, weight.path


def test_an_untrained_network_predicts_zero_with_a_middle_scale(rng):
    level = ContextNetwork(4, 14)
    level.build()
    _, (mean, scale) = level.first(random_input(rng, (1, 3, 3, 14)).clip(-127, 127))
    assert (numpy(mean) == 0).all() and (numpy(scale) == 20).all()
