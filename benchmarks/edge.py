# SPDX-License-Identifier: Apache-2.0
"""Bundles on one thread: how fast, how large, how much memory, as ratios, in one run on one machine.

    python benchmarks/edge.py --preset photo_mobile

The picture is that of benchmarks/speed.py, 768x512. Synthesis graphs run interleaved on one core:
TensorFlow's graph of the Keras model, TFLite and ONNX Runtime in every precision. The C and JavaScript
runtimes are asked by their own benchmarks. Memory is that of fresh processes that decode a picture of 12
million pixels with edge.py, whole and in pieces. Writes edge.json and edge.md into --output.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
from speed import RESULTS, sample_photo

QUALITY = 50
PRECISIONS = ("float32", "float16", "int8")
LARGE = 3072, 4096
PACKAGES = ("gan_tfc", "tensorflow", "keras", "ai-edge-litert", "onnxruntime", "numpy")
EDGE = Path(__file__).parents[1] / "export" / "edge"


def export_all(codec, folder) -> dict[tuple[str, str], Path]:
    """Every TFLite and ONNX bundle, without the measurements of their cards."""
    found = {}
    with mock.patch("gan_tfc.export.bundle.bundle_card", return_value=""):
        for format in ("tflite", "onnx"):
            for precision in PRECISIONS:
                target = folder / f"{format}-{precision}"
                found[format, precision] = codec.export(target, format, precision) or target
    return found


def on_one_thread(codec, bundles):
    """Synthesis graphs by name, each a function of the inputs, all on one thread."""
    import onnxruntime
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    network = codec.model.synthesis
    graph = tf.function(lambda inputs: network(inputs, training=False), reduce_retracing=True)

    def keras(inputs):
        return graph({name: tf.constant(x) for name, x in inputs.items()}).numpy()

    calls = {"Keras": keras}
    for (format, precision), folder in bundles.items():
        if format == "tflite":
            path = str(folder / "synthesis.tflite")
            runner = Interpreter(path, num_threads=1).get_signature_runner()
            calls[f"TFLite {precision}"] = lambda inputs, run=runner: run(**inputs)["picture"]
        else:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(
                folder / "synthesis.onnx", options, providers=["CPUExecutionProvider"]
            )
            calls[f"ONNX Runtime {precision}"] = lambda inputs, run=session.run: run(["picture"], inputs)[0]
    return calls


def time_graphs(calls, inputs, rounds):
    """Median seconds of each graph, interleaved."""
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call(inputs)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call(inputs)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


DECODE_LARGE = """
import sys
sys.path.insert(0, sys.argv[1])
import edge
from pathlib import Path
codec = edge.EdgeCodec(sys.argv[1], threads=1, tiled=sys.argv[3] == "pieces")
data = Path(sys.argv[2]).read_bytes()
def peak():
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1]) / 1024
before = peak()
*_, last = codec.symbols(data)
latents = peak()
codec.decompress(data)
print(before, latents, peak())
"""


def memory_of_large(codec, bundle, folder):
    """Peak MiB of decoding a large picture: start of the process, latents alone, all of it."""
    height, width = LARGE
    photo = np.tile(sample_photo(), (height // 512 + 1, width // 768 + 1, 1))[:height, :width]
    path = folder / "large.gtc"
    path.write_bytes(codec.compress(photo, QUALITY))
    found = {}
    for way in ("whole", "pieces"):
        done = subprocess.run(
            [sys.executable, "-c", DECODE_LARGE, bundle, path, way],
            capture_output=True,
            text=True,
            check=True,
        )
        start, latents, everything = map(float, done.stdout.split())
        found[way] = {"start": start, "latents": latents, "pixels": everything}
    return found


def other_languages(bundle, folder):
    """What `gtc bench` and `bench.mjs` print."""
    found = {}
    if compiler := shutil.which("cc"):
        program = folder / "gtc"
        source = str(EDGE / "gtc_cli.c")
        subprocess.run([compiler, "-std=c99", "-O2", source, "-lm", "-o", program], check=True)
        found["C"] = _output([program, "bench", bundle / "codec.bin"])
    if node := shutil.which("node"):
        found["JavaScript"] = _output([node, EDGE / "bench.mjs", bundle / "codec.bin"])
    return found


def _output(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def report(results) -> str:
    """The table."""
    base = results["seconds"]["Keras"]
    lines = [
        f"# {results['preset']} in bundles, one thread",
        "",
        f"`python benchmarks/edge.py --preset {results['preset']}` wrote this; `edge.json` has all numbers.",
        "",
        "| synthesis graph, 768x512 | time, Keras graph = 1 | whole bundle, bytes |",
        "|---|---|---|",
    ]
    for name, seconds in results["seconds"].items():
        size = results["bytes"].get(name)
        lines.append(f"| {name} | {seconds / base:.2f} | {f'{size:,}' if size else ''} |")
    lines += ["", f"Peak memory of `edge.py` for {LARGE[1]}x{LARGE[0]} pixels, MiB:", ""]
    lines += ["| synthesis | process | with latents | with pixels |", "|---|---|---|---|"]
    for way, peak in results["memory"].items():
        lines.append(f"| {way} | {peak['start']:.0f} | {peak['latents']:.0f} | {peak['pixels']:.0f} |")
    for language, printed in results["languages"].items():
        lines += ["", f"{language}:", "", "```", *printed, "```"]
    return "\n".join(lines) + "\n"


def main():
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="photo_mobile")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import gan_tfc
    from gan_tfc.export.calibration import synthesis_inputs

    codec = gan_tfc.load(args.preset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = export_all(codec, folder)
        inputs = synthesis_inputs(codec, sample_photo(), QUALITY, 1.0)
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(allowed)})
        seconds = time_graphs(on_one_thread(codec, bundles), inputs, args.rounds)
        os.sched_setaffinity(0, allowed)
        titles = {"tflite": "TFLite", "onnx": "ONNX Runtime"}
        results = {
            "preset": f"{codec.name}@{codec.version}",
            "versions": {package: version(package) for package in PACKAGES},
            "seconds": seconds,
            "bytes": {
                f"{titles[format]} {precision}": sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
                for (format, precision), path in bundles.items()
            },
            "memory": memory_of_large(codec, bundles["tflite", "float32"], folder),
            "languages": other_languages(bundles["tflite", "float32"], folder),
        }
    (args.output / "edge.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.output / "edge.md").write_text(report(results))
    print(report(results))


if __name__ == "__main__":
    main()
