# SPDX-License-Identifier: Apache-2.0
"""The web page of a bundle in headless Chromium: what a visitor drops, sees and moves."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from browsers import PLAYWRIGHT, node_modules
from PIL import Image

from gan_tfc.coding import container

pytestmark = [pytest.mark.export, pytest.mark.slow]

RUNNER = Path(__file__).with_name("web_runner.mjs")
PACKAGES = ["onnxruntime-web@1.30.0", PLAYWRIGHT]
RUNTIME_FILES = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]


@pytest.fixture(scope="module")
def modules(request):
    """A folder `node_modules` with what the page and the tests need, kept between runs."""
    return node_modules(request.config, "web_page", PACKAGES)


@pytest.fixture(scope="module")
def codec(photo_codec):
    return photo_codec


@pytest.fixture(scope="module")
def address(bundle_of, modules, tmp_path_factory):
    """Where the page is served."""
    folder = tmp_path_factory.mktemp("web") / "bundle"
    shutil.copytree(bundle_of("onnx"), folder)
    (folder / "web" / "vendor").mkdir()
    for name in RUNTIME_FILES:
        shutil.copy(modules / "onnxruntime-web" / "dist" / name, folder / "web" / "vendor")
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/web/"
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def visit(address, modules, tmp_path):
    """A function from actions of `web_runner.mjs` to what they tell."""

    def run(*actions):
        list_file = tmp_path / "actions.json"
        list_file.write_text(json.dumps([["load"], *actions], default=str))
        command = ["node", RUNNER, modules, shutil.which("chromium"), address, list_file]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def image():
    from skimage import data

    return np.ascontiguousarray(data.coffee()[100:300, 150:450])


@pytest.fixture(scope="module")
def stream(codec, image):
    return codec.compress(image, 20)


@pytest.fixture
def files(tmp_path, image, stream):
    """Paths of the photo and of its stream."""
    Image.fromarray(image).save(tmp_path / "photo.png")
    (tmp_path / "photo.gtc").write_bytes(stream)
    return tmp_path / "photo.png", tmp_path / "photo.gtc"


def read_pixels(path, shape):
    pixels = np.frombuffer(path.read_bytes(), np.uint8).reshape(shape)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def assert_same_picture(found, expected):
    """Other runtimes add floats in another order: rarely, a value falls on the other side of a half."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 2
    assert (difference <= 1).mean() >= 0.999
    assert difference.mean() < 0.01


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_dropped_stream_is_decoded(codec, visit, files, stream, tmp_path):
    shape, bytes_shown, size_shown = visit(
        ["drop", files[1]],
        ["finished"],
        ["pixels", "#decoded", tmp_path / "pixels"],
        ["text", "#bytes"],
        ["text", "#size"],
    )
    assert_same_picture(read_pixels(tmp_path / "pixels", shape), codec.decompress(stream))
    assert bytes_shown == f"{len(stream):,} bytes"
    assert size_shown == "300 × 200"


def test_realism_changes_the_picture(codec, visit, files, stream, tmp_path):
    pictures = {}
    actions = [["choose", files[1]], ["finished"]]
    for realism in ("0", "0.5"):
        actions += [["fill", "#realism", realism], ["finished"], ["pixels", "#decoded", tmp_path / realism]]
    for realism, shape in zip(("0", "0.5"), visit(*actions), strict=True):
        pictures[realism] = read_pixels(tmp_path / realism, shape)
        assert_same_picture(pictures[realism], codec.decompress(stream, realism=float(realism)))
    assert (pictures["0"] != pictures["0.5"]).mean() > 0.05


def test_large_picture_is_put_together_from_tiles(codec, visit, image, tmp_path):
    large = np.tile(image, (1, 4, 1))[:, :1150]
    stream = codec.compress(large, 20)
    (tmp_path / "large.gtc").write_bytes(stream)
    (shape,) = visit(
        ["choose", tmp_path / "large.gtc"], ["finished"], ["pixels", "#decoded", tmp_path / "pixels"]
    )
    assert_same_picture(read_pixels(tmp_path / "pixels", shape), codec.decompress(stream))


