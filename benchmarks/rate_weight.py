# SPDX-License-Identifier: Apache-2.0
"""Chooses `RATE_WEIGHT` of gan_tfc/coding/quantiser.py.

    python benchmarks/rate_weight.py --preset photo_mobile@1

The weight is an encoder's choice, so any codec decodes streams of any weight. For each one: the
BD-rate against plain rounding (weight 0) over complete streams, measured on photos that neither
trained the codec nor judge it (photos/val of GAN_TFC_DATA). Prints a table and writes
rate_weight.json into --output.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from kodak import DATA, RESULTS
from rich.progress import track

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.curves import measure, photos_in

WEIGHTS = (0.0, 0.05, 0.08, 0.11, 0.14, 0.18)
QUALITIES = (10, 25, 40, 55, 70, 85)


class Weighted:
    """A codec whose encoder uses another rate weight; see `gan_tfc.evaluation.curves.Measurable`.

    Args:
        codec: a `gan_tfc.Codec`.
        weight: distortion in steps squared that one bit is worth.
    """

    def __init__(self, codec, weight: float):
        self.codec, self.weight = codec, weight
        self.name = f"weight {weight:g}"
        self.description = f"{codec.name}@{codec.version}, rate weight {weight:g}"
        self._image = self._encoder = None

    def encode(self, image, quality):
        """The complete stream."""
        from gan_tfc.coding.steps import quality_to_code
        from gan_tfc.encoder import ImageEncoder

        if self._image is not image:
            self._image = image
            self._encoder = ImageEncoder(self.codec, image, self.weight)
        return self._encoder.encode(quality_to_code(quality))

    def decode(self, data):
        """uint8 `(H, W, 3)`."""
        return self.codec.decompress(data, realism=0)


def main(argv=None) -> int:
    """Measures all weights and prints the BD-rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    validation = DATA / "photos" / "val"
    parser.add_argument("--photos", default=validation, type=Path, help="folder of photos")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--weights", help="comma-separated, more than 0", metavar="W,W,...")
    parser.add_argument("--limit", type=int, help="only the first photos")
    args = parser.parse_args(argv)
    if args.limit and args.output == RESULTS:
        parser.error("--limit is for trials; give it another --output")
    weights = [0.0, *map(float, args.weights.split(","))] if args.weights else WEIGHTS
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        import gan_tfc
        from gan_tfc.evaluation.preset_codec import identity

        codec, photos = gan_tfc.load(args.preset), photos_in(args.photos, args.limit)
        curves = [
            measure(Weighted(codec, weight), track(photos, f"weight {weight:<5g}"), QUALITIES)
            for weight in weights
        ]
        rates = [round(curve.bd_rate(curves[0]), 3) for curve in curves]
    except GanTfcError as error:
        print(f"rate_weight.py: {error}", file=sys.stderr)
        return 1
    best = weights[rates.index(min(rates))]
    print("weight  BD-rate against weight 0")
    for weight, rate in zip(weights, rates, strict=True):
        print(f"{weight:6g}  {rate:+.2f} %" + ("  best" if weight == best else ""))
    report = {
        "preset": f"{codec.name}@{codec.version}",
        "codec": identity(args.preset),
        "photos": len(photos),
        "qualities": QUALITIES,
        "bd_rate": {f"{weight:g}": rate for weight, rate in zip(weights, rates, strict=True)},
        "best": best,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "rate_weight.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
