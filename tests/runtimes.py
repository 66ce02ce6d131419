# SPDX-License-Identifier: Apache-2.0
"""Every runtime of a codec behind one function: pictures and streams in, streams, integers and pixels out.

A `Work` is done by each runtime in a process of its own, in one go. What it finds is a dict:

    encoded/<name>              stream of a picture
    latents/<name>              all integers of a stream: coarsest picture, values and scale indexes of
                                each level, finest picture
    pixels/<name>/<realism>     decoded picture at realism 0 and 1, of runtimes that have a synthesis network

Streams that a runtime wrote itself are decoded, too, unless told otherwise.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
EDGE = ROOT / "export" / "edge"
TESTS = ROOT / "tests"
RUNNERS = TESTS / "export"


class Unavailable(Exception):
    """A runtime that is not installed, and what it needs."""


@dataclass(frozen=True)
class Work:
    """What runtimes are asked for.

    Attributes:
        images: uint8 `(H, W, 3)` by name, encoded at `quality`.
        streams: bytes by name.
        quality: 1 to 100.
        decode: whether streams of `images` are decoded, too.
    """

    images: dict[str, np.ndarray] = field(default_factory=dict)
    streams: dict[str, bytes] = field(default_factory=dict)
    quality: float = 50
    decode: bool = True

    def save(self, path):
        """As the runners read it."""
        arrays = {f"image/{name}": image for name, image in self.images.items()}
        arrays |= {f"stream/{name}": np.frombuffer(data, np.uint8) for name, data in self.streams.items()}
        np.savez(path, quality=np.array(self.quality), decode=np.array(self.decode), **arrays)


class Bench:
    """Runtimes of one preset, with the bundles and programs that they need in one folder.

    Args:
        preset: name@version.
        folder: for bundles and programs; made when they are first used.
    """

    def __init__(self, preset: str, folder: Path):
        self.preset, self.folder = preset, Path(folder)

    @cached_property
    def codec(self):
        """The preset on Keras."""
        import gan_tfc

        return gan_tfc.load(self.preset)

    def bundle(self, format) -> Path:
        """A float32 bundle."""
        folder = self.folder / format
        needed = {"tflite": "ai_edge_litert", "onnx": "tf2onnx", "saved_model": "tensorflow_compression_ops"}
        require(needed[format])
        if not folder.exists():
            with mock.patch("gan_tfc.export.bundle.bundle_card", return_value=""):
                self.codec.export(folder, format)
        return folder

    def codec_file(self) -> Path:
        """codec.bin."""
        from gan_tfc.coding.codec_file import write_codec_file

        path = self.folder / "codec.bin"
        path.write_bytes(write_codec_file(self.codec.name, self.codec.version, self.codec.tables()))
        return path

    def run(self, name: str, work: Work) -> dict[str, np.ndarray]:
        """What a runtime finds.

        Raises:
            Unavailable: something that it needs is not installed.
        """
        with tempfile.TemporaryDirectory() as scratch:
            return RUNTIMES[name](self, work, Path(scratch))


def require(module: str) -> None:
    """Raise Unavailable unless a module can be imported."""
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"needs the module {module}")


def require_program(*names: str) -> str:
    """The first program of these that is installed."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise Unavailable(f"needs {' or '.join(names)}")


