# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc zoo`."""

import json
import shutil

import pytest
from PIL import Image
from rich.console import Console

from gan_tfc.commands import terminal
from gan_tfc.stream_codec import StreamCodec
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


def test_show_without_a_card_makes_one_from_the_metadata(run, zoo):
    out = run("zoo", "show", f"path:{zoo / 'tiny' / '1'}").out
    assert out.startswith("# tiny@1\n") and "kMAC a pixel" in out and "not stated" in out


def test_show_of_what_is_no_preset_is_an_error(run, zoo, tmp_path):
    assert "README.md or metadata.json" in run("zoo", "show", f"path:{tmp_path}").error
    (tmp_path / "metadata.json").write_text("[" * 100_000)
    assert "README.md or metadata.json" in run("zoo", "show", f"path:{tmp_path}").error


def test_show_says_where_the_pictures_of_the_card_are(run, zoo):
    folder = zoo / "tiny" / "1"
    (folder / "README.md").write_text("![crops](crops.jpg) ![curve](gone.png)\n")
    for name in ("crops.jpg", "other.png"):
        (folder / name).touch()
    assert run("zoo", "show", "tiny").err == f"gan-tfc: its pictures: crops.jpg in {folder}\n"


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


def test_verify_finds_an_encoder_that_writes_other_streams_than_on_release(run, golden, monkeypatch):
    compress = StreamCodec.compress
    monkeypatch.setattr(StreamCodec, "compress", lambda self, image, q: compress(self, image, q + 9))
    result = run("zoo", "verify")
    assert result.code == 1 and "input.png, compressed as q20.gtc, has" in result.err


def test_verify_finds_a_golden_picture_that_is_another_one(run, golden, photo):
    Image.fromarray(photo[40:80, 40:80]).save(golden / "input.png")
    result = run("zoo", "verify")
    assert result.code == 1 and "input.png, compressed as q20.gtc, has" in result.err


# --- golden files ------------------------------------------------------------------------------------


def test_golden_files_are_written_and_then_pass(run, zoo, picture):
    preset = f"path:{zoo / 'tiny' / '1'}"
    result = run("zoo", "golden", preset, picture, "--qualities", "20,80.5")
    assert (result.code, result.err) == (0, "")
    assert "6 files" in result.out and f"gan-tfc zoo verify {preset}" in result.out
    streams = zoo / "tiny" / "1" / "golden"
    assert {path.name for path in streams.glob("*.gtc")} == {"q20.gtc", "q80.5.gtc"}
    assert "2 golden streams ok" in run("zoo", "verify", preset).out


def test_golden_files_have_three_qualities_unless_told_otherwise(run, zoo, picture):
    assert run("zoo", "golden", f"path:{zoo / 'tiny' / '1'}", picture).code == 0
    assert {path.stem for path in zoo.rglob("*.gtc")} == {"q10", "q50", "q90"}


def test_golden_files_are_refused_where_they_exist(run, golden, picture):
    before = {path: path.read_bytes() for path in golden.iterdir()}
    result = run("zoo", "golden", f"path:{golden.parent}", picture)
    assert result.code == 1 and "never made anew" in result.error
    assert {path: path.read_bytes() for path in golden.iterdir()} == before


def test_mistakes_with_golden_files_are_one_line_and_leave_nothing(run, zoo, picture, tmp_path):
    folder = zoo / "tiny" / "1"
    before = set(folder.rglob("*"))
    Image.new("RGB", (300, 300)).save(tmp_path / "large.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name in ("tiny", "tiny@1", "https://host/zoo#tiny"):
        assert "expected path:FOLDER" in run("zoo", "golden", name, picture).error
    for file, words in (("large", "300x300; take a part"), ("broken", "broken.png"), ("gone", "gone.png")):
        assert words in run("zoo", "golden", f"path:{folder}", tmp_path / f"{file}.png").error
    assert "no_preset" in run("zoo", "golden", f"path:{tmp_path / 'no_preset'}", picture).error
    for text in ("0", "101", "x", ""):
        assert run("zoo", "golden", f"path:{folder}", picture, "--qualities", text).code == 2
    assert set(folder.rglob("*")) == before


def test_ctrl_c_leaves_no_golden_files(run, zoo, picture, monkeypatch):
    folder = zoo / "tiny" / "1"
    before = set(folder.rglob("*"))

    def interrupt(*args):
        assert list(folder.rglob("q10.gtc"))  # something had been written
        raise KeyboardInterrupt

    monkeypatch.setattr(StreamCodec, "decompress", interrupt)
    result = run("zoo", "golden", f"path:{folder}", picture)
    assert (result.code, result.err) == (130, "gan-tfc: interrupted\n")
    assert set(folder.rglob("*")) == before


# --- points of the card ------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path, photo, portrait):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, pixels in (("cup", photo[:96, :96]), ("face", portrait[:96, :80])):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def put_on_the_card(zoo, points):
    path = zoo / "tiny" / "1" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"measured": points}))


