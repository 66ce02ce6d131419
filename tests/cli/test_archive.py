# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc archive`, and what is left of it when it is killed."""

import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from processes import PROGRAM, SMALL_DISK, posix_only, start

from gan_tfc.archive.checking import check
from gan_tfc.archive.store import Store
from gan_tfc.coding import container


@pytest.fixture
def dishes(photo, tmp_path):
    """A folder of two pictures, a copy of one, and a file that is no picture."""
    folder = tmp_path / "dishes"
    (folder / "soups").mkdir(parents=True)
    Image.fromarray(photo[:50, :70]).save(folder / "fish.png")
    Image.fromarray(photo[50:100, :70]).save(folder / "soups" / "tomato.png")
    Image.fromarray(photo[50:100, :70]).save(folder / "soups" / "tomato again.png")
    (folder / "broken.jpg").write_text("no picture")
    return folder


@pytest.fixture
def menu(run, zoo, dishes, tmp_path):
    """The path of an archive of them."""
    path = tmp_path / "menu.gtca"
    assert run("archive", "add", path, dishes, "--preset", "tiny", "--tag", "lunch", "sea").code == 1
    return path


@pytest.fixture
def streams(tmp_path):
    """A folder of 80 `.gtc` files: photos whose adding needs no codec."""
    folder, rng = tmp_path / "streams", random.Random(3)
    folder.mkdir()
    for i in range(80):
        data = container.pack("tiny", 1, b"none", 8, 6, 9, [rng.randbytes(rng.randrange(1000, 120_000))])
        (folder / f"{i:03}.gtc").write_bytes(data)
    return folder


def beside(path):
    """Names in the folder of a file that begin with its name."""
    return sorted(p.name for p in path.parent.iterdir() if p.name.startswith(path.name))


# --- add and list ----------------------------------------------------------------------------------


def test_add_tells_what_became_of_each_photo(run, zoo, dishes, tmp_path, tiny_codec):
    path = tmp_path / "menu.gtca"
    result = run("archive", "add", path, dishes, "--preset", "tiny", "--quality", 30, "--workers", 1)
    assert result.code == 1 and "broken.jpg' is not a picture" in result.error
    *lines, summary = result.out.splitlines()
    size = len(tiny_codec.compress(dishes / "fish.png", 30))
    assert f"fish.png: added, {size:,} bytes" in lines
    assert any(line.endswith(": same as another") for line in lines) and len(lines) == 3
    assert summary.startswith("2 added, 1 same as another, 1 skipped; ")
    assert beside(path) == ["menu.gtca"]


def test_add_again_keeps_what_is_there_and_loads_no_codec(run, menu, dishes, monkeypatch):
    (dishes / "broken.jpg").unlink()
    monkeypatch.setattr("gan_tfc.commands.terminal.load", lambda *_: pytest.fail("loaded"))
    result = run("archive", "add", menu, dishes)
    assert (result.code, result.err) == (0, "") and "3 there already" in result.out


def test_add_as_json_prints_a_record_a_line(run, zoo, dishes, tmp_path):
    result = run("archive", "add", tmp_path / "m", dishes / "fish.png", "--preset", "tiny", "--json")
    record = json.loads(result.out)
    assert (record["outcome"], record["name"], record["width"]) == ("added", "fish.png", 70)


def test_add_keeps_to_a_size_and_skips_what_cannot(run, zoo, dishes, tmp_path):
    path = tmp_path / "m.gtca"
    argv = ["archive", "add", path, dishes / "fish.png", "--preset", "tiny", "--max-bytes"]
    result = run(*argv, 60)
    assert result.code == 1 and "fish.png: Expected a size that quality 1 can reach" in result.error
    assert beside(path) == []
    assert run(*argv, 900).code == 0
    assert Store(path).record("fish.png").bytes <= 900


