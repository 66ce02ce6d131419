# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion optimised quantisation: of the nearest integers, the one that is worth its bits."""

import numpy as np

from gan_tfc.coding.tables import CodingTables

#: Distortion, in steps squared, that one bit is worth; see benchmarks/rate_weight.py.
RATE_WEIGHT = 0.11

REACH = 15


class Quantiser:
    """Chooses symbols by ``(residual - symbol)**2 + rate_weight * bits``.

    Candidates are the nearest integer, the one next to it towards zero, and zero. An encoder's
    choice alone: any symbols decode.

    Args:
        tables: tell how many bits a symbol takes.
        rate_weight: distortion in steps squared that one bit is worth; 0 rounds to nearest.
    """

    def __init__(self, tables: CodingTables, rate_weight: float = RATE_WEIGHT):
        costs = tables.cost_matrix(-REACH, REACH) * np.float32(rate_weight)
        # Magnitudes beyond the reach are rounded: there, neighbours cost about the same.
        self._costs = np.ascontiguousarray(costs, np.float32).reshape(-1)
        self._width = 2 * REACH + 1

    def __call__(
        self, residual: np.ndarray, rows: np.ndarray, factors: np.ndarray | None = None
    ) -> np.ndarray:
        """Residuals in steps and their table rows, one-dimensional -> int32 symbols.

        Args:
            residual: float32.
            rows: int32.
            factors: of the rate weight of each symbol, float32; None is 1 for all.
        """
        nearest = np.floor(np.abs(residual) + np.float32(0.5)).astype(np.int32)
        symbols = np.where(residual < 0, -nearest, nearest)
        at = np.flatnonzero((nearest > 0) & (nearest <= REACH))
        if not at.size:
            return symbols
        chosen, away, row = symbols[at], residual[at], rows[at] * self._width + REACH
        factor = np.float32(1) if factors is None else factors[at]
        best = np.square(away - chosen) + factor * self._costs[row + chosen]
        for candidate in (chosen - np.sign(chosen), np.zeros_like(chosen)):
            cost = np.square(away - candidate) + factor * self._costs[row + candidate]
            better = cost < best
            best = np.where(better, cost, best)
            chosen = np.where(better, candidate, chosen)
        symbols[at] = chosen
        return symbols
