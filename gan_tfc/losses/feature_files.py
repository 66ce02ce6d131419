# SPDX-License-Identifier: Apache-2.0
"""Where the weights of perceptual networks lie: they are other people's, and do not ship with gan_tfc."""

import os
from pathlib import Path

import numpy as np

from gan_tfc.errors import GanTfcError

#: A folder of `lpips_alex.npz` and `lpips_squeeze.npz`; before it, the folder `lpips` of GAN_TFC_DATA.
FOLDER_VARIABLE = "GAN_TFC_LPIPS"


def feature_file(name: str, folder: str | os.PathLike | None = None) -> Path:
    """The file of a perceptual network's weights.

    Args:
        name: "lpips_alex" or "lpips_squeeze".
        folder: looked into first; then GAN_TFC_LPIPS, then ``lpips`` below GAN_TFC_DATA, which is
            ``../shared/data`` unless set.

    Raises:
        GanTfcError: there is no such file; the text says where it was looked for.
    """
    data = Path(os.environ.get("GAN_TFC_DATA", "../shared/data"))
    folders = [folder, os.environ.get(FOLDER_VARIABLE), data / "lpips"]
    folders = [Path(place) for place in folders if place]
    for place in folders:
        if (place / f"{name}.npz").is_file():
            return place / f"{name}.npz"
    looked = ", ".join(map(str, folders))
    raise GanTfcError(
        f"Expected the weights {name}.npz in one of {looked}; set {FOLDER_VARIABLE} to their folder, or "
        'choose perceptual="vgg16", which Keras downloads.'
    )


def read_feature_file(name: str, folder=None) -> dict[str, np.ndarray]:
    """The arrays of `feature_file`, float32.

    Raises:
        GanTfcError: the file is missing or damaged.
    """
    path = feature_file(name, folder)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key].astype(np.float32) for key in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise GanTfcError(f"{path} cannot be read ({error}); fetch it again.") from error
