# SPDX-License-Identifier: Apache-2.0
"""Graphs of a codec as ONNX files of standard operators.

float16 halves the file, not the arithmetic: weights are kept in half precision and cast when the file is
loaded. In int8, convolutions are integers of eight bits, weights by channel and activations by tensor,
calibrated on photos; all between them stays float32.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gan_tfc.export import functions
from gan_tfc.export.graphs import OPSET

#: Smaller arrays stay in float32.
_LEAST_HALVED = 64


def synthesis(network, precision: str, samples: Iterable[dict] = ()) -> bytes:
    """The synthesis network, ``base, step[, realism, noise] -> picture``, any size of picture.

    Args:
        network: a `gan_tfc.models.synthesis.SynthesisNetwork`.
        precision: "float32", "float16" (weights) or "int8".
        samples: inputs to calibrate int8 with, dicts of float32 arrays by name.
    """
    import tf2onnx

    function = functions.picture(network)
    model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    if precision == "float16":
        _halve(model)
    if precision == "int8":
        model = _quantised(model, samples)
    return model.SerializeToString()


def _halve(model) -> None:
    """Keep large constants in float16, each with a cast to float32."""
    import onnx
    from onnx import helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantised(model, samples):
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self._samples = iter(samples)

        def get_next(self):
            return next(self._samples, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,  # processors without VNNI add pairs of products in 16 bits
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(target)
