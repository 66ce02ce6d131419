# SPDX-License-Identifier: Apache-2.0
"""The Python runtime of bundles: modules of this package joined into one file, `edge.py`.

What decodes a stream on a device is then the very code that the package tests, not a second one. Joined
modules share one namespace, so all their names must differ; ``steps.step_size`` becomes ``step_size``.
"""

import ast
from pathlib import Path

import gan_tfc
from gan_tfc.errors import GanTfcError

#: In the order of their imports.
MODULES = (
    "errors",
    "files",
    "coding.tables",
    "coding.range_coder",
    "coding.steps",
    "coding.strips",
    "coding.colour",
    "coding.noise",
    "coding.integer_network",
    "coding.contexts",
    "coding.lifting",
    "coding.container",
    "coding.scan",
    "coding.quantiser",
    "coding.visibility",
    "coding.passes",
    "coding.frozen",
    "coding.codec_file",
    "rate_control",
    "encoder",
    "stream_codec",
)
#: What is particular to bundles, last.
EDGE = Path(__file__).with_name("edge") / "edge.py"
_PACKAGE = "gan_tfc"


def edge_module() -> str:
    """The source of `edge.py` as bundles carry it.

    Raises:
        GanTfcError: two modules give the same name to different things.
    """
    folder = Path(gan_tfc.__file__).parent
    sources = {name: (folder / f"{name.replace('.', '/')}.py").read_text() for name in MODULES}
    return join({**sources, "edge": EDGE.read_text()})


def join(sources: dict[str, str]) -> str:
    """Modules of a package as one.

    Args:
        sources: source code by the name below the package, in the order of their imports; the last
            one's docstring is that of the whole.

    Returns:
        Source code whose imports from outside the package stand at the top.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    _check_names(trees)
    imports, parts, last = {}, [], list(sources)[-1]
    for name in sources:
        outside, text = _flattened(name, sources[name], trees[name], keep_docstring=name != last)
        for line, names in outside:
            imports.setdefault(line, set()).update(names)
        title = "" if name == last else f"# === {_PACKAGE}/{name.replace('.', '/')}.py "
        parts.append((title.ljust(100, "=") + "\n" if title else "") + text.strip("\n") + "\n")
    doc = ast.get_source_segment(sources[last], trees[last].body[0])
    lines = sorted(f"{line} {', '.join(sorted(names))}".strip() for line, names in imports.items())
    lines.sort(key=lambda line: line.startswith("from"))
    header = f"# SPDX-License-Identifier: Apache-2.0\n{doc}\n\n" + "\n".join(lines)
    return header + "\n\n" + "\n\n".join(parts)


def _check_names(trees):
    """Every name at the top of a module must be the only one."""
    found = {}
    for module, tree in trees.items():
        for name in _defined(tree):
            if found.setdefault(name, module) != module:
                raise GanTfcError(
                    f"Expected different names, but {found[name]} and {module} both have {name}."
                )


def _defined(tree):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (x.id for x in ast.walk(target) if isinstance(x, ast.Name))


def _flattened(module, source, tree, keep_docstring):
    """Imports from outside, and the rest of a module with modules' names taken off."""
    imports, cuts, aliases = [], [], set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            cuts.append((node, ""))
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == _PACKAGE:
                if any(name.asname for name in node.names):
                    raise GanTfcError(
                        f"Expected no import under another name in {module}, line {node.lineno}."
                    )
                aliases |= {x.name for x in node.names if f"{node.module}.{x.name}" in _paths()}
                continue
            line = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
            for name in node.names:
                text = f"{name.name} as {name.asname}" if name.asname else name.name
                # One line for each plain import, one for all names from the same module.
                imports.append((line, {text}) if line != "import" else (f"import {text}", set()))
    if not keep_docstring:
        cuts.append((tree.body[0], ""))
    local = _assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            if node.attr in local:
                raise GanTfcError(
                    f"Expected no variable {node.attr} in {module}, which uses {node.attr} of "
                    f"{node.value.id}, line {node.lineno}."
                )
            cuts.append((node, node.attr))
    text = _replaced(source, cuts)
    return imports, text.removeprefix("# SPDX-License-Identifier: Apache-2.0\n")


def _assigned(tree):
    """Names of variables and arguments anywhere in a module."""
    stored = {x.id for x in ast.walk(tree) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
    return stored | {x.arg for x in ast.walk(tree) if isinstance(x, ast.arg)}


def _paths():
    return {f"{_PACKAGE}.{name}" for name in MODULES}


def _replaced(source, cuts):
    """Source code with the text of some nodes replaced."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = source.encode()
    for node, text in sorted(cuts, key=lambda cut: (cut[0].lineno, cut[0].col_offset), reverse=True):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        data = data[:begin] + text.encode() + data[end:]
    return data.decode()