def test_add_tunes_for_what_is_seen(run, zoo, dishes, tmp_path, tiny_codec):
    path = tmp_path / "m.gtca"
    argv = ["archive", "add", path, dishes / "fish.png", "--preset", "tiny", "--tune", "visual"]
    assert run(*argv).code == 0
    store = Store(path)
    expected = tiny_codec.compress(dishes / "fish.png", tune="visual")
    assert store.stream(store.record("fish.png").hash) == expected


def test_name_of_another_photo_needs_force(run, menu, dishes, photo):
    (dishes / "broken.jpg").unlink()
    Image.fromarray(photo[:60, :60]).save(dishes / "fish.png")
    argv = ["archive", "add", menu, dishes / "fish.png", "--preset", "tiny"]
    result = run(*argv)
    assert result.code == 1 and "another photo 'fish.png'" in result.error and "--force" in result.error
    assert run(*argv, "--force").code == 0
    assert Store(menu).record("fish.png").width == 60


def test_list_shows_records_and_totals(run, menu):
    result = run("archive", "list", menu)
    title, *rows, totals = result.out.splitlines()
    assert title.split() == ["name", "bytes", "pixels", "date", "tags"]
    assert [row.split("  ")[0] for row in rows] == ["fish.png", "soups/tomato again.png", "soups/tomato.png"]
    assert "70x50" in rows[0] and "lunch, sea" in rows[0]
    assert totals.startswith("3 photos (2 different), ")
    assert totals.endswith(f"the archive has {menu.stat().st_size:,} bytes")


def test_each_photo_has_one_line_in_columns_that_a_terminal_shows_aligned(run, menu):
    hash = Store(menu).record("fish.png").hash
    for name in ("寿司.png", "cre\u0300me.png", f"{'long' * 60}.png"):
        Store(menu).link(name, hash, "2020-01-01T00:00:00", ["\x1b[2Jred"])
    title, *rows, _ = run("archive", "list", menu).out.splitlines()
    assert len(rows) == 6 and not any("\x1b" in row for row in rows)
    dates = {row.split(".png")[0]: row.index("20") for row in rows}
    # Two signs of two cells each, and an accent that takes none.
    assert dates["寿司"] + 2 == dates["fish"] == dates["cre\u0300me"] - 1 == dates["long" * 60]
    assert title.index("date") == dates["fish"]


CHOICES = [
    (["TOMATO"], 2),
    (["soups/*"], 2),
    (["fish.png"], 1),
    (["bird"], 0),
    (["--tag", "x"], 0),
    (["--tag", "sea", "lunch"], 3),
]


@pytest.mark.parametrize(("argv", "count"), CHOICES, ids=str)
def test_list_chooses_by_name_and_tag(run, menu, argv, count):
    answer = json.loads(run("archive", "list", menu, *argv, "--json").out)
    assert len(answer["photos"]) == answer["totals"]["names"] == count


def test_missing_archive_is_one_sentence(run, tmp_path):
    for action in (["list"], ["verify"], ["browse"], ["extract"], ["remove"]):
        names = ["x"] if action == ["remove"] else []
        assert "there is no archive" in run("archive", *action, tmp_path / "none.gtca", *names).error


# --- take out, remove, verify ----------------------------------------------------------------------


