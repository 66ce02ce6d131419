# SPDX-License-Identifier: Apache-2.0
"""Runs integer context graphs on the Keras backend that the environment names.

    KERAS_BACKEND=jax python graph_runner.py IN.npz OUT.npz

IN holds, for each network n: ``n/weights/<array>``, ``n/context`` and ``n/known``, and OUT what the
graphs give, both call by call and compiled: ``n/<mode>/<output>``.
"""

import sys
from types import SimpleNamespace

import keras
import numpy as np

from gan_tfc.export import graphs


def modes(model):
    """How to call a model on this backend, by name."""
    if keras.backend.backend() == "jax":
        import jax

        return {"eager": model, "compiled": jax.jit(lambda inputs: model(inputs))}
    import tensorflow as tf

    return {"eager": model, "compiled": tf.function(lambda inputs: model(inputs))}


def main(source, target):
    arrays, results = dict(np.load(source)), {}
    for label in sorted({name.split("/")[0] for name in arrays}):
        prefix = f"{label}/weights/"
        weights = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        network = SimpleNamespace(weights=weights)
        for name, model in (("first", graphs.first(network)), ("second", graphs.second(network))):
            for mode, call in modes(model).items():
                inputs = {"context": arrays[f"{label}/context"]}
                if name == "second":
                    features = results[f"{label}/{mode}/features"]
                    inputs = {"features": features, "known": arrays[f"{label}/known"]}
                for output, value in call(inputs).items():
                    key = output if name == "first" else f"second_{output}"
                    results[f"{label}/{mode}/{key}"] = keras.ops.convert_to_numpy(value)
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
