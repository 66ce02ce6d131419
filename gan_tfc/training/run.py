# SPDX-License-Identifier: Apache-2.0
"""A resumable training run: ``train(config, photos, folder)``."""

import time
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress as ProgressBar

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.losses.rate_distortion import RateDistortion
from gan_tfc.losses.realism import Realism
from gan_tfc.losses.reconstruction import Reconstruction
from gan_tfc.models.gan_codec import GANCodec
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import copy_weights, load_weights, save_weights
from gan_tfc.photos import open_photos
from gan_tfc.training.batches import CropBatches
from gan_tfc.training.checkpoint import (
    assign_copy,
    read_checkpoint,
    restore_checkpoint,
    value_of,
)
from gan_tfc.training.coded import CodedCropBatches, CodedPhotos
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.optimizers import ADVERSARIAL_BETAS, TwoRateAdam
from gan_tfc.training.progress import Checkpoints, Progress, StopAfter

WEIGHTS = "averaged.weights.h5"
CONFIG = "config.json"
#: Crops that the kinds of texture are found on, before an adversary's first step.
_ADAPT_CROPS = 256


def build_model(config: TrainConfig) -> keras.Model:
    """The compiled model of a configuration, with fresh weights: a `WaveletCodec` or a `GANCodec`."""
    codec = WaveletCodec(**config.model)
    codec.build()
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, config.total_steps, alpha=0.01, warmup_target=config.learning_rate, warmup_steps=100
    )
    averaging = {"use_ema": True, "ema_momentum": config.ema_momentum}
    if config.stage == "realism":
        model = GANCodec(codec, seed=config.seed, **config.adversary)
        # Each variable's own limit, for the two sides' gradients have nothing in common.
        optimizer = TwoRateAdam(
            schedule,
            factor=config.discriminator_rate,
            clipnorm=config.global_clipnorm,
            **ADVERSARIAL_BETAS,
            **averaging,
        )
        model.compile(optimizer=optimizer, loss=Realism(**config.loss))
    else:
        model = codec
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=config.global_clipnorm, **averaging)
        loss = {"contexts": RateDistortion, "synthesis": Reconstruction}[config.stage]
        model.compile(optimizer=optimizer, loss=loss(**config.loss))
    optimizer.build(model.trainable_variables)
    return model


