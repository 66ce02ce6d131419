# SPDX-License-Identifier: Apache-2.0
"""How fast presets are beside other learned codecs, as ratios, in one run on one machine.

    python3 -m venv /tmp/torchvenv && /tmp/torchvenv/bin/pip install torch compressai
    python benchmarks/rivals_speed.py --torch-python /tmp/torchvenv/bin/python

CompressAI's models have random weights and HiFiC's generator is rebuilt from its layer table: neither
changes how long they take, but the bits that random weights spend are not those of trained ones, so the
synthesis transforms alone are timed as well. The picture is that of benchmarks/speed.py, 768x512. Rounds are
interleaved: in each one every codec is timed, and medians over all rounds are compared. Writes
rivals_speed.json and rivals_speed.md into --output; every time is a ratio to the first preset's decoding at
quality 50.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from speed import RESULTS, sample_photo

from gan_tfc.coding.strips import cores
from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.metrics import file_bpp

QUALITIES = (20, 50, 80)
BASELINE_QUALITY = 50
#: What each rival is asked for. Raster-scan decoding is so slow that one round must do.
RIVALS = {
    "bmshj2018_hyperprior-4": ("encode", "decode", "transforms"),
    "mbt2018_mean-4": ("encode", "decode", "transforms"),
    "mbt2018_mean-8": ("encode", "decode", "transforms"),
    "cheng2020_anchor-3": ("encode", "decode", "transforms"),
    "hific": ("transforms",),
}
ONCE = ("cheng2020_anchor-3",)
NAMES = {"hific": "HiFiC, generator alone"}
PACKAGES = ("gan_tfc", "tensorflow", "keras", "numpy", "ai-edge-litert")


class Worker:
    """benchmarks/rivals_torch.py in another interpreter.

    Args:
        python: the interpreter.
        photo: `.npy` file with a uint8 `(H, W, 3)` picture.
        threads: for torch.
    """

    def __init__(self, python: str, photo: Path, threads: int):
        script = Path(__file__).with_name("rivals_torch.py")
        command = [python, str(script), str(photo), str(threads)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise GanTfcError(f"Expected a Python interpreter at {python}: {error.strerror}.") from error
        self.versions = self._read()
        if "error" in self.versions:
            raise GanTfcError(
                f"Expected torch and compressai in {python}, but: {self.versions['error']}; make an "
                "environment as the top of this script says, and name it with --torch-python."
            )

    def ask(self, rival: str, task: str):
        """The answer to one request."""
        self._process.stdin.write(json.dumps({"rival": rival, "task": task}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise GanTfcError(
                "Expected an answer of the PyTorch side, but it has ended; see its output above."
            )
        return json.loads(line)


def describe_preset(name, codec, image, quality, data) -> dict:
    """What a row says of a preset beside its times."""
    from gan_tfc.models.complexity import complexity

    counts = complexity(codec.model)
    return {
        "name": f"{codec.name}@{codec.version}, quality {quality}",
        "parameters": counts["parameters"],
        "kmac_decode": round(counts["kmac_per_pixel"], 1),
        "bpp": round(file_bpp(data, image), 3),
    }


def timed(call) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratios(seconds: dict, baseline: float) -> dict:
    """Medians of each task's seconds over the baseline, to two digits or, from ten on, to whole numbers."""
    values = {task: statistics.median(times) / baseline for task, times in seconds.items() if times}
    return {task: round(value, 2 if value < 10 else 0) for task, value in values.items()}


def table(report: dict) -> str:
    """The report in Markdown."""
    packages = ", ".join(f"{name} {number}" for name, number in report["packages"].items())
    lines = [
        "# Speed beside other learned codecs",
        "",
        f"Times are multiples of `{report['baseline']}` decoding a {report['size']} picture, medians of "
        f"{report['rounds']} interleaved rounds in one run, {report['threads']} threads. CompressAI's models "
        "have random weights: the bits per pixel are theirs, not those of trained ones. *Transforms* are g_s "
        "and h_s alone, without entropy coding.",
        "",
        f"`{report['command']}`; {packages}.",
        "",
        "| codec | million parameters | kMAC/px to decode | bits/px | decode | encode | transforms |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in report["records"]:
        times = (f"{record[task]:g}" if task in record else "" for task in ("decode", "encode", "transforms"))
        cells = [
            record["name"],
            f"{record['parameters'] / 1e6:.3g}",
            f"{record['kmac_decode']:g}",
            f"{record['bpp']:g}" if "bpp" in record else "",
            *times,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def measure(presets, image, worker, rounds) -> tuple[str, list[dict]]:
    """The baseline's name and all records."""
    import gan_tfc

    records, seconds, calls = [], [], []
    baseline = None
    for name in presets:
        codec = gan_tfc.load(name)
        for quality in QUALITIES:
            data = codec.compress(image, quality)
            codec.decompress(data)
            if quality == BASELINE_QUALITY and baseline is None:
                baseline = len(records)
            records.append(describe_preset(name, codec, image, quality, data))
            calls.append(
                {
                    "decode": lambda c=codec, d=data: timed(lambda: c.decompress(d)),
                    "encode": lambda c=codec, q=quality: timed(lambda: c.compress(image, q)),
                }
            )
    for rival, tasks in RIVALS.items():
        model, _, quality = rival.rpartition("-")
        name = NAMES.get(rival, f"CompressAI {model}, quality {quality}")
        records.append({"name": name, **worker.ask(rival, "describe")})
        calls.append({task: lambda r=rival, t=task: worker.ask(r, t) for task in tasks})
    seconds = [{task: [] for task in each} for each in calls]
    once = [len(calls) - len(RIVALS) + list(RIVALS).index(rival) for rival in ONCE]
    for number in range(rounds):
        for at, each in enumerate(calls):
            if number and at in once:
                continue
            for task, call in each.items():
                seconds[at][task].append(call())
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    unit = statistics.median(seconds[baseline]["decode"])
    for record, times in zip(records, seconds, strict=True):
        record.update(ratios(times, unit))
    return records[baseline]["name"], records


def main(argv=None) -> int:
    """Measures, prints and writes."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", action="append", help="name, name@version, path:FOLDER; may be repeated")
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with torch, compressai")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=cores(), help="of torch; as many as cores by default")
    parser.add_argument("-o", "--output", default=RESULTS, type=Path, help="folder of results")
    args = parser.parse_args(argv)
    image = sample_photo()
    try:
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder) / "photo.npy"
            np.save(photo, image)
            worker = Worker(args.torch_python, photo, args.threads)
            baseline, records = measure(args.preset or ["photo_mobile"], image, worker, args.rounds)
            worker.close()
    except GanTfcError as error:
        print(f"rivals_speed.py: {error}", file=sys.stderr)
        return 1
    report = {
        "baseline": baseline,
        "size": f"{image.shape[1]}x{image.shape[0]}",
        "rounds": args.rounds,
        "threads": args.threads,
        "command": shlex.join(["python", "benchmarks/rivals_speed.py", *argv]),
        "packages": {name: version(name) for name in PACKAGES} | worker.versions,
        "records": records,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "rivals_speed.json").write_text(json.dumps(report, indent=1) + "\n")
    (args.output / "rivals_speed.md").write_text(table(report))
    print(table(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
