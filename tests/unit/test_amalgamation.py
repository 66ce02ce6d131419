# SPDX-License-Identifier: Apache-2.0
"""Joining modules to one file."""

import ast

import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.export import amalgamation
from gan_tfc.export.amalgamation import MODULES, edge_module, join

A = """\"\"\"First.\"\"\"

import math

LIMIT = 3


def half(x):
    return math.floor(x / 2)
"""
B = (
    '"""Second."""\n\nimport math\nimport sys\n\nfrom gan_tfc.coding import steps\n'
    "from gan_tfc.coding.steps import half\n\n\ndef use(x):\n    # a comment stays\n"
    "    return steps.LIMIT + half(x) + math.pi + len(sys.argv) * 0\n"
)


def joined(a=A, b=B):
    return join({"coding.steps": a, "edge": b})


def test_joined_modules_run_without_their_package():
    source = joined()
    assert "gan_tfc.coding import" not in source and "# a comment stays" in source
    assert source.count("import math") == 1
    names = {}
    exec(source, names)
    assert names["use"](5) == pytest.approx(3 + 2 + 3.14159, abs=1e-4)
    assert names["__doc__"] == "Second."


def test_two_things_of_one_name_are_refused():
    with pytest.raises(GanTfcError, match="coding.steps and edge both have LIMIT"):
        joined(b=B + "\nLIMIT = 4\n")


def test_variable_that_would_hide_a_name_is_refused():
    hidden = B.replace("    # a comment stays\n", "    LIMIT = steps.LIMIT\n")
    with pytest.raises(GanTfcError, match="no variable LIMIT in edge, which uses LIMIT of steps, line 11"):
        joined(b=hidden)


def test_import_under_another_name_is_refused():
    with pytest.raises(GanTfcError, match="no import under another name in edge"):
        joined(b=B.replace("import half", "import half as h"))


def test_edge_module_holds_every_module_and_imports_none_of_the_package():
    source = edge_module()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [x.name for x in node.names]
            assert not any(name.split(".")[0] in ("gan_tfc", "keras", "tensorflow") for name in names)
    for name in MODULES:
        assert f"# === gan_tfc/{name.replace('.', '/')}.py " in source


def test_modules_stand_in_the_order_of_their_imports(monkeypatch):
    # A dataclass or a default argument looks its names up while the file is read.
    for position, name in enumerate(MODULES):
        tree = ast.parse(
            (
                amalgamation.Path(amalgamation.gan_tfc.__file__).parent / f"{name.replace('.', '/')}.py"
            ).read_text()
        )
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("gan_tfc."):
                below = node.module.removeprefix("gan_tfc.")
                for needed in [below] if below in MODULES else [f"{below}.{x.name}" for x in node.names]:
                    assert MODULES.index(needed) < position, (name, needed)