def test_extract_writes_what_the_codec_decodes(run, menu, tmp_path, tiny_codec, dishes):
    out = tmp_path / "out"
    assert run("archive", "extract", menu, "-o", out).code == 0
    expected = tiny_codec.decompress(tiny_codec.compress(dishes / "fish.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(out / "fish.png")), expected)
    assert (out / "soups" / "tomato again.png").exists()
    assert run("archive", "extract", menu, "fish.png", "-o", out, "--format", "jpg").code == 0
    assert Image.open(out / "fish.jpg").format == "JPEG"


def test_extract_writes_the_stream_itself(run, menu, tmp_path, tiny_codec, dishes):
    assert run("archive", "extract", menu, "soups/*", "--stream", "-o", tmp_path).code == 0
    expected = tiny_codec.compress(dishes / "soups" / "tomato.png")
    assert (tmp_path / "soups" / "tomato.gtc").read_bytes() == expected


def test_extract_never_overwrites_unasked(run, menu, tmp_path):
    (tmp_path / "fish.png").write_text("mine")
    argv = ["archive", "extract", menu, "fish.png", "-o", tmp_path]
    result = run(*argv)
    assert result.code == 1 and "--force" in result.error
    assert (tmp_path / "fish.png").read_text() == "mine"
    assert run(*argv, "--force").code == 0 and Image.open(tmp_path / "fish.png").size == (70, 50)


def test_extract_of_a_name_that_leads_elsewhere_is_refused(run, menu, tmp_path):
    with sqlite3.connect(menu) as connection:
        connection.execute("UPDATE names SET name = '../../evil.png' WHERE name = 'fish.png'")
    before = sorted(tmp_path.rglob("*"))
    assert "rename the file" in run("archive", "extract", menu, "-o", tmp_path / "out").error
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_would_be_one_file_are_refused(run, menu, tmp_path):
    with sqlite3.connect(menu) as connection:
        connection.execute("UPDATE names SET name = 'fish.jpg' WHERE name = 'soups/tomato.png'")
    assert "would both be written to" in run("archive", "extract", menu, "-o", tmp_path / "out").error


def test_remove_forgets_names_and_patterns(run, menu):
    assert run("archive", "remove", menu, "soups/*").out.count(": removed") == 2
    assert json.loads(run("archive", "list", menu, "--json").out)["totals"]["contents"] == 1
    result = run("archive", "remove", menu, "fish")
    assert result.code == 1 and "has no photo 'fish'" in result.error


def test_verify_passes_an_intact_archive_and_finds_a_damaged_one(run, menu):
    for argv in ([], ["--decode"]):
        result = run("archive", "verify", menu, *argv)
        assert (result.code, result.err) == (0, "") and "3 photos" in result.out
    with sqlite3.connect(menu) as connection:
        connection.execute("UPDATE contents SET stream = zeroblob(bytes) WHERE width = 70 AND id = 1")
    result = run("archive", "verify", menu)
    assert result.code == 1 and "SHA-256" in result.error


def test_streams_of_a_preset_folder_need_the_folder(run, zoo, dishes, tmp_path, tiny_preset):
    import shutil

    path, folder = tmp_path / "m.gtca", f"path:{tiny_preset}"
    run("archive", "add", path, dishes / "fish.png", "--preset", folder)
    shutil.rmtree(zoo / "tiny")
    result = run("archive", "extract", path, "-o", tmp_path)
    assert result.code == 1 and "preset tiny@1, which is not installed" in result.error
    assert run("archive", "extract", path, "-o", tmp_path, "--preset", folder).code == 0


def test_unknown_preset_leaves_no_archive(run, zoo, dishes, tmp_path):
    result = run("archive", "add", tmp_path / "m.gtca", dishes / "fish.png", "--preset", "tinny")
    assert result.code == 1 and "did you mean 'tiny'?" in result.err
    assert beside(tmp_path / "m.gtca") == []


# --- killed, interrupted, out of room --------------------------------------------------------------


def reported(text):
    """Names of lines that are complete."""
    lines = text.rpartition("\n")[0].splitlines()
    return {line.split(":")[0] for line in lines if ": added" in line or ": there already" in line}


def killed(process, startup, kind, rng):
    """Kills the program while it starts, adds or ends; returns what it printed before."""
    told = ""
    if kind == "start":
        time.sleep(startup * rng.uniform(0.6, 1.1))
    else:
        wanted = rng.randrange(1, 12) if kind == "add" else 1000
        for line in process.stdout:
            told += line
            if told.count(": added") == wanted or len(told.splitlines()) == 80:
                break
        time.sleep(rng.random() * 0.01)
    process.kill()
    told += process.stdout.read()  # not communicate(), which forgets what was read ahead
    process.communicate()
    return told


@posix_only
def test_killed_at_any_moment_nothing_reported_is_lost_and_adding_again_completes_it(streams, tmp_path):
    rng, begun = random.Random(7), time.perf_counter()
    process = start("archive", "add", tmp_path / "first.gtca", streams / "000.gtc")
    process.stdout.readline()
    startup = time.perf_counter() - begun
    process.communicate()
    path, safe, archives, inside = tmp_path / "menu-0.gtca", set(), 0, 0
    for kind in ["start", "add", "add", "add", "add", "end"] * 4:
        told = killed(start("archive", "add", path, streams), startup, kind, rng)
        safe |= reported(told)
        inside += ": added" in told and len(reported(told)) < 80
        if safe:
            store = Store(path)
            names = {record.name for record in store.records()}
            assert safe <= names, f"lost {sorted(safe - names)}"
            assert list(check(store)) == []
            store.close()
        if kind == "end":
            archives += 1
            path, safe = tmp_path / f"menu-{archives}.gtca", set()
    assert inside >= 12
    done = start("archive", "add", path, streams)
    out, err = done.communicate()
    assert (done.returncode, err) == (0, "") and len(reported(out)) == 80
    assert beside(path) == [path.name]
    store = Store(path)
    for record in store.records():
        assert store.stream(record.hash) == (streams / record.name).read_bytes()


@posix_only
def test_interrupted_it_says_so_in_a_word_and_keeps_what_it_reported(streams, tmp_path):
    path = tmp_path / "menu.gtca"
    for i, stream in enumerate(sorted(streams.iterdir()) * 50):  # so many names take seconds
        os.link(stream, streams / f"again-{i}.gtc")
    process = start("archive", "add", path, streams)
    told = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "gan-tfc: interrupted\n")
    assert beside(path) == ["menu.gtca"]
    assert reported(told + out) <= {record.name for record in Store(path).records()}


@posix_only
@pytest.mark.parametrize("room", [0, 3000, 10_000, 40_000, 500_000])
def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(streams, tmp_path, room):
    path = tmp_path / "menu.gtca"
    process = start(room, "archive", "add", path, streams, before=SMALL_DISK)
    out, err = process.communicate()
    assert process.returncode == 1
    assert len(err.splitlines()) == 1 and "check that it has room" in err, err
    if not reported(out):
        assert beside(path) == []
        return
    store = Store(path)
    assert reported(out) <= {record.name for record in store.records()} and list(check(store)) == []


def test_folder_that_may_not_be_written_is_said_before_a_codec_is_loaded(run, dishes, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_tfc.commands.terminal.load", lambda *_: pytest.fail("loaded"))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):  # root, on a system that has a folder even root cannot write to
        locked = pathlib.Path("/sys")
        if not locked.is_dir():
            pytest.skip("no folder that may not be written to")
    result = run("archive", "add", locked / "menu.gtca", dishes)
    assert result.code == 1 and "check the permissions" in result.error
    assert not (locked / "menu.gtca").exists()
    assert "there is no folder" in run("archive", "add", tmp_path / "no" / "m.gtca", dishes).error


#: A table of rich's would take most of the time that a list has.
UNWANTED = {
    "list": {"keras", "tensorflow", "numpy", "PIL", "rich"},
    "verify": {"keras", "tensorflow", "numpy"},
}


@pytest.mark.parametrize("action", UNWANTED)
def test_looking_waits_for_no_import_that_it_does_without(menu, action):
    modules = f"print({UNWANTED[action]} & set(sys.modules), file=sys.stderr)"
    code = PROGRAM.replace("sys.exit(main())", f"main(); {modules}")
    argv = [sys.executable, "-c", code, "archive", action, menu]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stderr == "set()\n" and "3 photos" in done.stdout
