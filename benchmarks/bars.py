# SPDX-License-Identifier: Apache-2.0
"""What a released photo preset must reach, measured.

    python benchmarks/bars.py --preset photo_mobile@1
    python benchmarks/bars.py --only round_trip,previews
    python benchmarks/bars.py --only quality_grows --full      # all 100 qualities

Prints one line a bar and writes bars.json into --output; the exit code is 1 where a bar is not
met. A run of some bars keeps what the file says of the others, as long as the preset is the same.
The BD-rates are those of kodak.py's result files, measured first where they are missing or of
another preset; what is said of realism comes from realism_runs.py's file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from kodak import DATA, RESULTS, file_stem, preset_curve, rival_curves
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gan_tfc.errors import GanTfcError, TargetError
from gan_tfc.evaluation.curves import photos_in
from gan_tfc.evaluation.timing import median_seconds
from gan_tfc.images import read_image

ROUND_TRIP_QUALITIES = (1, 25, 50, 75, 100)
SOME_QUALITIES = tuple(range(1, 101, 9))
TARGETS_BPP = (0.15, 0.3, 0.7, 1.5)
#: In percent; of presets that are not named, the first.
BD_LIMITS = {
    "": {"JPEG": -45, "WebP": -15},
    **dict.fromkeys(("photo_mobile@2", "photo_mobile@3"), {"JPEG": -50, "WebP": -22, "AVIF": -3}),
}
#: Where realism is measured, in bits a pixel.
REALISM_BPP = (0.13, 0.31)


@dataclass
class Bar:
    """One line of the report."""

    name: str
    bar: str
    measured: str
    met: bool
    details: dict = field(default_factory=dict)


@dataclass
class Bench:
    """What the bars are measured on.

    Args:
        preset: as for `gan_tfc.load`.
        paths: photos.
        results: folder of kodak.py's result files.
        full: all qualities instead of some.
    """

    preset: str
    paths: list[Path]
    results: Path
    full: bool = False

    def load(self, engine="auto"):
        """The preset with one of the range coders."""
        import gan_tfc

        return gan_tfc.load(self.preset, engine)

    @cached_property
    def codec(self):
        """The preset as users load it."""
        return self.load()

    @cached_property
    def identity(self) -> dict:
        """Hashes of the preset's files."""
        from gan_tfc.evaluation.preset_codec import identity

        return identity(self.preset)

    @property
    def decompress(self):
        """`gan_tfc.decompress`; for a folder, which streams cannot name, the codec's."""
        import gan_tfc

        return self.codec.decompress if self.preset.startswith("path:") else gan_tfc.decompress

    @property
    def preview(self):
        """`gan_tfc.preview`, or the codec's as above."""
        import gan_tfc

        return self.codec.preview if self.preset.startswith("path:") else gan_tfc.preview

    def images(self, title) -> Iterator[tuple[str, np.ndarray]]:
        """Name and pixels of each photo, with a progress bar."""
        for path in track(self.paths, f"{title:14}"):
            yield path.name, read_image(path)


def round_trip(bench: Bench) -> Iterator[Bar]:
    """Both range coders write the same bytes, which decode to what `reconstruct` promised."""
    codecs = {engine: bench.load(engine) for engine in ("tfc", "portable")}
    trips, failed = 0, []
    for name, image in bench.images("round_trip"):
        for quality in ROUND_TRIP_QUALITIES:
            expected = codecs["tfc"].reconstruct(image, quality)
            streams = {}
            for engine, codec in codecs.items():
                streams[engine] = codec.compress(image, quality)
                decoded = codec.decompress(streams[engine])
                trips += 1
                if not np.array_equal(decoded, expected):
                    failed.append(f"{name} quality {quality} {engine}")
            if streams["tfc"] != streams["portable"]:
                failed.append(f"{name} quality {quality}: the coders' bytes differ")
            if not np.array_equal(bench.decompress(streams["tfc"]), expected):
                failed.append(f"{name} quality {quality}: gan_tfc.decompress differs")
    yield Bar(
        "round_trip",
        "decompress(compress(x)) equals reconstruct(x), both coders, every pixel",
        f"{trips} of {trips} equal" if not failed else f"{len(failed)} differ in {trips}",
        not failed,
        {"failed": failed, "qualities": ROUND_TRIP_QUALITIES, "photos": len(bench.paths)},
    )


