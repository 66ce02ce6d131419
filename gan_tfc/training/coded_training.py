# SPDX-License-Identifier: Apache-2.0
"""Parts of fine-tuning that share the time of a run: coding the photos, and training on them."""

import contextlib

from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import copy_weights
from gan_tfc.training.coded import CodedCropBatches, CodedPhotos
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.loggers import TimeBar, counted
from gan_tfc.training.rounds import KeepBest, train_rounds

#: Share of the time for coding photos, and the least for training.
_CODING, _TRAINING = 0.2, 0.3


def copy_of(model: WaveletCodec) -> WaveletCodec:
    """Another model with the same weights."""
    copy = WaveletCodec.from_config(model.get_config())
    copy.build()
    copy_weights(model, copy)
    return copy


def coded_batches(codec, train, run, stage, step_codes, seconds_per_stream) -> CodedCropBatches:
    """Endless crops of photos that the frozen codec coded, see `gan_tfc.training.coded`.

    As many photos are coded, as many times, as there is time for; the same ones in a resumed run.

    Args:
        codec: with frozen tables.
        train: list of uint8 `(H, W, 3)` arrays.
        run: a `gan_tfc.training.fine_tuning_run.Run`.
        stage: as of `TrainConfig`.
        step_codes: lowest and highest.
        seconds_per_stream: that coding a photo takes.
    """
    settings = run.settings
    if "copies" not in run.record:
        affordable = int(_CODING * run.seconds / seconds_per_stream)
        count = min(len(train), max(affordable, settings.batch_size))
        copies = min(max(affordable // count, 1), settings.most_copies)
        run.remember(coded=count, copies=copies)
    photos, copies = train[: run.record["coded"]], run.record["copies"]
    with progress_of(run, "coding photos", len(photos) * copies) as progress:
        coded = CodedPhotos(photos, codec.tables(), step_codes, copies, settings.seed, run.folder, progress)
    if "preparing" not in run.record:
        run.remember(preparing=run.passed)
    config = TrainConfig(
        stage,
        total_steps=2**31,
        batch_size=settings.batch_size,
        crop_size=settings.crop_size,
        step_codes=step_codes,
        seed=settings.seed,
    )
    return CodedCropBatches(coded, config)


def seconds_for_training(run, ending) -> float:
    """What a run has left after `coded_batches`, if `ending` seconds are needed after training."""
    return max(run.seconds - run.record["preparing"] - ending, _TRAINING * run.seconds)


def train_for(seconds, model, batches, score, run, *, name="held_out_gain", unit="dB", hold=0.0):
    """Train a compiled model for a time, see `gan_tfc.training.rounds`, with a bar and the run's loggers.

    Args:
        seconds: earlier parts of a resumed run included.
        model: whose optimizer averages weights.
        batches: such as `coded_batches`; their stage is recorded.
        score: of averaged weights, see `KeepBest`.
        run: a `gan_tfc.training.fine_tuning_run.Run`.
        name, unit: of the score.
        hold: see `KeepBest`.

    Returns:
        (averaged weights of the best score, or None when none was above 0; the `KeepBest`)
    """
    settings = run.settings
    keep_best = KeepBest(
        run.folder,
        score,
        batches.config.stage,
        seconds,
        settings.learning_rate,
        settings.patience,
        name,
        hold,
    )
    bar = TimeBar(keep_best, run.console, unit)
    callbacks = [*run.callbacks, bar] if run.console else run.callbacks
    try:
        best = train_rounds(model, batches, keep_best, settings.round_steps, settings.most_rounds, callbacks)
    finally:
        bar.close()
    return best, keep_best


def progress_of(run, text, total):
    """A bar for work of known length, where the run has a console; see `counted`."""
    return counted(run.console, text, total) if run.console else contextlib.nullcontext()
