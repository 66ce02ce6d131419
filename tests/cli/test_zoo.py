# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo`."""

import json

import pytest

from gan_tfc.zoo import registry
from gan_tfc.zoo.golden import make_golden


@pytest.fixture
def golden(zoo, tiny_codec, photo):
    folder = zoo / "tiny" / "1" / "golden"
    make_golden(tiny_codec, folder, photo[:40, :40], [20, 80])
    return folder


def test_list_shows_every_preset_with_its_size(run, zoo):
    result = run("zoo", "list")
    assert result.code == 0
    title, row = result.out.splitlines()
    assert title.split() == ["preset", "parameters", "kMAC/px", "size", "measured"]
    assert row.split()[0] == "tiny@1" and "MB" in row


def test_list_shows_measured_points(run, zoo):
    records = json.loads(registry.INDEX.read_text())
    records[0]["measured"] = [{"set": "kodak", "quality": 20, "bpp": 0.2, "psnr": 27.35}]
    registry.INDEX.write_text(json.dumps(records))
    assert "kodak: 0.200 bpp 27.35 dB" in run("zoo", "list").out


def test_list_as_json_holds_the_index_and_the_bytes_on_disk(run, zoo):
    (record,) = json.loads(run("zoo", "list", "t*", "--json").out)
    size = sum(file.stat().st_size for file in (zoo / "tiny" / "1").iterdir())
    assert (record["name"], record["version"], record["bytes"]) == ("tiny", 1, size)


def test_list_of_no_preset_says_which_there_are(run, zoo):
    result = run("zoo", "list", "huge_*")
    assert result.code == 1 and "available: tiny" in result.error
    assert run("zoo", "list", "huge_*", "--json").out.split() == ["[]"]


def test_show_prints_the_card(run, zoo):
    (zoo / "tiny" / "1" / "README.md").write_text("# tiny\n\nKleine Größe.\n", encoding="utf-8")
    assert run("zoo", "show", "tiny@1").out == "# tiny\n\nKleine Größe.\n"


def test_show_of_an_unknown_preset_suggests_the_nearest(run, zoo):
    result = run("zoo", "show", "tinny")
    assert result.code == 1 and "did you mean 'tiny'?" in result.error


def test_show_without_a_card_is_an_error(run, zoo):
    assert "README.md" in run("zoo", "show", "tiny").error


def test_verify_passes_an_intact_zoo(run, golden):
    for name in ([], ["tiny"], [f"path:{golden.parent}"]):
        result = run("zoo", "verify", *name)
        assert (result.code, result.err) == (0, "")
        assert "2 golden streams ok" in result.out


def test_verify_asks_golden_files_of_shipped_presets_only(run, zoo):
    result = run("zoo", "verify", "tiny")
    assert result.code == 1 and "golden symbols" in result.error
    result = run("zoo", "verify", f"path:{zoo / 'tiny' / '1'}")
    assert result.code == 0 and "no golden files" in result.out


def test_verify_finds_a_damaged_file(run, golden):
    tables = golden.parent / "tables.npz"
    tables.write_bytes(tables.read_bytes()[:-1] + b"?")
    result = run("zoo", "verify")
    assert result.code == 1 and "tables.npz is damaged" in result.error


def test_verify_finds_a_stream_that_decodes_otherwise(run, golden, tiny_codec):
    (golden / "q20.gtc").write_bytes(tiny_codec.compress(golden / "input.png", 21))
    result = run("zoo", "verify")
    assert result.code == 1 and "q20.gtc: level_0 differs" in result.err
