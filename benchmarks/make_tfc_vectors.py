# SPDX-License-Identifier: Apache-2.0
"""Makes tests/vectors/tfc_2_14_1.npz: streams of the full tensorflow-compression package.

The package is no dependency of this project (its last release is tied to TensorFlow 2.14), so this
needs an environment of its own, Python 3.9 to 3.11 on Linux x86-64:

    python3.11 -m venv /tmp/tfc
    /tmp/tfc/bin/pip install tensorflow-compression==2.14.1 "tensorflow==2.14.*"
    /tmp/tfc/bin/python benchmarks/make_tfc_vectors.py tests/vectors/tfc_2_14_1.npz

Each case NAME stores the arrays NAME.cdf, .cdf_length, .cdf_offset (the model's tables, as in
`CodingTables.save`), .bottleneck, .loc (float32, flat, what the model was given; its quantisation
offset for a batched model), .symbols (int32: bottleneck - loc, rounded), .rows (int32) and .stream
(uint8). Inputs are drawn with a fixed seed; some lie far outside the tables.
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc


def split_rows(flat):
    """Lengths of the rows of a flat table."""
    lengths, start = [], 0
    while start < len(flat):
        end = start + 2 + int(np.argmax(flat[start + 2 :] == 1 << abs(int(flat[start]))))
        lengths.append(end + 1 - start)
        start = end + 1
    return np.array(lengths, np.int32)


def case(model, bottleneck, loc, rows, stream):
    """The arrays of one case."""
    return {
        "cdf": model.cdf.numpy(),
        "cdf_length": split_rows(model.cdf.numpy()),
        "cdf_offset": model.cdf_offset.numpy(),
        "bottleneck": bottleneck.ravel(),
        "loc": loc.ravel(),
        "symbols": np.rint(bottleneck - loc).astype(np.int32).ravel(),
        "rows": rows.astype(np.int32).ravel(),
        "stream": np.frombuffer(stream.numpy(), np.uint8),
    }


def indexed(rng, precision, tail_mass, shape, stretch):
    """LocationScaleIndexedEntropyModel with Gaussian priors; inputs `stretch` times too wide."""
    num_scales = 24

    def scale_fn(index):
        return tf.exp(np.log(0.11) + np.log(40 / 0.11) / (num_scales - 1) * index)

    model = tfc.LocationScaleIndexedEntropyModel(
        tfc.NoisyNormal,
        num_scales,
        scale_fn,
        coding_rank=3,
        compression=True,
        tail_mass=tail_mass,
        range_coder_precision=precision,
    )
    rows = rng.integers(0, num_scales, shape, dtype=np.int32)
    loc = rng.normal(scale=3, size=shape).astype(np.float32)
    scales = scale_fn(tf.cast(rows, tf.float32)).numpy()
    bottleneck = (loc + stretch * scales * rng.normal(size=shape)).astype(np.float32)
    # As a tensor: `compress` subtracts loc in place from a NumPy array.
    stream = model.compress(tf.constant(bottleneck), rows, loc)
    decoded = model.decompress(stream, rows, loc).numpy()
    np.testing.assert_array_equal(decoded, np.rint(bottleneck - loc) + loc)
    return case(model, bottleneck, loc, rows, stream)


def batched(rng, prior, shape, scale):
    """ContinuousBatchedEntropyModel: one distribution per channel."""
    model = tfc.ContinuousBatchedEntropyModel(prior, coding_rank=3, compression=True)
    bottleneck = (scale * rng.standard_cauchy(size=shape)).astype(np.float32)
    stream = model.compress(tf.constant(bottleneck))
    offset = model.quantization_offset
    loc = np.broadcast_to(np.float32(0) if offset is None else offset.numpy(), shape)
    decoded = model.decompress(stream, shape[:-1]).numpy()
    np.testing.assert_array_equal(decoded, np.rint(bottleneck - loc) + loc)
    rows = np.broadcast_to(np.arange(shape[-1]), shape)
    return case(model, bottleneck, loc, rows, stream)


def main(path):
    """Writes all cases to `path`."""
    rng = np.random.default_rng(2141)
    tf.random.set_seed(2141)
    channels = 6
    logistic = tfc.NoisyLogistic(
        loc=tf.constant(rng.normal(scale=2, size=channels), tf.float32),
        scale=tf.constant(np.geomspace(0.05, 8, channels), tf.float32),
    )
    cases = {
        "indexed_p12": indexed(rng, 12, 2**-8, (8, 10, 24), 1),
        "indexed_p16": indexed(rng, 16, 2**-12, (8, 10, 24), 1),
        "indexed_escapes": indexed(rng, 12, 2**-4, (7, 9, 11), 6),
        "batched_factorised": batched(
            rng, tfc.NoisyDeepFactorized(batch_shape=(channels,)), (15, 17, channels), 2
        ),
        "batched_logistic": batched(rng, logistic, (15, 17, channels), 3),
        "batched_one_symbol": batched(rng, logistic, (1, 1, channels), 0),
    }
    arrays = {f"{name}.{key}": a for name, arrays in cases.items() for key, a in arrays.items()}
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
