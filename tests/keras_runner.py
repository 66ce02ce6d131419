# SPDX-License-Identifier: Apache-2.0
"""Runs a preset on whichever backend KERAS_BACKEND names.

Usage: python keras_runner.py PRESET ENGINE ARRAYS.npz RESULTS.npz

ARRAYS and RESULTS are those of `edge_runner.py`.
"""

import sys

import numpy as np
from edge_runner import coded, integers, pixels

import gan_tfc
from gan_tfc.coding import container


def main(preset, engine, source, target):
    codec, arrays, results = gan_tfc.load(preset, engine), dict(np.load(source)), {}
    for name, data in coded(codec, arrays, results):
        steps, (header, _) = codec.symbols(data), container.parse_header(data)
        results |= {f"latents/{name}": integers(steps), **pixels(codec, name, steps, header)}
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
