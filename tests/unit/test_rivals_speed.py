# SPDX-License-Identifier: Apache-2.0
"""benchmarks/rivals_speed.py: ratios of medians, and HiFiC's generator as published."""

import sys

import pytest


@pytest.fixture
def rivals_speed(benchmark_script):
    """The script as a module."""
    pytest.importorskip("rich", reason="needs rich, which the command line brings")
    return benchmark_script("rivals_speed")


def report(**changes):
    records = [
        {"name": "ours, quality 50", "parameters": 243_600, "kmac_decode": 12.3, "bpp": 0.75, "decode": 1.0}
        | {"encode": 0.9},
        {"name": "HiFiC", "parameters": 156_800_000, "kmac_decode": 664.2, "transforms": 35.0},
    ]
    return {
        "baseline": "ours, quality 50",
        "size": "768x512",
        "rounds": 3,
        "threads": 2,
        "command": "python benchmarks/rivals_speed.py",
        "packages": {"torch": "2.0"},
        "records": records,
    } | changes


def test_ratios_are_of_medians(rivals_speed):
    seconds = {"decode": [0.2, 9.0, 0.3], "encode": [2.0], "transforms": []}
    assert rivals_speed.ratios(seconds, 0.1) == {"decode": 3.0, "encode": 20.0}


def test_a_row_leaves_empty_what_was_not_measured(rivals_speed):
    lines = rivals_speed.table(report()).splitlines()
    assert "| ours, quality 50 | 0.244 | 12.3 | 0.75 | 1 | 0.9 |  |" in lines
    assert "| HiFiC | 157 | 664.2 |  |  |  | 35 |" in lines


def test_the_page_says_how_it_was_measured(rivals_speed):
    page = rivals_speed.table(report(rounds=7, threads=3))
    for part in (
        "`ours, quality 50`",
        "768x512",
        "7 interleaved",
        "3 threads",
        "torch 2.0",
        "rivals_speed.py",
    ):
        assert part in page


def test_an_interpreter_without_torch_is_one_sentence(rivals_speed, capsys, tmp_path):
    if not pytest.importorskip("importlib.util").find_spec("torch"):
        assert rivals_speed.main(["--torch-python", sys.executable, "-o", str(tmp_path)]) == 1
        assert "Expected torch and compressai" in capsys.readouterr().err
    assert rivals_speed.main(["--torch-python", str(tmp_path / "none"), "-o", str(tmp_path)]) == 1
    assert "Expected a Python interpreter" in capsys.readouterr().err


def test_the_generator_has_the_published_size(benchmark_script):
    torch = pytest.importorskip("torch", reason="needs torch, for the rival; see benchmarks/rivals_speed.py")
    hific = benchmark_script("hific_generator")
    generator = hific.Generator().eval()
    latents = torch.zeros(1, hific.LATENTS, 4, 6)
    counts = hific.kmacs(generator, 64 * 96, lambda: generator(latents))
    assert round(hific.parameters(generator) / 1e6) == 157
    assert round(sum(counts.values())) == 664
    assert generator(latents).shape == (1, 3, 64, 96)
