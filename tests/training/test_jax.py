# SPDX-License-Identifier: Apache-2.0
"""Everything but the exports works on JAX where TensorFlow cannot even be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.jax, pytest.mark.slow]

ROOT = Path(__file__).parents[2]

#: A process that has JAX and, whatever is installed, no TensorFlow.
PROLOGUE = """
import sys

sys.modules["tensorflow"] = None  # what imports it gets an ImportError

import json
import numpy as np
import gan_tfc
"""


def in_jax(script, folder, *arguments):
    """Runs a script under JAX without TensorFlow and returns the JSON that it prints last.

    Compiling takes longest: it is done without optimisation, and for equal models once.
    """
    settings = {
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error:::gan_tfc", "-c", PROLOGUE + script, *map(str, arguments)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_import_and_names_need_no_tensorflow(tmp_path):
    script = """
gan_tfc.Codec, gan_tfc.load
import keras
print(json.dumps([keras.backend.backend(), bool(sys.modules["tensorflow"])]))
"""
    assert in_jax(script, tmp_path) == ["jax", False]


def test_a_preset_codes_the_same_symbols_and_bytes_as_on_the_other_backend(
    tiny_codec, tiny_preset, photo, tmp_path
):
    streams = {}
    for quality in (5, 50, 100):
        streams[f"stream_{quality}"] = np.frombuffer(tiny_codec.compress(photo, quality), np.uint8)
    np.savez(tmp_path / "here.npz", photo=photo, **streams)
    script = """
preset, given, out = sys.argv[1:]
codec = gan_tfc.load(f"path:{preset}")
given, found = np.load(given), {}
for quality in (5, 50, 100):
    data = given[f"stream_{quality}"].tobytes()
    for step in codec.symbols(data):
        found[f"picture_{quality}_{step.level}"] = step.picture
    found[f"pixels_{quality}"] = codec.decompress(data)
    found[f"preview_{quality}"] = codec.preview(data, 4)
    found[f"stream_{quality}"] = np.frombuffer(codec.compress(given["photo"], quality), np.uint8)
np.savez(out, **found)
print(json.dumps(bool(sys.modules["tensorflow"])))
"""
    files = tmp_path / "here.npz", tmp_path / "there.npz"
    assert in_jax(script, tmp_path, tiny_preset, *files) is False
    there = np.load(tmp_path / "there.npz")
    for quality in (5, 50, 100):
        data = streams[f"stream_{quality}"].tobytes()
        for step in tiny_codec.symbols(data):
            np.testing.assert_array_equal(there[f"picture_{quality}_{step.level}"], step.picture)
        # No network of the framework is asked for these.
        np.testing.assert_array_equal(there[f"preview_{quality}"], tiny_codec.preview(data, 4))
        np.testing.assert_array_equal(there[f"stream_{quality}"], streams[f"stream_{quality}"])
        # The synthesis network is float: sums in another order may cross a rounding boundary.
        pixels = tiny_codec.decompress(data).astype(int)
        assert np.abs(there[f"pixels_{quality}"] - pixels).max() <= 1


def test_training_runs_and_resumes_exactly(photo, tmp_path):
    np.save(tmp_path / "photo.npy", photo)
    script = """
from pathlib import Path
from gan_tfc.codec import Codec
from gan_tfc.training.checkpoint import read_checkpoint
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.run import WEIGHTS, train

photo, folder = np.load(sys.argv[1]), Path(sys.argv[2])
model = {"features": (4,), "synthesis_features": 8, "synthesis_blocks": 1}
settings = {"total_steps": 3, "batch_size": 2, "crop_size": 64, "learning_rate": 0.1}
contexts = TrainConfig("contexts", model, **settings)
whole, steps = train(contexts, [photo], folder / "whole")
assert steps == 3
for done, minutes in ((1, 0), (2, 0), (3, None)):
    _, steps = train(contexts, [photo], folder / "stopped", minutes=minutes, checkpoint_seconds=0)
    assert steps == done, steps
a, b = (read_checkpoint(folder / name) for name in ("whole", "stopped"))
different = [name for name in a if not np.array_equal(a[name], b[name])]

