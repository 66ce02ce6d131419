# SPDX-License-Identifier: Apache-2.0
"""`python -m gan_tfc` as a process of its own."""

import pathlib
import subprocess
import sys

import pytest

import gan_tfc

ROOT = pathlib.Path(__file__).parents[2]
COMMANDS = ["compress", "decompress", "info", "zoo", "demo", "train", "freeze"]


def program(*argv, code="from gan_tfc.__main__ import main; sys.exit(main())"):
    """Runs the program, with the repository first on the path; returns the finished process."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    return subprocess.run([sys.executable, "-c", code, *map(str, argv)], capture_output=True, text=True)


def test_module_is_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "gan_tfc", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"gan-tfc {gan_tfc.__version__}\n")


def test_help_names_every_command():
    done = program("--help")
    assert done.returncode == 0 and done.stderr == ""
    for name in COMMANDS:
        assert f"\n    {name}" in done.stdout


@pytest.mark.parametrize("argv", [[], ["compres", "x.png"], ["info"]], ids=str)
def test_wrong_usage_exits_with_2(argv):
    done = program(*argv)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("usage: gan-tfc") and "Traceback" not in done.stderr


KERAS = {"keras", "tensorflow", "jax"}
QUICK = [
    (["--help"], KERAS | {"numpy"}),
    (["info", "STREAM"], KERAS),
    (["train", "--list"], KERAS | {"numpy"}),
    (["zoo", "list"], KERAS | {"numpy"}),
]


@pytest.mark.parametrize(("argv", "unwanted"), QUICK, ids=["help", "info", "train-list", "zoo-list"])
def test_quick_commands_import_no_keras(stream, argv, unwanted):
    argv = [stream if arg == "STREAM" else arg for arg in argv]
    code = (
        "from gan_tfc.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print({unwanted} & set(sys.modules), file=sys.stderr)"
    )
    assert program(*argv, code=code).stderr == "set()\n"


@pytest.mark.slow
def test_a_mistake_gives_one_line_without_traceback_or_framework_noise(picture):
    done = program("compress", picture, "--preset", "no_such_preset")
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gan-tfc: error: ") and "no_such_preset" in line


@pytest.mark.slow
def test_round_trip_prints_nothing_on_stderr(picture, tiny_preset, tmp_path):
    preset = ["--preset", f"path:{tiny_preset}"]
    done = program("compress", picture, "-o", tmp_path / "x.gtc", *preset)
    assert (done.returncode, done.stderr) == (0, "")
    done = program("decompress", tmp_path / "x.gtc", *preset)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x.png").exists()


def test_reader_that_stops_early_causes_no_traceback(stream):
    code = (
        "import os\nreader, writer = os.pipe()\nos.close(reader)\nos.dup2(writer, 1)\n"
        "from gan_tfc.cli import main\nsys.exit(main())"
    )
    done = program("info", stream, code=code)
    assert (done.returncode, done.stderr) == (1, "")
