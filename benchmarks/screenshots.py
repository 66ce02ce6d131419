# SPDX-License-Identifier: Apache-2.0
"""Screenshots to fine-tune on: pages of code and of documentation, as Chromium shows them.

    python benchmarks/screenshots.py FOLDER

What they show is Python's own standard library: of each module its source, coloured in one of the styles
of Pygments, light and dark, and its documentation by pydoc. Nothing is downloaded, and the same Python,
Pygments and Chromium make the same pages.
"""

import argparse
import importlib
import os
import pydoc
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.styles import get_all_styles

SIDE = 512
#: Of a module's source, and the least that a module has.
LINES = 100
#: As on a desktop, and on a screen of more dots.
ZOOMS = (1, 1.5)
_QUIET = (
    "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()


def modules():
    """(name, module, lines of its source) of the standard library's larger modules, sorted by name."""
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in ("antigravity", "idlelib", "this"):  # these open windows, or print
            continue
        try:
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                module = importlib.import_module(name)
            lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
        except (ImportError, AttributeError, TypeError, UnicodeDecodeError):  # of another system, or in C
            continue
        if len(lines) >= 2 * LINES:
            yield name, module, lines


def pages():
    """(name, HTML) of two pages for each module."""
    styles = sorted(get_all_styles())
    for i, (name, module, lines) in enumerate(modules()):
        middle = len(lines) // 2
        code = "\n".join(lines[middle : middle + LINES])
        formatter = HtmlFormatter(full=True, style=styles[i % len(styles)], linenos=i % 2 == 0)
        yield f"{name}-code", highlight(code, PythonLexer(), formatter)
        documentation = pydoc.html.document(module, name)
        yield f"{name}-documentation", pydoc.html.page(name, documentation)


def render(folder, chromium="chromium"):
    """Screenshots as PNG files in a folder, those that it does not hold yet.

    Args:
        folder: made if it is missing.
        chromium: the program.

    Returns:
        Their paths, sorted by module.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = list(pages())

    def shoot(item):
        (name, html), zoom = item
        path = folder / f"{name}.png"
        if not path.exists():
            with tempfile.TemporaryDirectory() as work:
                page, picture = Path(work, "page.html"), Path(work, "page.png")
                page.write_text(html, encoding="utf-8")
                view = [f"--window-size={SIDE},{SIDE}", f"--force-device-scale-factor={zoom}"]
                here = [f"--user-data-dir={work}/profile", f"--screenshot={picture}", page.as_uri()]
                subprocess.run([chromium, *_QUIET, *view, *here], check=True, capture_output=True)
                shutil.move(picture, path)
        return path

    zooms = (ZOOMS[i // 2 % len(ZOOMS)] for i in range(len(chosen)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(shoot, zip(chosen, zooms, strict=True)))


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    args = parser.parse_args(argv)
    print(f"{len(render(args.folder))} screenshots in {args.folder}")


if __name__ == "__main__":
    main()
