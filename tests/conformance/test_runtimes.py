# SPDX-License-Identifier: Apache-2.0
"""One stream, every runtime: equal integers, and pixels within one level of 255.

The vectors hold what NumPy made of streams when they were written; `make_vectors.py` says what is in them.
"""

import itertools
import zlib
from pathlib import Path

import numpy as np
import pytest
import runtimes
from PIL import Image

pytestmark = [pytest.mark.export, pytest.mark.tensorflow]

VECTORS = Path(__file__).with_name("vectors")
FOLDERS = sorted(path for path in VECTORS.iterdir() if path.is_dir())
#: Of the cross product; `benchmarks/conformance.py` takes more and larger ones.
QUALITY, CROP = 35, (slice(60, 200), slice(40, 250))


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def vectors(request):
    return request.param


@pytest.fixture(scope="module")
def bench(vectors, tmp_path_factory):
    name, _, version = vectors.name.rpartition("-")
    return runtimes.Bench(f"{name}@{version}", tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def work(vectors):
    """All vectors, and pictures to encode."""
    from skimage import data

    images = {"cup": data.coffee()[CROP], "face": data.astronaut()[CROP]}
    streams = {path.stem: path.read_bytes() for path in sorted(vectors.glob("*.gtc"))}
    return runtimes.Work(images, streams, QUALITY)


@pytest.fixture(scope="module")
def found(bench, work):
    """What a runtime makes of all vectors and pictures."""
    results = {}

    def run(runtime):
        if runtime not in results:
            try:
                results[runtime] = bench.run(runtime, work)
            except runtimes.Unavailable as missing:
                results[runtime] = str(missing)
        if isinstance(results[runtime], str):
            pytest.skip(results[runtime])
        return results[runtime]

    return run


def test_vectors_cover_sizes_and_qualities(vectors):
    names = [path.stem for path in vectors.glob("*.gtc")]
    assert {name.split("-q")[0] for name in names} == {"1x1", "17x33", "200x300", "768x512"}
    assert len(names) >= 10


@pytest.mark.parametrize("runtime", runtimes.RUNTIMES)
def test_symbols_and_latents_are_those_of_the_vectors(found, vectors, work, runtime):
    results = found(runtime)
    for name in work.streams:
        with np.load(vectors / f"{name}.npz") as expected:
            latents = results[f"latents/{name}"]
            count = expected["latents"].size
            np.testing.assert_array_equal(latents[:count], expected["latents"], err_msg=name)
            picture = latents[count:].astype("<i4").tobytes()
            assert zlib.crc32(picture) == expected["picture"], name


@pytest.mark.parametrize("runtime", runtimes.RUNTIMES)
def test_pixels_are_within_one_level_of_the_vectors(found, vectors, work, runtime):
    results = found(runtime)
    if not any(key.startswith("pixels/") for key in results):
        pytest.skip(
            f"{runtime} runs no synthesis network, so it makes no pixels: its symbols are compared above"
        )
    for name, realism in itertools.product(work.streams, (0, 1)):
        expected = np.asarray(Image.open(vectors / f"{name}-{realism}.png")).astype(int)
        assert np.abs(results[f"pixels/{name}/{realism}"] - expected).max() <= 1, (name, realism)


def test_every_runtime_decodes_what_every_runtime_encodes(found, bench, work):
    encoders = {}
    for runtime in runtimes.RUNTIMES:
        try:
            encoders[runtime] = found(runtime)
        except pytest.skip.Exception:
            continue
    assert len(encoders) >= 3
    streams = {
        f"{name} by {runtime}": results[f"encoded/{name}"].tobytes()
        for runtime, results in encoders.items()
        for name in work.images
    }
    # Most encoders write the same bytes; each stream is decoded once by everybody.
    distinct = {data: name for name, data in streams.items()}
    again = runtimes.Work(streams={name: data for data, name in distinct.items()})
    decoded = {runtime: bench.run(runtime, again) for runtime in encoders}
    for name, runtime in itertools.product(again.streams, decoded):
        np.testing.assert_array_equal(
            decoded[runtime][f"latents/{name}"],
            decoded["Keras on TensorFlow"][f"latents/{name}"],
            err_msg=name,
        )
    # And what an encoder took its stream for is what everybody decodes.
    for name, data in streams.items():
        picture, _, runtime = name.partition(" by ")
        np.testing.assert_array_equal(
            encoders[runtime][f"latents/{picture}"], decoded[runtime][f"latents/{distinct[data]}"]
        )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_vectors_are_of_a_shipped_preset(folder):
    from gan_tfc.coding import container
    from gan_tfc.zoo import registry

    records = {f"{r['name']}-{r['version']}": r["tables_digest"] for r in registry.list_presets()}
    for path in folder.glob("*.gtc"):
        header, _ = container.unpack(path.read_bytes())
        assert header.tables_digest.hex() == records[folder.name]
