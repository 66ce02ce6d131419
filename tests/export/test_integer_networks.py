# SPDX-License-Identifier: Apache-2.0
"""The promise behind every stream: all runtimes compute NumPy's integers, to the last one.

Each test compares more than a million outputs and allows no difference.
"""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from helpers import exact_first, random_context, random_known, random_network, worst_network

from gan_tfc.coding import scan as scan_module
from gan_tfc.coding import strips
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.integer_network import IntegerContextNetwork
from gan_tfc.coding.lifting import picture_bands
from gan_tfc.coding.passes import EncodingSource
from gan_tfc.coding.quantiser import Quantiser
from gan_tfc.errors import GanTfcError

pytestmark = pytest.mark.export

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("graph_runner.py")
PRESETS = sorted(path.parent for path in (ROOT / "zoo").glob("*/*/tables.npz"))
MILLION = 10**6


def made_up(make, features):
    """A network with three inputs of very different sizes, more than a million outputs in all."""
    rng = np.random.default_rng(7)
    network = make(rng, features)
    sizes = ((1, 1), (5, 131), (127, 136))
    return [(network, random_context(rng, *s), random_known(rng, *s)) for s in sizes]


def from_preset(folder):
    """All networks of a preset with what they read while `coffee` is encoded at two qualities."""
    from skimage import data

    with np.load(folder / "tables.npz") as arrays:
        frozen = FrozenTables.from_arrays(dict(arrays))
    coarsest, details = picture_bands(data.coffee()[50:370, 100:484], frozen.contexts.levels)
    cases, inputs = [], []

    class Recorder(IntegerContextNetwork):
        def first(self, context):
            inputs.append([IntegerContextNetwork(self.weights), context])
            return super().first(context)

        def second(self, features, known):
            inputs[-1].append(known)
            return super().second(features, known)

    networks = tuple(Recorder(network.weights) for network in frozen.contexts.networks)
    model = scan_module.ContextModel(networks, frozen.contexts.phase)
    for code in (300, 1500):
        source = EncodingSource(coarsest, details, code, Quantiser(frozen.tables))
        shape = tuple(side << model.levels for side in coarsest.shape[:2])
        with mock.patch.object(strips, "_LEAST_ROWS", 10**6):  # all rows at once
            for _ in scan_module.scan(model, shape, code, source):
                pass
    cases += [tuple(entry) for entry in inputs]
    return cases


CASES = {
    "random": lambda: made_up(random_network, 24),
    "worst": lambda: made_up(worst_network, 28),
    **{f"{p.parent.name}@{p.name}": functools.partial(from_preset, p) for p in PRESETS},
}


@functools.cache
def cases(label):
    """(network, context, known) triples and, for each, what NumPy gives."""
    found = []
    for network, context, known in CASES[label]():
        features, means, scales = network.first(context)
        second_means, second_scales = network.second(features, known)
        expected = {
            "features": features,
            "means": means,
            "scales": scales,
            "second_means": second_means,
            "second_scales": second_scales,
        }
        found.append((network, context, known, expected))
    return found