synthesis = TrainConfig("synthesis", model, **settings)
tuned, _ = train(synthesis, [photo], folder / "synthesis", weights=folder / "whole" / WEIGHTS)
same = [
    np.array_equal(x, y)
    for x, y in zip(whole.networks[0].get_weights(), tuned.networks[0].get_weights())
]
codec = Codec(tuned, "jax", 1)
codec.freeze_tables([photo])
codec.save(folder / "preset")
data = gan_tfc.load(f"path:{folder}/preset").compress(photo)
decoded = codec.decompress(data)
rows = [json.loads(line) for line in (folder / "whole" / "log.jsonl").read_text().splitlines()]
print(json.dumps({
    "different": different,
    "contexts kept": all(same),
    "shape": decoded.shape,
    "bpp": rows[-1]["bpp"],
    "tensorflow": bool(sys.modules["tensorflow"]),
}))
"""
    found = in_jax(script, tmp_path, tmp_path / "photo.npy", tmp_path)
    assert found["different"] == []  # model, optimizer, averages, random seeds: to the last bit
    assert found["contexts kept"] and found["shape"] == list(photo.shape)
    assert 0 < found["bpp"] < 100
    assert found["tensorflow"] is False


def test_the_realism_stage_runs_from_the_same_configuration_and_keeps_streams(photo, tmp_path):
    np.save(tmp_path / "photo.npy", photo)
    script = """
from pathlib import Path
from keras import ops
from gan_tfc.codec import Codec
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.run import build_model
from gan_tfc.training.batches import CropBatches

def distance(first, second):
    return ops.mean(ops.abs(first - second), axis=(1, 2, 3))

photo = np.load(sys.argv[1])
model = {"features": (4,), "synthesis_features": 8, "synthesis_blocks": 1, "texture_features": 2}
config = TrainConfig(
    "realism", model, loss={"perceptual": distance}, adversary={"features": 4, "labels": 3}, total_steps=2,
    batch_size=2, crop_size=64, learning_rate=0.1,
)
gan = build_model(config)
codec = Codec(gan.codec, "jax", 1)
codec.freeze_tables(None)
before = codec.compress(photo, 40)
at_0, at_1 = (codec.decompress(before, realism) for realism in (0, 1))
batches = CropBatches([photo], config)
gan.adapt(batches[0][0]["image"])
history = gan.fit(CropBatches([photo], config), epochs=1, verbose=0).history
trained = Codec(gan.codec, "jax", 1)
trained.freeze_tables(None)
print(json.dumps({
    "same stream": trained.compress(photo, 40) == before,
    "realism 0 kept": bool((trained.decompress(before, 0) == at_0).all()),
    "realism 1 kept": bool((trained.decompress(before, 1) == at_1).all()),
    "finite": all(np.isfinite(values).all() for values in history.values()),
    "tensorflow": bool(sys.modules["tensorflow"]),
}))
"""
    assert in_jax(script, tmp_path, tmp_path / "photo.npy") == {
        "same stream": True,
        "realism 0 kept": True,
        "realism 1 kept": False,
        "finite": True,
        "tensorflow": False,
    }


def test_fine_tuning_of_realism_holds_its_layers_and_lets_them_go(tmp_path):
    script = """
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
import keras
from fine_tuned import QUICK, make_codec, same, weights_of
from gan_tfc.models.gan_codec import GANCodec
from gan_tfc.training import realism_tuning

realism_tuning.GANCodec = lambda codec, **options: GANCodec(codec, features=4, labels=3, **options)
photos = list(np.random.default_rng(0).integers(0, 256, (5, 96, 80, 3), dtype=np.uint8))
kept = {}

class See(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.jax_state_sync()
        synthesis = self.model.codec.synthesis
        unmoved = same(weights_of(synthesis), weights_of(start.model.synthesis))
        kept[share] = [w.path for w, still in zip(synthesis.weights, unmoved) if not still]

for share in (1.0, 0.0):
    start = make_codec(bias=0.0)
    settings = replace(QUICK, discriminator_first=share, round_steps=2, most_rounds=1)
    make_codec(bias=0.0).fine_tune(photos, 60, realism=True, settings=settings, callbacks=[See()])
print(json.dumps([kept[1.0], kept[0.0]]))
"""
    held, let_go = in_jax(script, tmp_path, ROOT / "tests")
    assert held == []
    assert let_go and all(path.startswith("realism") for path in let_go)
