# SPDX-License-Identifier: Apache-2.0
"""A training run as data: one JSON file names the model, the stage and the schedule."""

import json
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path

from gan_tfc.errors import GanTfcError

STAGES = ("contexts", "synthesis", "realism")


@dataclass(frozen=True)
class TrainConfig:
    """What a run needs beside photos.

    Attributes:
        stage: "contexts" (A1: context networks and bottleneck, by rate), "synthesis" (A2: synthesis
            network, by PSNR, everything that decides bits frozen) or "realism" (B: the synthesis
            network's layers of realism, against a discriminator, everything else frozen).
        model: arguments of `gan_tfc.models.wavelet_codec.WaveletCodec`.
        loss: arguments of the stage's loss.
        adversary: realism stage: arguments of `gan_tfc.models.gan_codec.GANCodec`.
        discriminator_rate: realism stage: the discriminator's learning rate over the other's.
        total_steps: length of the learning-rate schedule, in steps.
        batch_size, crop_size: crops a step, and their side in pixels (a multiple of 64).
        learning_rate: peak of the cosine schedule.
        global_clipnorm: limit of the gradient's norm over all variables.
        ema_momentum: of the averaged weights that are exported.
        step_codes: lowest and highest step code, sampled uniformly.
        coded_copies: synthesis stage: how often each photo is coded beforehand by the frozen codec, see
            `gan_tfc.training.coded`; 0 codes every crop anew, without tables, in the training step.
        seed: of crops and steps; a batch is a function of the seed and the step alone.
    """

    stage: str
    model: dict = field(default_factory=dict)
    loss: dict = field(default_factory=dict)
    adversary: dict = field(default_factory=dict)
    discriminator_rate: float = 1.0
    total_steps: int = 6000
    batch_size: int = 4
    crop_size: int = 256
    learning_rate: float = 1e-3
    global_clipnorm: float = 1.0
    ema_momentum: float = 0.998
    step_codes: tuple[int, int] = (51, 1766)
    coded_copies: int = 0
    seed: int = 0

    def __post_init__(self):
        if self.stage not in STAGES:
            raise GanTfcError(f"Expected stage to be one of {', '.join(STAGES)}, received {self.stage!r}.")
        if self.crop_size < 64 or self.crop_size % 64:
            raise GanTfcError(
                f"Expected crop_size to be a multiple of 64, received {self.crop_size}; "
                f"use {max(64, self.crop_size // 64 * 64)}."
            )

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2)


def built_in() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = resources.files("gan_tfc.training") / "configs"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json"))


def load_config(name_or_path: str) -> TrainConfig:
    """A configuration by built-in name ("photo_mobile_contexts") or from a JSON file.

    Raises:
        GanTfcError: when there is no such configuration or it does not parse.
    """
    if str(name_or_path) in built_in():
        folder = resources.files("gan_tfc.training") / "configs"
        text = (folder / f"{name_or_path}.json").read_text()
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise GanTfcError(
                f"Expected a JSON file or one of {', '.join(built_in())}, received {name_or_path!r}."
            )
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise GanTfcError(f"{path} is no training configuration ({error}); name another file.") from error
    try:
        fields = json.loads(text)
        if "step_codes" in fields:
            fields["step_codes"] = tuple(fields["step_codes"])
        return TrainConfig(**fields)
    except (json.JSONDecodeError, TypeError) as error:
        raise GanTfcError(
            f"{name_or_path} is no training configuration ({error}); mend it, or name another file."
        ) from error
