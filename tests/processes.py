# SPDX-License-Identifier: Apache-2.0
"""The program as a process of its own: to be interrupted, killed, or given a small disk."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
#: A shell's background jobs ignore Ctrl-C, and so would their children.
PROGRAM = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
PROGRAM += f"sys.path.insert(0, {str(ROOT)!r}); from gan_tfc.cli import main; sys.exit(main())"
#: As `ulimit -f`: what a file may grow to, beyond which writing fails.
SMALL_DISK = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); \
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); del sys.argv[1]; "

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def start(*argv, before="", cwd=None) -> subprocess.Popen:
    """Starts the program; `before` is code that runs first, such as `SMALL_DISK`."""
    return subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
