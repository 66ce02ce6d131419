# SPDX-License-Identifier: Apache-2.0
"""An archive keeps names, contents, dates and tags, and gives back what the codec gives."""

import os
import shutil
import sqlite3
import threading

import numpy as np
import pytest
from PIL import Image

from gan_tfc.archive import Archive
from gan_tfc.archive.adding import Adder
from gan_tfc.archive.gallery import Cache
from gan_tfc.archive.sources import find_photos, read_photo
from gan_tfc.archive.store import Record, Store, checked_name, matching
from gan_tfc.coding import container
from gan_tfc.errors import GanTfcError, ImageError, PresetError


@pytest.fixture
def photos(photo, tmp_path):
    """A folder of three small pictures and a copy, one of them below another folder."""
    folder = tmp_path / "dishes"
    (folder / "soups").mkdir(parents=True)
    Image.fromarray(photo[:50, :70]).save(folder / "fish.png")
    Image.fromarray(photo[50:100, :70]).save(folder / "soups" / "tomato.png")
    Image.fromarray(photo[100:140, 100:190]).save(folder / "tart.png")
    shutil.copy(folder / "tart.png", folder / "tarte.png")
    return folder


@pytest.fixture
def archive(tmp_path, tiny_codec):
    with Archive(tmp_path / "menu.gtca", tiny_codec) as made:
        yield made


@pytest.fixture
def menu(archive, photos):
    """An archive of `fish.png` and `soups/tomato.png`."""
    archive.add(photos / "fish.png", tags=["lunch", "sea"], quality=60)
    archive.add(photos / "soups" / "tomato.png", "soups/tomato.png", tags=["lunch"])
    return archive


def stream_of(data, name="tiny", version=1):
    return container.pack(name, version, b"none", 8, 6, 9, [data])


def test_photo_comes_back_as_the_codec_decodes_it(menu, photos, tiny_codec):
    stream = tiny_codec.compress(photos / "fish.png", 60)
    assert menu.stream("fish.png") == stream
    for realism in (0.0, 1.0):
        np.testing.assert_array_equal(menu.read("fish.png", realism), tiny_codec.decompress(stream, realism))
    for scale in (1, 4, 8, 64):
        np.testing.assert_array_equal(menu.preview("fish.png", scale), tiny_codec.preview(stream, scale))


def test_record_says_what_was_added(menu, photos):
    record = menu.record("fish.png")
    assert (record.width, record.height, record.tags) == (70, 50, ("lunch", "sea"))
    assert (record.preset, record.version) == ("tiny", 1)
    assert record.bytes == len(menu.stream("fish.png"))
    assert record.source_bytes == (photos / "fish.png").stat().st_size
    assert menu.names() == ["fish.png", "soups/tomato.png"]