def quality_grows(bench: Bench) -> Iterator[Bar]:
    """More quality, more bytes, over a useful range."""
    qualities = range(1, 101) if bench.full else SOME_QUALITIES
    totals, bpps = np.zeros(len(qualities), np.int64), []
    for _, image in bench.images("quality_grows"):
        sizes = np.array([len(bench.codec.compress(image, quality)) for quality in qualities])
        totals += sizes
        bpps.append(8 * sizes / (image.shape[0] * image.shape[1]))
    growth = totals[1:] / totals[:-1]
    bpp = np.mean(bpps, axis=0)
    yield Bar(
        "quality_grows",
        "mean bytes grow strictly with quality 1..100",
        f"{len(qualities)} qualities, each at least {100 * (growth.min() - 1):.2f} % larger",
        bool(growth.min() > 1),
        {"quality": list(qualities), "bpp": [round(value, 5) for value in bpp.tolist()]},
    )
    yield Bar(
        "range",
        "quality 1..100 spans at least 0.10 to 2.5 bpp",
        f"{bpp[0]:.3f} to {bpp[-1]:.3f} bpp",
        bool(bpp[0] <= 0.10 and bpp[-1] >= 2.5),
    )


def size_targets(bench: Bench) -> Iterator[Bar]:
    """A size that is asked for is kept, and used."""
    fills, over, out_of_range = [], [], []
    for name, image in bench.images("size_targets"):
        pixels = image.shape[0] * image.shape[1]
        for target in TARGETS_BPP:
            limit = int(target * pixels / 8)
            label = f"{name} {target} bpp"
            try:
                data = bench.codec.compress(image, max_bytes=limit)
            except TargetError:
                out_of_range.append(label)
                if len(bench.codec.compress(image, 1)) <= limit:
                    over.append(f"{label}: refused, but quality 1 fits")
                continue
            if len(data) > limit:
                over.append(f"{label}: {len(data)} > {limit}")
            elif len(data) == len(bench.codec.compress(image, 100)):
                out_of_range.append(label)
            else:
                fills.append((len(data) / limit, label))
    least, where = min(fills, default=(0.0, "no photo in range"))
    yield Bar(
        "size_targets",
        "max_bytes met on every photo, filled to at least 97 % where quality is inside 1..100",
        f"{len(over)} missed, least {100 * least:.2f} % full ({where}), "
        f"{len(out_of_range)} of {len(fills) + len(out_of_range)} out of range",
        not over and least >= 0.97,
        {
            "over": over,
            "out_of_range": out_of_range,
            "mean_fill": round(statistics.fmean([f for f, _ in fills] or [0.0]), 5),
        },
    )


def bd_rates(bench: Bench) -> Iterator[Bar]:
    """Smaller files than today's codecs at equal PSNR."""
    ours = preset_curve(bench.preset, bench.paths, bench.results)
    limits = BD_LIMITS.get(bench.preset, BD_LIMITS[""])
    for rival in rival_curves(bench.paths, bench.results):
        rate, (low, high) = ours.bd_rate(rival), ours.common_psnr(rival)
        limit = limits.get(rival.name)
        yield Bar(
            f"bd_rate_{rival.name.lower()}",
            f"BD-rate against {rival.name} " + (f"below {limit} %" if limit else "reported"),
            f"{rate:+.2f} % over {low:.1f} to {high:.1f} dB",
            limit is None or rate < limit,
            {"rival": rival.description},
        )


