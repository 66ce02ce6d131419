# SPDX-License-Identifier: Apache-2.0
"""Which density fits the symbols best: logistic, Gaussian, Laplace, or the counts themselves.

    python benchmarks/family.py --preset photo_mobile@1 --photos ../shared/data/photos/val

Codes photos, counts the symbols of each scale index, fits the scale of every family to each row by
maximum likelihood, and prints the bits a symbol that ideal codes of each family would take.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from keras import ops

import gan_tfc
from gan_tfc.coding import steps
from gan_tfc.coding.lifting import picture_bands
from gan_tfc.entropy_models.conditional import FAMILIES, interval_probability
from gan_tfc.entropy_models.freezing import count_symbols
from gan_tfc.photos import PhotoFolder

QUALITIES = (10, 25, 40, 60, 80)


def family_bits(counts: np.ndarray, family: str) -> float:
    """Total bits of all rows under the best scale of a family for each row."""
    half = counts.shape[1] // 2
    symbols = np.arange(-half, half + 1, dtype="float32")
    grid = np.exp(np.linspace(np.log(0.03), np.log(600), 240)).astype("float32")
    total = 0.0
    costs = []
    for scale in grid:
        mass = interval_probability(
            ops.convert_to_tensor(symbols - 0.5),
            ops.convert_to_tensor(symbols + 0.5),
            scale,
            family,
        )
        costs.append(-np.log2(np.maximum(ops.convert_to_numpy(mass).astype(np.float64), 1e-9)))
    for row in counts:
        total += float(np.min(np.stack(costs) @ row)) if row.any() else 0.0
    return total


def own_bits(counts: np.ndarray) -> float:
    """Total bits under each row's own frequencies: the least any tables could take."""
    total = 0.0
    for row in counts:
        used = row[row > 0]
        total -= float(np.sum(used * np.log2(used / row.sum())))
    return total


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="photo_mobile")
    parser.add_argument("--photos", required=True)
    parser.add_argument("-o", "--output", default="benchmarks/results/family.json")
    arguments = parser.parse_args()
    codec = gan_tfc.load(arguments.preset)
    levels = codec.frozen.contexts.levels
    photos = PhotoFolder(arguments.photos)
    coded = [
        (*picture_bands(photos[i], levels), steps.quality_to_code(QUALITIES[i % len(QUALITIES)]))
        for i in range(len(photos))
    ]
    counts = count_symbols(codec.frozen.contexts, codec.frozen.tables, coded)
    counts = counts[1:]  # symbols of scale index 0 are not coded
    symbols = int(counts.sum())
    costs = codec.frozen.tables.cost_matrix(-(counts.shape[1] // 2), counts.shape[1] // 2)[1:64]
    result = {name: family_bits(counts, name) / symbols for name in FAMILIES}
    result["the preset's tables"] = float((costs * counts).sum()) / symbols
    result["own frequencies (bound)"] = own_bits(counts) / symbols
    for name, bits in result.items():
        print(f"{name:26s} {bits:.5f} bits a symbol")
    record = {"command": f"python benchmarks/family.py --preset {arguments.preset}", "bits": result}
    Path(arguments.output).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
