# SPDX-License-Identifier: Apache-2.0
"""Optimizers whose learning rate may differ between parts of a model."""

import keras

#: Of Adam for adversaries, as in MS-ILLM (`gan_tfc.models.discriminators`): a short memory, for what
#: either side learned against changes with the other.
ADVERSARIAL_BETAS = {"beta_1": 0.5, "beta_2": 0.9}


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
        rates = ((False, self._other_rate(learning_rate)), (True, learning_rate * self.factor))
        for chosen, rate in rates:
            group = [pair for pair in pairs if pair[1].path.startswith(self.prefix) == chosen]
            if group:
                super()._backend_update_step(*zip(*group, strict=True), rate)

    def _other_rate(self, learning_rate):
        return learning_rate

    def get_config(self):
        return {**super().get_config(), "prefix": self.prefix, "factor": self.factor}


@keras.saving.register_keras_serializable("gan_tfc")
class HoldingAdam(TwoRateAdam):
    """`TwoRateAdam` that can hold all variables without the prefix where they are, for a while.

    Their moments go on meanwhile, so that they start with an idea of their gradients.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # A variable: a compiled step would not see a Python number change.
        self._free = keras.Variable(1.0, trainable=False, name="free")
        self._track_variable(self._free)

    def hold(self, held: bool) -> None:
        """Hold them, or let them go; takes effect where the learning rate's setter does."""
        self._free.assign(0.0 if held else 1.0)

    def _other_rate(self, learning_rate):
        return learning_rate * keras.ops.cast(self._free, learning_rate.dtype)
