# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is written, with which operators, and what each precision costs."""

import hashlib
import json
import re

import numpy as np
import pytest

from gan_tfc.coding.codec_file import read_codec_file
from gan_tfc.errors import GanTfcError, NotFrozenError
from gan_tfc.export.calibration import Samples, synthesis_inputs

pytestmark = [pytest.mark.export, pytest.mark.tensorflow]

#: Every operator that may occur; all are built into the runtimes.
TFLITE_OPERATORS = set(
    "ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEQUANTIZE EXP FLOOR FULLY_CONNECTED LEAKY_RELU LOG MAXIMUM "
    "MINIMUM MUL QUANTIZE RELU RESHAPE SPLIT STRIDED_SLICE SUB".split()
)
ONNX_OPERATORS = set(
    "Add Cast Clip Concat Conv DepthToSpace DequantizeLinear Exp Floor LeakyRelu Log MatMul Max Min Mul "
    "QuantizeLinear Slice Split Sub Transpose Unsqueeze".split()
)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_manifest_tells_all_that_a_runtime_must_know(bundle_of, photo_codec, format):
    folder = bundle_of(format)
    manifest = manifest_of(folder)
    assert (manifest["target"], manifest["precision"], manifest["format_version"]) == (format, "float32", 1)
    assert (manifest["preset"], manifest["version"]) == (photo_codec.name, photo_codec.version)
    assert manifest["tables_digest"] == photo_codec.frozen.digest.hex()
    assert manifest["licence"] == {"code": "Apache-2.0", "weights": "CC0-1.0"}
    synthesis = manifest["synthesis"]
    assert set(synthesis["inputs"]) == {"base", "step", "realism", "noise"}
    for name, record in synthesis["inputs"].items():
        low, high = record["range"]
        values = synthesis_inputs(photo_codec, np.full((9, 9, 3), 255, np.uint8), 30, 1)[name]
        assert low <= values.min() <= values.max() <= high
        assert len(record["shape"]) == values.ndim
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json"}
    for name, record in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert record == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_codec_file_is_that_of_the_preset(bundle_of, photo_codec):
    content = read_codec_file((bundle_of("tflite") / "codec.bin").read_bytes())
    assert content.frozen.digest == photo_codec.frozen.digest


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_tflite_files_hold_built_in_operators_only(bundle_of, precision):
    from gan_tfc.export import lite_files

    folder = bundle_of("tflite", precision)
    for path in folder.glob("*.tflite"):
        assert set(lite_files.operators(path.read_bytes())) <= TFLITE_OPERATORS, path


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_onnx_files_hold_standard_operators_only(bundle_of, precision):
    onnx = pytest.importorskip("onnx", reason="needs onnx (extra export)")
    for path in bundle_of("onnx", precision).rglob("*.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model)
        assert {node.domain for node in model.graph.node} == {""}
        assert {node.op_type for node in model.graph.node} <= ONNX_OPERATORS, path


def test_int8_convolutions_are_integers(bundle_of):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs ai-edge-litert")
    data = (bundle_of("tflite", "int8") / "synthesis.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    (graph,) = model.subgraphs
    code = {i: max(c.builtinCode, c.deprecatedBuiltinCode) for i, c in enumerate(model.operatorCodes)}
    convolutions = [x for x in graph.operators if code[x.opcodeIndex] == schema.BuiltinOperator.CONV_2D]
    assert len(convolutions) == 15
    for operator in convolutions:
        kinds = [graph.tensors[x].type for x in (*operator.inputs[:2], *operator.outputs)]
        assert kinds == [schema.TensorType.INT8] * 3


@pytest.mark.parametrize("precision, megabytes", [("float16", 6), ("int8", 3.5)])
def test_bundle_is_small(bundle_of, precision, megabytes):
    files = manifest_of(bundle_of("tflite", precision))["files"]
    assert sum(record["bytes"] for record in files.values()) < megabytes * 1e6


@pytest.fixture(scope="module")
def samples(photo_codec):
    return Samples(photo_codec)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("precision, loss", [("float16", 0.01), ("int8", 0.6)])
def test_precision_costs_little(bundle_of, samples, format, precision, loss):
    from gan_tfc.export.targets import TARGETS

    target = TARGETS[format]
    found = {}
    for name in ("float32", precision):
        data = (bundle_of(format, name) / target.synthesis_file).read_bytes()
        found[name] = samples.psnr(target.run(data))
    for key, value in found["float32"].items():
        assert abs(value - found[precision][key]) < loss, key


def test_float32_graph_is_the_network(bundle_of, photo_codec, photo):
    from gan_tfc.export.targets import TARGETS

    inputs = synthesis_inputs(photo_codec, photo, 20, 0.7)
    expected = np.asarray(photo_codec.model.synthesis(inputs, training=False))
    for format in ("tflite", "onnx"):
        target = TARGETS[format]
        found = target.run((bundle_of(format) / target.synthesis_file).read_bytes())(inputs)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_card_tells_what_each_precision_costs(tiny_codec, photo, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (extra export)")
    tiny_codec.export(tmp_path / "tiny", "tflite", "int8", photos=[photo])
    card = (tmp_path / "tiny" / "README.md").read_text()
    assert card.startswith("# tiny@1 as a TFLite bundle")
    size = (tmp_path / "tiny" / "synthesis.tflite").stat().st_size
    assert re.search(rf"\| int8 \| {size:,} \| \d+\.\d\d \([+-]\d\.\d\d\) \|", card)
    assert re.search(r"\| float32 \| [\d,]+ \| \d+\.\d\d \(\+0\.00\) \|", card)
    assert "weights" not in manifest_of(tmp_path / "tiny")["licence"] or "stated" in str(
        manifest_of(tmp_path / "tiny")["licence"]
    )


def test_export_refuses_what_it_cannot_do_and_leaves_nothing(tiny_codec, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(GanTfcError, match="new or an empty folder, but .*full is neither"):
        tiny_codec.export(tmp_path / "full")
    with pytest.raises(GanTfcError, match="format of tflite, onnx, saved_model, received 'coreml'"):
        tiny_codec.export(tmp_path / "new", "coreml")
    with pytest.raises(GanTfcError, match="precision of float32, float16, int8 .* received 'int4'"):
        tiny_codec.export(tmp_path / "new", "tflite", "int4")
    with pytest.raises(GanTfcError, match="precision of float32 for a SavedModel"):
        tiny_codec.export(tmp_path / "new", "saved_model", "int8")
    with pytest.raises(GanTfcError, match="received none"):
        tiny_codec.export(tmp_path / "new", photos=[])
    monkeypatch.setattr("gan_tfc.export.bundle.bundle_card", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tiny_codec.export(tmp_path / "new", photos=[np.zeros((64, 64, 3), np.uint8)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_export_needs_tables_and_the_right_packages(tiny_codec, tmp_path, monkeypatch):
    from gan_tfc.codec import Codec

    with pytest.raises(NotFrozenError):
        Codec(tiny_codec.model).export(tmp_path / "new")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GanTfcError, match=r"ai-edge-litert .* pip install 'gan_tfc\[export\]'"):
        tiny_codec.export(tmp_path / "new")
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(GanTfcError, match="KERAS_BACKEND=tensorflow"):
        tiny_codec.export(tmp_path / "new")