@pytest.fixture
def measured(zoo, golden, photos, tiny_codec):
    """The points of `tiny@1` on `photos`, on its card."""
    from gan_tfc.evaluation.metrics import file_bpp, psnr
    from gan_tfc.images import read_image

    images = [read_image(path) for path in sorted(photos.iterdir())]
    points = []
    for quality in (20, 60):
        streams = [tiny_codec.compress(image, quality) for image in images]
        decoded = [tiny_codec.decompress(data, realism=0) for data in streams]
        point = {"set": "two photos", "quality": quality}
        point["bpp"] = sum(map(file_bpp, streams, images)) / len(images)
        point["psnr"] = sum(map(psnr, images, decoded)) / len(images)
        points.append(point)
    put_on_the_card(zoo, points)
    return points


def test_verify_measures_the_points_of_the_card_again(run, measured, photos):
    result = run("zoo", "verify", "tiny", "--photos", photos)
    assert (result.code, result.err) == (0, "")
    assert f"points of the card measured again on {photos}" in result.out


@pytest.mark.parametrize(("key", "factor"), [("bpp", 0.98), ("psnr", 1.004)])
def test_verify_finds_a_card_that_promises_something_else(run, zoo, measured, photos, key, factor):
    measured[1][key] *= factor
    put_on_the_card(zoo, measured)
    result = run("zoo", "verify", "tiny", "--photos", photos)
    assert result.code == 1 and "at quality 60" in result.error and "on two photos" in result.error


NO_POINTS = [None, [], "x", [1], [{"quality": 20}], [{"quality": "a", "bpp": 1, "psnr": 1}]]


@pytest.mark.parametrize("points", NO_POINTS, ids=str)
def test_verify_on_photos_needs_points(run, zoo, golden, photos, points):
    put_on_the_card(zoo, points)
    result = run("zoo", "verify", "tiny", "--photos", photos)
    assert result.code == 1 and "lists no measured points" in result.error
    assert run("zoo", "list").code == 0


# --- cards -------------------------------------------------------------------------------------------


def test_a_card_is_rendered_at_a_terminal(run, zoo, monkeypatch):
    card = "# tiny\n\n| quality | bpp |\n|---|---|\n| 2 | 0.052 |\n"
    (zoo / "tiny" / "1" / "README.md").write_text(card)
    monkeypatch.setattr(terminal, "console", lambda: Console(force_terminal=True, width=60, emoji=False))
    out = run("zoo", "show", "tiny").out
    assert "tiny" in out and "0.052" in out and "quality" in out
    assert "|---|" not in out and "# tiny" not in out


def test_a_card_does_not_control_the_terminal(run, zoo):
    (zoo / "tiny" / "1" / "README.md").write_bytes(b"a\x1b]0;title\x07b\xc2\x9bc\x08d\x00\xff\te\n")
    assert run("zoo", "show", "tiny").out == "a]0;titlebcd\ufffd\te\n"


# --- other zoos --------------------------------------------------------------------------------------


