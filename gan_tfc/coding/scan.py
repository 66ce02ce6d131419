# SPDX-License-Identifier: Apache-2.0
"""The order of the symbols: coarse to fine, two checkerboard passes a level.

```
 coarsest band --> picture --+--> context network --> means, scale indexes --> symbols of pass 1
        ^                    |          |                                            |
        |                    |          +---- features, known values <---------------+
        |                    |                       |
        +-- merge_level <----+---- values <----------+--> means, scale indexes --> symbols of pass 2
```

Encoder and decoder run the same `scan`; they differ only in where symbols come from. A symbol's value
is ``4 * symbol + mean`` in 1/4 step. Symbols whose scale index is 0 are surely zero and are not coded.

Rows of the coding tables: 0..63 by scale index (row 0 is never coded), then three rows, one for each
colour plane, for each octave 2..8 of the coarsest band's step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gan_tfc.coding import contexts, lifting, steps
from gan_tfc.coding.integer_network import BANDS, HALO, SCALE_INDEXES, IntegerContextNetwork
from gan_tfc.coding.strips import in_strips, on_all_cores

#: (level, places, rows, means) -> symbols, all one-dimensional. Places are flat indexes, ascending, into
#: the level's latents `(H, W, 9)`, or into the coarsest band `(H, W, 3)` where level is COARSEST; rows
#: are 0 where the symbol is surely zero; means are in 1/4 step. A pass may come in several calls.
SymbolSource = Callable[[int, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

COARSEST = -1
TABLE_ROWS = SCALE_INDEXES + 3 * (steps.MAX_OCTAVE - steps.MIN_OCTAVE + 1)
MAX_SYMBOL = 2**17

#: A stream has four sections: the coarsest band with all levels that an eighth-size picture needs,
#: then one for each finer level.
SECTIONS = 4


@dataclass(frozen=True)
class ContextModel:
    """All integer networks of a preset.

    Args:
        networks: one network per level, finest first, or what has the same `first` and `second`.
        phase: nine 0/1 integers, see `contexts.first_pass_mask`.
    """

    networks: tuple[IntegerContextNetwork, ...]
    phase: np.ndarray

    @property
    def levels(self) -> int:
        return len(self.networks)


@dataclass(frozen=True)
class ScanStep:
    """The state after the coarsest band (level = number of levels) or after one more level.

    Attributes:
        level: the level just merged, 0 for the finest.
        picture: `(H, W, 3)` int32 in 1/64 step: the picture at scale ``2**level``.
        values: `(H/2, W/2, 9)` int32 in 1/4 step, or None for the coarsest band.
        scales: scale indexes behind `values`, int32, or None.
    """

    level: int
    picture: np.ndarray
    values: np.ndarray | None
    scales: np.ndarray | None


def section_of(level: int) -> int:
    """The section of the stream that holds a level (or COARSEST)."""
    return 0 if level == COARSEST else max(0, SECTIONS - 1 - level)


def coarsest_rows(shape: tuple[int, int, int], code: int) -> np.ndarray:
    """Table rows of the coarsest band, flat, int32."""
    first = SCALE_INDEXES + 3 * (steps.coarsest_octave(code) - steps.MIN_OCTAVE)
    return np.broadcast_to(first + np.arange(3, dtype=np.int32), shape).reshape(-1)


def scan(model: ContextModel, shape: tuple[int, int], code: int, source: SymbolSource) -> Iterator[ScanStep]:
    """Yield the picture at every scale, coarsest first, pulling symbols from `source`.

    Args:
        model: the context networks.
        shape: padded height and width, multiples of ``2**levels``.
        code: step code of the stream.
        source: gives the symbols; it sees those of a pass in C order of the latents.
    """
    height, width = (side >> model.levels for side in shape)
    rows = coarsest_rows((height, width, 3), code)
    symbols = _clipped(source(COARSEST, np.arange(rows.size), rows, np.zeros(rows.shape, np.int32)))
    picture = steps.coarsest_to_fixed(symbols.reshape(height, width, 3), code).astype(np.int32)
    yield ScanStep(model.levels, picture, None, None)
    values = None
    for level in range(model.levels - 1, -1, -1):
        values, scales = _scan_level(model, picture, values, code, level, source)
        picture = lifting.merge_level(picture, 16 * values)
        yield ScanStep(level, picture, values, scales)


def _scan_level(model, picture, parents, code, level, source):
    """Values `(H, W, 9)` in 1/4 step and scale indexes of one level, int32."""
    network = model.networks[level]
    height, width, _ = picture.shape
    values = np.zeros((height, width, BANDS), np.int32)
    scales = np.empty(values.shape, np.int32)
    strips = in_strips(height, width, HALO)
    # Strips and windows begin at even rows, so they all have the mask of the first.
    mask = contexts.first_pass_mask(strips[0].window.stop, width, model.phase)
    in_strip = mask[strips[0].rows]
    places = contexts.pass_places(in_strip), contexts.pass_places(~in_strip)

    def first(strip):
        seen = contexts.context(picture, parents, code, level, strip.window)
        features, *parameters = network.first(seen)
        return features, *_coded(parameters, strip, places[0])

    def second(strip, features):
        known = contexts.known_values(values[strip.window], mask)
        return _coded(network.second(features, known), strip, places[1])

    def fill(strip, places, means, rows):
        symbols = _clipped(source(level, strip.rows.start * width * BANDS + places, rows, means))
        values[strip.rows].reshape(-1)[places] = 4 * symbols + means
        scales[strip.rows].reshape(-1)[places] = rows

    features = []
    for strip, (kept, *coded) in zip(strips, on_all_cores(first, strips), strict=True):
        features.append(kept)
        fill(strip, *coded)
    for strip, coded in zip(strips, on_all_cores(second, strips, features), strict=True):
        fill(strip, *coded)
    return values, scales


def _coded(parameters, strip, places):
    """Places of a pass in a strip, and their means and rows."""
    means, rows = (x[strip.inside].reshape(-1) for x in parameters)
    places = places[: np.searchsorted(places, means.size)]  # the last strip may be lower
    return places, means.take(places).astype(np.int32), rows.take(places).astype(np.int32)


def _clipped(symbols: np.ndarray) -> np.ndarray:
    """A hostile stream may hold symbols up to 2**30; arithmetic is bounded here, once for all."""
    return np.minimum(np.maximum(symbols, -MAX_SYMBOL), MAX_SYMBOL)
