# SPDX-License-Identifier: Apache-2.0
"""What decides bits, as data: integer networks and coding tables, tied together by a digest."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gan_tfc.coding.integer_network import IntegerContextNetwork
from gan_tfc.coding.scan import TABLE_ROWS, ContextModel
from gan_tfc.coding.tables import CodingTables
from gan_tfc.errors import PresetError


class FrozenTables(NamedTuple):
    """Everything a decoder of symbols needs.

    Attributes:
        contexts: integer networks.
        tables: coding tables.
        digest: 4 bytes that every stream carries: the first of the SHA-256 over all arrays of
            `arrays()` in the order of their names, each as name, shape and little-endian int32.
    """

    contexts: ContextModel
    tables: CodingTables
    digest: bytes

    @classmethod
    def of(cls, contexts: ContextModel, tables: CodingTables) -> "FrozenTables":
        """Tie networks and tables together.

        Raises:
            PresetError: the tables have the wrong number of rows.
        """
        if len(tables) != TABLE_ROWS:
            raise PresetError(
                f"Expected {TABLE_ROWS} rows of coding tables, received {len(tables)}; the preset is damaged."
            )
        unfinished = cls(contexts, tables, b"")
        digest = hashlib.sha256()
        for name, array in sorted(unfinished.arrays().items()):
            digest.update(f"{name} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array, "<i4").tobytes())
        return cls(contexts, tables, digest.digest()[:4])

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, as stored in `tables.npz`."""
        arrays = {"phase": np.asarray(self.contexts.phase, np.int8), **self.tables.save()}
        for level, network in enumerate(self.contexts.networks):
            for name, array in network.weights.items():
                arrays[f"context_{level}/{name}"] = array
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FrozenTables":
        """Read back `arrays()`.

        Raises:
            PresetError: arrays are missing or do not fit together.
        """
        networks = {}
        for name, array in arrays.items():
            level, _, rest = name.partition("/")
            if rest and level.startswith("context_"):
                networks.setdefault(int(level.removeprefix("context_")), {})[rest] = array
        if sorted(networks) != list(range(len(networks))) or not networks or "phase" not in arrays:
            raise PresetError("Expected the networks of all levels, but some are missing.")
        ordered = tuple(IntegerContextNetwork(networks[level]) for level in range(len(networks)))
        contexts = ContextModel(ordered, np.asarray(arrays["phase"]))
        return cls.of(contexts, CodingTables.load(arrays))
