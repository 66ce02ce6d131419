# SPDX-License-Identifier: Apache-2.0
"""Training the synthesis network of a frozen codec, for PSNR at realism 0, on one kind of photo."""

import time
from dataclasses import dataclass

import keras
import numpy as np

from gan_tfc.losses.reconstruction import Reconstruction
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import local_path
from gan_tfc.training.blending import FACTORS, best_blend
from gan_tfc.training.checkpoint import assign_copy, value_of
from gan_tfc.training.coded_training import (
    coded_batches,
    copy_of,
    progress_of,
    seconds_for_training,
    train_for,
)
from gan_tfc.training.held_out import HeldOut, decibels

#: No held-out photo may lose more, in dB, at any quality.
TOLERANCE = 0.1


@dataclass
class DecoderTuning:
    """What training found.

    Attributes:
        held_out: `HeldOut`.
        before, after: PSNR at realism 0, `(photos, qualities)`.
        weights: arrays in the order of `places`, or None when nothing improved.
        places: of the trained variables among the synthesis network's weights.
        factor: see `gan_tfc.training.blending`; 0 when nothing improved.
        realism: what became of realism 1, see `gan_tfc.training.fine_tuning_report.FineTuning`.
        steps, seconds: of training.
    """

    held_out: HeldOut
    before: np.ndarray
    after: np.ndarray
    weights: list | None
    places: list
    factor: float
    realism: dict | None
    steps: int
    seconds: float

    @property
    def improved(self):
        """Whether there are new weights."""
        return self.weights is not None

    def apply_to(self, synthesis) -> None:
        """Give a synthesis network the new weights, if there are any."""
        for place, value in zip(self.places, self.weights or [], strict=False):
            assign_copy(synthesis.weights[place], value)


def tune_decoder(codec, train, held_out, run) -> DecoderTuning:
    """Train a copy of the codec's synthesis network; the codec stays as it is.

    Args:
        codec: with frozen tables.
        train, held_out: lists of uint8 `(H, W, 3)` arrays.
        run: a `gan_tfc.training.fine_tuning_run.Run`.
    """
    with progress_of(run, "coding held-out photos", 3 * len(held_out)) as progress:
        measured = HeldOut(codec, held_out, progress=progress)
    whole = copy_of(codec.model).synthesis
    model = without_realism(codec.model)
    network, variables = model.synthesis, model.synthesis.trainable_variables
    places = _places(variables, network, whole)
    original = [value_of(variable) for variable in variables]

    def measure(weights):
        for variable, value in zip(variables, weights, strict=True):
            assign_copy(variable, value)
        return measured.psnr(network)

    start = time.monotonic()
    before = measure(original)
    ending = (time.monotonic() - start) * (len(FACTORS) + 3) + measured.seconds_per_stream * len(held_out)
    tuned, keep_best = _train(
        codec, train, run, ending, measured, lambda weights: float(np.mean(measure(weights) - before))
    )
    blended = best_blend(original, tuned, lambda w: measure(w) - before, TOLERANCE) if tuned else None
    factor, weights, gains = blended or (0.0, None, np.zeros_like(before))
    result = DecoderTuning(
        measured,
        before,
        before + gains,
        weights,
        places,
        factor,
        None,
        keep_best.state["step"],
        keep_best.state["seconds"],
    )
    if whole.texture_features:
        at_1 = list(measured.pictures(whole, 1.0))
        result.apply_to(whole)
        result.realism = _compare(measured, at_1, measured.pictures(whole, 1.0))
    return result


def _train(codec, train, run, ending, measured, score):
    batches = coded_batches(
        codec, train, run, "synthesis", run.settings.step_codes, measured.seconds_per_stream
    )
    seconds = seconds_for_training(run, ending)
    model = without_realism(codec.model)
    model.compile(optimizer=make_optimizer(run.settings), loss=Reconstruction())
    return train_for(seconds, model, batches, score, run)


def make_optimizer(settings) -> keras.optimizers.Optimizer:
    """Adam with averaged weights; its learning rate is set while training."""
    return keras.optimizers.Adam(
        settings.learning_rate, global_clipnorm=1.0, use_ema=True, ema_momentum=settings.ema_momentum
    )


def without_realism(model: WaveletCodec) -> WaveletCodec:
    """Another model with the same weights, less those of realism: the same at realism 0, and faster."""
    copy = WaveletCodec.from_config(model.get_config() | {"texture_features": 0})
    copy.build()
    values = {local_path(variable, model): variable for variable in model.weights}
    for variable in copy.weights:
        assign_copy(variable, values[local_path(variable, copy)])
    copy.synthesis.train_realism(False)
    return copy


def _places(variables, network, whole) -> list[int]:
    """Where a network's variables are among the weights of the whole one."""
    index = {local_path(variable, whole): i for i, variable in enumerate(whole.weights)}
    return [index[local_path(variable, network)] for variable in variables]


def _compare(measured, before, after):
    rows = []
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        photo = measured.photos[i // len(measured.qualities)]
        rows.append((decibels(old, photo), decibels(new, photo), decibels(new, old)))
    return dict(zip(("before", "after", "alike"), map(float, np.mean(rows, axis=0)), strict=True))
