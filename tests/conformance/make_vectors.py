# SPDX-License-Identifier: Apache-2.0
"""Writes the conformance vectors of a preset: what every runtime must make of these streams.

    python tests/conformance/make_vectors.py photo_mobile@2

For each picture and quality, in `vectors/<preset>-<version>/`:

    NAME.gtc        the stream
    NAME.npz        "latents": int32, one after another the coarsest picture (h, w, 3) in 1/64 step, and
                    for each level, coarse to fine, values (H, W, 9) in 1/4 step and scale indexes
                    (H, W, 9); "picture": CRC-32 of the finest picture (2 H, 2 W, 3) in 1/64 step, as
                    little-endian int32
    NAME-0.png      the decoded picture at realism 0, with float32 transforms
    NAME-1.png      the same at realism 1

The symbols of a stream are (value - mean) / 4, so they are equal where values and scale indexes are and the
stream decodes to its end.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

VECTORS = Path(__file__).with_name("vectors")
#: Qualities of each picture.
QUALITIES = {"1x1": (5, 50, 95), "17x33": (5, 50, 95), "200x300": (5, 30, 70), "768x512": (10, 40)}


def pictures() -> dict[str, np.ndarray]:
    """Pictures by their width and height, from photos of scikit-image."""
    from skimage import data

    face = Image.fromarray(data.astronaut()).resize((768, 768), Image.Resampling.BICUBIC)
    return {
        "1x1": data.coffee()[:1, :1],
        "17x33": data.astronaut()[60:93, 220:237],
        "200x300": data.chelsea()[0:300, 120:320],
        "768x512": np.asarray(face)[60:572],
    }


def integers(codec, data) -> dict[str, np.ndarray]:
    """All integers of a stream, as in the docstring of this module."""
    first, *steps = codec.symbols(data)
    parts = [array for step in steps for array in (step.values, step.scales)]
    flat = np.concatenate([array.ravel() for array in (first.picture, *parts)])
    picture = np.ascontiguousarray(steps[-1].picture, "<i4")
    return {"latents": flat.astype(np.int32), "picture": np.uint32(zlib.crc32(picture.tobytes()))}


def main(preset):
    """Writes all vectors of a preset."""
    import gan_tfc

    # The reference is NumPy and the portable coder.
    codec = gan_tfc.load(preset, engine="portable")
    folder = VECTORS / f"{codec.name}-{codec.version}"
    folder.mkdir(parents=True)
    for name, picture in pictures().items():
        for quality in QUALITIES[name]:
            data = codec.compress(picture, quality)
            path = folder / f"{name}-q{quality}"
            path.with_suffix(".gtc").write_bytes(data)
            np.savez_compressed(path.with_suffix(".npz"), **integers(codec, data))
            for realism in (0, 1):
                decoded = Image.fromarray(codec.decompress(data, realism))
                decoded.save(f"{path}-{realism}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
