# SPDX-License-Identifier: Apache-2.0
"""Running a synthesis network outside of training, compiled by whichever backend is in use."""

import functools

import keras
import numpy as np
from keras import ops

from gan_tfc.coding.noise import position_noise
from gan_tfc.models.synthesis import PATCH


class PixelDecoder:
    """Base pictures to pixels.

    Args:
        synthesis: a `SynthesisNetwork`; its weights are read at the first call and may not change
            afterwards.
    """

    def __init__(self, synthesis):
        self._channels = synthesis.texture_features
        self._run = _compiled(lambda inputs: _to_uint8(synthesis(inputs, training=False)), synthesis)

    def __call__(self, base, step, realism) -> np.ndarray:
        """Decode one picture.

        Args:
            base: `(1, H, W, 3)` float32 RGB in about [-0.5, 0.5], H and W multiples of 4.
            step: the quantiser step, for pixels in [0, 1].
            realism: 0 to 1; without effect on networks that do not know it.

        Returns:
            uint8 `(H, W, 3)`.
        """
        inputs = {"base": base, "step": np.full((1, 1), step, np.float32)}
        if self._channels:
            inputs["realism"] = np.full((1, 1), realism, np.float32)
            height, width = (side // PATCH for side in base.shape[1:3])
            inputs["noise"] = _noise(height, width, self._channels)
        return self._run(inputs)[0]


@functools.lru_cache(maxsize=1)
def _noise(height, width, channels):
    """Of the last size only: photos often come in series."""
    return position_noise(height, width, channels)[None]


def _to_uint8(pixels):
    """[-0.5, 0.5] -> 0..255, rounded and clipped."""
    return ops.cast(ops.clip(ops.floor((pixels + 0.5) * 255.0 + 0.5), 0.0, 255.0), "uint8")


def _compiled(function, model):
    """`function`, from a dict of NumPy arrays to a NumPy array, which reads the weights of `model`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # Heights and widths are open: one trace serves all sizes.
        signature = {
            name: tf.TensorSpec([1, *tensor.shape[1:]], tf.float32, name=name)
            for name, tensor in model.input.items()
        }
        call = tf.function(function, input_signature=[signature])
        return lambda inputs: call({k: tf.constant(v) for k, v in inputs.items()}).numpy()
    if backend == "jax":
        import jax

        variables = model.variables
        values = [variable.value for variable in variables]

        @jax.jit
        def call(values, inputs):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(inputs)

        return lambda inputs: np.asarray(call(values, inputs))
    return lambda inputs: ops.convert_to_numpy(function(inputs))
