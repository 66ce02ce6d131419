# SPDX-License-Identifier: Apache-2.0
"""Integer context networks as graphs for other runtimes.

```
 context --conv3 > floor, clip--+--conv3 > floor, clip--(+)--clip--> features
                                +------------------------+              |
                                  means, scales <--floor, clip < conv1--+
 known --conv3--(+)--floor, clip--conv1 > floor, clip--> means, scales
 features --conv1-+
```

Every tensor holds integers in float32 below 2**24 (times a power of two), so all runtimes give the
outputs of `gan_tfc.coding.integer_network.IntegerContextNetwork` to the last bit, in whatever order
they add and wherever a converter folds the multiplication by ``2**-shift``. Other number formats
end that: never convert these graphs to float16, bfloat16 or int8, nor run them where TF32 replaces
float32.
"""

import tempfile

import keras
import numpy as np
from keras import ops

from gan_tfc.coding.contexts import CONTEXT_CHANNELS
from gan_tfc.coding.integer_network import (
    BANDS,
    HIDDEN_SHIFT,
    MEAN_RANGE,
    MEAN_SHIFT,
    SCALE_INDEXES,
    SCALE_OFFSET,
    SCALE_SHIFT,
    IntegerContextNetwork,
)
from gan_tfc.errors import GanTfcError

#: Operator set of the ONNX files; all operators used here are older.
OPSET = 17


def first(network: IntegerContextNetwork, name: str = "first") -> keras.Model:
    """The trunk and the first pass of a level.

    Args:
        network: the frozen network.
        name: of the Keras model, a valid variable scope.

    Returns:
        A model from a dict of ``context`` `(B, H, W, 14)` to a dict of ``features`` `(B, H, W, F)`,
        ``means`` and ``scales`` `(B, H, W, 9)`: integers in float32, any B, H and W.
    """
    context = keras.Input((None, None, CONTEXT_CHANNELS), name="context", dtype="float32")
    hidden = _requantise(_conv(network, "trunk_in")(context), HIDDEN_SHIFT, 0, 255)
    step = _requantise(_conv(network, "trunk")(hidden), HIDDEN_SHIFT, -255, 255)
    features = ops.clip(hidden + step, 0.0, 255.0)
    outputs = {"features": features, **_parameters(network, "first_head", features)}
    return keras.Model({"context": context}, outputs, name=name)


def second(network: IntegerContextNetwork, name: str = "second") -> keras.Model:
    """The second pass of a level.

    Args:
        network: the frozen network.
        name: of the Keras model, a valid variable scope.

    Returns:
        A model from a dict of ``features`` `(B, H, W, F)` and ``known`` `(B, H, W, 10)` to a dict
        of ``means`` and ``scales`` `(B, H, W, 9)`: integers in float32, any B, H and W.
    """
    channels = network.weights["mix/kernel"].shape[2]
    features = keras.Input((None, None, channels), name="features", dtype="float32")
    known = keras.Input((None, None, BANDS + 1), name="known", dtype="float32")
    accumulator = _conv(network, "known")(known) + _conv(network, "mix")(features)
    hidden = _requantise(accumulator, HIDDEN_SHIFT, 0, 255)
    outputs = _parameters(network, "second_head", hidden)
    return keras.Model({"features": features, "known": known}, outputs, name=name)


def to_tflite(model: keras.Model) -> bytes:
    """A TFLite file of built-in operators only, with one signature "serving_default".

    Batch, height and width are dynamic: call ``resize_tensor_input`` (a signature runner does it
    itself). Nothing is optimised or quantised.

    Raises:
        GanTfcError: Keras does not run on TensorFlow.
    """
    _require_tensorflow("TFLite")
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.optimizations = []
        return converter.convert()


def to_onnx(model: keras.Model) -> bytes:
    """An ONNX file of standard operators; inputs and outputs have the model's names, NHWC, dynamic.

    Raises:
        GanTfcError: Keras does not run on TensorFlow.
    """
    _require_tensorflow("ONNX")
    import tensorflow as tf
    import tf2onnx

    signature = {name: tf.TensorSpec(x.shape, tf.float32, name) for name, x in model.input.items()}
    function = tf.function(lambda inputs: model(inputs, training=False))
    proto, _ = tf2onnx.convert.from_function(function, [signature], opset=OPSET)
    return proto.SerializeToString()


def _conv(network, name, outputs=slice(None), label=None):
    """A Keras convolution with the integer weights of a layer, or of some of its outputs."""
    kernel = network.weights[f"{name}/kernel"][..., outputs]
    bias = network.weights.get(f"{name}/bias")
    layer = keras.layers.Conv2D(
        kernel.shape[3],
        kernel.shape[0],
        padding="same",
        use_bias=bias is not None,
        trainable=False,
        dtype="float32",
        name=f"{label or name}_conv",
    )
    layer.build((None, None, None, kernel.shape[2]))
    arrays = [kernel] if bias is None else [kernel, bias[outputs]]
    layer.set_weights([array.astype(np.float32) for array in arrays])
    return layer


def _requantise(accumulator, shift, low, high):
    return ops.clip(ops.floor(accumulator * 2.0**-shift + 0.5), float(low), float(high))


def _parameters(network, head, hidden):
    """Two convolutions instead of one and a split: each output has its own shift and limits."""
    mean = _conv(network, head, slice(0, BANDS), f"{head}_mean")(hidden)
    scale = _conv(network, head, slice(BANDS, None), f"{head}_scale")(hidden)
    low, high = -SCALE_OFFSET, SCALE_INDEXES - 1 - SCALE_OFFSET
    return {
        "means": _requantise(mean, MEAN_SHIFT, -MEAN_RANGE, MEAN_RANGE),
        "scales": _requantise(scale, SCALE_SHIFT, low, high) + float(SCALE_OFFSET),
    }


def _require_tensorflow(what):
    if keras.backend.backend() != "tensorflow":
        raise GanTfcError(
            f"Expected Keras on TensorFlow to write {what}, but it runs on "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
        )
