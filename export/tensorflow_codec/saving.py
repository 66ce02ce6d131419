# SPDX-License-Identifier: Apache-2.0
"""Writes the SavedModels."""

import os

import keras
import tensorflow as tf

from gan_tfc.errors import GanTfcError
from gan_tfc.export.tensorflow_codec.codec_module import CodecModule
from gan_tfc.export.tensorflow_codec.transforms import TransformsModule

#: For the card of a bundle.
README = (
    "`transforms/` loads with `import tensorflow` alone; `codec/`, which turns images into streams and "
    "back, also needs `import tensorflow_compression_ops` (pip install tensorflow-compression-ops, of "
    "TensorFlow's own minor version) before `tf.saved_model.load`."
)


def save_transforms(codec, folder) -> None:
    """Write the context networks and the synthesis network, which plain TensorFlow loads.

    Args:
        codec: a frozen `gan_tfc.codec.Codec`.
        folder: where to; made if it does not exist.
    """
    _require_tensorflow()
    save(TransformsModule(codec.tables().contexts, codec.model.synthesis), folder)


def save_codec(codec, folder) -> None:
    """Write `compress` and `decompress` of a codec, bytes to bytes.

    Args:
        codec, folder: as for `save_transforms`.

    Raises:
        GanTfcError: TensorFlow Compression's operators cannot be imported.
    """
    _require_tensorflow()
    save(CodecModule(codec), folder)


def save(module, folder) -> None:
    """Write a `CodecModule` or a `TransformsModule`."""
    tf.saved_model.save(module, os.fspath(folder), signatures=dict(module.endpoints))


def _require_tensorflow():
    if keras.backend.backend() != "tensorflow":
        raise GanTfcError(
            f"Expected Keras on TensorFlow to write a SavedModel, but it runs on {keras.backend.backend()}; "
            "set KERAS_BACKEND=tensorflow."
        )
