# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of realism: textures come nearer or stay, and nothing else moves at all."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from fine_tuned import QUICK, make_codec, same, weights_of

from gan_tfc.errors import GanTfcError
from gan_tfc.losses.feature_files import feature_file
from gan_tfc.models.gan_codec import GANCodec
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.training import realism_tuning
from gan_tfc.training.checkpoint import read_checkpoint, value_of
from gan_tfc.training.held_out import decibels
from gan_tfc.training.held_out_textures import PSNR_TOLERANCE, HeldOutTextures, Measures
from gan_tfc.training.optimizers import HoldingAdam
from gan_tfc.training.splits import split
from gan_tfc.training.texture_distance import Textures

# TensorFlow says so of the fixture `eager`, and means the input pipeline.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config")

#: The layers of realism begin at random: everything is better than what they make.
SETTINGS = replace(QUICK, discriminator_first=0.0, round_steps=2, most_rounds=3)


@pytest.fixture(scope="module")
def untrained():
    """Not to be changed."""
    return make_codec(bias=0.0)


class TowardsOriginals(GANCodec):
    """A few steps suffice: a small discriminator, and an error that begins large."""

    def __init__(self, codec, seed, anchor):
        super().__init__(codec, features=4, labels=3, seed=seed)
        TowardsOriginals.anchor_given = weights_of(anchor)  # not an attribute that Keras follows