def adapt_labels(model: GANCodec, batches) -> None:
    """Finds the adversary's kinds of texture, if it tells any apart, in the first crops of `batches`."""
    if model.labels is not None:
        count = min(-(-_ADAPT_CROPS // batches.config.batch_size), len(batches))
        model.adapt(np.concatenate([batches[i][0]["image"] for i in range(count)]))


def codec_of(model: keras.Model) -> WaveletCodec:
    """The codec in a model of `build_model`."""
    return model.codec if isinstance(model, GANCodec) else model


def averaged_values(model) -> dict:
    """Exponential moving averages of the trainable variables, by variable path, NumPy."""
    return {
        variable.path: value_of(average)
        for variable, average in zip(
            model.trainable_variables,
            model.optimizer._model_variables_moving_average,
            strict=True,
        )
    }


def save_averaged_weights(model, path) -> None:
    """Write the codec's weights with the averaged values in place of the trained ones."""
    kept = {v.path: value_of(v) for v in model.trainable_variables}
    averages = averaged_values(model)
    try:
        for variable in model.trainable_variables:
            assign_copy(variable, averages[variable.path])
        save_weights(codec_of(model), path)
    finally:
        for variable in model.trainable_variables:
            assign_copy(variable, kept[variable.path])


def train(
    config,
    source,
    folder,
    minutes=None,
    weights=None,
    console=None,
    checkpoint_seconds=120,
    codec=None,
):
    """Train one stage until its schedule or the time ends; continue if `folder` holds a checkpoint.

    Args:
        config: a `TrainConfig`.
        source: folder of photos, ``tfds:NAME``, or a sequence of uint8 `(H, W, 3)` arrays.
        folder: gets `checkpoint.npz` (resumes exactly), `averaged.weights.h5` (for use),
            `config.json`, `log.jsonl` and TensorBoard events.
        minutes: stop after this time, with a checkpoint; None for the whole schedule.
        weights: a weights file of the same codec to start from when there is no checkpoint, such as
            the contexts stage's result for the synthesis stage.
        console: a `rich.console.Console` for the progress bar.
        checkpoint_seconds: time between checkpoints.
        codec: a `gan_tfc.codec.Codec` to start from; its frozen tables code the photos when the
            configuration asks for coded copies. With `weights` as well, these give what the stage
            trains, and the codec the rest.

    Returns:
        The trained `WaveletCodec` with averaged weights, and the number of steps done so far.

    Raises:
        GanTfcError: unusable photos or weights, or a checkpoint of another configuration.
    """
    start = time.monotonic()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    model = build_model(config)
    arrays = read_checkpoint(folder)
    first_step = 0
    if arrays is not None:
        if str(arrays["stage"]) != config.stage:
            raise GanTfcError(
                f"{folder} holds a run of stage {arrays['stage']}, but the configuration is of stage "
                f"{config.stage}; use a folder of its own for each stage."
            )
        first_step = restore_checkpoint(arrays, model)
    elif weights is not None or codec is not None:
        _start_from(model, config, weights, codec)
        _restart_averages(model)
    write_atomically(folder / CONFIG, config.to_json().encode(), overwrite=True)

    photos = open_photos(source) if isinstance(source, (str, Path)) else source
    batches = _batches(config, photos, codec, folder, first_step, console)
    if config.stage == "realism" and arrays is None:
        adapt_labels(model, batches)
    weights_path = folder / WEIGHTS
    if len(batches) > 0:
        seconds = None if minutes is None else 60.0 * minutes
        progress = Progress(folder, batches, seconds, console=console)
        callbacks = [progress]
        if seconds is not None:
            callbacks.append(StopAfter(seconds, start))
        checkpoints = Checkpoints(
            folder,
            config.stage,
            first_step,
            checkpoint_seconds,
            on_save=lambda: save_averaged_weights(model, weights_path),
        )
        callbacks.append(checkpoints)
        try:
            model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
        finally:
            progress.close()
        first_step = checkpoints.steps_done
    else:
        # The last checkpoint's averages may be missing: a run can be killed between the two files.
        save_averaged_weights(model, weights_path)
    load_weights(codec_of(model), weights_path)
    return codec_of(model), first_step


def _batches(config, photos, codec, folder, first_step, console):
    if not config.coded_copies:
        return CropBatches(photos, config, first_step)
    if codec is None or codec.frozen is None:
        raise GanTfcError(
            "Expected a codec with frozen tables to code the photos with; name one with --codec, or "
            "set coded_copies to 0 in the configuration."
        )
    total = len(photos) * config.coded_copies
    with ProgressBar(console=console) as bar:
        task = bar.add_task("coding photos", total=total)
        coded = CodedPhotos(
            photos,
            codec.frozen,
            config.step_codes,
            config.coded_copies,
            config.seed,
            folder,
            lambda done: bar.update(task, completed=done),
        )
    return CodedCropBatches(coded, config, first_step)


def _start_from(model, config, weights, codec):
    """Weights of a file, of a codec, or what the stage trains of the first and the rest of the second."""
    target = codec_of(model)
    if codec is None:
        load_weights(target, weights)
        return
    copy_weights(codec.model, target)
    if weights is not None:
        source = WaveletCodec(**config.model)
        source.build()
        load_weights(source, weights)
        pairs = zip(target.weights, source.weights, strict=True)
        trained = {id(variable) for variable in target.trainable_weights}
        for variable, value in pairs:
            if id(variable) in trained:
                assign_copy(variable, value)


def _restart_averages(model):
    """Averages begin at the loaded weights, not at the random ones the optimizer was built with."""
    for variable, average in zip(
        model.trainable_variables, model.optimizer._model_variables_moving_average, strict=True
    ):
        assign_copy(average, variable)
