# SPDX-License-Identifier: Apache-2.0
"""Running a Keras model outside of training, compiled by whichever backend is in use."""

import keras
import numpy as np


def compiled(synthesis):
    """A function ``(base, step) -> reconstruction`` on NumPy arrays.

    Args:
        synthesis: a `SynthesisNetwork`; its weights are read at the first call and may not change
            afterwards.

    Returns:
        A function of `(B, H, W, 3)` and `(B, 1)` float32 arrays to a float32 array.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def call(base, step):
            return synthesis({"base": base, "step": step}, training=False)

        return lambda base, step: call(tf.constant(base), tf.constant(step)).numpy()
    if backend == "jax":
        import jax

        trainable = [v.value for v in synthesis.trainable_variables]
        fixed = [v.value for v in synthesis.non_trainable_variables]

        @jax.jit
        def call(base, step):
            inputs = {"base": base, "step": step}
            return synthesis.stateless_call(trainable, fixed, inputs, training=False)[0]

        return lambda base, step: np.asarray(call(base, step))
    return lambda base, step: keras.ops.convert_to_numpy(synthesis({"base": base, "step": step}))