def previews(bench: Bench) -> Iterator[Bar]:
    """An eighth-size picture reads little of the file, and takes little time."""
    from gan_tfc.streams import read_preview_prefix

    shares, small, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.gtc"
        for name, image in bench.images("previews"):
            data = bench.codec.compress(image, target_bpp=0.5)
            path.write_bytes(data)
            prefix = read_preview_prefix(path, 8)
            if not np.array_equal(bench.preview(prefix, 8), bench.preview(data, 8)):
                raise GanTfcError(f"Expected the same preview of {name} from its prefix.")
            bench.decompress(data)
            shares.append(len(prefix) / len(data))
            small.append(median_seconds(lambda part=prefix: bench.preview(part, 8)))
            whole.append(median_seconds(lambda part=data: bench.decompress(part)))
    ratio = sum(small) / sum(whole)
    yield Bar(
        "preview_bytes",
        "a preview at 1/8 touches less than a third of a stream of 0.5 bpp",
        f"{100 * statistics.fmean(shares):.1f} % in the mean, {100 * max(shares):.1f} % at most",
        max(shares) < 1 / 3,
    )
    yield Bar(
        "preview_time",
        "and takes less than a fifth of the time of a full decode",
        f"{100 * ratio:.1f} % ({1000 * statistics.fmean(small):.0f} of "
        f"{1000 * statistics.fmean(whole):.0f} ms)",
        ratio < 0.2,
    )


def speed(bench: Bench) -> Iterator[Bar]:
    """Once loaded, a 768x512 photo takes a moment."""
    compress, decompress = [], []
    for _, image in bench.images("speed"):
        if sorted(image.shape) != [3, 512, 768]:
            continue
        data = bench.codec.compress(image)
        bench.decompress(data)
        compress.append(median_seconds(lambda x=image: bench.codec.compress(x)))
        decompress.append(median_seconds(lambda x=data: bench.decompress(x)))
    if not compress:
        raise GanTfcError("Expected photos of 768x512 pixels, found none.")
    for name, times in (("compress", compress), ("decompress", decompress)):
        yield Bar(
            f"{name}_speed",
            f"{name} of a 768x512 photo below 0.6 s once loaded",
            f"{statistics.fmean(times):.3f} s in the mean, {max(times):.3f} s at most",
            statistics.fmean(times) < 0.6,
            {"cores": os.cpu_count(), "photos": len(times)},
        )


def demo(bench: Bench) -> Iterator[Bar]:
    """`gan-tfc demo` in a fresh process and folder."""
    root = str(Path(__file__).parents[1])
    preset = bench.preset
    if preset.startswith("path:"):
        preset = f"path:{Path(preset.removeprefix('path:')).resolve()}"  # the process runs elsewhere
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "gan_tfc", "demo", "--preset", preset],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
    last = (done.stderr.strip().splitlines() or [""])[-1]
    failed = f", exit code {done.returncode}: {last}" if done.returncode else ""
    yield Bar(
        "demo",
        "gan-tfc demo from cold below 60 s",
        f"{seconds:.1f} s{failed}",
        done.returncode == 0 and seconds < 60,
        {"cores": os.cpu_count()},
    )


def realism(bench: Bench) -> Iterator[Bar]:
    """Textures at the price of some PSNR, on streams that do not change."""
    if not bench.codec.model.texture_features:
        return
    yield _realism_0(bench)
    path = bench.results / f"{file_stem(f'{bench.codec.name}@{bench.codec.version}')}-realism.json"
    try:
        report = json.loads(path.read_text())
    except OSError as error:
        raise GanTfcError(f"Expected {path} ({error}); run benchmarks/realism_runs.py first.") from error
    if report.get("sha256", bench.identity["sha256"]) != bench.identity["sha256"]:
        raise GanTfcError(f"Expected {path} of this preset, it is of another; run realism_runs.py again.")
    rows = report["results"]
    low, high = REALISM_BPP
    rows = [row for row in rows if low <= row["bpp"] <= high]
    if not rows:
        raise GanTfcError(f"Expected qualities of {low} to {high} bpp in {path}; measure such as well.")
    where = ", ".join(f"{row['bpp']:.2f}" for row in rows) + " bpp"
    saved = [100 * (1 - row["realism 1"]["fid"] / row["realism 0"]["fid"]) for row in rows]
    yield Bar(
        "realism_fid",
        "realism 1 has a patch FID at least 30 % lower than realism 0 at 0.15 to 0.3 bpp",
        f"{', '.join(f'{value:.0f}' for value in saved)} % at {where}",
        min(saved) >= 30,
    )
    lost = [row["realism 0"]["psnr-rgb"] - row["realism 1"]["psnr-rgb"] for row in rows]
    yield Bar(
        "realism_psnr",
        "and a PSNR at most 1.5 dB lower",
        f"{', '.join(f'{value:.2f}' for value in lost)} dB at {where}",
        max(lost) <= 1.5,
    )
    shifts = [row["realism 1"]["colour"] for row in rows]
    yield Bar(
        "realism_colour",
        "and no colour shift: 32-pixel block means differ by less than 1.5 of 255",
        f"{', '.join(f'{value:.2f}' for value in shifts)} at {where}",
        max(shifts) < 1.5,
    )