def test_original_is_compared_side_by_side(codec, visit, files, image, stream, tmp_path):
    split = "document.getElementById('picture').style.getPropertyValue('--split')"
    shown, shape, psnr_shown, before, after, visible, overflow = visit(
        ["choose", *files],
        ["finished"],
        ["visible", "#original"],
        ["pixels", "#original", tmp_path / "pixels"],
        ["text", "#psnr"],
        ["evaluate", split],
        ["press", "#divider", "ArrowRight", 100],
        ["evaluate", split],
        ["visible", ".handle"],
        ["viewport", 360, 700],
        ["evaluate", "document.documentElement.scrollWidth - innerWidth"],
    )
    assert shown and visible
    np.testing.assert_array_equal(read_pixels(tmp_path / "pixels", shape), image)
    assert abs(float(psnr_shown.split()[0]) - psnr(codec.decompress(stream), image)) < 0.02
    assert before == "" and after == "60%"
    assert overflow == 0


def test_photo_is_compressed_and_downloaded(codec, visit, files, image, tmp_path):
    shown, name, shape = visit(
        ["drop", files[0]],
        ["finished"],
        ["fill", "#quality", "30"],
        ["finished"],
        ["text", "#bytes"],
        ["download", "#download", tmp_path / "down.gtc"],
        ["pixels", "#decoded", tmp_path / "pixels"],
    )
    found = (tmp_path / "down.gtc").read_bytes()
    expected = codec.compress(image, 30)
    assert name == "photo.gtc" and shown == f"{len(found):,} bytes"
    assert container.unpack(found)[0].step_code == container.unpack(expected)[0].step_code
    assert abs(len(found) - len(expected)) <= 0.01 * len(expected)
    assert_same_picture(read_pixels(tmp_path / "pixels", shape), codec.decompress(found))


def test_photo_is_compressed_for_what_is_seen(codec, visit, files, image, tmp_path):
    opened, chosen = visit(
        ["drop", files[0]],
        ["finished"],
        ["evaluate", "document.getElementById('tune').value"],
        ["fill", "#quality", "30"],
        ["finished"],
        ["select", "#tune", "visual"],
        ["finished"],
        ["download", "#download", tmp_path / "down.gtc"],
    )
    found = len((tmp_path / "down.gtc").read_bytes())
    plain, visual = (len(codec.compress(image, 30, tune=tune)) for tune in ("psnr", "visual"))
    assert opened == "psnr" and chosen == "photo.gtc"
    assert abs(found - visual) <= 0.001 * visual < abs(plain - visual)


def test_broken_files_get_a_sentence_and_good_ones_after_them_a_picture(visit, files, stream, tmp_path):
    (tmp_path / "cut.gtc").write_bytes(stream[:-20])
    (tmp_path / "note.gtc").write_bytes(b"hello")
    (tmp_path / "note.txt").write_bytes(b"hello")
    cut, other, empty, text, error, picture = visit(
        ["choose", tmp_path / "cut.gtc"],
        ["failed"],
        ["text", "#error"],
        ["choose", tmp_path / "note.gtc"],
        ["failed"],
        ["sleep", 500],
        ["text", "#error"],
        ["visible", "#empty"],
        ["drop", tmp_path / "note.txt"],
        ["sleep", 500],
        ["text", "#error"],
        ["choose", files[1]],
        ["finished"],
        ["visible", "#error"],
        ["visible", "#picture"],
    )
    assert (
        cut == f"Expected {len(stream)} bytes of stream, received {len(stream) - 20}; fetch the file again."
    )
    assert other.startswith('Expected a .gtc stream, which begins with "GTC", received data') and empty
    assert text.startswith("Expected a .gtc file or a photo that this browser can show, received note.txt")
    assert not error and picture


def test_without_its_runtime_the_page_shows_a_preview_and_says_what_is_missing(visit, files, image, tmp_path):
    error, shape = visit(
        ["block", "**/vendor/**"],
        ["choose", files[1]],
        ["failed"],
        ["text", "#error"],
        ["pixels", "#decoded", tmp_path / "pixels"],
    )
    assert error.startswith("Expected onnxruntime-web in web/vendor") and error.endswith("README.md says.")
    # An eighth of the size shows what the photo is of; a blank canvas has some 6 dB.
    assert psnr(read_pixels(tmp_path / "pixels", shape), image) > 15


def test_every_control_has_a_name(visit):
    (nameless,) = visit(
        [
            "evaluate",
            "[...document.querySelectorAll('input, select, button, a, canvas')].filter((x) => !("
            "x.ariaLabel || x.labels?.[0]?.textContent.trim() || x.textContent.trim())).map((x) => x.id)",
        ]
    )
    assert nameless == []
