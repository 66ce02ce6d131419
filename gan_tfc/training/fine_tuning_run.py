# SPDX-License-Identifier: Apache-2.0
"""Settings of a fine-tuning run, and the folder that it resumes from."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.training.checkpoint import value_of
from gan_tfc.training.loggers import loggers
from gan_tfc.training.splits import fingerprint

RUN = "fine_tuning.json"


@dataclass(frozen=True)
class Settings:
    """What may be changed where the defaults do not fit.

    Attributes:
        crop_size, batch_size: crops a step, and their side in pixels, a multiple of 64.
        learning_rate: at the peak of the schedule, a cosine over the time.
        ema_momentum: of the averaged weights.
        step_codes: lowest and highest step code that photos are coded at.
        most_photos: more are not read.
        most_copies: how often a photo is coded at most, when there is time.
        round_steps: steps between two checkpoints.
        most_rounds: None trains for as long as there is time.
        patience: training ends when the held-out photos were measured so often without a gain.
        discriminator_first: share of the time that the discriminator trains alone, where realism is
            trained.
        seed: of crops and steps.
    """

    crop_size: int = 128
    batch_size: int = 8
    learning_rate: float = 2e-4
    ema_momentum: float = 0.995
    step_codes: tuple[int, int] = (250, 1766)
    most_photos: int = 1000
    most_copies: int = 4
    round_steps: int = 50
    most_rounds: int | None = None
    patience: int = 8
    discriminator_first: float = 0.2
    seed: int = 0


#: For realism: small batches and many steps, as for the presets, and time for scores to turn upwards.
REALISM_SETTINGS = Settings(batch_size=4, patience=16)


class Run:
    """Time, folder, settings and callbacks of a run.

    Args:
        folder: keeps what a resumed run needs.
        seconds: for the whole run.
        settings: a `Settings`.
        console: for progress bars, or None.
        callbacks: more of Keras's.

    Attributes:
        part: name of this part of a run; empty where it is all of it.
        wandb: a `wandb.Run` that metrics are logged to, or None.
    """

    def __init__(self, folder, seconds, settings, console=None, callbacks=()):
        self.folder, self.seconds, self.settings = Path(folder), seconds, settings
        self.console, self.more_callbacks = console, callbacks
        self.started = time.monotonic()
        self.record, self.part, self.wandb = {}, "", None

    @property
    def callbacks(self) -> list:
        """Of Keras's `fit`: loggers of this part, and those that were given."""
        return [*loggers(self.folder, self.part, self.wandb), *self.more_callbacks]

    @property
    def passed(self) -> float:
        """Seconds since the run, or its resumption, began."""
        return time.monotonic() - self.started

    def claim(self, codec, train, held_out, kind) -> None:
        """Make the folder this run's, or find that it is.

        Raises:
            GanTfcError: the folder holds a run of another codec, other photos or other settings.
        """
        key = {
            "kind": kind,
            "codec": _codec_fingerprint(codec),
            "photos": fingerprint(train),
            "held_out": fingerprint(held_out),
            "settings": json.loads(json.dumps(asdict(self.settings))),
        }
        path = self.folder / RUN
        if path.exists():
            try:
                self.record = json.loads(path.read_text())
                other = [name for name, value in key.items() if self.record["key"].get(name) != value]
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise GanTfcError(f"{path} is damaged; delete {self.folder} to start anew.") from error
            if other:
                raise GanTfcError(
                    f"Expected to resume the same run, but that in {self.folder} has another "
                    f"{' and another '.join(other)}; use a new folder."
                )
        self.record["key"] = key
        self.remember()

    def remember(self, **entries) -> None:
        """Write entries that a resumed run shall find in `record`."""
        self.record |= entries
        write_atomically(self.folder / RUN, json.dumps(self.record, indent=1).encode(), overwrite=True)

    def below(self, name, seconds) -> "Run":
        """A part of this run, with a folder of its own."""
        part = Run(self.folder / name, seconds, self.settings, self.console, self.more_callbacks)
        part.part, part.wandb = name, self.wandb
        part.folder.mkdir(exist_ok=True)
        path = part.folder / RUN
        part.record = json.loads(path.read_text()) if path.exists() else {}
        return part


def _codec_fingerprint(codec) -> str:
    digest = hashlib.sha256(codec.tables().digest)
    for variable in codec.model.weights:
        digest.update(value_of(variable).tobytes())
    return digest.hexdigest()[:16]
