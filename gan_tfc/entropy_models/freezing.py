# SPDX-License-Identifier: Apache-2.0
"""From a trained model to data: integer networks and coding tables, built once.

Tables are never rebuilt by a receiver: a small numerical difference would break every stream.
"""

from collections.abc import Callable, Iterable

import numpy as np
from keras import ops

from gan_tfc.coding import steps
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.integer_network import SCALE_INDEXES, IntegerContextNetwork
from gan_tfc.coding.lifting import picture_bands
from gan_tfc.coding.passes import EncodingSource
from gan_tfc.coding.quantiser import Quantiser
from gan_tfc.coding.scan import COARSEST, TABLE_ROWS, ContextModel, scan
from gan_tfc.coding.tables import CodingTables, table_from_pmf
from gan_tfc.entropy_models.conditional import MIN_PROBABILITY

PRECISION = 16
#: Symbols beyond this are escaped: such latents are rare and a row's length is bounded.
_LARGEST = 2047
_TAIL_MASS = 2.0**-13
#: Weight of the parametric density when counts are at hand, in observed symbols.
_PRIOR_SYMBOLS = 1000.0


def context_model(model) -> ContextModel:
    """The integer networks of a `WaveletCodec`, in NumPy.

    Raises:
        PresetError: a layer whose accumulators could reach 2**24.
    """
    networks = []
    for network in model.networks:
        weights = {}
        for name in IntegerContextNetwork.LAYERS:
            layer = getattr(network, name)
            kernel, bias = layer.export_weights()
            weights[f"{name}/kernel"] = kernel
            if layer.use_bias:
                weights[f"{name}/bias"] = bias
        networks.append(IntegerContextNetwork(weights))
    return ContextModel(tuple(networks), np.asarray(model.phase, np.int8))


def coding_tables(model, counts: np.ndarray | None = None) -> CodingTables:
    """Tables for every scale index and every octave of the coarsest band.

    Args:
        model: a trained `WaveletCodec`.
        counts: how often each symbol occurred, `(64, 2 * 2047 + 1)`, from `count_symbols`; None uses
            the parametric density alone.
    """
    rows, offsets = [], []
    for index in range(SCALE_INDEXES):
        pmf = _conditional_pmf(model.conditional, index)
        if counts is not None:
            # Positive and negative residuals are equally likely: pooling halves the noise.
            observed = counts[index] + counts[index][::-1]
            pmf = (observed + _PRIOR_SYMBOLS * pmf) / (observed.sum() + _PRIOR_SYMBOLS)
        offset, trimmed = _trim(pmf)
        row, offset = table_from_pmf(trimmed, offset, PRECISION)
        rows.append(row)
        offsets.append(offset)
    for octave in range(steps.MIN_OCTAVE, steps.MAX_OCTAVE + 1):
        for offset, pmf in model.bottleneck.pmf(2.0 ** (octave - steps.MIN_OCTAVE)):
            row, offset = table_from_pmf(pmf, offset, PRECISION)
            rows.append(row)
            offsets.append(offset)
    assert len(rows) == TABLE_ROWS
    return CodingTables(rows, np.array(offsets, np.int32))


def _conditional_pmf(conditional, index: int) -> np.ndarray:
    """Probability of -2047..2047 for a scale index, float64."""
    symbols = np.arange(-_LARGEST, _LARGEST + 1, dtype="float32")
    bits = conditional.bits(ops.convert_to_tensor(symbols), 0.0, float(index))
    pmf = np.exp2(-ops.convert_to_numpy(bits).astype(np.float64))
    # The floor keeps training finite; as mass of 4095 symbols it would cost 0.06 bits a symbol.
    pmf[pmf < 1.01 * MIN_PROBABILITY] = 0
    return pmf / max(1.0, pmf.sum())


def _trim(pmf: np.ndarray) -> tuple[int, np.ndarray]:
    """Cut both tails of a symmetric pmf and append what they held as the escape's mass."""
    half = len(pmf) // 2
    tail = np.cumsum(pmf[:half])  # mass below each symbol, left side
    keep = min(half - int(np.searchsorted(tail, _TAIL_MASS / 2)), half)
    kept = pmf[half - keep : half + keep + 1]
    return -keep, np.append(kept, max(1.0 - kept.sum(), _TAIL_MASS / 8))


def count_symbols(
    contexts: ContextModel,
    tables: CodingTables,
    photos: Iterable[tuple[np.ndarray, list[np.ndarray], int]],
    quantiser: Callable | None = None,
) -> np.ndarray:
    """Encode photos and count what was coded, `(64, 4095)` int64.

    Args:
        contexts: integer networks.
        tables: used by the quantiser only.
        photos: coarsest band, details (finest first) and step code of each.
        quantiser: default `Quantiser(tables)`.
    """
    quantiser = quantiser or Quantiser(tables)
    width = 2 * _LARGEST + 1
    counts = np.zeros(SCALE_INDEXES * width, np.int64)
    for coarsest, details, code in photos:
        source = _Counting(EncodingSource(coarsest, details, code, quantiser), counts, width)
        shape = tuple(side << contexts.levels for side in coarsest.shape[:2])
        for _ in scan(contexts, shape, code, source):
            pass
    return counts.reshape(SCALE_INDEXES, width)


class _Counting:
    def __init__(self, source, counts, width):
        self.source, self.counts, self.width = source, counts, width

    def __call__(self, level, places, rows, means):
        symbols = self.source(level, places, rows, means)
        if level != COARSEST:
            inside = np.abs(symbols) <= _LARGEST
            cell = rows[inside].astype(np.int64) * self.width + symbols[inside] + _LARGEST
            np.add(self.counts, np.bincount(cell, minlength=self.counts.size), out=self.counts)
        return symbols


def calibrated_tables(model, photos=None, count=120, seed=0):
    """`FrozenTables` of a trained model; see `gan_tfc.codec.Codec.freeze_tables`.

    The encoder's choices depend on the tables, and the tables on what the encoder chose: two rounds
    settle both.
    """
    contexts = context_model(model)
    tables = coding_tables(model)
    if photos is not None:
        photos = list(_prepared(photos, contexts.levels, count, seed))
        for _ in range(2):
            tables = coding_tables(model, count_symbols(contexts, tables, photos))
    return FrozenTables.of(contexts, tables)


def _prepared(photos, levels, count, seed):
    """Bands and a random step code for `count` of the photos."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(photos))[:count]
    unit = 1 << levels
    for index, code in zip(order, np.linspace(0, 1, len(order)), strict=True):
        photo = photos[int(index)]
        height, width = (side // unit * unit for side in photo.shape[:2])
        if min(height, width) == 0:
            continue
        code = round(steps.FINEST_CODE + code * (steps.COARSEST_CODE - steps.FINEST_CODE))
        yield *picture_bands(photo[:height, :width], levels), code
