# SPDX-License-Identifier: Apache-2.0
"""An optimizer whose learning rate may differ between parts of a model."""

import keras


@keras.saving.register_keras_serializable("gan_tfc")
class TwoRateAdam(keras.optimizers.Adam):
    """Adam with another learning rate for variables whose path begins with a prefix.

    Adversaries are often trained at two rates (Heusel et al., "GANs Trained by a Two Time-Scale Update
    Rule", NeurIPS 2017).

    Args:
        prefix: of the variables' paths.
        factor: of the learning rate for these.
        **kwargs: as for `keras.optimizers.Adam`.
    """

    def __init__(self, *args, prefix="discriminator", factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.prefix, self.factor = prefix, factor

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Keras's hook for a whole step: below it, variables have lost their paths on TensorFlow.
        pairs = list(zip(grads, trainable_variables, strict=True))
        for chosen, rate in ((False, learning_rate), (True, learning_rate * self.factor)):
            group = [pair for pair in pairs if pair[1].path.startswith(self.prefix) == chosen]
            if group:
                super()._backend_update_step(*zip(*group, strict=True), rate)

    def get_config(self):
        return {**super().get_config(), "prefix": self.prefix, "factor": self.factor}