def test_date_is_when_the_photo_was_taken_else_when_its_file_was_written(archive, photo, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:07:28 19:30:05"
    Image.fromarray(photo[:20, :20]).save(tmp_path / "taken.jpg", exif=exif)
    Image.fromarray(photo[:20, :21]).save(tmp_path / "copied.jpg")
    os.utime(tmp_path / "copied.jpg", (1.5e9, 1.5e9))
    assert archive.add(tmp_path / "taken.jpg").date == "2019-07-28T19:30:05"
    assert archive.add(tmp_path / "copied.jpg").date.startswith("2017-07-1")


def test_archive_is_one_file_when_it_is_closed(menu, tmp_path):
    menu.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dishes", "menu.gtca"]
    assert sqlite3.connect(tmp_path / "menu.gtca").execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_another_archive_object_reads_while_one_writes(menu, tmp_path, photos, tiny_codec):
    with Archive(tmp_path / "menu.gtca", tiny_codec) as reader:
        assert len(reader.names()) == 2
        menu.add(photos / "tart.png")
        assert len(reader.names()) == 3
        menu.close()
        assert reader.names() == ["fish.png", "soups/tomato.png", "tart.png"]


def test_equal_content_is_stored_once_and_stays_until_its_last_name_goes(menu, photos, tiny_codec):
    first, second = menu.add(photos / "tart.png"), menu.add(photos / "tarte.png")
    assert first.hash == second.hash
    menu.remove("tart.png")
    np.testing.assert_array_equal(
        menu.read("tarte.png"), tiny_codec.decompress(tiny_codec.compress(photos / "tart.png"))
    )
    menu.remove("tarte.png")
    with menu.store.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM contents").fetchone() == (2,)
    with pytest.raises(GanTfcError, match=r"has no photo 'tarte\.png'"):
        menu.read("tarte.png")


def test_removing_gives_the_room_back(archive, tmp_path, rng):
    date = "2020-01-01T00:00:00"
    for name, hash, size in (("small", "0" * 64, 10), ("large", "1" * 64, 500_000)):
        archive.store.put(name, hash, size, stream_of(rng.bytes(size)), date)
    archive.close()
    before = (tmp_path / "menu.gtca").stat().st_size
    archive.remove("large")
    archive.close()
    assert (tmp_path / "menu.gtca").stat().st_size < before - 490_000


def test_adding_again_compresses_nothing_and_adds_tags(menu, photos, monkeypatch, tiny_codec):
    monkeypatch.setattr(type(tiny_codec), "compress", lambda *_, **__: pytest.fail("compressed again"))
    record = menu.add(photos / "fish.png", tags=["evening"])
    assert record.tags == ("evening", "lunch", "sea")


def test_another_photo_of_the_same_name_is_refused_unless_it_replaces(menu, photos):
    before = menu.record("fish.png")
    with pytest.raises(GanTfcError, match=r"another photo 'fish\.png'.*replace=True.*--force"):
        menu.add(photos / "tart.png", "fish.png")
    assert menu.record("fish.png") == before
    assert menu.add(photos / "tart.png", "fish.png", replace=True).width == 90
    assert menu.verify() == []


def test_replacing_compresses_anew(menu, photos):
    before = menu.record("fish.png").bytes
    assert menu.add(photos / "fish.png", quality=5, replace=True).bytes < before
    assert menu.verify(decode=True) == []


def test_size_limit_is_kept(archive, photos):
    assert archive.add(photos / "fish.png", max_bytes=900).bytes <= 900


def test_tune_is_handed_to_the_codec(archive, photo, tiny_codec):
    archive.add(photo, "cup.png", quality=40, tune="visual")
    assert archive.stream("cup.png") == tiny_codec.compress(photo, 40, tune="visual")


def test_arrays_and_streams_are_taken_too(archive, photo, tmp_path, tiny_codec):
    stream = tiny_codec.compress(photo[:30, :30], 40)
    (tmp_path / "cup.gtc").write_bytes(stream)
    assert archive.add(photo[:30, :30], "cup.png", quality=40).width == 30
    archive.add(tmp_path / "cup.gtc")
    assert archive.stream("cup.gtc") == archive.stream("cup.png") == stream


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a//b", "a/./b", "a\\b", "a\nb", "\udcff", "x" * 1001]
)
def test_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(GanTfcError, match="rename the file"):
        checked_name(name)


def test_name_in_any_script_is_taken():
    for name in ("Crème brûlée 🍮.jpg", "汤/番茄.png", "2024-01-01 soup [1].jpg"):
        assert checked_name(name) == name


def test_patterns_match_parts_shell_patterns_and_exact_names():
    names = ["soups/Tomato.png", "soups/fish [1].png", "fish.png"]
    records = [Record(name, "", 0, 0, 0, 0, "", (), "", 1) for name in names]

    def found(*args, **options):
        return [r.name for r in matching(records, *args, **options)]

    assert found("tomato") == ["soups/Tomato.png"]
    assert found("SOUPS/*") == names[:2]
    assert found("fish", exact=True) == []
    assert found("fish.png", exact=True) == ["fish.png"]
    assert found("soups/fish [1].png", exact=True) == ["soups/fish [1].png"]


def test_folders_are_searched_for_photos_and_hidden_files_left_out(photos):
    (photos / "._fish.png").write_bytes(b"")
    (photos / "notes.txt").write_bytes(b"")
    assert [name for name, _ in find_photos([photos])] == [
        "fish.png",
        "soups/tomato.png",
        "tart.png",
        "tarte.png",
    ]
    with pytest.raises(GanTfcError, match="no file or folder"):
        find_photos([photos / "none"])
    (photos / "empty").mkdir()
    with pytest.raises(GanTfcError, match="found none"):
        find_photos([photos / "empty"])


def test_many_photos_are_added_at_once_each_content_once(archive, photos):
    calls = []

    def compress(photo):
        calls.append(photo.name)
        if photo.name == "fish.png":
            raise ImageError("no picture")
        return stream_of(photo.data)

    adder = Adder(archive.store, compress, tags=["x"], workers=3)
    outcomes = {os.path.basename(o.source): o for o in adder.add(find_photos([photos]))}
    assert {name: o.kind for name, o in outcomes.items()} == {
        "fish.png": "failed",
        "tomato.png": "added",
        "tart.png": "added",
        "tarte.png": "linked",
    }
    assert sorted(calls) == ["fish.png", "soups/tomato.png", "tart.png"]
    assert all(record.tags == ("x",) for record in archive.store.records())
    again = Adder(archive.store, compress).add(find_photos([photos]))
    assert sorted(o.kind for o in again) == ["failed", "kept", "kept", "kept"]


def test_what_is_reported_is_on_the_disk_already(archive, photos, tmp_path):
    adder = Adder(archive.store, lambda photo: stream_of(photo.data), workers=2)
    for outcome in adder.add(find_photos([photos])):
        other = Store(tmp_path / "menu.gtca")
        assert other.record(outcome.record.name) == outcome.record
        other.close()


