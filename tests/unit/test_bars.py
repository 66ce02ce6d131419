# SPDX-License-Identifier: Apache-2.0
"""benchmarks/bars.py can say no: each bar against codecs that miss it."""

import json
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_tfc.errors import TargetError


@pytest.fixture
def bars(benchmark_script):
    """The script as a module."""
    return benchmark_script("bars")


class Exact:
    """Streams of `size(quality)` bytes that decode to the image; sizes as asked for."""

    def __init__(self, size=lambda quality: int(8 * 1.06**quality), fill=1.0, off=0):
        self.size, self.fill, self.off = size, fill, off

    def compress(self, image, quality=None, *, max_bytes=None):
        self.image = image
        if max_bytes is None:
            return bytes(self.size(quality))
        if self.size(1) > max_bytes:
            raise TargetError("too little")
        return bytes(int(self.fill * max_bytes))

    def decompress(self, data):
        return self.image + np.uint8(self.off)

    def reconstruct(self, image, quality):
        return image


@pytest.fixture
def run(bars, tmp_path):
    """Runs a bar on a picture of 32x32 pixels with codecs by engine; returns {name: met}."""
    Image.new("RGB", (32, 32), (9, 99, 199)).save(tmp_path / "a.png")

    def run(name, codec, portable=None):
        class Bench(bars.Bench):
            codec = decompress = None

            def load(self, engine="auto"):
                return portable if portable and engine == "portable" else codec

        Bench.codec, Bench.decompress = codec, staticmethod(codec.decompress)
        bench = Bench("exact", [tmp_path / "a.png"], tmp_path)
        return {bar.name: bar.met for bar in bars.measure_all(bench, [name])}

    return run


def test_an_exact_codec_meets_the_bars(run):
    assert run("round_trip", Exact()) == {"round_trip": True}
    assert run("quality_grows", Exact()) == {"quality_grows": True, "range": True}
    assert run("size_targets", Exact()) == {"size_targets": True}


def test_one_wrong_pixel_value_in_either_coder_is_seen(run):
    assert run("round_trip", Exact(off=1), Exact()) == {"round_trip": False}
    assert run("round_trip", Exact(), Exact(off=1)) == {"round_trip": False}


def test_coders_that_write_other_bytes_are_seen(run):
    assert run("round_trip", Exact(), Exact(size=lambda quality: 7)) == {"round_trip": False}


def test_equal_bytes_for_more_quality_are_seen(run):
    flat = Exact(size=lambda quality: 10 + 400 * (quality > 50))
    assert run("quality_grows", flat) == {"quality_grows": False, "range": True}


def test_a_narrow_range_is_seen(run):
    narrow = Exact(size=lambda quality: 100 + int(quality))
    assert run("quality_grows", narrow) == {"quality_grows": True, "range": False}


@pytest.mark.parametrize("fill", [1.01, 0.96])
def test_a_size_that_is_missed_or_wasted_is_seen(run, fill):
    assert run("size_targets", Exact(fill=fill)) == {"size_targets": False}


def test_a_bar_that_cannot_be_measured_is_not_met(bars, run):
    class Broken(Exact):
        def compress(self, *args, **kwargs):
            raise TargetError("broken")

    assert run("quality_grows", Broken()) == {"quality_grows": False}


def test_a_report_keeps_other_bars_of_the_same_preset_alone(bars, tmp_path):
    bench = bars.Bench("exact", [tmp_path / "a.png"], tmp_path)
    path = tmp_path / "bars.json"
    first = bars.merge(path, bench, {"sha256": "1"}, [bars.Bar("a", "", "", True)])
    path.write_text(bars.json.dumps(first))
    same = bars.merge(path, bench, {"sha256": "1"}, [bars.Bar("b", "", "", False)])
    assert [bar["name"] for bar in same["bars"]] == ["a", "b"]
    other = bars.merge(path, bench, {"sha256": "2"}, [bars.Bar("b", "", "", False)])
    assert [bar["name"] for bar in other["bars"]] == ["b"]


def test_the_demo_is_run_with_the_preset_wherever_it_lies(bars, tmp_path, monkeypatch):
    calls = []

    def run(argv, **options):
        calls.append(argv)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(bars.subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    for preset in ("photo_mobile@3", "path:menu/1"):
        (bar,) = bars.measure_all(bars.Bench(preset, [], tmp_path), ["demo"])
        assert bar.met
    folder = pathlib.Path("menu/1").resolve()
    assert [argv[-2:] for argv in calls] == [["--preset", "photo_mobile@3"], ["--preset", f"path:{folder}"]]


@pytest.mark.parametrize("report", [{}, {"sha256": {"a": "1"}}, {"sha256": {"a": "2"}}], ids=str)
def test_realism_is_that_of_the_same_files(bars, tmp_path, monkeypatch, report):
    codec = SimpleNamespace(name="menu", version=1, model=SimpleNamespace(texture_features=12))
    bench = bars.Bench("path:menu/1", [], tmp_path)
    bench.codec, bench.identity = codec, {"sha256": {"a": "1"}}
    monkeypatch.setattr(bars, "_realism_0", lambda bench: bars.Bar("realism_0", "", "", True))
    rows = [{"psnr-rgb": 30, "fid": 40, "colour": 0}, {"psnr-rgb": 29, "fid": 20, "colour": 1}]
    row = {"bpp": 0.2, "realism 0": rows[0], "realism 1": rows[1]}
    (tmp_path / "menu-1-realism.json").write_text(json.dumps(report | {"results": [row]}))
    found = {bar.name: bar.met for bar in bars.measure_all(bench, ["realism"])}
    same = {"realism_0": True, "realism_fid": True, "realism_psnr": True, "realism_colour": True}
    # Reports of the first presets hold no hashes.
    assert found == (same if report != {"sha256": {"a": "2"}} else {"realism_0": True, "realism": False})
