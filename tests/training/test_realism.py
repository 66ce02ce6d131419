# SPDX-License-Identifier: Apache-2.0
"""Stage B: who learns what, and that no stream changes."""

import keras
import numpy as np
import pytest
from helpers import gradients
from keras import ops

from gan_tfc.codec import Codec
from gan_tfc.losses import adversarial
from gan_tfc.losses.realism import Realism, drift
from gan_tfc.models.gan_codec import GANCodec
from gan_tfc.models.synthesis import SynthesisNetwork
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import copy_weights, save_weights
from gan_tfc.training import run
from gan_tfc.training.checkpoint import read_checkpoint, value_of
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.optimizers import TwoRateAdam
from gan_tfc.training.run import build_model, train

# TensorFlow says so of the fixture `eager`, and means the input pipeline.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config")

MODEL = {"features": (4, 4), "synthesis_features": 8, "synthesis_blocks": 1, "texture_features": 3}


def distance(first, second):
    """In place of a perceptual network: differences of neighbours."""
    difference = (first - second)[:, 1:] - (first - second)[:, :-1]
    return ops.mean(ops.square(difference), axis=(1, 2, 3))


def config(**changes):
    fields = {
        "model": MODEL,
        "loss": {"perceptual": distance},
        "adversary": {"features": 4, "labels": 3},
        "total_steps": 2,
        "batch_size": 2,
        "crop_size": 64,
        "learning_rate": 0.1,
        "seed": 3,
    }
    return TrainConfig("realism", **(fields | changes))


@pytest.fixture
def wavelet_codec():
    """A codec with random weights, those of realism included."""
    keras.utils.set_random_seed(5)
    model = WaveletCodec(**MODEL)
    model.build()
    rng = np.random.default_rng(5)
    for weight in model.synthesis.weights:
        weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


def batch(rng, count=2):
    return {
        "image": rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        "base": rng.uniform(-0.5, 0.5, (count, 32, 32, 3)).astype(np.float32),
        "step_code": np.full(count, 1400.0, np.float32),
    }


def gan(wavelet_codec, discriminator="patch", loss="non_saturating", **changes):
    model = GANCodec(wavelet_codec, discriminator, features=4, labels=3, **changes)
    model.compile(TwoRateAdam(1e-2), Realism(loss, distance))
    return model


def values(weights):
    return {weight.path: value_of(weight) for weight in weights}


def same(before, after):
    return {path for path in before if np.array_equal(before[path], after[path])}


PAIRS = [("patch", name) for name in adversarial.LOSSES if name != "one_vs_all"] + [("unet", "one_vs_all")]


@pytest.mark.slow
@pytest.mark.parametrize(("discriminator", "loss"), PAIRS)
def test_every_adversary_trains_realism_and_itself_and_nothing_else(
    wavelet_codec, rng, discriminator, loss, eager
):
    model = gan(wavelet_codec, discriminator, loss)
    x = batch(rng)
    model.adapt(x["image"])
    before = values(model.weights)
    history = model.fit(x, batch_size=2, epochs=1, verbose=0).history
    assert all(np.isfinite(value).all() for value in history.values())
    kept = same(before, values(model.weights))
    moving = {w.path for w in model.trainable_weights} | {
        w.path for w in model.discriminator.weights if w.path.endswith("/vector")
    }
    # Where both sides' logits are in the linear range of a loss, moving them all is worth nothing.
    kept -= {path for path in moving if path.endswith("logits/bias")}
    assert kept == set(before) - moving
    assert {w.path for w in model.codec.trainable_weights} == {
        w.path for w in model.codec.weights if w.path.startswith("realism")
    }


@pytest.mark.slow
def test_streams_are_byte_identical_before_and_after(wavelet_codec, photo, rng, eager):
    codec = Codec(wavelet_codec, "tiny", 1)
    codec.freeze_tables(None)
    digest = codec.frozen.digest
    before = {quality: codec.compress(photo, quality) for quality in (5, 40, 90)}
    at_0, at_1 = (codec.decompress(before[40], realism) for realism in (0, 1))
    gan(wavelet_codec).fit(batch(rng), batch_size=2, epochs=2, verbose=0)
    trained = Codec(wavelet_codec, "tiny", 1)
    trained.freeze_tables(None)  # anew, from the weights: nothing that decides bits has moved
    assert trained.frozen.digest == digest
    for quality, data in before.items():
        assert trained.compress(photo, quality) == data
    np.testing.assert_array_equal(trained.decompress(before[40], realism=0), at_0)
    assert not np.array_equal(trained.decompress(before[40], realism=1), at_1)


