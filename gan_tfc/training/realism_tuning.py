# SPDX-License-Identifier: Apache-2.0
"""Training the layers of realism of a frozen codec, against a discriminator, on one kind of photo.

The adversary is that of the stage "realism" of `gan_tfc.training.run`, but a new one, for presets come
without; so it learns alone at first. And what holds the textures is another thing: not the original
and a perceptual distance, but the preset's own pictures, see `gan_tfc.losses.realism.drift`. Beside the
original a texture is an error, which pays only where adversary and perceptual distance ask for it: a new
adversary does not, and textures would be unlearned before it does; the weights of perceptual distances
are other people's, and do not ship. All that realism 0 depends on stays.
"""

import time

import numpy as np
from keras import ops

from gan_tfc.losses.realism import Realism
from gan_tfc.models.gan_codec import GANCodec
from gan_tfc.models.weights import copy_weights
from gan_tfc.training.blending import FACTORS, best_blend
from gan_tfc.training.coded_training import (
    coded_batches,
    copy_of,
    progress_of,
    seconds_for_training,
    train_for,
)
from gan_tfc.training.held_out import HeldOut
from gan_tfc.training.held_out_textures import HeldOutTextures
from gan_tfc.training.optimizers import ADVERSARIAL_BETAS, HoldingAdam
from gan_tfc.training.realism_report import RealismFineTuning, make_rows
from gan_tfc.training.run import adapt_labels

#: About 0.1, 0.25 and 0.9 bits a pixel; of `photo_mobile@3`, realism fades from quality 38 on.
QUALITIES = (10, 25, 50)
#: No held-out photo may lose more at any quality, see `HeldOutTextures.gains`; percent.
TOLERANCE = 5.0
#: As much as the squared error weighs in `Realism` at 29 dB, about what `photo_mobile@3` has at quality 25.
_DRIFT_WEIGHT = 0.37
#: The discriminator's learning rate over that of the layers of realism, for it is new and they are not.
_DISCRIMINATOR_RATE = 5.0


def tune_realism(codec, train, held_out, run) -> RealismFineTuning:
    """Train the layers of realism; the codec changes at the very end, if that was for the better.

    Better is nearer to the textures of the originals at realism 1, on average over the held-out photos,
    and within the tolerances on each of them; see `gan_tfc.training.held_out_textures`.

    Args:
        codec: with frozen tables, and a synthesis network that knows realism.
        train, held_out: lists of uint8 `(H, W, 3)` arrays.
        run: a `gan_tfc.training.fine_tuning_run.Run`.
    """
    with progress_of(run, "coding held-out photos", len(QUALITIES) * len(held_out)) as progress:
        measured = HeldOut(codec, held_out, QUALITIES, progress)
    network = copy_of(codec.model).synthesis
    network.train_realism(True)
    start = time.monotonic()
    textures = HeldOutTextures(measured, network)
    ending = (time.monotonic() - start) * (len(FACTORS) + 4) + measured.seconds_per_stream * len(held_out)

    tuned, keep_best = _train(codec, train, run, ending, measured, textures)
    blended = tuned and best_blend(
        textures.original, tuned, lambda w: textures.allowed_gains(textures.measure(w)), TOLERANCE
    )
    factor, weights, gains = blended or (0.0, textures.original, np.zeros_like(textures.before.psnr))
    after = textures.measure(weights)  # and the network has them
    pairs = zip(measured.pictures(codec.model.synthesis), measured.pictures(network), strict=True)
    moved = sum(not np.array_equal(*pair) for pair in pairs)
    if moved:
        raise RuntimeError(f"{moved} pictures at realism 0 changed, though only realism was trained.")
    if blended:
        copy_weights(network, codec.model.synthesis)
    changed = measured.changed_streams(codec)
    if changed:
        raise RuntimeError(f"{changed} held-out streams changed, though only realism was trained.")
    count = len(held_out)
    return RealismFineTuning(
        improved=bool(blended),
        rows=make_rows(QUALITIES, measured.sizes, textures.before, after, gains),
        trained=len(train),
        held_out=count,
        steps=keep_best.state["step"],
        seconds=round(keep_best.state["seconds"], 1),
        factor=factor,
        streams=f"streams are equal to the byte, checked on {count}; pictures at realism 0 are equal to the "
        f"pixel, checked on {count * len(QUALITIES)}",
    )


def _train(codec, train, run, ending, measured, textures):
    settings = run.settings
    # Finer steps than the first have no realism to learn.
    step_codes = (max(settings.step_codes[0], codec.model.realism_codes[0]), settings.step_codes[1])
    batches = coded_batches(codec, train, run, "realism", step_codes, measured.seconds_per_stream)
    seconds = seconds_for_training(run, ending)
    model = GANCodec(copy_of(codec.model), seed=settings.seed, anchor=copy_of(codec.model).synthesis)
    loss = Realism(perceptual=_no_distance, perceptual_weight=0.0, distortion_weight=_DRIFT_WEIGHT)
    model.compile(make_optimizer(settings), loss)
    adapt_labels(model, batches)
    variables = model.codec.trainable_variables
    ours = [any(variable is v for v in variables) for variable in model.trainable_variables]

    def of_realism(weights):
        return [value for value, mine in zip(weights, ours, strict=True) if mine]

    best, keep_best = train_for(
        seconds,
        model,
        batches,
        lambda weights: float(np.mean(textures.gains(textures.measure(of_realism(weights))))),
        run,
        name="held_out_textures",
        unit="%",
        hold=settings.discriminator_first,
    )
    return best and of_realism(best), keep_best


def make_optimizer(settings) -> HoldingAdam:
    """Adam with averaged weights; its learning rate is set while training."""
    return HoldingAdam(
        settings.learning_rate,
        factor=_DISCRIMINATOR_RATE,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=settings.ema_momentum,
        **ADVERSARIAL_BETAS,
    )


def _no_distance(first, second):
    return ops.zeros(ops.shape(first)[:1])