@pytest.fixture
def other(run, golden, tmp_path, monkeypatch):
    """The address of another zoo that holds `menu@3` with card and golden files; none is installed."""
    import gan_tfc

    monkeypatch.setenv("GAN_TFC_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "other"
    codec = gan_tfc.load("tiny")
    codec.save(root / "menu" / "3")
    make_golden(codec, root / "menu" / "3" / "golden", golden / "input.png", [20])
    (root / "menu" / "3" / "README.md").write_text("# the menu\n")
    result = run("zoo", "index", root)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "menu: 3" and str(root / "index.json") in result.out
    return root.as_uri()


def test_another_zoo_is_listed_with_the_bytes_to_download(run, other, tmp_path):
    result = run("zoo", "list", "--zoo", other)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[1].split()[0] == "menu@3" and "MB" in result.out
    (record,) = json.loads(run("zoo", "list", "m*", "--zoo", other, "--json").out)
    files = [path for path in (tmp_path / "other" / "menu").rglob("*") if path.is_file()]
    assert record["bytes"] == sum(path.stat().st_size for path in files)
    assert "available: menu" in run("zoo", "list", "x*", "--zoo", other).error


def test_a_preset_of_another_zoo_shows_its_card_and_is_verified(run, other):
    assert run("zoo", "show", f"{other}#menu").out == "# the menu\n"
    result = run("zoo", "verify", f"{other}#menu@3")
    assert (result.code, result.err) == (0, "") and "1 golden streams ok" in result.out


def test_pictures_are_compressed_and_decoded_with_a_preset_of_another_zoo(run, other, picture, tmp_path):
    stream, decoded = tmp_path / "a.gtc", tmp_path / "a.png"
    assert run("compress", picture, "-o", stream, "--preset", f"{other}#menu").code == 0
    assert "menu@3" in run("info", stream).out
    result = run("decompress", stream, "-o", decoded)
    assert result.code == 1 and f"--preset {other}#menu@3" in result.error and not decoded.exists()
    assert run("decompress", stream, "-o", decoded, "--preset", f"{other}#menu@3").code == 0
    assert Image.open(decoded).size == (70, 50)


@pytest.mark.filterwarnings("default")  # as for users
def test_without_the_other_zoo_its_cached_preset_is_used_with_a_warning(run, other, tmp_path):
    assert run("zoo", "verify", f"{other}#menu").code == 0
    shutil.rmtree(tmp_path / "other")
    result = run("zoo", "verify", f"{other}#menu")
    assert result.code == 0 and "warning: the copy of menu@3 in the cache is used" in result.err


def test_the_mistakes_with_other_zoos_are_one_line(run, other, tmp_path):
    assert "did you mean 'menu'" in run("zoo", "show", f"{other}#mnu").error
    assert "available: 3" in run("zoo", "verify", f"{other}#menu@1").error
    assert "cannot be read" in run("zoo", "list", "--zoo", f"{other}/none").error
    assert "Expected the address of a zoo" in run("zoo", "list", "--zoo", "host/zoo").error
    assert "Expected URL#name" in run("zoo", "show", other).error
    tables = tmp_path / "other" / "menu" / "3" / "tables.npz"
    tables.write_bytes(tables.read_bytes()[:-1] + b"?")
    assert "is damaged or was changed" in run("zoo", "verify", f"{other}#menu").error
    assert "is damaged" in run("zoo", "index", tmp_path / "other").error


def test_a_hostile_index_does_not_break_the_table(run, other, tmp_path):
    index = tmp_path / "other" / "index.json"
    records = json.loads(index.read_text())
    records[0] |= {"parameters": "\x1b[2J", "kmac_per_pixel": None, "measured": [{"bpp": "x"}]}
    records[0].pop("tables_digest")
    index.write_text(json.dumps(records))
    result = run("zoo", "list", "--zoo", other)
    assert result.code == 0 and "menu@3" in result.out and "\x1b" not in result.out


def test_a_bar_shows_a_download_at_a_terminal_only(run, other, monkeypatch, capsys):
    with terminal.download_bar("x") as progress:
        assert progress is None
    monkeypatch.setattr(
        terminal, "console", lambda stderr=False: Console(stderr=stderr, force_terminal=True, width=90)
    )
    result = run("zoo", "verify", f"{other}#menu")
    assert result.code == 0 and f"fetching {other}"[:20] in result.err