@functools.cache
def keras_graphs(label):
    """Keras models of each distinct network of a case, by id."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow", reason="needs tensorflow (extra tf or tfc)")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs Keras on TensorFlow to run or to convert its graphs")
    from gan_tfc.export import graphs

    return {key: (graphs.first(network), graphs.second(network)) for key, network in distinct(label).items()}


def distinct(label):
    """Networks of a case by the bytes of their weights."""
    return {key_of(network): network for network, *_ in cases(label)}


def key_of(network):
    return b"".join(network.weights[name].tobytes() for name in sorted(network.weights))


@functools.cache
def converted(label, converter):
    """`keras_graphs` as files of another format."""
    models = keras_graphs(label)
    from gan_tfc.export import graphs

    convert = getattr(graphs, converter)
    return {key: tuple(convert(model) for model in pair) for key, pair in models.items()}


def tensorflow_calls(label, **options):
    import tensorflow as tf

    def wrap(model):
        call = tf.function(lambda inputs: model(inputs), **options) if options else model
        return lambda **inputs: {k: v.numpy() for k, v in call(inputs).items()}

    return {key: tuple(map(wrap, pair)) for key, pair in keras_graphs(label).items()}


def tflite_calls(label, resolver):
    keras_graphs(label)
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
        OpResolverType = tf.lite.experimental.OpResolverType

    def wrap(data):
        return Interpreter(
            model_content=data,
            num_threads=2,
            experimental_op_resolver_type=getattr(OpResolverType, resolver),
        ).get_signature_runner()

    return {key: tuple(map(wrap, pair)) for key, pair in converted(label, "to_tflite").items()}


def onnx_calls(label):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (extra export)")
    pytest.importorskip("tf2onnx", reason="needs tf2onnx (extra export)")

    def wrap(data):
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))

    return {key: tuple(map(wrap, pair)) for key, pair in converted(label, "to_onnx").items()}


RUNTIMES = {
    "tensorflow eager": tensorflow_calls,
    "tensorflow function": functools.partial(tensorflow_calls, reduce_retracing=True),
    "tensorflow xla": functools.partial(tensorflow_calls, jit_compile=True),
    "tflite xnnpack": functools.partial(tflite_calls, resolver="AUTO"),
    "tflite reference": functools.partial(tflite_calls, resolver="BUILTIN_REF"),
    "onnxruntime": onnx_calls,
}


def count_differences(results, expected):
    """Outputs compared and outputs that differ; shapes must be equal."""
    compared = different = 0
    for name, wanted in expected.items():
        assert results[name].shape == wanted.shape
        compared += wanted.size
        different += int((results[name] != wanted).sum())
    return compared, different


@pytest.mark.parametrize("label", CASES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtime_computes_what_numpy_computes(runtime, label):
    keras_graphs(label)  # skips first where TensorFlow is missing
    calls = RUNTIMES[runtime](label)
    totals = np.zeros(2, int)
    for network, context, known, expected in cases(label):
        first, second = calls[key_of(network)]
        results = first(context=context[None])
        features = results["features"]
        for name, value in second(features=features, known=known[None]).items():
            results[f"second_{name}"] = value
        totals += count_differences({k: v[0] for k, v in results.items()}, expected)
    assert totals[0] > MILLION
    assert totals[1] == 0, f"{totals[1]} of {totals[0]} outputs differ"


OTHER_PROCESSES = {
    "jax": {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
    "tensorflow": {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "0"},
}


@functools.cache
def other_process(module):
    """What a process of its own computes for all cases: ``<label>.<number>/<mode>/<output>``."""
    pytest.importorskip(module, reason=f"needs {module} (extra test)")
    arrays = {}
    for label in CASES:
        for number, (network, context, known, _) in enumerate(cases(label)):
            prefix = f"{label}.{number}"
            arrays |= {f"{prefix}/weights/{k}": v for k, v in network.weights.items()}
            arrays |= {f"{prefix}/context": context[None], f"{prefix}/known": known[None]}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **arrays)
        subprocess.run(
            [sys.executable, RUNNER, source, target],
            env={**os.environ, **OTHER_PROCESSES[module], "PYTHONPATH": paths},
            check=True,
        )
        return dict(np.load(target))


@pytest.mark.parametrize("label", CASES)
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize(
    "module", [pytest.param("jax"), pytest.param("tensorflow", id="tensorflow without oneDNN")]
)
def test_process_of_its_own_computes_what_numpy_computes(module, mode, label):
    results = other_process(module)
    totals = np.zeros(2, int)
    for number, (*_, expected) in enumerate(cases(label)):
        found = {name: results[f"{label}.{number}/{mode}/{name}"][0] for name in expected}
        totals += count_differences(found, expected)
    assert totals[0] > MILLION
    assert totals[1] == 0, f"{totals[1]} of {totals[0]} outputs differ"


def test_beyond_the_bound_a_runtime_differs():
    """The broken variant: the same graph with weights too large for float32."""
    keras_graphs("random")
    from gan_tfc.export import graphs

    rng = np.random.default_rng(3)
    context = random_context(rng, 24, 24)
    context[..., 13] = 127
    # In integers the two large terms cancel; float32 rounds their sum with the others to eights.
    weights = {k: v.astype(np.int32) for k, v in random_network(rng, 24).weights.items()}
    weights["trunk_in/kernel"][1, 1, 13] = 2**20 + 1
    weights["trunk_in/bias"] -= 127 * (2**20 + 1)
    with pytest.raises(GanTfcError, match="trunk_in"):
        IntegerContextNetwork(weights)
    features = graphs.first(SimpleNamespace(weights=weights))({"context": context[None]})["features"]
    expected = exact_first(weights, context)[0]
    assert 0.1 < np.isin(expected, (0, 255)).mean() < 0.9, "outputs should be in the visible range"
    assert (np.asarray(features)[0] != expected).any()


def test_tflite_files_hold_built_in_operators_only():
    tflite = converted("random", "to_tflite")
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="needs ai-edge-litert (extra export)"
    )
    for pair in tflite.values():
        for data in pair:
            model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
            codes = {max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes}
            assert codes and schema.BuiltinOperator.CUSTOM not in codes
            assert all(code.customCode is None for code in model.operatorCodes)
            kinds = {tensor.type for graph in model.subgraphs for tensor in graph.tensors}
            assert kinds <= {schema.TensorType.FLOAT32, schema.TensorType.INT32}


def test_onnx_files_hold_standard_operators_and_named_tensors_only():
    pytest.importorskip("tf2onnx", reason="needs tf2onnx (extra export)")
    onnx = pytest.importorskip("onnx", reason="needs onnx (extra export)")
    (pair,) = converted("random", "to_onnx").values()
    names = (
        (("context",), ("features", "means", "scales")),
        (
            ("features", "known"),
            ("means", "scales"),
        ),
    )
    for data, (inputs, outputs) in zip(pair, names, strict=True):
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
        assert {node.domain for node in model.graph.node} == {""}
        assert tuple(sorted(x.name for x in model.graph.input)) == inputs
        assert tuple(sorted(x.name for x in model.graph.output)) == outputs
        versions = {entry.domain: entry.version for entry in model.opset_import}
        assert versions[""] >= 15


def test_graphs_of_a_mixed_precision_session_stay_in_float32():
    import keras

    from gan_tfc.export import graphs

    (network,) = distinct("random").values()
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = graphs.first(network)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    _, context, _, expected = cases("random")[1]
    results = {k: keras.ops.convert_to_numpy(v)[0] for k, v in model({"context": context[None]}).items()}
    for name, value in results.items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize("convert, what", [("to_tflite", "TFLite"), ("to_onnx", "ONNX")])
def test_conversion_without_tensorflow_is_refused(monkeypatch, convert, what):
    import keras

    from gan_tfc.export import graphs

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(GanTfcError, match=f"write {what}.*KERAS_BACKEND=tensorflow"):
        getattr(graphs, convert)(None)
