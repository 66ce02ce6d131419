# SPDX-License-Identifier: Apache-2.0
"""A codec is a Keras model: compile, fit, callbacks, saving, mixed precision, several devices."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from gan_tfc import losses
from gan_tfc.codec import Codec
from gan_tfc.errors import NotFrozenError
from gan_tfc.models.wavelet_codec import WaveletCodec

ROOT = Path(__file__).parents[2]


def make_model():
    keras.utils.set_random_seed(1)
    model = WaveletCodec((4,), synthesis_features=8, synthesis_blocks=1, texture_features=2)
    model.build()
    return model


def make_batch():
    """Four crops of real photographs, at steps that bfloat16 does not hold."""
    from skimage import data

    image = data.coffee()
    crops = np.stack([image[30 * i : 30 * i + 64, 100:164] for i in range(4)])
    return {"image": crops, "step_code": np.array([301, 701, 1101, 1501], np.float32)}


@pytest.fixture(scope="module")
def batch():
    return make_batch()


def outputs(model, batch):
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(batch).items()}


def test_compile_and_fit_train_the_decoder_with_any_optimizer_and_callback(batch, photo, eager):
    codec = Codec(make_model(), "tiny", 1)
    codec.freeze_tables(None)
    stream = codec.compress(photo)
    at_start = codec.decompress(stream, 0)
    codec.compile(optimizer=keras.optimizers.AdamW(0.01), loss=losses.Reconstruction(floor=1e-5))
    seen = []
    seeing = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    stopping = keras.callbacks.EarlyStopping(monitor="loss", mode="max", patience=1)
    history = codec.fit(batch, batch_size=2, epochs=4, verbose=0, callbacks=[seeing, stopping])
    # Told that less is worse, the callback stops after the second epoch.
    assert len(seen) == 2 and history.history["loss"] == seen and seen[1] < seen[0]
    assert codec.compress(photo) == stream
    assert (codec.decompress(stream, 0) != at_start).any()


def test_fitting_what_decides_bits_drops_the_tables(batch, eager):
    codec = Codec(make_model(), "tiny", 1)
    codec.freeze_tables(None)
    codec.compile(optimizer="adam", loss="rate_distortion")
    codec.fit(batch, batch_size=4, verbose=0)
    with pytest.raises(NotFrozenError, match="call freeze_tables"):
        codec.compress(batch["image"][0])


@pytest.mark.parametrize(
    "loss", [losses.Reconstruction(floor=1e-5), losses.RateDistortion(lmbda=5.0, weight_exponent=1.0)]
)
def test_a_keras_file_brings_back_class_weights_optimizer_and_loss(batch, loss, tmp_path, eager):
    model = make_model()
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    model.fit(batch, batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is WaveletCodec and type(loaded.objective) is type(loss)
    assert vars(loaded.objective) == vars(loss)
    for name, value in outputs(model, batch).items():
        np.testing.assert_array_equal(outputs(loaded, batch)[name], value)
    # Moments are there as well: one more step leads to the same place, to a hundredth of a step, for sums
    # in another order matter to Adam where gradients are next to nothing.
    assert int(loaded.optimizer.iterations) == 2
    for each in (model, loaded):
        each.train_on_batch(batch)
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-5)


def test_a_model_that_was_never_compiled_and_one_of_a_plain_function_are_saved_as_well(tmp_path):
    def loss(inputs, outputs):
        return keras.ops.mean(outputs["bits"])

    loss.needs_synthesis = False
    for name, compiled in (("plain", False), ("function", True)):
        model = make_model()
        if compiled:
            model.compile(loss=loss)
        model.save(tmp_path / f"{name}.keras")
        loaded = keras.saving.load_model(tmp_path / f"{name}.keras")
        assert loaded.objective is None
        assert all(np.array_equal(a, b) for a, b in zip(model.weights, loaded.weights, strict=True))


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_in_mixed_precision_all_that_decides_bits_is_float32(batch, photo, tmp_path, eager, mixed_precision):
    keras.config.set_dtype_policy("float32")
    exact = make_model()
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = make_model()
    assert mixed.synthesis.compute_dtype == "bfloat16"
    assert all(w.dtype == "float32" for w in mixed.trainable_weights)
    expected, found = outputs(exact, batch), outputs(mixed, batch)
    # Not just about: bfloat16 has no step code 301, and 8 bits a base picture.
    for name in ("bits", "squared_error", "base"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)
    assert all(value.dtype == np.float32 for value in found.values())

    codec = Codec(mixed, "tiny", 1)
    codec.freeze_tables(None)
    stream = codec.compress(photo)
    codec.compile(optimizer=keras.optimizers.Adam(1e-3), loss="reconstruction")
    history = codec.fit(batch, batch_size=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert codec.compress(photo) == stream
    single = Codec(exact, "tiny", 1)
    single.freeze_tables(None)
    assert single.compress(photo) == stream


def test_a_decoder_in_mixed_precision_adds_its_correction_to_an_exact_base(batch, mixed_precision):
    model = make_model()  # untrained, its correction is zero
    found = outputs(model, batch)
    np.testing.assert_array_equal(found["reconstruction"], found["base"])


#: Trains the same model on one device and, by what SETTING does, on two; prints losses and weights' change.
ON_TWO_DEVICES = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/training"]
import gan_tfc, keras
import numpy as np
from test_keras_usage import make_batch, make_model

def train():
    model = make_model()
    start = [np.asarray(w) for w in model.weights]
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss=sys.argv[2])
    history = model.fit(make_batch(), batch_size=4, epochs=2, shuffle=False, verbose=0).history
    change = np.concatenate([(np.asarray(w) - s).ravel() for w, s in zip(model.weights, start)])
    return history["loss"], change

SETTING
(loss_1, change_1), (loss_2, change_2), devices = one, two, count
print(json.dumps({
    "devices": devices,
    "losses": [loss_1, loss_2],
    "moved": float(np.abs(change_1).max()),
    "apart": float(np.abs(change_1 - change_2).max()),
}))
"""

MIRRORED = """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
one = train()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    two = train()
count = strategy.num_replicas_in_sync
"""

DATA_PARALLEL = """
one = train()
devices = keras.distribution.list_devices()
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
two = train()
count = len(devices)
"""


def on_two_devices(setting, loss, **environment):
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES.replace("SETTING", setting), str(ROOT), loss],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check_two_devices(found):
    assert found["devices"] == 2
    # Sums in another order, over a handful of steps.
    np.testing.assert_allclose(*found["losses"], rtol=1e-5)
    assert found["apart"] < 1e-2 * found["moved"] > 0


@pytest.mark.slow
@pytest.mark.tensorflow
def test_two_mirrored_replicas_train_like_one_device():
    check_two_devices(on_two_devices(MIRRORED, "reconstruction", KERAS_BACKEND="tensorflow"))


@pytest.mark.slow
@pytest.mark.jax
@pytest.mark.parametrize("loss", ["reconstruction", "rate_distortion"])
def test_two_jax_devices_in_data_parallel_train_like_one(loss):
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    check_two_devices(on_two_devices(DATA_PARALLEL, loss, **settings))
