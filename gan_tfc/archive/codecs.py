# SPDX-License-Identifier: Apache-2.0
"""The codecs of an archive's streams."""

import threading

from gan_tfc.coding import container
from gan_tfc.errors import PresetError


class Codecs:
    """Finds the codec of a stream, and keeps it.

    Args:
        own: a codec for streams with its tables, such as one that is not installed; the others are
            decoded with installed presets.
    """

    def __init__(self, own=None):
        self.own = own
        self._lock = threading.Lock()

    def of(self, header: container.Header):
        """The codec that decodes a stream with this header.

        Raises:
            PresetError: it is not installed.
        """
        if self.own is not None and self.own.tables().digest == header.tables_digest:
            return self.own
        return self.named(header.preset, header.preset_version)

    def named(self, preset: str, version: int):
        """An installed codec.

        Raises:
            PresetError: it is not installed.
        """
        from gan_tfc.zoo import registry

        if version not in registry.available().get(preset, ()):
            raise PresetError(
                f"the photo was compressed with preset {preset}@{version}, which is not installed: install "
                "a gan_tfc that has it, or pass its folder as --preset path:FOLDER."
            )
        with self._lock:  # else two threads would load it twice
            return registry.shared(f"{preset}@{version}")
