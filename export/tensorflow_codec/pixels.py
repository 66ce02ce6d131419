# SPDX-License-Identifier: Apache-2.0
"""Pixels on their way in and out: colour, padding, files, and the noise of the synthesis network."""

import tensorflow as tf

from gan_tfc.coding import noise
from gan_tfc.coding.colour import COLOUR
from gan_tfc.export.tensorflow_codec.byte_strings import to_hex
from gan_tfc.export.tensorflow_codec.checks import Checks
from gan_tfc.export.tensorflow_codec.tables import EXACT_DEVICE
from gan_tfc.models.synthesis import PATCH

_BEGINNINGS = b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"


def read_image(data):
    """Bytes of a PNG, JPEG, GIF (its first picture) or BMP file -> uint8 `(H, W, 3)`.

    Unlike `gan_tfc.images.read_image` it drops alpha and heeds neither EXIF orientation nor ICC profile.
    """
    checks = Checks()
    known = [tf.strings.substr(data, 0, len(begin)) == begin for begin in _BEGINNINGS]
    shown = to_hex(tf.io.decode_raw(tf.strings.substr(data, 0, 4), tf.uint8))
    expected = "expected an image file of type PNG, JPEG, GIF or BMP, but data starting with {"
    checks.expect(tf.reduce_any(known), expected, shown, "} came.")
    data = checks.guard(data)
    image = tf.cond(
        tf.io.is_jpeg(data),
        # The exact transform, which other readers use; `decode_image` has a fast one.
        lambda: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(data, 3, expand_animations=False),
    )
    return tf.ensure_shape(image, [None, None, 3])


def padded(image, height, width):
    """The last row and column repeated up to some sides."""
    for axis, side in enumerate((height, width)):
        places = tf.minimum(tf.range(side), tf.shape(image)[axis] - 1)
        image = tf.gather(image, places, axis=axis)
    return image


def from_rgb(image):
    """uint8 RGB `(H, W, 3)` -> float32 luma and chroma."""
    return tf.tensordot(tf.cast(image, tf.float32) / 255 - 0.5, tf.constant(COLOUR), 1)


def to_rgb(picture, unit):
    """Luma and chroma `(H, W, 3)`, integers that count units, -> float32 RGB."""
    axes = tf.constant(COLOUR.T) * tf.cast(unit, tf.float32)
    return tf.tensordot(tf.cast(picture, tf.float32), axes, 1)


def to_uint8(picture):
    """[-0.5, 0.5] -> 0..255, rounded and clipped."""
    return tf.cast(tf.clip_by_value(tf.floor((picture + 0.5) * 255 + 0.5), 0, 255), tf.uint8)


def synthesise(synthesis, base, step, realism):
    """The synthesis network on one picture.

    Args:
        synthesis: a `gan_tfc.models.synthesis.SynthesisNetwork`.
        base: `(H, W, 3)` RGB.
        step, realism: scalars.
    """
    inputs = {"base": base[None], "step": tf.reshape(tf.cast(step, tf.float32), [1, 1])}
    if synthesis.texture_features:
        inputs["realism"] = tf.reshape(realism, [1, 1])
        height, width, _ = tf.unstack(tf.shape(base) // PATCH)
        with tf.device(EXACT_DEVICE):
            inputs["noise"] = _position_noise(height, width, synthesis.texture_features)[None]
    return synthesis(inputs, training=False)[0]


def _position_noise(height, width, channels):
    """`gan_tfc.coding.noise.position_noise`."""
    rows, columns, channels = (tf.cast(tf.range(side), tf.uint32) for side in (height, width, channels))
    row, column, channel, first, second = (
        tf.constant(int(x), tf.uint32) for x in (*noise.PLACE_FACTORS, *noise.MIXING_FACTORS)
    )
    h = (rows * row)[:, None, None] + (columns * column)[:, None] + channels * channel
    h = _folded(_folded(h, 15) * first, 12) * second
    top = tf.cast(tf.bitwise.right_shift(_folded(h, 15), tf.constant(24, tf.uint32)), tf.int32)
    signed = top - 256 * tf.cast(top > 127, tf.int32)
    return (tf.cast(signed, tf.float32) + 0.5) / 128


def _folded(h, shift):
    return tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(shift, tf.uint32)))
