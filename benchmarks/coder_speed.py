# SPDX-License-Identifier: Apache-2.0
"""Speed of both range coders in million symbols per second.

    python benchmarks/coder_speed.py [symbols]

Symbols are Gaussian, from 64 rows of 16 bits with scales of 0.11 to 64 steps; the mixes of rows
are such that most, many and some of them are zero, as in a photo at low, medium and high rate.
Each number is the best of five runs; table look-ups and array conversions are included.
"""

import importlib.util
import math
import sys
import time

import numpy as np

from gan_tfc.coding.tables import CodingTables, table_from_pmf
from gan_tfc.entropy_models.tfc_coder import make_coder

SCALES = np.geomspace(0.11, 64, 64)


def gaussian_tables(precision=16):
    """One row per scale, four standard deviations to each side."""
    rows, offsets = [], []
    for scale in SCALES:
        reach = math.ceil(4 * scale)
        edges = (np.arange(-reach, reach + 2) - 0.5) / (scale * math.sqrt(2))
        pmf = np.diff([math.erf(edge) for edge in edges]) / 2
        row, offset = table_from_pmf(np.append(pmf, 1 - pmf.sum()).clip(0), -reach, precision)
        rows.append(row)
        offsets.append(offset)
    return CodingTables(rows, offsets)


def best_time(function, runs=5):
    """Shortest duration in seconds."""
    durations = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return min(durations)


def main(count=1_000_000):
    """Prints one line per engine and mix."""
    rng = np.random.default_rng(0)
    tables = gaussian_tables()
    has_ops = importlib.util.find_spec("tensorflow_compression_ops") is not None
    print(f"{count} symbols\nengine    zeros  bits/symbol  encode M/s  decode M/s")
    for engine in ["portable", "tfc"] if has_ops else ["portable"]:
        coder = make_coder(tables, engine)
        for centre in (3, 12, 24):
            rows = rng.normal(centre, 10, count).clip(0, 63).astype(np.int32)
            symbols = np.rint(rng.normal(size=count) * SCALES[rows]).astype(np.int32)

            def encode(coder=coder, symbols=symbols, rows=rows):
                encoder = coder.encoder()
                encoder.encode(symbols, rows)
                return encoder.finish()

            data = encode()
            assert (coder.decoder(data).decode(rows) == symbols).all()
            encoding = best_time(encode)
            decoding = best_time(lambda c=coder, d=data, r=rows: c.decoder(d).decode(r))
            print(
                f"{engine:8}  {np.mean(symbols == 0):5.2f}  {8 * len(data) / count:11.3f}  "
                f"{count / encoding / 1e6:10.1f}  {count / decoding / 1e6:10.1f}"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
