# SPDX-License-Identifier: Apache-2.0
"""The codec as TensorFlow graphs: SavedModels that need neither gan_tfc nor Keras.

Two folders, because a SavedModel with TensorFlow Compression's operators does not load where they are
not registered. Signatures take and return tensors by name; `stream` holds the bytes of a `.gtc` stream.

    transforms/     import tensorflow
        first_<level>       context (B, H, W, 14) -> features, means, scales
        second_<level>      features, known (B, H, W, 10) -> means, scales
        synthesis           base (B, H, W, 3), step (B, 1) [, realism (B, 1), noise (B, H/4, W/4, C)]
                            -> picture (B, H, W, 3), about [-0.5, 0.5], not clipped
    codec/          import tensorflow, tensorflow_compression_ops
        compress            image (bytes of a PNG, JPEG, GIF or BMP file), quality -> stream
        compress_pixels     image uint8 (H, W, 3), quality -> stream
        decompress          stream, realism -> png (bytes of a file)
        decompress_pixels   stream, realism -> pixels uint8 (H, W, 3)
        latents             stream -> coarsest, values_<level>, scales_<level>, picture: the scan's integers

All of `transforms/` is float32, level 0 is the finest, and B, H, W are any. In `codec/` quality, 1 to 100,
and realism, 0 to 1, are float32 scalars; an input that cannot be used raises `InvalidArgumentError` with
one sentence that says why.

`gan_tfc.coding` is the reference. Every integer here equals its; where it uses int64, float64 holds the
same integers exactly and vector units are faster with it.
"""

from gan_tfc.export.tensorflow_codec.codec_module import CodecModule
from gan_tfc.export.tensorflow_codec.saving import README, save, save_codec, save_transforms
from gan_tfc.export.tensorflow_codec.transforms import TransformsModule

__all__ = ["README", "CodecModule", "TransformsModule", "save", "save_codec", "save_transforms"]
