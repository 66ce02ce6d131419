# SPDX-License-Identifier: Apache-2.0
"""Runs a preset on whichever backend KERAS_BACKEND names.

Usage: python keras_runner.py PRESET ENGINE ARRAYS.npz RESULTS.npz

ARRAYS and RESULTS are those of `tests/export/edge_runner.py`.
"""

import sys

import numpy as np

import gan_tfc


def integers(codec, data):
    """All integers of a stream, flat."""
    first, *steps = codec.symbols(data)
    parts = [x for step in steps for x in (step.values, step.scales)]
    return np.concatenate([x.ravel() for x in (first.picture, *parts, steps[-1].picture)])


def main(preset, engine, source, target):
    codec, arrays, results, streams = gan_tfc.load(preset, engine), dict(np.load(source)), {}, {}
    quality = float(arrays.pop("quality"))
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        streams[name] = array.tobytes() if kind == "stream" else codec.compress(array, quality)
        if kind == "image":
            results[f"encoded/{name}"] = np.frombuffer(streams[name], np.uint8)
    for name, data in streams.items():
        results[f"latents/{name}"] = integers(codec, data)
        for realism in (0.0, 1.0):
            results[f"pixels/{name}/{realism:g}"] = codec.decompress(data, realism)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