@pytest.fixture(scope="module", autouse=True)
def quick_adversary_without_lpips(eager_module):
    """Also no weights of LPIPS, which do not ship: a user has none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realism_tuning, "GANCodec", TowardsOriginals)
        patch.delenv("GAN_TFC_LPIPS", raising=False)
        patch.setenv("GAN_TFC_DATA", "/nowhere")
        yield


@pytest.fixture(scope="module")
def tuned(photos):
    """(codec, result)."""
    return tune(photos)


def tune(photos, settings=SETTINGS, **options):
    codec = make_codec(bias=0.0)
    return codec, codec.fine_tune(photos, 60, realism=True, settings=settings, **options)


def test_textures_come_nearer_while_streams_and_realism_0_stay(untrained, tuned, photos):
    codec, result = tuned
    assert result.improved and result.gain > 1 and result.steps == 6
    assert (result.trained, result.held_out) == (4, 2)
    for photo in photos:
        for quality in (10, 50):
            stream = untrained.compress(photo, quality)
            assert codec.compress(photo, quality) == stream
            np.testing.assert_array_equal(codec.decompress(stream, 0), untrained.decompress(stream, 0))
            assert (codec.decompress(stream, 1) != untrained.decompress(stream, 1)).any()
    assert codec.frozen.digest == untrained.frozen.digest
    assert (codec.name, codec.version) == ("tiny", 1)

    before, after = weights_of(untrained.model), weights_of(codec.model)
    names = [weight.path for weight in codec.model.weights]
    changed = {name for name, kept in zip(names, same(before, after), strict=True) if not kept}
    assert changed == {name for name in names if "realism" in name}
    assert "equal to the byte" in str(result) and "equal to the pixel" in str(result)


def test_the_table_is_measured_on_what_decoding_gives(untrained, tuned, photos):
    codec, result = tuned
    held_out = split(photos)[1]
    for row in result.rows:
        streams = [untrained.compress(photo, row.quality) for photo in held_out]
        assert row.bytes == np.mean([len(stream) for stream in streams])
        for which, distance, psnr in (
            (untrained, row.before, row.psnr_before),
            (codec, row.after, row.psnr_after),
        ):
            decoded = [which.decompress(stream, 1) for stream in streams]
            pairs = list(zip(decoded, held_out, strict=True))
            # Compiled, the network adds up in another order: some pixels are rounded otherwise.
            assert np.mean([decibels(*pair) for pair in pairs]) == pytest.approx(psnr, abs=0.01)
            found = np.mean([Textures(photo).distance(picture) for picture, photo in pairs])
            assert found == pytest.approx(distance, abs=0.002)
        assert row.gain == pytest.approx(100 * (1 - row.after / row.before))
        assert f"{row.after:.3f}" in str(result)


def test_the_discriminator_learns_alone_at_first(untrained, photos):
    began = {}

    class Began(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            began.update(discriminator=weights_of(self.model.discriminator))

        def on_train_batch_end(self, batch, logs=None):
            began.update(codec=weights_of(self.model.codec), now=weights_of(self.model.discriminator))

    settings = replace(SETTINGS, discriminator_first=1.0, most_rounds=1)
    codec, result = tune(photos, settings, callbacks=[Began()])
    assert all(same(began["codec"], weights_of(untrained.model)))
    assert all(same(TowardsOriginals.anchor_given, weights_of(untrained.model.synthesis)))
    assert not any(same(began["discriminator"], began["now"]))
    assert not result.improved and all(same(weights_of(codec.model), weights_of(untrained.model)))


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_its_discriminator(photos, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    class Began(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.weights = weights_of(self.model)
            self.optimizer = [value_of(variable) for variable in self.model.optimizer.variables]

    with pytest.raises(KeyboardInterrupt):
        tune(photos, folder=tmp_path, callbacks=[Interrupt()])
    kept = read_checkpoint(tmp_path)
    assert int(kept["step"]) == 4
    keras.utils.set_random_seed(7)  # another discriminator would begin
    began = Began()
    _, result = tune(photos, folder=tmp_path, callbacks=[began], resume=True)
    assert result.steps == 6 and result.improved
    variables = [kept[f"optimizer/{i}"] for i in range(len(began.optimizer))]
    different = [i for i, equal in enumerate(same(variables, began.optimizer)) if not equal]
    assert different in ([], [1])  # but for the learning rate
    found = {array.tobytes() for name, array in kept.items() if name.startswith("model/")}
    assert all(array.tobytes() in found for array in began.weights)


def test_held_variables_stay_until_they_are_let_go(rng):
    layers = [keras.layers.Dense(2, name="ours"), keras.layers.Dense(1, name="discriminator")]
    model = keras.Sequential(layers, name="pair")
    model.compile(HoldingAdam(0.1, prefix="pair/discriminator", use_ema=True), "mse")
    x = rng.normal(size=(4, 3)).astype(np.float32)
    model.train_on_batch(x, x[:, :1])
    for held in (True, False):
        model.optimizer.hold(held)  # the step is compiled already
        before = weights_of(layers[0])[0], weights_of(layers[1])[0]
        model.train_on_batch(x, x[:, :1])
        after = weights_of(layers[0])[0], weights_of(layers[1])[0]
        assert same(before, after) == [held, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("distance", "psnr"),
    [(0.3, 30.0), (0.1, 30.0 - PSNR_TOLERANCE - 0.1)],
    ids=["textures further", "too much PSNR lost"],
)
def test_what_is_worse_on_held_out_photos_is_put_back(untrained, photos, monkeypatch, distance, psnr):
    def measure(self, weights):
        kept = all(same(weights, self.original))
        found = (0.2, 30.0) if kept else (distance, psnr)
        return Measures(*(np.full((2, 3), value) for value in found))

    monkeypatch.setattr(HeldOutTextures, "measure", measure)
    codec, result = tune(photos)
    assert result.steps == 6 and not result.improved and result.factor == 0 and result.gain == 0
    assert "the codec stays as it was" in str(result)
    assert all(same(weights_of(codec.model), weights_of(untrained.model)))


def test_textures_that_cost_too_much_psnr_are_no_gain():
    measures = HeldOutTextures.__new__(HeldOutTextures)
    measures.before = Measures(np.full((2, 1), 0.2), np.full((2, 1), 30.0))
    nearer = np.full((2, 1), 0.1)
    fell = np.array([[30.0], [30.0 - PSNR_TOLERANCE]])
    np.testing.assert_allclose(measures.allowed_gains(Measures(nearer, fell)), 50)
    found = measures.allowed_gains(Measures(nearer, fell - 0.01))
    np.testing.assert_allclose(found, [[50], [-np.inf]])


def test_no_weights_of_perceptual_networks_are_needed(tuned):
    with pytest.raises(GanTfcError, match="Expected the weights lpips_squeeze.npz"):
        feature_file("lpips_squeeze")
    assert tuned[1].improved


def test_what_has_no_realism_and_what_asks_for_everything_are_refused(untrained, photos):
    with pytest.raises(GanTfcError, match="Expected realism or everything .* received both"):
        untrained.fine_tune(photos, 1, realism=True, everything=True, name="dishes")
    untrained_without = make_codec()
    model = WaveletCodec((4,) * 6, synthesis_features=8, synthesis_blocks=1)
    model.build()
    untrained_without.model = model
    with pytest.raises(GanTfcError, match="Expected a preset with realism, received tiny@1"):
        untrained_without.fine_tune(photos, 1, realism=True)
