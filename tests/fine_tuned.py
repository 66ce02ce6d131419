# SPDX-License-Identifier: Apache-2.0
"""A codec that a few seconds of fine-tuning make better, for tests."""

import keras
import numpy as np

from gan_tfc.codec import Codec
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.training.checkpoint import value_of
from gan_tfc.training.fine_tuning_run import Settings

#: Seconds of training. The decoder starts with a bias that one look at the photos is enough to see.
QUICK = Settings(
    crop_size=64,
    batch_size=2,
    learning_rate=0.03,
    ema_momentum=0.5,
    round_steps=3,
    most_rounds=4,
    most_copies=1,
)


def make_codec(bias=1.0):
    """A frozen codec whose decoder makes every picture too bright by `bias` steps."""
    keras.utils.set_random_seed(5)
    model = WaveletCodec((4,) * 6, synthesis_features=8, synthesis_blocks=1, texture_features=2)
    model.build()
    residual = model.synthesis.get_layer("residual")
    residual.bias.assign(np.full(residual.bias.shape, bias, np.float32))
    rng = np.random.default_rng(5)
    for name in ("realism_mix", "realism_residual"):
        kernel = model.synthesis.get_layer(name).kernel
        kernel.assign(rng.normal(0, 0.1, kernel.shape))
    # Presets store float16: rounded here, a saved and loaded codec has the same weights.
    for weight in model.weights:
        weight.assign(np.asarray(value_of(weight), np.float16).astype(np.float32))
    codec = Codec(model, "tiny", 1)
    codec.freeze_tables(None)
    return codec


def weights_of(part):
    return [value_of(weight) for weight in part.weights]


def same(before, after):
    return [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
