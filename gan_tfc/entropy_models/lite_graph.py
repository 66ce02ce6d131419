# SPDX-License-Identifier: Apache-2.0
"""Small float32 graphs for LiteRT, written in its file format and run by all threads at once.

LiteRT is what TensorFlow Lite is called today: the package `ai-edge-litert`, or a part of TensorFlow.
Converters need TensorFlow and seconds for a graph; writing one down takes a millisecond.
"""

import contextlib
import functools
import importlib
import os
import sys
import threading

import numpy as np


@functools.cache
def litert():
    """The interpreter class and the module of the file format.

    Raises:
        ImportError: neither package is there, or TensorFlow's copy is one that it no longer wants used.
    """
    try:
        runtime = importlib.import_module("ai_edge_litert.interpreter")
        schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError:
        if "tensorflow" not in sys.modules:  # not worth seconds to import it
            raise
        runtime = importlib.import_module("tensorflow.lite.python.interpreter")
        if hasattr(runtime, "_INTERPRETER_DELETION_WARNING"):
            # TensorFlow 2.18 to 2.20 warn each time that their copy is about to go.
            raise
        schema = importlib.import_module("tensorflow.lite.python.schema_py_generated")
    with _silent_stderr():  # the first interpreter of a process tells which kernels it found
        model = LiteGraph(schema)
        LiteFunction(model.finish([x := model.input(1)], [model.floor(x)]), runtime.Interpreter).warm_up()
    return runtime.Interpreter, schema


class LiteGraph:
    """Writes one graph. Tensors are numbers; their shapes are `(1, H, W, channels)`, any H and W."""

    def __init__(self, schema):
        self._schema = schema
        self._tensors, self._operators, self._codes = [], [], []
        self._buffers = [schema.BufferT()]  # the first one is empty by definition
        self._channels = {}

    def input(self, channels: int) -> int:
        """A new input."""
        number = self._tensor([1, 1, 1, channels], [1, -1, -1, channels])
        self._channels[number] = channels
        return number

    def convolution(self, x: int, kernel: np.ndarray, bias: np.ndarray, relu: bool = False) -> int:
        """Convolution with zeros outside; kernel `(k, k, in, out)`, bias `(out,)`."""
        options = self._schema.Conv2DOptionsT()
        options.padding = self._schema.Padding.SAME
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = self._activation(relu)
        inputs = [x, self._constant(kernel.transpose(3, 0, 1, 2)), self._constant(bias)]
        return self._operator("CONV_2D", inputs, kernel.shape[3], "Conv2DOptions", options)

    def add(self, x: int, y: int, relu: bool = False) -> int:
        """The sum of two tensors of the same shape."""
        options = self._schema.AddOptionsT()
        options.fusedActivationFunction = self._activation(relu)
        return self._operator("ADD", [x, y], self._channels[x], "AddOptions", options)

    def floor(self, x: int) -> int:
        """The integer below."""
        return self._operator("FLOOR", [x], self._channels[x])

    def minimum(self, x: int, limit: float) -> int:
        """At most `limit`."""
        return self._limited("MINIMUM", x, limit)

    def maximum(self, x: int, limit: float) -> int:
        """At least `limit`."""
        return self._limited("MAXIMUM", x, limit)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The contents of a `.tflite` file."""
        import flatbuffers  # comes with either runtime

        graph = self._schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = inputs, outputs
        model = self._schema.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.buffers, model.operatorCodes = self._buffers, self._codes
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _limited(self, name, x, limit):
        options = self._schema.MaximumMinimumOptionsT()
        inputs = [x, self._constant(np.float32(limit))]
        return self._operator(name, inputs, self._channels[x], "MaximumMinimumOptions", options)

    def _activation(self, relu):
        return getattr(self._schema.ActivationFunctionType, "RELU" if relu else "NONE")

    def _tensor(self, shape, signature=None, buffer=0):
        tensor = self._schema.TensorT()
        tensor.name = f"tensor_{len(self._tensors)}".encode()
        tensor.type = self._schema.TensorType.FLOAT32
        tensor.shape, tensor.shapeSignature, tensor.buffer = shape, signature, buffer
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _constant(self, values):
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(list(np.shape(values)), buffer=len(self._buffers) - 1)

    def _operator(self, name, inputs, channels, options_type="NONE", options=None):
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self._schema.BuiltinOperator, name)
        code.version = 1
        self._codes.append(code)
        operator = self._schema.OperatorT()
        operator.opcodeIndex, operator.inputs = len(self._codes) - 1, inputs
        operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, options_type)
        operator.builtinOptions = options
        operator.outputs = [self.input(channels)]
        self._operators.append(operator)
        return operator.outputs[0]


class LiteFunction:
    """A graph as a function of NumPy arrays, for any number of threads at once.

    Args:
        graph: as finished by `LiteGraph`.
        interpreter: the class.
    """

    def __init__(self, graph: bytes, interpreter):
        self._graph, self._class = graph, interpreter
        self._local = threading.local()  # an interpreter belongs to one thread

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Float32 arrays `(H, W, channels)` in, new ones out."""
        runner = self._runner(inputs[0].shape[:2])
        for tensor, values in zip(self._local.inputs, inputs, strict=True):
            runner.set_tensor(tensor["index"], values[None])
        runner.invoke()
        return [runner.get_tensor(tensor["index"])[0] for tensor in self._local.outputs]

    def warm_up(self) -> None:
        """Get ready for a picture of one position."""
        self._runner((1, 1))

    def _runner(self, size):
        local = self._local
        if not hasattr(local, "runner"):
            local.runner, local.size = self._class(model_content=self._graph, num_threads=1), None
            local.inputs, local.outputs = local.runner.get_input_details(), local.runner.get_output_details()
        if local.size != size:
            for tensor in local.inputs:
                local.runner.resize_tensor_input(tensor["index"], (1, *size, tensor["shape"][-1]))
            local.runner.allocate_tensors()
            local.size = size
        return local.runner


@contextlib.contextmanager
def _silent_stderr():
    """What native code writes to the standard error stream is lost."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
