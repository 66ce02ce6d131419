# SPDX-License-Identifier: Apache-2.0
"""The synthesis network: a residual that starts at nothing, on pictures of any multiple of four."""

import keras
import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.coding import steps
from gan_tfc.coding.noise import position_noise
from gan_tfc.models.inference import PixelDecoder
from gan_tfc.models.synthesis import NoisyAmplitude, StepGain, SynthesisNetwork
from gan_tfc.models.weights import copy_weights


@pytest.fixture(scope="module")
def trained():
    """A small network with random weights in place of trained ones."""
    network = SynthesisNetwork(features=6, blocks=2)
    rng = np.random.default_rng(1)
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    return network


def inputs(rng, height, width, batch=1):
    return {
        "base": rng.uniform(-0.5, 0.5, (batch, height, width, 3)).astype(np.float32),
        "step": rng.uniform(0.2, 0.9, (batch, 1)).astype(np.float32),
    }


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_an_untrained_network_returns_the_base_picture(rng, blocks):
    x = inputs(rng, 12, 8, batch=2)
    np.testing.assert_array_equal(numpy(SynthesisNetwork(8, blocks)(x)), x["base"])


def test_a_trained_network_does_not(trained, rng):
    x = inputs(rng, 12, 8)
    assert np.abs(numpy(trained(x)) - x["base"]).max() > 0.01


@pytest.mark.parametrize("size", [(4, 4), (4, 64), (36, 20)])
def test_output_is_as_large_as_the_base_picture(trained, rng, size):
    x = inputs(rng, *size, batch=3)
    assert numpy(trained(x)).shape == (3, *size, 3)


def test_batch_items_do_not_mix(trained, rng):
    x = inputs(rng, 8, 12, batch=3)
    together = numpy(trained(x))
    for item in range(3):
        alone = numpy(trained({k: v[item : item + 1] for k, v in x.items()}))
        # Another batch size may take another kernel: some ulps of float32.
        np.testing.assert_allclose(together[item : item + 1], alone, atol=1e-5)


def test_patches_are_where_they_belong(trained, rng):
    """A change in one corner reaches as far as the convolutions do, and no farther."""
    x = inputs(rng, 64, 64)
    changed = {**x, "base": x["base"].copy()}
    changed["base"][0, 1, 2, 1] += 0.3
    difference = np.abs(numpy(trained(changed)) - numpy(trained(x)))[0].max(-1)
    reach = 4 * (1 + trained.blocks)  # each 3x3 convolution adds one patch of four
    assert difference[:4, :4].max() > 0.01
    assert difference[reach:].max() < 1e-6 and difference[:, reach:].max() < 1e-6


def test_the_correction_scales_with_the_step(rng):
    """At slope zero, and with nothing else that knows the step, it is proportional."""
    network = SynthesisNetwork(4, 1)
    for weight in network.weights:
        free = weight.name not in ("slope", "offset")
        weight.assign(rng.normal(0, 0.3, weight.shape) if free else np.zeros(weight.shape))
    x = inputs(rng, 8, 8)
    one = numpy(network({**x, "step": np.full((1, 1), 0.1, np.float32)})) - x["base"]
    two = numpy(network({**x, "step": np.full((1, 1), 0.2, np.float32)})) - x["base"]
    np.testing.assert_allclose(two, 2 * one, atol=1e-6)


def test_every_weight_gets_a_gradient_once_the_residual_is_not_zero(trained, rng):
    x = inputs(rng, 16, 16, batch=2)
    variables = trained.trainable_variables
    found = gradients(lambda *_: ops.mean(trained(x) ** 2), variables)
    for variable, gradient in zip(variables, found, strict=True):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_config_round_trip_builds_the_same_network(trained):
    again = SynthesisNetwork.from_config(trained.get_config())
    assert (
        again.get_config()
        == trained.get_config()
        == {
            "features": 6,
            "blocks": 2,
            "texture_features": 0,
            "realism_codes": (650, 1150),
            "name": "synthesis",
        }
    )
    assert [w.path for w in again.weights] == [w.path for w in trained.weights]


def test_a_saved_network_comes_back_as_its_class_with_equal_outputs(trained, rng, tmp_path):
    trained.save(tmp_path / "synthesis.keras")
    loaded = keras.saving.load_model(tmp_path / "synthesis.keras")
    assert type(loaded) is SynthesisNetwork
    x = inputs(rng, 12, 20)
    np.testing.assert_array_equal(numpy(loaded(x)), numpy(trained(x)))