def test_either_side_sees_only_its_own_loss(wavelet_codec, rng):
    model = gan(wavelet_codec)
    x = batch(rng)
    ours, theirs = model.codec.trainable_variables, model.discriminator.trainable_variables

    def loss(*names):
        outputs = model(x, training=True)
        return sum(ops.sum(outputs[name]) for name in names)

    for names, blind, seeing in (
        (("distortion", "perceptual", "adversarial"), theirs, ours),
        (("discriminator",), ours, theirs),
    ):
        # On the tape, but of no weight: TensorFlow gives None for what is not used at all.
        zero = gradients(lambda *v, names=names: loss(*names) + 0 * sum(map(ops.sum, v)), blind)
        assert all(np.abs(gradient).max() == 0 for gradient in zero)
        found = gradients(lambda *_, names=names: loss(*names), seeing)
        assert all(np.abs(gradient).max() > 0 for gradient in found)


def test_distortion_is_the_drift_from_the_anchor_where_there_is_one(wavelet_codec, rng):
    anchor = SynthesisNetwork.from_config(wavelet_codec.synthesis.get_config())
    copy_weights(wavelet_codec.synthesis, anchor)
    model = gan(wavelet_codec, anchor=anchor)
    assert anchor.trainable_weights == []
    x = batch(rng) | {"realism": np.ones((2, 1), np.float32)}
    # Of the same weights, realism and noise they are equal, however far both are from the original.
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x, training=True)["distortion"]), 0)
    assert ops.convert_to_numpy(gan(wavelet_codec)(x, training=True)["distortion"]).min() > 1e-3
    layer = wavelet_codec.synthesis.get_layer("realism_residual")
    layer.kernel.assign(layer.kernel + 0.1)
    assert ops.convert_to_numpy(model(x, training=True)["distortion"]).min() > 1e-6


def test_drift_tells_how_far_psnr_falls(rng):
    image = rng.uniform(-0.5, 0.5, (2, 64, 64, 3)).astype(np.float32)
    error, added = rng.normal(0, 0.05, (2, 2, 64, 64, 3)).astype(np.float32)
    scale = np.array([0.2, 0.5], np.float32)[:, None, None, None]
    anchor, moved = image + error, image + error + scale * added
    found = ops.convert_to_numpy(drift(moved, anchor, image))
    fall = -10 * np.log10(np.square(error).mean((1, 2, 3)) / np.square(moved - image).mean((1, 2, 3)))
    # Two random pictures of 12288 values have a hundredth in common.
    np.testing.assert_allclose(10 * np.log10(1 + found), fall, atol=0.1)
    assert found[0] == pytest.approx(0.04, rel=0.1) and found[1] == pytest.approx(0.25, rel=0.1)
    moved, image = map(ops.convert_to_tensor, (moved, image))  # NumPy would drop the gradient
    (gradient,) = gradients(lambda a: ops.sum(drift(moved, a, image)) + 0 * ops.sum(a), [anchor])
    assert np.abs(gradient).max() == 0  # the anchor does not come to meet it


def test_losses_are_weighted_by_the_realism_of_each_example():
    parts = {
        "distortion": np.array([1.0, 2.0]),
        "perceptual": np.array([10.0, 20.0]),
        "adversarial": np.array([100.0, 200.0]),
        "discriminator": np.array([1000.0, 3000.0]),
    }
    loss = Realism(perceptual=distance, distortion_weight=2.0, perceptual_weight=0.5, adversarial_weight=0.1)
    realism = np.array([[0.0], [0.5]])
    expected = (2 * 1 + (2 * 2 + 0.5 * (0.5 * 20 + 0.1 * 200))) / 2 + 2000
    assert float(loss.total(parts, realism)) == pytest.approx(expected)


