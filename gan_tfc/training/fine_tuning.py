# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning a codec on the user's own photos: ``fine_tune(codec, "dishes/", minutes=30)``.

By default the decoder alone learns: what decides bits stays, so streams written before decode to the
same latents, and from them to better pictures of this kind. The layers of realism stay as well; with
``realism=True`` they alone learn, and pictures at realism 0 stay.
"""

import contextlib
import tempfile
from pathlib import Path

from gan_tfc.errors import GanTfcError
from gan_tfc.training.decoder_tuning import tune_decoder
from gan_tfc.training.fine_tuning_report import FineTuning, make_rows
from gan_tfc.training.fine_tuning_run import REALISM_SETTINGS, RUN, Run, Settings
from gan_tfc.training.realism_report import RealismFineTuning
from gan_tfc.training.sources import read_photos
from gan_tfc.training.splits import split
from gan_tfc.training.wandb_logger import import_wandb, wandb_run


def fine_tune(
    codec,
    data,
    minutes=30.0,
    *,
    realism=False,
    everything=False,
    name=None,
    folder=None,
    resume=False,
    wandb_project=None,
    callbacks=(),
    console=None,
    settings=None,
) -> FineTuning | RealismFineTuning:
    """Train a codec on photos of one kind, for a time; it ends better or as it was.

    A tenth of the photos is held out, at least 2 and at most 32; on these the best weights are chosen,
    and mixed with the original ones until none of them is more than 0.1 dB worse; for realism see
    `gan_tfc.training.realism_tuning`.

    Args:
        codec: a `gan_tfc.codec.Codec` with frozen tables; changed at the very end.
        data: a folder, ``tfds:NAME``, a `tf.data.Dataset`, a `tfds.ImageFolder`, or any iterable; see
            `gan_tfc.training.sources.read_photos`.
        minutes: for all of it, earlier parts of a resumed run included; reading photos comes on top.
        realism: train the textures of realism 1, against a discriminator, and nothing else: streams
            stay equal to the byte, and pictures at realism 0 to the pixel.
        everything: train what decides bits as well, and freeze new tables, for smaller streams; but
            those written before need the codec that wrote them.
        name: new name of the codec, which `everything` needs.
        folder: of the run; None keeps it nowhere.
        resume: go on with the run in `folder`, if there is one.
        wandb_project: Weights & Biases, where it is installed, gets the metrics of each round there.
        callbacks: more of Keras's.
        console: a `rich.console.Console` for progress bars; None is silent.
        settings: a `Settings`; None takes those of the module `fine_tuning_run`.

    Returns:
        A `FineTuning`, or for realism a `RealismFineTuning`, whose text is a table of before and after on
        held-out photos.

    Raises:
        GanTfcError: unusable photos, a codec without tables, realism or a name of its own where it needs
            them, or a folder with another run.
    """
    settings = settings or (REALISM_SETTINGS if realism else Settings())
    codec.tables()
    if wandb_project:
        import_wandb()  # said before photos are read
    _check(codec, minutes, realism, everything, name, folder, resume)
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gan_tfc-"))
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        photos = read_photos(data, settings.crop_size, settings.most_photos)
        train, held_out = split(photos)
        run = Run(folder, 60.0 * minutes, settings, console, callbacks)
        kind = "realism" if realism else "everything" if everything else "decoder"
        run.claim(codec, train, held_out, kind)
        if wandb_project:
            run.wandb = stack.enter_context(wandb_run(wandb_project, run))
        if realism:
            from gan_tfc.training.realism_tuning import tune_realism

            return tune_realism(codec, train, held_out, run)
        if everything:
            from gan_tfc.training.full_fine_tuning import tune_everything

            return tune_everything(codec, train, held_out, name, run)
        decoder = tune_decoder(codec, train, held_out, run)
        return _conclude(codec, decoder, len(train))


def _check(codec, minutes, realism, everything, name, folder, resume):
    if not minutes > 0:
        raise GanTfcError(f"Expected minutes to be a number above 0, received {minutes!r}.")
    if realism and everything:
        raise GanTfcError(
            "Expected realism or everything to be trained, received both; train everything first, then "
            "realism of the result."
        )
    if realism and not codec.model.texture_features:
        raise GanTfcError(
            f"Expected a preset with realism, received {codec.name}@{codec.version}, whose decoder has none; "
            "take photo_mobile, say."
        )
    if everything and name in (None, codec.name):
        raise GanTfcError(
            f"Expected a new name, for new tables do not decode the streams of {codec.name}, received "
            f"{name!r}; choose another one."
        )
    if folder is not None and not resume and (Path(folder) / RUN).exists():
        raise GanTfcError(
            f"Expected a new folder for the run, but {folder} holds one; resume it, or delete the folder."
        )


def _conclude(codec, decoder, trained) -> FineTuning:
    """Gives the codec the new decoder and checks that its streams are what they were."""
    decoder.apply_to(codec.model.synthesis)
    changed = decoder.held_out.changed_streams(codec)
    if changed:
        raise RuntimeError(f"{changed} held-out streams changed, though only the decoder was trained.")
    sizes = decoder.held_out.sizes
    return FineTuning(
        improved=decoder.improved,
        rows=make_rows(
            decoder.held_out.qualities,
            sizes,
            sizes,
            decoder.before,
            decoder.after,
            decoder.after - decoder.before,
        ),
        trained=trained,
        held_out=len(sizes),
        steps=decoder.steps,
        seconds=round(decoder.seconds, 1),
        factor=decoder.factor,
        realism=decoder.realism,
        streams=f"streams are equal to the byte, checked on {len(sizes)}; old ones decode as well",
    )
