# SPDX-License-Identifier: Apache-2.0
"""`edge.py` of a bundle: no TensorFlow, no Keras, no gan_tfc; the same integers, the same pixels."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import edge_runner
import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.export, pytest.mark.tensorflow]

RUNNER = Path(edge_runner.__file__)
#: Bundle format, precision and the modules that its edge.py may import.
CASES = {
    "tflite": ("tflite", "float32", ["ai_edge_litert"]),
    "tflite int8": ("tflite", "int8", ["ai_edge_litert"]),
    "onnx": ("onnx", "float32", ["onnxruntime"]),
    "numpy": ("tflite", "float32", []),
}


def latents(codec, data):
    """All integers of a stream in one array, as the runner joins them."""
    return edge_runner.integers(codec.symbols(data))


@pytest.fixture(scope="module")
def pictures():
    from skimage import data

    coffee, face = data.coffee(), data.astronaut()
    return {"dot": coffee[:1, :1], "small": face[40:57, 200:233], "middle": coffee[100:300, 100:400]}


@pytest.fixture(scope="module")
def wide():
    """Larger than a piece of a large picture on one side."""
    from skimage import data

    return np.concatenate([data.astronaut()[:200], data.astronaut()[200:400]], axis=1)


@pytest.fixture(scope="module")
def results(bundle_of, photo_codec, pictures, wide, tmp_path_factory):
    """What edge.py makes of pictures and of streams of the Keras codec, by case."""

    @functools.cache
    def run(case):
        format, precision, modules = CASES[case]
        folder = tmp_path_factory.mktemp("edge")
        arrays = {
            "quality": np.array(40),
            "decode": np.array(True),
            **{f"image/{name}": x for name, x in pictures.items()},
        }
        if modules:
            arrays["image/wide"] = wide
        for name, image in pictures.items():
            for quality in (5, 50, 90):
                stream = photo_codec.compress(image, quality)
                arrays[f"stream/{name}-{quality}"] = np.frombuffer(stream, np.uint8)
        np.savez(folder / "in.npz", **arrays)
        paths = [str(bundle_of(format, precision)), str(folder / "in.npz"), str(folder / "out.npz")]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, RUNNER, *paths, *modules], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        streams = {key.partition("/")[2]: x.tobytes() for key, x in arrays.items() if "stream/" in key}
        found = dict(np.load(folder / "out.npz"))
        streams |= {k.partition("/")[2]: x.tobytes() for k, x in found.items() if "encoded/" in k}
        return streams, found

    return run


@pytest.mark.parametrize("case", CASES)
def test_symbols_and_latents_are_equal(results, photo_codec, case):
    streams, found = results(case)
    for name, data in streams.items():
        np.testing.assert_array_equal(found[f"latents/{name}"], latents(photo_codec, data), err_msg=name)


@pytest.mark.parametrize("case", ["tflite", "onnx"])
def test_pixels_are_within_one_level(results, photo_codec, case):
    streams, found = results(case)
    for name, data in streams.items():
        for realism in (0, 1):
            pixels = found[f"pixels/{name}/{realism}"].astype(int)
            assert np.abs(pixels - photo_codec.decompress(data, realism)).max() <= 1, name


def test_realism_of_int8_changes_pixels_as_that_of_float32_does(results, photo_codec):
    streams, found = results("tflite int8")
    data = streams["middle-5"]
    change = found["pixels/middle-5/1"].astype(int) - found["pixels/middle-5/0"]
    expected = photo_codec.decompress(data, 1).astype(int) - photo_codec.decompress(data, 0)
    assert np.corrcoef(change.ravel(), expected.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("case", ["tflite", "onnx", "tflite int8"])
def test_in_pieces_no_pixel_is_off_by_more_than_one(results, case):
    _, found = results(case)
    assert found["tiled/wide"].shape == (200, 1024, 3)
    assert np.abs(found["tiled/wide"].astype(int) - found["pixels/wide/1"]).max() <= 1


def test_encoders_write_the_same_symbols_but_for_a_rounding_in_many_thousands(results, photo_codec, pictures):
    for case in CASES:
        streams, _ = results(case)
        for name, image in pictures.items():
            ours, theirs = (latents(photo_codec, x) for x in (photo_codec.compress(image, 40), streams[name]))
            assert np.count_nonzero(ours != theirs) <= ours.size / 100_000, (case, name)


def test_previews_are_equal(results, photo_codec):
    streams, found = results("numpy")
    for name, data in streams.items():
        np.testing.assert_array_equal(found[f"preview/{name}"], photo_codec.preview(data, 8))


# --- the program ---------------------------------------------------------------------------------


@pytest.fixture
def edge(bundle_of, tmp_path):
    """Runs edge.py of the TFLite bundle in `tmp_path`."""

    def run(*arguments, bundle=None):
        program = (bundle or bundle_of("tflite")) / "edge.py"
        return subprocess.run(
            [sys.executable, program, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


def test_program_makes_a_stream_of_a_picture_and_a_picture_of_a_stream(edge, photo, tmp_path, photo_codec):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    assert edge("compress", "photo.png", "-o", "photo.gtc", "--max-bytes", 2000).returncode == 0
    data = (tmp_path / "photo.gtc").read_bytes()
    assert 1900 < len(data) <= 2000
    done = edge("decompress", "photo.gtc", "-o", "back.png", "--realism", 0.5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    back = np.asarray(Image.open(tmp_path / "back.png"))
    assert np.abs(back.astype(int) - photo_codec.decompress(data, 0.5)).max() <= 1
    assert edge("preview", "photo.gtc", "-o", "small.ppm", "--scale", 4).returncode == 0
    small = np.asarray(Image.open(tmp_path / "small.ppm"))
    np.testing.assert_array_equal(small, photo_codec.preview(data, 4))


def test_program_tunes_for_what_is_seen_as_the_codec_does(edge, photo, tmp_path, photo_codec):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    for tune in ("psnr", "visual"):
        done = edge("compress", "photo.png", "-o", f"{tune}.gtc", "--quality", 30, "--tune", tune)
        assert done.returncode == 0, done.stderr
    ours = photo_codec.compress(photo, 30, tune="visual")
    theirs, plain = ((tmp_path / f"{tune}.gtc").read_bytes() for tune in ("visual", "psnr"))
    # Another processor's floats may choose a few other symbols; see the module above.
    assert len(theirs) == pytest.approx(len(ours), abs=8) and theirs != plain
    assert np.mean(latents(photo_codec, theirs) != latents(photo_codec, ours)) < 1e-3


def test_program_overwrites_only_when_told_to(edge, photo, tmp_path, photo_codec):
    (tmp_path / "photo.gtc").write_bytes(photo_codec.compress(photo, 10))
    (tmp_path / "out.png").write_text("mine")
    done = edge("decompress", "photo.gtc", "-o", "out.png")
    assert done.returncode == 1 and "out.png exists; --force overwrites it." in done.stderr
    assert (tmp_path / "out.png").read_text() == "mine"
    assert edge("decompress", "photo.gtc", "-o", "out.png", "--force").returncode == 0
    assert Image.open(tmp_path / "out.png").size == (256, 192)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["decompress", "gone.gtc", "-o", "x.png"], "gone.gtc"),
        (["decompress", "cut.gtc", "-o", "x.png"], "only 500 came: fetch the file again."),
        (["decompress", "text.gtc", "-o", "x.png"], "begins with 'GTC', but data starting with"),
        (["decompress", "other.gtc", "-o", "x.png"], "decode it with the codec that wrote it."),
        (["decompress", "good.gtc", "-o", "x.jpg"], "ends in .png or .ppm, received one in '.jpg'"),
        (["decompress", "good.gtc", "-o", "x.png", "--realism", "2"], "realism from 0 to 1"),
        (["compress", "text.gtc", "-o", "x.gtc"], "picture that Pillow reads"),
        (["compress", "photo.ppm", "-o", "x.gtc", "--quality", "0"], "quality from 1 to 100"),
        (["compress", "bad.ppm", "-o", "x.gtc"], "binary PPM file of 8 bits"),
        (["compress", "photo.ppm", "-o", "none/x.gtc"], "create it first"),
    ],
)
def test_program_tells_a_mistake_in_one_sentence(
    edge, photo, tmp_path, photo_codec, tiny_codec, arguments, sentence
):
    good = photo_codec.compress(photo, 20)
    (tmp_path / "good.gtc").write_bytes(good)
    (tmp_path / "cut.gtc").write_bytes(good[:500])
    (tmp_path / "text.gtc").write_text("not a stream, nor a picture")
    (tmp_path / "other.gtc").write_bytes(tiny_codec.compress(photo[:64, :64], 20))
    (tmp_path / "photo.ppm").write_bytes(b"P6 # by hand\n256 192 255\n" + photo.tobytes())
    (tmp_path / "bad.ppm").write_bytes(b"P6 256 192 255\n" + photo.tobytes()[:-1])
    before = sorted(tmp_path.iterdir())
    done = edge(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("edge: error: ") and sentence in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda d: (d / "manifest.json").unlink(), "Expected manifest.json in the bundle"),
        (lambda d: (d / "manifest.json").write_text("{}"), "Expected a manifest in"),
        (lambda d: (d / "codec.bin").write_bytes(b"GTCB"), "bytes in codec.bin of the bundle"),
        (lambda d: (d / "contexts.tflite").unlink(), "found no such file; copy it again."),
        (lambda d: set_field(d, "format_version", 9), "format version 1, this one has 9"),
        (lambda d: set_field(d, "target", "saved_model"), "this one is for saved_model"),
    ],
)
def test_damaged_bundle_is_told_in_one_sentence(
    edge, bundle_of, photo_codec, photo, tmp_path, change, sentence
):
    copy = tmp_path / "copy"
    shutil.copytree(bundle_of("tflite"), copy)
    change(copy)
    (tmp_path / "good.gtc").write_bytes(photo_codec.compress(photo, 20))
    done = edge("decompress", "good.gtc", "-o", "x.png", bundle=copy)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert sentence in line


def set_field(folder, name, value):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, name: value}))


def test_without_a_runtime_pixels_are_refused_and_symbols_are_not(bundle_of, photo_codec, photo, tmp_path):
    (tmp_path / "good.gtc").write_bytes(photo_codec.compress(photo, 20))
    code = """if True:
        import sys, edge_runner
        sys.meta_path.insert(0, edge_runner.Refuse(("ai_edge_litert", "tflite_runtime")))
        sys.path.insert(0, sys.argv[1])
        import edge
        codec, data = edge.EdgeCodec(sys.argv[1]), open("good.gtc", "rb").read()
        print(len(codec.symbols(data)))
        try:
            codec.decompress(data)
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, bundle_of("tflite")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(RUNNER.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "7",
        "Expected ai_edge_litert or tflite_runtime to run this bundle's networks, found neither; "
        "pip install ai-edge-litert.",
    ]
