# SPDX-License-Identifier: Apache-2.0
"""What `import gan_tfc` promises, and what setup.cfg ships."""

import configparser
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import gan_tfc

ROOT = pathlib.Path(__file__).parents[2]


def run_bare(code, *paths, **environment):
    """Runs code with the standard library and `paths` alone; returns what it prints, stripped."""
    code = f"import sys; sys.path[:0] = {[str(p) for p in paths]!r}\n{code}"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KERAS_")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_needs_nothing_but_the_standard_library():
    assert run_bare("import gan_tfc; print(gan_tfc.__version__)", ROOT) == gan_tfc.__version__


def test_import_imports_neither_keras_nor_a_backend():
    code = "import sys, gan_tfc; print({'keras', 'tensorflow', 'jax', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("name", gan_tfc.__all__)
def test_public_name_exists(name):
    assert getattr(gan_tfc, name) is not None
    assert name in dir(gan_tfc)


def test_unknown_attribute_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="decompres"):
        gan_tfc.decompres  # noqa: B018


@pytest.mark.parametrize("name", ["zoo", "export"])
def test_bare_clone_finds_sub_packages_of_top_level_folders(name):
    code = f"import importlib.util; print(importlib.util.find_spec('gan_tfc.{name}').origin)"
    assert pathlib.Path(run_bare(code, ROOT)).samefile(ROOT / name / "__init__.py")


def test_installed_copy_does_not_look_beside_itself(tmp_path):
    (tmp_path / "gan_tfc").mkdir()
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "gan_tfc" / name, tmp_path / "gan_tfc")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").touch()
    assert run_bare("import gan_tfc; print(len(gan_tfc.__path__))", tmp_path) == "1"


@pytest.mark.parametrize(
    ("installed", "environment", "keras_json", "expected"),
    [
        (["jax"], {}, None, "jax"),
        (["jax"], {}, {"backend": "tensorflow"}, "jax"),  # Keras writes this file by itself
        (["jax", "tensorflow"], {}, None, "None"),
        ([], {}, None, "None"),
        (["jax"], {"KERAS_BACKEND": "torch"}, None, "torch"),
        (["jax"], {}, {"backend": "torch"}, "None"),
    ],
)
def test_backend_becomes_jax_only_where_tensorflow_is_chosen_but_missing(
    tmp_path, installed, environment, keras_json, expected
):
    for name in installed:
        (tmp_path / f"{name}.py").touch()
    if keras_json:
        (tmp_path / "keras.json").write_text(json.dumps(keras_json))
    code = "import gan_tfc, os; print(os.environ.get('KERAS_BACKEND'))"
    assert run_bare(code, tmp_path, ROOT, KERAS_HOME=str(tmp_path), **environment) == expected


def test_missing_backend_is_named_with_the_command_that_installs_it(tmp_path):
    # A stand-in for the imports behind gan_tfc.load.
    (tmp_path / "gan_tfc").mkdir()
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "gan_tfc" / name, tmp_path / "gan_tfc")
    (tmp_path / "gan_tfc" / "api.py").write_text("import tensorflow\n")
    code = "import gan_tfc\ntry: gan_tfc.load\nexcept ImportError as error: print(error)"
    message = run_bare(code, tmp_path, KERAS_HOME=str(tmp_path))
    assert "'tensorflow'" in message
    assert "pip install 'gan_tfc[tf]'" in message


def test_setup_cfg_lists_every_package_of_the_tree():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    in_tree = {
        ".".join(("gan_tfc",) * (top != "gan_tfc") + file.parent.relative_to(ROOT).parts)
        for top in ("gan_tfc", "zoo", "export")
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert set(config["options"]["packages"].split()) == in_tree