def test_the_share_of_full_realism_is_as_asked(wavelet_codec):
    model = GANCodec(wavelet_codec, features=4, full_realism=0.75)
    drawn = ops.convert_to_numpy(model._realism({}, np.zeros((4000, 1), np.float32), training=True))
    # Four deviations of a share of 4000.
    assert abs(np.mean(drawn == 1) - 0.75) < 0.03
    assert drawn.min() < 0.05 and abs(np.mean(drawn[drawn < 1]) - 0.5) < 0.05


def test_wrong_pairs_are_refused(wavelet_codec):
    for discriminator, loss in (("patch", "one_vs_all"), ("unet", "hinge")):
        with pytest.raises(ValueError, match="one_vs_all goes with the discriminator unet"):
            gan(wavelet_codec, discriminator, loss)
    with pytest.raises(ValueError, match="Expected discriminator among patch, unet"):
        GANCodec(wavelet_codec, "conv")
    plain = WaveletCodec(**(MODEL | {"texture_features": 0}))
    plain.build()
    with pytest.raises(ValueError, match="texture_features=0; build it with"):
        GANCodec(plain)


def test_fitting_against_the_u_net_needs_kinds_of_texture_first(wavelet_codec, rng):
    model = gan(wavelet_codec, "unet", "one_vs_all")
    with pytest.raises(ValueError, match=r"call adapt\(images\)"):
        model.fit(batch(rng), verbose=0)


def test_two_rates_move_the_discriminator_by_its_factor(wavelet_codec, rng):
    moved = {}
    start = values(wavelet_codec.weights)
    for factor in (1.0, 3.0):
        for weight in wavelet_codec.weights:
            weight.assign(start[weight.path])
        keras.utils.set_random_seed(1)
        model = GANCodec(wavelet_codec, "patch", features=4)
        model.compile(TwoRateAdam(1e-3, factor=factor), Realism("hinge", distance), run_eagerly=True)
        before = values(model.trainable_weights)
        model.train_on_batch(batch(np.random.default_rng(0)))
        after = values(model.trainable_weights)
        moved[factor] = {path: np.abs(after[path] - before[path]).max() for path in before}
    for path in moved[1.0]:
        ratio = 3 if "discriminator" in path else 1
        # Adam's first step has the length of its rate, whatever the gradient, but for its epsilon.
        assert moved[3.0][path] == pytest.approx(ratio * moved[1.0][path], rel=1e-2), path


@pytest.mark.slow
@pytest.mark.parametrize(("discriminator", "loss"), [("patch", "hinge"), ("unet", "one_vs_all")])
def test_a_run_that_was_stopped_ends_like_an_uninterrupted_one(photo, tmp_path, eager, discriminator, loss):
    settings = config(
        loss={"perceptual": distance, "adversarial": loss},
        adversary={"discriminator": discriminator, "features": 4, "labels": 3},
    )
    object.__setattr__(settings, "to_json", lambda: "{}")  # functions are no JSON
    train(settings, [photo], tmp_path / "whole")
    for done, minutes in ((1, 0), (2, None)):
        model, steps = train(settings, [photo], tmp_path / "stopped", minutes=minutes)
        assert steps == done
    expected, found = (read_checkpoint(tmp_path / name) for name in ("whole", "stopped"))
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert isinstance(model, WaveletCodec)


def test_a_run_may_start_from_a_codec_without_realism():
    plain = WaveletCodec(**(MODEL | {"texture_features": 0}))
    plain.build()
    model = build_model(config())
    run._start_from(model, config(), None, Codec(plain))
    before, after = values(plain.weights), values(model.codec.weights)
    for path, value in before.items():
        np.testing.assert_array_equal(value, after[path.replace(plain.name, model.codec.name)])


def test_weights_beside_a_codec_give_what_the_stage_trains_and_the_codec_the_rest(wavelet_codec, tmp_path):
    other = WaveletCodec(**MODEL)
    other.build()
    for weight in other.weights:
        weight.assign(0 * weight + 0.25)
    save_weights(other, tmp_path / "other.weights.h5")
    model = build_model(config())
    run._start_from(model, config(), tmp_path / "other.weights.h5", Codec(wavelet_codec))
    for weight, origin in zip(model.codec.weights, wavelet_codec.weights, strict=True):
        expected = 0.25 if weight.path.startswith("realism") else value_of(origin)
        np.testing.assert_array_equal(value_of(weight), expected, err_msg=weight.path)
