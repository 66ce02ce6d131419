# SPDX-License-Identifier: Apache-2.0
"""What commands write presets to."""

from pathlib import Path

from gan_tfc.errors import PresetError
from gan_tfc.folders import check_new


def check_new_preset(output: str) -> None:
    """Refuses, before any work, a folder that a preset cannot be written to.

    Raises:
        PresetError: it holds a preset.
        GanTfcError: it holds other things, or cannot be written.
    """
    if (Path(output) / "config.json").exists():
        raise PresetError(
            f"expected a new folder, but {output!r} holds a preset: presets never change, "
            "save under the next version."
        )
    check_new(output)
