# SPDX-License-Identifier: Apache-2.0
"""A preset of a user's own goes the whole way: fine-tuned, kept, verified, served, and run on a device."""

import functools
import http.server
import threading

import edge_runner
import numpy as np
import pytest
import runtimes

import gan_tfc
from gan_tfc.cli import main
from gan_tfc.training.checkpoint import value_of
from gan_tfc.training.fine_tuning_run import Settings
from gan_tfc.zoo.golden import make_golden

pytestmark = [pytest.mark.export, pytest.mark.tensorflow, pytest.mark.slow]

#: Seconds of training.
QUICK = Settings(
    crop_size=64,
    batch_size=2,
    learning_rate=1e-3,
    ema_momentum=0.5,
    round_steps=4,
    most_rounds=3,
    most_copies=1,
)


@pytest.fixture(scope="module")
def pictures():
    from skimage import data

    return {"cup": data.coffee()[60:220, 130:350], "face": data.astronaut()[30:163, 150:301]}


@pytest.fixture(scope="module")
def old(photo_codec, pictures):
    """Streams of `photo_mobile`, from before the preset was made."""
    return {
        f"{name}-{quality}": photo_codec.compress(image, quality)
        for name, image in pictures.items()
        for quality in (12, 50, 90)
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The preset `my-zoo/dishes/1`, and golden files in it."""
    from skimage import data

    codec = gan_tfc.load("photo_mobile")
    # A decoder that makes all too bright: a few steps on whatever photos make it better.
    bias = codec.model.synthesis.get_layer("residual").bias
    bias.assign(value_of(bias) + 0.3)
    spoilt = [value_of(weight) for weight in codec.model.synthesis.weights]
    photos = [data.chelsea()[top : top + 96, left : left + 96] for top in (0, 100, 200) for left in (50, 200)]
    result = codec.fine_tune(photos, 5, settings=QUICK)
    assert result.improved
    pairs = zip(spoilt, codec.model.synthesis.weights, strict=True)
    assert sum(np.any(before != value_of(after)) for before, after in pairs) > 5
    folder = tmp_path_factory.mktemp("presets") / "my-zoo" / "dishes" / "1"
    codec.save(folder)
    make_golden(codec, folder / "golden", data.coffee()[100:148, 200:264], [20, 70])
    return folder


@pytest.fixture(scope="module")
def own(folder):
    """The preset, from its folder."""
    return gan_tfc.load(f"path:{folder}")


@pytest.fixture
def url(folder, tmp_path, monkeypatch, capsys):
    """The address of `my-zoo` on a web server that knows nothing of zoos."""
    monkeypatch.setenv("GAN_TFC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    assert main(["zoo", "index", str(folder.parents[1])]) == 0, capsys.readouterr().err
    capsys.readouterr()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder.parents[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_old_streams_decode_to_the_same_integers_and_other_pixels(own, photo_codec, old):
    assert (own.name, own.version) == ("dishes", 1)
    for name, data in old.items():
        before, after = (edge_runner.integers(codec.symbols(data)) for codec in (photo_codec, own))
        np.testing.assert_array_equal(before, after, err_msg=name)
        assert np.any(own.decompress(data) != photo_codec.decompress(data)), name


def test_new_streams_name_the_preset_and_decode_with_the_old_one(own, photo_codec, pictures):
    for image in pictures.values():
        data = own.compress(image, 40)
        assert gan_tfc.info(data)["preset"] == "dishes"
        assert photo_codec.decompress(data).shape == image.shape
        integers = [edge_runner.integers(codec.symbols(data)) for codec in (own, photo_codec)]
        np.testing.assert_array_equal(*integers)


def test_zoo_verify_passes_it(folder, capsys):
    assert main(["zoo", "verify", f"path:{folder}"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and "hashes ok, 2 golden streams ok" in said.out


def test_from_a_web_server_it_verifies_and_decodes_as_from_its_folder(url, own, old, capsys):
    assert main(["zoo", "verify", f"{url}#dishes"]) == 0, capsys.readouterr().err
    assert "2 golden streams ok" in capsys.readouterr().out
    codec = gan_tfc.load(f"{url}#dishes@1")
    assert codec.tables().digest == own.tables().digest
    for name, data in old.items():
        np.testing.assert_array_equal(codec.decompress(data), own.decompress(data), err_msg=name)


def test_on_a_device_all_integers_are_equal_and_no_pixel_is_off_by_more_than_one(
    folder, own, pictures, old, tmp_path
):
    bench = runtimes.Bench(f"path:{folder}", tmp_path)
    try:
        found = bench.run("TFLite", runtimes.Work(pictures, old, quality=40))
    except runtimes.Unavailable as missing:
        pytest.skip(str(missing))
    streams = old | {name: found[f"encoded/{name}"].tobytes() for name in pictures}
    for name, data in streams.items():
        latents = edge_runner.integers(own.symbols(data))
        np.testing.assert_array_equal(found[f"latents/{name}"], latents, err_msg=name)
        for realism in (0, 1):
            pixels = found[f"pixels/{name}/{realism}"].astype(int)
            assert np.abs(pixels - own.decompress(data, realism)).max() <= 1, name