def _keras(backend, engine) -> Callable:
    def run(bench, work, scratch):
        require(backend)
        environment = {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        runner = TESTS / "keras_runner.py"
        return _by_files([runner, bench.preset, engine], work, scratch, environment=environment)

    return run


def _edge(format, *options) -> Callable:
    def run(bench, work, scratch):
        module = {"tflite": "ai_edge_litert", "onnx": "onnxruntime"}[format]
        require(module)
        options_ = [module, *options] if options != ("--without-runtime",) else []
        found = _by_files([TESTS / "edge_runner.py", bench.bundle(format)], work, scratch, options_)
        return {
            key: value
            for key, value in found.items()
            if key.split("/")[0] in ("encoded", "latents", "pixels")
        }

    return run


def _by_files(command, work, scratch, options=(), environment=None):
    """Runs one of the runners that read ARRAYS and write RESULTS."""
    work.save(scratch / "in.npz")
    command = [sys.executable, *command, scratch / "in.npz", scratch / "out.npz", *options]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    call([str(part) for part in command], {"PYTHONPATH": paths, **(environment or {})})
    return dict(np.load(scratch / "out.npz"))


def call(command, environment=None):
    """Runs a program; what it says is in the exception where it fails."""
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return done.stdout


def _saved_model(bench, work, scratch):
    folder = bench.bundle("saved_model") / "codec"
    arrays, streams, number = {}, {}, 0
    for name, image in work.images.items():
        arrays |= {
            f"{number}/compress_pixels/image": image,
            f"{number}/compress_pixels/quality": np.float32(work.quality),
        }
        streams[name] = np.array(f"{number}/stream")
        number += 1
    written = dict(streams) if work.decode else {}
    encoded, streams = (
        streams,
        written | {name: np.frombuffer(data, np.uint8) for name, data in work.streams.items()},
    )
    asked = {}
    for name, stream in streams.items():
        asked[f"latents/{name}"] = number
        arrays[f"{number}/latents/stream"] = stream
        number += 1
        for realism in (0, 1):
            asked[f"pixels/{name}/{realism}"] = number
            arrays[f"{number}/decompress_pixels/stream"] = stream
            arrays[f"{number}/decompress_pixels/realism"] = np.float32(realism)
            number += 1
    np.savez(scratch / "in.npz", **arrays)
    runner = [sys.executable, RUNNERS / "saved_model_runner.py", folder, scratch / "in.npz"]
    call([str(x) for x in (*runner, scratch / "out.npz", "tensorflow_compression_ops")])
    found = dict(np.load(scratch / "out.npz"))
    results = {f"encoded/{name}": found[f"{i}/stream"] for i, name in enumerate(encoded)}
    levels = bench.codec.tables().contexts.levels
    for key, i in asked.items():
        if key.startswith("pixels/"):
            results[key] = found[f"{i}/pixels"]
            continue
        names = [f"{kind}_{level}" for level in range(levels - 1, -1, -1) for kind in ("values", "scales")]
        parts = [found[f"{i}/{name}"] for name in ("coarsest", *names, "picture")]
        results[key] = np.concatenate([part.ravel() for part in parts])
    return results


def _c(bench, work, scratch):
    compiler, program = require_program("cc", "gcc", "clang"), bench.folder / "gtc"
    if not program.exists():
        call([compiler, "-std=c99", "-O2", str(EDGE / "gtc_cli.c"), "-lm", "-o", str(program)])
    codec, results, streams = str(bench.codec_file()), {}, dict(work.streams)
    for i, (name, image) in enumerate(work.images.items()):
        Image.fromarray(image).save(scratch / f"{i}.ppm")
        target = scratch / f"{i}.gtc"
        call([str(x) for x in (program, "compress", codec, scratch / f"{i}.ppm", target, work.quality)])
        results[f"encoded/{name}"] = np.fromfile(target, np.uint8)
        if work.decode:
            streams[name] = target.read_bytes()
    for i, (name, data) in enumerate(streams.items()):
        source, target = scratch / f"s{i}.gtc", scratch / f"s{i}.i32"
        source.write_bytes(data)
        call([str(x) for x in (program, "latents", codec, source, target)])
        results[f"latents/{name}"] = np.fromfile(target, "<i4")
    return results


def _javascript(bench, work, scratch):
    node, codec, jobs, targets = require_program("node"), str(bench.codec_file()), [], {}
    streams, encoded = {}, {}
    for i, (name, image) in enumerate(work.images.items()):
        (scratch / f"{i}.rgb").write_bytes(np.ascontiguousarray(image).tobytes())
        encoded[name] = scratch / f"{i}.gtc"
        if work.decode:
            streams[name] = encoded[name]
        size = {"height": image.shape[0], "width": image.shape[1]}
        job = {"call": "encode", "codec": codec, "image": str(scratch / f"{i}.rgb"), **size}
        jobs.append({**job, "quality": work.quality, "out": str(encoded[name])})
    for i, (name, data) in enumerate(work.streams.items()):
        streams[name] = scratch / f"s{i}.gtc"
        streams[name].write_bytes(data)
    for i, (name, path) in enumerate(streams.items()):
        targets[name] = scratch / f"{i}.i32"
        jobs.append({"call": "dump", "codec": codec, "stream": str(path), "out": str(targets[name])})
    (scratch / "jobs.json").write_text(json.dumps(jobs))
    told = json.loads(
        call([node, str(RUNNERS / "js_runner.mjs"), str(EDGE / "gtc.js"), str(scratch / "jobs.json")])
    )
    if errors := [x for x in told if isinstance(x, dict) and "error" in x]:
        raise RuntimeError(errors[0]["error"])
    results = {f"latents/{name}": np.fromfile(path, "<i4") for name, path in targets.items()}
    for name, path in encoded.items():
        results[f"encoded/{name}"] = np.fromfile(path, np.uint8)
    return results


RUNTIMES = {
    "Keras on TensorFlow": _keras("tensorflow", "auto"),
    "Keras on JAX": _keras("jax", "portable"),
    "NumPy": _edge("tflite", "--without-runtime"),
    "TFLite": _edge("tflite"),
    "TFLite without XNNPACK": _edge("tflite", "--reference-kernels"),
    "ONNX Runtime": _edge("onnx"),
    "SavedModel": _saved_model,
    "C": _c,
    "JavaScript": _javascript,
}