@pytest.mark.parametrize("texture_features", [0, 3])
def test_the_pixel_decoder_gives_what_the_model_gives_at_two_sizes(rng, texture_features):
    network = randomised(SynthesisNetwork(6, 2, texture_features), rng)
    decode = PixelDecoder(network)
    for height, width in ((8, 8), (24, 12)):
        x = inputs(rng, height, width)
        if texture_features:
            noise = position_noise(height // 4, width // 4, texture_features)[None]
            x |= {"realism": np.full((1, 1), 0.5, np.float32), "noise": noise}
        result = decode(x["base"], x["step"].item(), 0.5)
        assert isinstance(result, np.ndarray) and result.dtype == np.uint8
        expected = np.clip(np.floor((numpy(network(x))[0] + 0.5) * 255 + 0.5), 0, 255)
        # A compiler may fuse and reorder float32 operations, and so cross a rounding boundary.
        assert np.abs(result - expected).max() <= 1


def realistic(rng, height, width, realism, batch=1, channels=3):
    return inputs(rng, height, width, batch) | {
        "realism": np.full((batch, 1), realism, np.float32),
        "noise": rng.uniform(-1, 1, (batch, height // 4, width // 4, channels)).astype(np.float32),
    }


def randomised(network, rng):
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    return network


def test_at_realism_0_a_network_is_the_one_without_realism_to_the_bit(trained, rng):
    network = randomised(SynthesisNetwork(6, 2, texture_features=3), rng)
    copy_weights(trained, network)
    x = realistic(rng, 24, 16, 0.0)
    plain = trained({key: x[key] for key in ("base", "step")})
    np.testing.assert_array_equal(numpy(network(x)), numpy(plain))
    x["realism"] += 0.1
    assert np.abs(numpy(network(x)) - numpy(plain)).max() > 1e-3


def test_realism_fades_where_steps_are_fine(rng):
    network = randomised(SynthesisNetwork(6, 1, 3, realism_codes=(700, 900)), rng)

    def moved(code, realism=1.0):
        x = realistic(rng, 16, 16, 0.0)
        x["step"] = np.full((1, 1), steps.step_size(code), np.float32)
        at_0 = numpy(network(x))
        return np.abs(numpy(network(x | {"realism": np.full((1, 1), realism, np.float32)})) - at_0).max()

    assert moved(100) == moved(690) == 0
    assert moved(710) > 0
    # From the second code on all of it: half as much realism is less.
    x = realistic(rng, 16, 16, 1.0)
    x["step"] = np.full((1, 1), steps.step_size(800), np.float32)
    half = x | {"realism": np.full((1, 1), 0.5, np.float32)}
    whole = SynthesisNetwork(6, 1, 3, realism_codes=(0, 700))
    copy_weights(network, whole)
    np.testing.assert_allclose(numpy(network(x)), numpy(whole(half)), atol=1e-4)


def test_realism_starts_without_effect_so_that_stage_b_starts_from_stage_a2(rng):
    network = SynthesisNetwork(6, 3, texture_features=3)
    for weight in network.weights:
        if not weight.path.startswith("realism"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    x = realistic(rng, 16, 16, 0.0)
    at_0 = numpy(network(x))
    np.testing.assert_array_equal(at_0, numpy(network(x | {"realism": np.ones((1, 1), np.float32)})))


def test_noise_matters_at_realism_1_and_not_at_0(rng):
    network = randomised(SynthesisNetwork(6, 2, texture_features=3), rng)
    for realism in (0.0, 1.0):
        x = realistic(rng, 16, 16, realism)
        other = x | {"noise": -x["noise"]}
        assert np.array_equal(numpy(network(x)), numpy(network(other))) == (realism == 0)


def test_either_the_layers_of_realism_train_or_all_others():
    network = SynthesisNetwork(6, 2, texture_features=3)
    everything = {weight.path for weight in network.weights}
    network.train_realism(True)
    realism = {weight.path for weight in network.trainable_weights}
    network.train_realism(False)
    others = {weight.path for weight in network.trainable_weights}
    assert realism and others and realism | others == everything and not realism & others
    assert realism == {path for path in everything if path.startswith("realism")}


def test_every_weight_of_realism_gets_a_gradient(rng):
    network = randomised(SynthesisNetwork(6, 2, texture_features=3), rng)
    network.train_realism(True)
    x = realistic(rng, 16, 16, 0.7, batch=2)
    found = gradients(lambda *_: ops.mean(network(x) ** 2), network.trainable_variables)
    for variable, gradient in zip(network.trainable_variables, found, strict=True):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_noisy_amplitude_follows_its_formula(rng):
    layer = NoisyAmplitude()
    x, noise = rng.normal(0, 1, (2, 2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(numpy(layer([x, noise])), x * (1 + noise), rtol=1e-6)
    layer.keep.assign(np.full(4, 0.5))
    layer.spread.assign(np.full(4, 2.0))
    np.testing.assert_allclose(numpy(layer([x, noise])), x * (0.5 + 2 * noise), rtol=1e-5)


def test_step_gain_follows_its_formula(rng):
    gain = StepGain()
    x, log_step = rng.normal(0, 1, (2, 3, 5, 4)), rng.normal(0, 1, (2, 1))
    gain.build([x.shape, log_step.shape])
    slope, offset, bias = rng.normal(0, 0.5, (3, 4))
    for weight, value in ((gain.slope, slope), (gain.offset, offset), (gain.bias, bias)):
        weight.assign(value)
    at = log_step[:, None, None, :]
    expected = x * np.exp(slope * at) + offset * at + bias
    result = gain([x.astype(np.float32), log_step.astype(np.float32)])
    np.testing.assert_allclose(numpy(result), expected, rtol=1e-5, atol=1e-5)


def test_step_gain_starts_as_identity_or_offers_both_slopes():
    plain, offering = StepGain(), StepGain(normalise=True)
    for gain in (plain, offering):
        gain.build([(1, 2, 2, 4), (1, 1)])
    x = np.ones((1, 2, 2, 4), np.float32)
    np.testing.assert_array_equal(numpy(plain([x, np.full((1, 1), 0.7, np.float32)])), x)
    assert numpy(offering.slope).tolist() == [0, -1, 0, -1]
    result = numpy(offering([x, np.full((1, 1), np.log(2), np.float32)]))
    np.testing.assert_allclose(result[0, 0, 0], [1, 0.5, 1, 0.5], rtol=1e-6)
    assert StepGain.from_config(offering.get_config()).normalise


def test_gains_are_about_one_in_the_middle_of_the_range_of_steps():
    """Log step is measured from 32 base steps, between the finest (3/255) and coarsest (230/255)."""
    middle = 32 * steps.BASE_STEP
    finest = steps.step_size(steps.FINEST_CODE)
    coarsest = steps.step_size(steps.COARSEST_CODE)
    assert finest < middle < coarsest
    assert np.log(coarsest / middle) < 1.3 < np.log(middle / finest) < 3.1
