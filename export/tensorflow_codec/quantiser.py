# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion optimised quantisation, as in `gan_tfc.coding.quantiser`."""

import numpy as np
import tensorflow as tf

from gan_tfc.coding.quantiser import RATE_WEIGHT, REACH
from gan_tfc.coding.tables import CodingTables
from gan_tfc.export.tensorflow_codec.tables import shared_function, shared_table


class GraphQuantiser:
    """Chooses symbols by ``(residual - symbol)**2 + rate_weight * bits``.

    Args:
        tables: tell how many bits a symbol takes.
        rate_weight: distortion in steps squared that one bit is worth.
    """

    def __init__(self, tables: CodingTables, rate_weight: float = RATE_WEIGHT):
        costs = tables.cost_matrix(-REACH, REACH) * np.float32(rate_weight)
        self._costs = shared_table(costs.astype(np.float32).reshape(-1))
        self._width = costs.shape[1]

    @shared_function
    def __call__(self, residual, rows):
        """Residuals in steps, float32, and their table rows, both `(n,)` -> int32 symbols."""
        nearest = tf.floor(tf.abs(residual) + 0.5)
        symbols = tf.sign(residual) * nearest
        at = tf.where((nearest > 0) & (nearest <= REACH))
        away, chosen, rows = (tf.gather_nd(x, at) for x in (residual, symbols, rows))
        best = self._cost(away, chosen, rows)
        for candidate in (chosen - tf.sign(chosen), tf.zeros_like(chosen)):
            cost = self._cost(away, candidate, rows)
            better = cost < best
            best, chosen = tf.where(better, cost, best), tf.where(better, candidate, chosen)
        return tf.cast(tf.tensor_scatter_nd_update(symbols, at, chosen), tf.int32)

    def _cost(self, away, candidate, rows):
        entries = rows * self._width + REACH + tf.cast(candidate, tf.int32)
        return tf.square(away - candidate) + tf.gather(self._costs, entries)
