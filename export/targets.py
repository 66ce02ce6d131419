# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds for each kind of runtime."""

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gan_tfc.errors import GanTfcError
from gan_tfc.export import functions, graphs, synthesis_graphs
from gan_tfc.export.amalgamation import EDGE, edge_module
from gan_tfc.models.synthesis import PATCH


@dataclass(frozen=True)
class Target:
    """A kind of runtime.

    Attributes:
        title: what it is called in sentences.
        precisions: of the synthesis network.
        packages: modules needed to write it, with the names that pip knows.
        write: from (codec, folder, precision, samples) to what the manifest says of the graphs.
        synthesis_file: where the synthesis graph is in the bundle.
        make: from (network, precision, samples) to the bytes of that file; None where there is but one
            precision.
        run: from these bytes to a function from the graph's inputs to its picture.
        usage: a paragraph for the card.
    """

    title: str
    precisions: Sequence[str]
    packages: dict[str, str]
    write: Callable
    synthesis_file: str
    make: Callable | None
    run: Callable | None
    usage: str

    def check(self, precision: str) -> None:
        """Raise GanTfcError for a precision that it does not offer or a package that is missing."""
        functions.require_tensorflow(self.title)
        if precision not in self.precisions:
            raise GanTfcError(
                f"Expected a precision of {', '.join(self.precisions)} for {self.title}, received "
                f"{precision!r}."
            )
        for module, package in self.packages.items():
            if importlib.util.find_spec(module) is None:
                raise GanTfcError(
                    f"Expected {package} to write {self.title}, but it is not installed; "
                    "pip install 'gan_tfc[export]'."
                )


def _write_tflite(codec, folder, precision, samples):
    from gan_tfc.export import tflite

    network = codec.model.synthesis
    (folder / "contexts.tflite").write_bytes(tflite.contexts(codec.tables().contexts))
    for name, tile in (("synthesis.tflite", None), ("synthesis_tile.tflite", functions.TILE)):
        (folder / name).write_bytes(_tflite_synthesis(network, precision, samples, tile))
    _copy_runtimes(folder, "gtc.h", "gtc_cli.c", "android")
    return {
        "contexts": {"file": "contexts.tflite", "levels": codec.tables().contexts.levels},
        "synthesis": {
            "file": "synthesis.tflite",
            "tile_file": "synthesis_tile.tflite",
            **_described(network),
        },
    }


def _write_onnx(codec, folder, precision, samples):
    network = codec.model.synthesis
    (folder / "contexts").mkdir()
    for level, integer_network in enumerate(codec.tables().contexts.networks):
        for name, make in (("first", graphs.first), ("second", graphs.second)):
            data = graphs.to_onnx(make(integer_network, f"{name}_{level}"))
            (folder / "contexts" / f"{name}_{level}.onnx").write_bytes(data)
    (folder / "synthesis.onnx").write_bytes(_onnx_synthesis(network, precision, samples))
    _copy_runtimes(folder, "gtc.js", "gtc.h", "gtc_cli.c", "web")
    return {
        "contexts": {
            "first": "contexts/first_{level}.onnx",
            "second": "contexts/second_{level}.onnx",
            "levels": codec.tables().contexts.levels,
        },
        "synthesis": {"file": "synthesis.onnx", **_described(network)},
    }


def _write_saved_model(codec, folder, precision, samples):
    from gan_tfc.export import tensorflow_codec

    tensorflow_codec.save_transforms(codec, folder / "transforms")
    if importlib.util.find_spec("tensorflow_compression_ops") is not None:
        tensorflow_codec.save_codec(codec, folder / "codec")
    else:
        warnings.warn(
            "The bundle has no codec/, which takes TensorFlow Compression's operators; "
            "pip install 'gan_tfc[tfc]' and export again to have it.",
            stacklevel=2,
        )
    levels = codec.tables().contexts.levels
    return {
        "contexts": {"file": "transforms", "levels": levels},
        "synthesis": {"file": "transforms", **_described(codec.model.synthesis)},
    }


def _described(network):
    """What runtimes must know of a synthesis graph."""
    shapes = functions.input_shapes(network)
    return {
        "inputs": {name: {"shape": shape, "range": functions.RANGES[name]} for name, shape in shapes.items()},
        "output": "picture",
        "patch": PATCH,
        "noise_channels": network.texture_features,
        "tile": functions.TILE,
        "overlap": synthesis_graphs.overlap(network),
    }


def _copy_runtimes(folder, *names):
    (folder / EDGE.name).write_text(edge_module())
    for name in names:
        source = EDGE.parent / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("vendor", "node_modules"))
        else:
            shutil.copy(source, folder / name)


def _tflite_synthesis(network, precision, samples, tile=None):
    from gan_tfc.export import tflite

    return tflite.synthesis(network, precision, _calibration(precision, samples), tile)


def _onnx_synthesis(network, precision, samples):
    from gan_tfc.export import onnx_files

    return onnx_files.synthesis(network, precision, _calibration(precision, samples))


def _calibration(precision, samples):
    return samples.calibration if precision == "int8" else ()


def _run_tflite(data):
    from gan_tfc.entropy_models.lite_graph import litert

    runner = litert()[0](model_content=data).get_signature_runner()
    return lambda inputs: runner(**inputs)["picture"]


def _run_onnx(data):
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["picture"], inputs)[0]


TARGETS = {
    "tflite": Target(
        "a TFLite bundle",
        ("float32", "float16", "int8"),
        {"ai_edge_litert": "ai-edge-litert"},
        _write_tflite,
        "synthesis.tflite",
        _tflite_synthesis,
        _run_tflite,
        """`edge.py` compresses and decompresses with NumPy and `ai_edge_litert` or `tflite_runtime`:

```bash
python edge.py decompress photo.gtc -o photo.png
```

`gtc.h` does the same in C99 up to the base picture, which `synthesis.tflite` turns into pixels; `android/`
shows both together. `contexts.tflite` has two signatures a level, `first_<level>` and `second_<level>`; run
it on the CPU in float32, where its integers are exact, never on a delegate that computes in float16.""",
    ),
    "onnx": Target(
        "an ONNX bundle",
        ("float32", "float16", "int8"),
        {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
        _write_onnx,
        "synthesis.onnx",
        _onnx_synthesis,
        _run_onnx,
        """`edge.py` compresses and decompresses with NumPy and `onnxruntime`:

```bash
python edge.py decompress photo.gtc -o photo.png
```

`gtc.js` does the same in browsers and under Node, and `web/` is a page that shows it: its README says how to
serve it. `gtc.h` is the codec in C99 up to the base picture. Run the files in `contexts/` on the CPU in
float32, where their integers are exact, never where TF32 or float16 replaces float32.""",
    ),
    "saved_model": Target(
        "a SavedModel bundle",
        ("float32",),
        {},
        _write_saved_model,
        "transforms",
        None,
        None,
        """`transforms/` loads with TensorFlow alone, `codec/` with TensorFlow Compression's operators:

```python
import tensorflow as tf
import tensorflow_compression_ops  # pip install tensorflow-compression-ops, of TensorFlow's own minor version

signatures = tf.saved_model.load("codec").signatures
image = tf.constant(open("photo.jpg", "rb").read())
stream = signatures["compress"](image=image, quality=tf.constant(50.0))["stream"]
png = signatures["decompress"](stream=stream, realism=tf.constant(1.0))["png"]
```

`compress_pixels` and `decompress_pixels` take and give uint8 (height, width, 3) instead of files, and
`latents` gives the integers behind a stream.""",
    ),
}