def test_large_photos_are_not_compressed_side_by_side(archive, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_tfc.archive.adding._PIXELS_AT_ONCE", 1500)
    for width in (30, 31, 32):
        Image.fromarray(photo[:30, :width]).save(tmp_path / f"{width}.png")
    busy = threading.Semaphore(1)

    def compress(photo):
        assert busy.acquire(blocking=False)
        threading.Event().wait(0.02)
        busy.release()
        return stream_of(photo.data)

    outcomes = Adder(archive.store, compress, workers=3).add(find_photos([tmp_path]))
    assert [outcome.kind for outcome in outcomes] == ["added"] * 3


def test_verify_finds_every_changed_byte(menu, tmp_path):
    menu.close()
    with sqlite3.connect(tmp_path / "menu.gtca") as connection:
        (stream,) = connection.execute("SELECT stream FROM contents WHERE width = 70 AND id = 1").fetchone()
        damaged = stream[:-9] + bytes([stream[-9] ^ 1]) + stream[-8:]
        connection.execute("UPDATE contents SET stream = ? WHERE id = 1", [damaged])
    (problem,) = menu.verify()
    assert problem.startswith("fish.png: ") and "SHA-256" in problem


def test_verify_finds_a_record_that_lies(menu, tmp_path):
    menu.close()
    with sqlite3.connect(tmp_path / "menu.gtca") as connection:
        connection.execute("UPDATE contents SET width = 7 WHERE id = 2")
    (problem,) = menu.verify()
    assert problem.startswith("soups/tomato.png: ")


def test_verify_decodes_when_asked(archive):
    archive.store.put("x", "0" * 64, 1, stream_of(b"junk"), "2020-01-01T00:00:00")
    assert archive.verify() == []
    (problem,) = archive.verify(decode=True)
    assert "preset tiny@1, which is not installed" in problem


def test_stream_of_a_preset_that_is_not_here_is_one_sentence(archive):
    archive.store.put("x", "0" * 64, 1, stream_of(b"junk", "huge", 3), "2020-01-01T00:00:00")
    for call in (archive.read, archive.preview):
        with pytest.raises(PresetError, match=r"preset huge@3, which is not installed.*--preset path:FOLDER"):
            call("x")


def test_files_that_are_no_archive_are_refused_and_left_alone(tmp_path, photos, tiny_codec):
    (tmp_path / "text").write_text("hello " * 1000)
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE birds (name)")
    for name, message in (("text", "it is no archive"), ("other", "database of another program")):
        before = (tmp_path / name).read_bytes()
        archive = Archive(tmp_path / name, tiny_codec)
        for call in (archive.names, lambda a=archive: a.add(photos / "fish.png")):
            with pytest.raises(GanTfcError, match=message):
                call()
        archive.close()
        assert (tmp_path / name).read_bytes() == before


def test_missing_archive_is_not_made_by_reading(tmp_path):
    with pytest.raises(GanTfcError, match="there is no archive"):
        Archive(tmp_path / "none.gtca").names()
    assert list(tmp_path.iterdir()) == []


def test_archive_that_got_no_photo_leaves_no_file(archive, tmp_path):
    (tmp_path / "note.jpg").write_text("hello")
    with pytest.raises(ImageError, match=r"note\.jpg' is not a picture"):
        archive.add(tmp_path / "note.jpg")
    archive.close()
    assert [p.name for p in tmp_path.iterdir()] == ["note.jpg"]


def test_newer_archive_is_refused(menu, tmp_path):
    menu.close()
    with sqlite3.connect(tmp_path / "menu.gtca") as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(GanTfcError, match="has version 2: install a newer"):
        menu.names()


def test_full_disk_undoes_the_photo_at_hand_alone(menu, photos):
    with menu.store.database.writing() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(GanTfcError, match="no room left"):
        menu.store.put("x", "0" * 64, 1, stream_of(bytes(50_000)), "2020-01-01T00:00:00")
    assert menu.names() == ["fish.png", "soups/tomato.png"]
    menu.close()
    assert menu.verify(decode=True) == []


def test_photo_is_read_with_its_hash(photos):
    one, other = (read_photo("x", photos / name) for name in ("tart.png", "tarte.png"))
    assert one.hash == other.hash and one.pixels == 90 * 40 and not one.is_stream


def test_cache_makes_a_value_once_for_all_threads_and_forgets_the_oldest():
    cache, made = Cache(10), []

    def make():
        threading.Event().wait(0.02)
        made.append(1)
        return b"12345"

    threads = [threading.Thread(target=cache.get, args=("a", make)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    cache.get("b", lambda: b"12345")
    cache.get("c", lambda: b"12345")
    assert cache.get("b", lambda: b"new") == b"12345"
    assert cache.get("a", lambda: b"new") == b"new"
    with pytest.raises(KeyError):
        cache.get("d", lambda: {}["d"])
    assert cache.get("d", lambda: b"later") == b"later"
