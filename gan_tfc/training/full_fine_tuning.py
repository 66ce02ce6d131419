# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of all that a codec learned: context networks, then new tables, then the decoder."""

import numpy as np
from keras import ops

from gan_tfc.codec import Codec
from gan_tfc.coding import steps
from gan_tfc.errors import GanTfcError
from gan_tfc.losses.rate_distortion import RateDistortion
from gan_tfc.models.weights import copy_weights
from gan_tfc.training.batches import CropBatches
from gan_tfc.training.checkpoint import assign_copy
from gan_tfc.training.coded_training import copy_of, train_for
from gan_tfc.training.config import TrainConfig
from gan_tfc.training.decoder_tuning import TOLERANCE, make_optimizer, tune_decoder
from gan_tfc.training.fine_tuning_report import FineTuning, make_rows
from gan_tfc.training.held_out import QUALITIES, HeldOut

#: Share of the time for the context networks.
_CONTEXTS = 0.4
#: Step codes that context networks are trained at, as the shipped ones were.
_STEP_CODES = (51, 1766)
#: Photos that tables are fitted to.
_TABLE_PHOTOS = 60


def tune_everything(codec, train, held_out, name, run) -> FineTuning:
    """Train contexts and decoder and freeze new tables; the codec changes if that was for the better.

    Better is more PSNR at the same bytes, on average over the held-out photos, and on none of them
    more than 0.1 dB less.
    """
    old = HeldOut(codec, held_out)
    before = old.psnr(codec.model.synthesis)
    contexts, steps_done, seconds = _tune_contexts(codec, train, held_out, run)
    tuned = Codec(contexts, name, 1, engine=codec.engine)
    tuned.freeze_tables(train, count=_TABLE_PHOTOS, seed=run.settings.seed)
    decoder = tune_decoder(tuned, train, held_out, run.below("decoder", max(run.seconds - run.passed, 1.0)))
    decoder.apply_to(tuned.model.synthesis)
    sizes = decoder.held_out.sizes
    gains = gains_at_equal_bytes(old.sizes, before, sizes, decoder.after)
    improved = gains.mean() > 0 and gains.mean(axis=1).min() >= -TOLERANCE
    streams = f"streams written before name {codec.name}@{codec.version} and need it"
    if improved:
        copy_weights(tuned.model, codec.model)
        codec.frozen, codec.name, codec.version = tuned.frozen, name, 1
    else:
        sizes, decoder.after, gains = old.sizes, before, np.zeros_like(before)
        streams = "streams are what they were"
    return FineTuning(
        improved=bool(improved),
        rows=make_rows(old.qualities, old.sizes, sizes, before, decoder.after, gains),
        trained=len(train),
        held_out=len(held_out),
        steps=steps_done + decoder.steps,
        seconds=round(seconds + decoder.seconds, 1),
        factor=decoder.factor if improved else 0.0,
        realism=decoder.realism if improved else None,
        streams=streams,
    )


def _tune_contexts(codec, train, held_out, run):
    """A copy of the codec's model with better context networks, or just a copy."""
    settings = run.settings
    part = run.below("contexts", _CONTEXTS * run.seconds)
    config = TrainConfig(
        "contexts",
        total_steps=2**31,
        batch_size=settings.batch_size,
        crop_size=settings.crop_size,
        step_codes=_STEP_CODES,
        seed=settings.seed,
    )
    model = copy_of(codec.model)
    model.compile(optimizer=make_optimizer(settings), loss=RateDistortion())
    measured = copy_of(codec.model)
    measured.compile(loss=RateDistortion())
    loss = _held_out_loss(measured, held_out, codec.tables().contexts.levels)
    first = loss()

    def score(weights):
        """Percent of the loss that is gone."""
        _assign(measured, weights)
        return 100.0 * (first - loss()) / abs(first)

    batches = CropBatches(train, config)
    best, keep_best = train_for(part.seconds, model, batches, score, part, name="held_out_contexts", unit="%")
    result = copy_of(codec.model)
    if best is not None:
        result.compile(loss=RateDistortion())
        _assign(result, best)
        result = copy_of(result)
    return result, keep_best.state["step"], keep_best.state["seconds"]


def _assign(model, weights):
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        assign_copy(variable, value)


def _held_out_loss(model, photos, levels):
    """Function without arguments: the loss of stage A1 on the held-out photos, the same every time."""
    unit = 2**levels
    batches = []
    for photo in photos:
        height, width = (side // unit * unit for side in photo.shape[:2])
        if min(height, width):
            code = np.array([steps.quality_to_code(QUALITIES[len(batches) % 3])], np.float32)
            batches.append({"image": photo[None, :height, :width], "step_code": code})
    if not batches:
        raise GanTfcError(
            f"Expected held-out photos of at least {unit}x{unit} pixels, found none; use larger photos."
        )
    objective = RateDistortion()
    return lambda: float(
        np.mean([float(ops.convert_to_numpy(objective(batch, model(batch)))) for batch in batches])
    )


def gains_at_equal_bytes(sizes_before, before, sizes_after, after) -> np.ndarray:
    """How far a photo's PSNR lies above its own curve before, at the bytes after.

    Curves are straight lines between qualities, and beyond them, over the logarithm of the bytes.

    Args:
        sizes_before, before, sizes_after, after: bytes and PSNR, `(photos, qualities)`, qualities rising.

    Returns:
        dB, `(photos, qualities)`.
    """
    gains = np.empty_like(after)
    for photo in range(len(after)):
        x, y = np.log(sizes_before[photo]), before[photo]
        for quality, (size, value) in enumerate(zip(sizes_after[photo], after[photo], strict=True)):
            i = int(np.clip(np.searchsorted(x, np.log(size)) - 1, 0, len(x) - 2))
            slope = (y[i + 1] - y[i]) / (x[i + 1] - x[i])
            gains[photo, quality] = value - (y[i] + slope * (np.log(size) - x[i]))
    return gains
