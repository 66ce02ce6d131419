# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test may use, and what an environment without an extra skips."""

import importlib
import importlib.util
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import gan_tfc  # noqa: E402, F401 - chooses the backend before a test imports Keras

ROOT = pathlib.Path(__file__).parents[1]

# marker -> (module it needs, where that module comes from)
NEEDS = {
    "tfc": (
        "tensorflow_compression_ops",
        "extra tfc; wheels for Linux x86-64, Python 3.11 and 3.12",
    ),
    "tensorflow": ("tensorflow", "extra tf or tfc"),
    "jax": ("jax", "extra jax"),
}

# Time limits say more about the machine than about the code.
hypothesis.settings.register_profile("gan_tfc", deadline=None, print_blob=True)
hypothesis.settings.load_profile("gan_tfc")


def pytest_collection_modifyitems(items):
    """Skips tests whose marker needs a module that is not installed, and says where to get it."""
    for marker, (module, source) in NEEDS.items():
        if importlib.util.find_spec(module) is None:
            skip = pytest.mark.skip(reason=f"needs {module} ({source})")
            for item in items:
                if marker in item.keywords:
                    item.add_marker(skip)


@pytest.fixture(scope="session")
def data_dir():
    """Folder of test data: GAN_TFC_DATA, by default shared/data beside the repository."""
    folder = pathlib.Path(os.environ.get("GAN_TFC_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data in {folder}; set GAN_TFC_DATA")
    return folder


@pytest.fixture
def benchmark_script(monkeypatch):
    """A function from the name of a script in `benchmarks/` to the script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def rng():
    """A fresh generator with a fixed seed: a test draws the same numbers alone and in company."""
    return np.random.default_rng(20250)


@pytest.fixture
def photo():
    """A real photograph, uint8 (192, 256, 3): part of scikit-image's `coffee`."""
    from skimage import data

    return data.coffee()[100:292, 150:406].copy()


@pytest.fixture
def portrait():
    """A real photograph, uint8 (256, 192, 3): part of scikit-image's `astronaut`."""
    from skimage import data

    return data.astronaut()[:256, 128:320].copy()


@pytest.fixture
def odd_sizes():
    """Heights and widths that padding gets wrong first: one pixel, primes, and around 2^6."""
    return [(1, 1), (1, 17), (23, 1), (2, 3), (7, 5), (63, 65), (64, 64), (67, 131)]


@pytest.fixture(scope="session")
def tiny_codec():
    """A frozen codec with random weights, made in seconds; not to be trained."""
    import keras

    from gan_tfc.codec import Codec
    from gan_tfc.models.wavelet_codec import WaveletCodec

    keras.utils.set_random_seed(0)
    model = WaveletCodec(
        features=(4, 4, 4, 4, 4, 4),
        phase=(0, 1, 1, 1, 0, 0, 0, 1, 1),
        synthesis_features=8,
        synthesis_blocks=1,
    )
    model.build()
    # Heads begin at zero, and would predict the same whatever the context. The biases make finer
    # levels' scales smaller, as in pictures; one in a hundred is "surely zero".
    rng = np.random.default_rng(0)
    for level, network in enumerate(model.networks):
        for head in (network.first_head, network.second_head):
            head.kernel.assign(rng.normal(0, 0.1, head.kernel.shape))
            head.bias.assign(np.repeat([0, -1.5 + level / 4], 9))
    residual = model.synthesis.get_layer("residual")
    residual.kernel.assign(rng.normal(0, 0.05, residual.kernel.shape))
    # Presets store float16: rounded here, a saved and loaded codec has the same weights.
    for weight in model.weights:
        weight.assign(np.asarray(weight, np.float16).astype(np.float32))
    codec = Codec(model, "tiny", 1)
    codec.freeze_tables(None)
    return codec


@pytest.fixture(scope="session")
def tiny_preset(tiny_codec, tmp_path_factory):
    """The preset folder `.../tiny/1` of `tiny_codec`; its parent's parent is a zoo."""
    folder = tmp_path_factory.mktemp("zoo") / "tiny" / "1"
    tiny_codec.save(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_zoo(tiny_preset):
    """Root of a zoo that holds `tiny@1` alone, in place of the shipped one; not to be changed."""
    from gan_tfc.zoo import registry

    root = tiny_preset.parents[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", root)
        registry.shared.cache_clear()
        yield root
    registry.shared.cache_clear()
