# SPDX-License-Identifier: Apache-2.0
"""Compress and decompress as graphs.

```
 image --> padded, luma and chroma --> wavelet --> scan, quantiser --> range coder --> container --> stream
                                                    |  context networks                                |
 pixels <-- synthesis <-- inverse wavelet <------- scan <-- range decoder <-- checks, sections <-------+
```
"""

import tensorflow as tf

from gan_tfc.coding import steps
from gan_tfc.export.tensorflow_codec import pixels, wavelet
from gan_tfc.export.tensorflow_codec.checks import Checks
from gan_tfc.export.tensorflow_codec.container import Container
from gan_tfc.export.tensorflow_codec.header import AGAIN, expect_size
from gan_tfc.export.tensorflow_codec.networks import ContextGraphs, variables_of
from gan_tfc.export.tensorflow_codec.passes import (
    GraphDecodingSource,
    GraphEncodingSource,
    LeastBytes,
    step_size,
)
from gan_tfc.export.tensorflow_codec.quantiser import GraphQuantiser
from gan_tfc.export.tensorflow_codec.range_coder import GraphCoder
from gan_tfc.export.tensorflow_codec.scan import scan
from gan_tfc.export.tensorflow_codec.tables import EXACT_DEVICE

_STREAM = tf.TensorSpec([], tf.string, "stream")
_IMAGE = tf.TensorSpec([None, None, 3], tf.uint8, "image")
_IMAGE_FILE = tf.TensorSpec([], tf.string, "image")
_QUALITY = tf.TensorSpec([], tf.float32, "quality")
_REALISM = tf.TensorSpec([], tf.float32, "realism")


def _function(*signature):
    return tf.function(input_signature=signature, autograph=False)


class CodecModule(tf.Module):
    """The signatures of `codec/`, see `gan_tfc.export.tensorflow_codec`.

    Args:
        codec: a frozen `gan_tfc.codec.Codec`.

    Raises:
        GanTfcError: TensorFlow Compression's operators cannot be imported.
        NotFrozenError: the codec has no coding tables.
    """

    def __init__(self, codec):
        super().__init__(name="codec")
        frozen = codec.tables()
        self._coder = GraphCoder(frozen.tables)
        self._quantiser = GraphQuantiser(frozen.tables)
        self._least_bytes = LeastBytes(frozen.tables)
        self._container = Container(codec.name, codec.version, frozen.digest)
        self._contexts = ContextGraphs(frozen.contexts)
        synthesis = codec.model.synthesis
        # Behind a function, or TensorFlow would save the Keras model, too.
        self._synthesise = lambda *inputs: pixels.synthesise(synthesis, *inputs)
        self.weights = self._contexts.variables + variables_of(synthesis)
        self.endpoints = {
            "compress": self.compress,
            "compress_pixels": self.compress_pixels,
            "decompress": self.decompress,
            "decompress_pixels": self.decompress_pixels,
            "latents": self.latents,
        }

    @_function(_IMAGE_FILE, _QUALITY)
    def compress(self, image, quality):
        """Bytes of an image file -> a stream."""
        return {"stream": self._encode(pixels.read_image(image), quality)}

    @_function(_IMAGE, _QUALITY)
    def compress_pixels(self, image, quality):
        """uint8 `(H, W, 3)` RGB -> a stream."""
        return {"stream": self._encode(image, quality)}

    @_function(_STREAM, _REALISM)
    def decompress(self, stream, realism):
        """A stream -> bytes of a PNG file."""
        return {"png": tf.io.encode_png(self._decode_pixels(stream, realism))}

    @_function(_STREAM, _REALISM)
    def decompress_pixels(self, stream, realism):
        """A stream -> uint8 `(H, W, 3)` RGB."""
        return {"pixels": self._decode_pixels(stream, realism)}

    @_function(_STREAM)
    def latents(self, stream):
        """A stream -> the integers that are equal on every machine."""
        _, found = self._decode(stream)
        named = {name: tf.cast(getattr(found, name), tf.int32) for name in ("coarsest", "picture")}
        for level, (values, scales) in enumerate(zip(found.values, found.scales, strict=True)):
            named |= {f"values_{level}": values, f"scales_{level}": scales}
        return named

    @_function(_IMAGE, _QUALITY)
    def _encode(self, image, quality):
        checks = Checks()
        asked = "expected a quality from 1 to 100, but ", quality, " came."
        checks.expect((quality >= 1) & (quality <= 100), *asked)
        height, width, _ = tf.unstack(tf.shape(image, tf.int64))
        expect_size(checks, width, height, "code one that has pixels, and a larger one in tiles.")
        image, quality = checks.guard((image, quality))
        with tf.device(EXACT_DEVICE):
            code = _quality_to_code(quality)
            levels = self._contexts.levels
            rows, columns = (_bands(tf.cast(side, tf.int32), levels) for side in (height, width))
            whole = pixels.padded(image, rows * 2**levels, columns * 2**levels)
            coarsest, details = wavelet.analyse(pixels.from_rgb(whole), levels)
            source = GraphEncodingSource(coarsest, details, code, self._quantiser, self._coder)
            scan(self._contexts, rows, columns, code, source)
            return self._container.pack(width, height, code, source.finish())

    @_function(_STREAM)
    def _decode(self, stream):
        """Width, height (int64) and step code of a stream, and its `Latents`."""
        with tf.device(EXACT_DEVICE):
            width, height, code, sections = self._container.unpack(stream)
            rows, columns = (_bands(side, self._contexts.levels) for side in (height, width))
            checks = Checks()
            least, came = self._least_bytes(rows, columns, code), tf.strings.length(sections[0])
            checks.expect(
                tf.cast(came, tf.int64) >= least,
                *("expected at least ", least, " bytes in the first section of ", width, " x ", height),
                *(" pixels, but ", came, " came: ", AGAIN),
            )
            rows, columns, sections = checks.guard((rows, columns, sections))
            source = GraphDecodingSource(sections, self._coder)
            found = scan(self._contexts, tf.cast(rows, tf.int32), tf.cast(columns, tf.int32), code, source)
            return (width, height, code), found

    def _decode_pixels(self, stream, realism):
        checks = Checks()
        asked = "expected a realism from 0 to 1, but ", realism, " came."
        checks.expect((realism >= 0) & (realism <= 1), *asked)
        stream, realism = checks.guard((stream, realism))
        (width, height, code), found = self._decode(stream)
        step = step_size(code)
        base = pixels.to_rgb(found.picture, step / 64)
        return pixels.to_uint8(self._synthesise(base, step, realism)[:height, :width])


def _bands(side, levels):
    """Side of the coarsest band of a picture."""
    return (side + (1 << levels) - 1) // (1 << levels)


def _quality_to_code(quality):
    """`gan_tfc.coding.steps.quality_to_code`."""
    span = steps.FINEST_CODE - steps.COARSEST_CODE
    exact = steps.COARSEST_CODE + (tf.cast(quality, tf.float64) - 1) * span / 99
    return tf.cast(tf.round(exact), tf.int32)
