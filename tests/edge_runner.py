# SPDX-License-Identifier: Apache-2.0
"""Runs a bundle's edge.py where nothing but NumPy and its runtime may be imported.

Usage: python edge_runner.py BUNDLE ARRAYS.npz RESULTS.npz [MODULE ...] [--reference-kernels]

ARRAYS holds a ``quality``, pictures ``image/<name>``, streams ``stream/<name>`` and whether to ``decode``
those of the pictures, too; RESULTS has of the pictures ``encoded/<name>``, a stream, and of streams
``latents/<name>``, all integers, ``preview/<name>``, ``pixels/<name>/<realism>`` and ``tiled/<name>``, the
picture decoded in pieces. Without modules no pixels are made. Reference kernels are TFLite's own, without
XNNPACK.
"""

import functools
import importlib.abc
import sys

import numpy as np

FORBIDDEN = ("tensorflow", "keras", "jax", "gan_tfc", "PIL", "tensorflow_compression_ops")


class Refuse(importlib.abc.MetaPathFinder):
    """Stands in for an environment without the forbidden packages."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)


def coded(codec, arrays, results):
    """Names and bytes of the streams to decode; those of pictures go into `results`, too."""
    quality, decode = float(arrays.pop("quality")), bool(arrays.pop("decode"))
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        data = array.tobytes() if kind == "stream" else codec.compress(array, quality)
        if kind == "image":
            results[f"encoded/{name}"] = np.frombuffer(data, np.uint8)
        if kind == "stream" or decode:
            yield name, data


def integers(steps):
    """All integers of a scan in one array."""
    first, *steps = steps
    parts = [x for step in steps for x in (step.values, step.scales)]
    return np.concatenate([x.ravel() for x in (first.picture, *parts, steps[-1].picture)])


def pixels(codec, name, steps, header):
    """What `decompress` makes of a stream once it is decoded, at realism 0 and 1."""
    return {
        f"pixels/{name}/{realism:g}": codec.to_pixels(steps[-1].picture, header, realism)
        for realism in (0.0, 1.0)
    }


def main(bundle, source, target, *runtimes):
    reference = "--reference-kernels" in runtimes
    runtimes = [name for name in runtimes if not name.startswith("--")]
    hidden = {"ai_edge_litert", "tflite_runtime", "onnxruntime"} - set(runtimes)
    sys.meta_path.insert(0, Refuse((*FORBIDDEN, *hidden)))
    sys.path.insert(0, bundle)
    import edge

    if reference:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        edge._lite_interpreter = lambda: functools.partial(Interpreter, experimental_op_resolver_type=kernels)
    codec, arrays, results = edge.EdgeCodec(bundle), dict(np.load(source)), {}
    pieces = edge.EdgeCodec(bundle, tiled=True)
    for name, data in coded(codec, arrays, results):
        steps, (header, _) = codec.symbols(data), edge.parse_header(data)
        results[f"latents/{name}"] = integers(steps)
        results[f"preview/{name}"] = codec.preview(data, 8)
        if runtimes:
            results |= pixels(codec, name, steps, header)
            results[f"tiled/{name}"] = pieces.to_pixels(steps[-1].picture, header, 1.0)
    assert not {name for name in FORBIDDEN if name in sys.modules}
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
