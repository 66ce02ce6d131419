# SPDX-License-Identifier: Apache-2.0
"""Runs a preset on whichever backend KERAS_BACKEND names.

Usage: python keras_runner.py PRESET ENGINE ARRAYS.npz RESULTS.npz

ARRAYS and RESULTS are those of `tests/export/edge_runner.py`.
"""

import sys

import numpy as np

import gan_tfc
from gan_tfc.coding import container


def integers(steps):
    """All integers of a scan, flat."""
    first, *steps = steps
    parts = [x for step in steps for x in (step.values, step.scales)]
    return np.concatenate([x.ravel() for x in (first.picture, *parts, steps[-1].picture)])


def main(preset, engine, source, target):
    codec, arrays, results, streams = gan_tfc.load(preset, engine), dict(np.load(source)), {}, {}
    quality, decode = float(arrays.pop("quality")), bool(arrays.pop("decode"))
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        data = array.tobytes() if kind == "stream" else codec.compress(array, quality)
        if kind == "image":
            results[f"encoded/{name}"] = np.frombuffer(data, np.uint8)
        if kind == "stream" or decode:
            streams[name] = data
    for name, data in streams.items():
        steps, (header, _) = codec.symbols(data), container.parse_header(data)
        results[f"latents/{name}"] = integers(steps)
        for realism in (0.0, 1.0):
            results[f"pixels/{name}/{realism:g}"] = codec.to_pixels(steps[-1].picture, header, realism)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
