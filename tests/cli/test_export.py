# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc export`."""

import json

import pytest

pytestmark = [pytest.mark.export, pytest.mark.tensorflow]


@pytest.fixture
def photos(photo, tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo).save(folder / "cup.png")
    return folder


def test_export_writes_a_bundle_and_says_where(run, zoo, tmp_path, photos, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (extra export)")
    monkeypatch.chdir(tmp_path)
    result = run("export", "tiny", "--precision", "float16", "--photos", photos)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    files = [path for path in (tmp_path / "tiny-1-tflite").rglob("*") if path.name != "manifest.json"]
    total = sum(path.stat().st_size for path in files if path.is_file())
    assert lines[0] == f"tiny-1-tflite: tiny@1 in float16, {total:,} bytes"
    assert "README.md" in lines[1]
    result = run("export", "tiny", "--photos", photos)
    assert result.code == 1
    assert "tiny-1-tflite is neither; name another." in result.error


def test_export_as_json_prints_the_manifest(run, zoo, tmp_path, photos):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (extra export)")
    folder = tmp_path / "out"
    printed = json.loads(run("export", "tiny", "-o", folder, "--photos", photos, "--json").out)
    assert printed.pop("folder") == str(folder)
    assert printed == json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--photos", "none"], "folder of photos, but none is none"),
        (["--format", "saved_model", "--precision", "int8"], "precision of float32 for a SavedModel bundle"),
    ],
)
def test_mistake_is_one_sentence(run, zoo, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    result = run("export", "tiny", *arguments)
    assert result.code == 1
    assert sentence in result.error
    assert not list(tmp_path.glob("tiny*"))
