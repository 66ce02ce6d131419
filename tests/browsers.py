# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium for tests of pages: what npm must install, kept between runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

PLAYWRIGHT = "playwright-core@1.65.1"


def node_modules(config, folder: str, packages: list[str]) -> Path:
    """A folder `node_modules` with the packages, in pytest's cache; skips where that cannot be.

    Args:
        config: pytest's.
        folder: name of the folder in the cache.
        packages: such as "playwright-core@1.65.1".
    """
    for program in ("node", "npm", "chromium"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    folder = config.cache.mkdir(folder)
    wanted = " ".join(packages)
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != wanted:
        command = ["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit", *packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs {wanted}, but npm cannot install them: {done.stderr[-200:]}")
        installed.write_text(wanted)
    return folder / "node_modules"