def _realism_0(bench):
    """The network without its layers of realism, beside the whole one at realism 0."""
    from gan_tfc import Codec
    from gan_tfc.models.wavelet_codec import WaveletCodec
    from gan_tfc.models.weights import local_path

    codec = bench.codec
    settings = {key: codec.model.get_config()[key] for key in PLAIN_SETTINGS}
    plain = WaveletCodec(**settings)
    plain.build()
    weights = {local_path(weight, codec.model): weight for weight in codec.model.weights}
    for weight in plain.weights:
        weight.assign(weights[local_path(weight, plain)])
    plain = Codec(plain, codec.name, codec.version, codec.frozen)
    different = 0
    for _, image in bench.images("realism_0"):
        data = codec.compress(image, 25)
        different += not np.array_equal(plain.decompress(data), codec.decompress(data, realism=0))
    return Bar(
        "realism_0",
        "realism 0 is the stage A2 decoder",
        f"{len(bench.paths) - different} of {len(bench.paths)} photos equal in every pixel",
        not different,
    )


PLAIN_SETTINGS = (
    "features",
    "phase",
    "family",
    "dead_zone",
    "rate_weight",
    "synthesis_features",
    "synthesis_blocks",
)


BARS = {
    function.__name__: function
    for function in (round_trip, quality_grows, size_targets, bd_rates, realism, previews, speed, demo)
}


def measure_all(bench: Bench, names) -> list[Bar]:
    """Runs bars by name; one that cannot be measured is not met, and says why."""
    found = []
    for name in names:
        try:
            found += BARS[name](bench)
        except GanTfcError as error:
            found.append(Bar(name, BARS[name].__doc__, f"not measured: {error}", False))
    return found


def merge(path: Path, bench: Bench, codec: dict, found: list[Bar]) -> dict:
    """The report, with what an earlier one of the same preset says of other bars."""
    report = {"preset": bench.preset, "codec": codec, "photos": len(bench.paths), "bars": []}
    try:
        earlier = json.loads(path.read_text())
    except (OSError, ValueError):
        earlier = {}
    same = all(earlier.get(key) == report[key] for key in ("codec", "photos"))
    bars = {bar["name"]: bar for bar in earlier["bars"]} if same else {}
    bars |= {bar.name: asdict(bar) for bar in found}
    return report | {"bars": list(bars.values())}


def main(argv=None) -> int:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="photo_mobile", help="name, name@version, path:FOLDER")
    parser.add_argument("--photos", default=DATA / "kodak", type=Path, help="folder of photos")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    parser.add_argument("--only", help=f"comma-separated, of {', '.join(BARS)}")
    parser.add_argument("--full", action="store_true", help="quality_grows: all 100 qualities")
    parser.add_argument("--limit", type=int, help="only the first photos, for a trial")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(BARS)
    if unknown := [name for name in names if name not in BARS]:
        parser.error(f"expected bars among {', '.join(BARS)}, received {', '.join(unknown)}")
    if args.limit and args.output == RESULTS:
        parser.error("--limit is for trials; give it another --output")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    try:
        bench = Bench(args.preset, photos_in(args.photos, args.limit), args.output, args.full)
        codec = bench.identity
    except GanTfcError as error:
        print(f"bars.py: {error}", file=sys.stderr)
        return 1
    found = measure_all(bench, names)
    table = Table("bar", "measured", "met")
    for bar in found:
        table.add_row(bar.bar, bar.measured, "yes" if bar.met else "NO")
    Console(width=140).print(table)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "bars.json"
    path.write_text(json.dumps(merge(path, bench, codec, found), indent=1) + "\n")
    return 0 if all(bar.met for bar in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
