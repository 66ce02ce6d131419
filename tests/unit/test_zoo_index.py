# SPDX-License-Identifier: Apache-2.0
"""Indexes of zoos, names of presets, and what may be published."""

import hashlib
import json
import shutil

import pytest

import gan_tfc
from gan_tfc.zoo import names, registry
from gan_tfc.zoo.index import make_index, parse_index
from gan_tfc.zoo.publish import check_publishable

#: SHA-256 over the lines "file hash" of what decides streams and of the golden files: never to change.
RELEASED = {
    "photo_mobile@1": "516248e98e6cdb2dfc09f256e6fe985ead8bc0b61ca2605a2dcfb7327d8a7738",
    "photo_mobile@2": "17091a7b3fca45c783b56ac35b46fc6cd00b4cabaad7aec223e5a50d44678a19",
}


@pytest.fixture
def zoo(tiny_preset, tmp_path):
    """A folder that holds `tiny@1`, and may be changed."""
    shutil.copytree(tiny_preset, tmp_path / "zoo" / "tiny" / "1")
    return tmp_path / "zoo"


@pytest.mark.parametrize("name", RELEASED)
def test_released_presets_are_the_bytes_that_were_released(name):
    folder = registry.find(name)
    golden = sorted(path.relative_to(folder).as_posix() for path in (folder / "golden").iterdir())
    digest = hashlib.sha256()
    for file in ("config.json", "model.weights.h5", "tables.npz", *golden):
        digest.update(f"{file} {hashlib.sha256((folder / file).read_bytes()).hexdigest()}\n".encode())
    assert digest.hexdigest() == RELEASED[name]


def test_the_shipped_index_states_the_hashes_of_the_shipped_files():
    for entry in parse_index(registry.INDEX.read_bytes(), "the shipped index"):
        folder = registry.find(f"{entry.name}@{entry.version}")
        for name, file in entry.files.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file.sha256


def test_a_published_record_is_the_metadata_and_the_files():
    bare, full = (json.loads(make_index(registry.ROOT, files)) for files in (False, True))
    added = ("files", "pictures")
    assert [{k: v for k, v in record.items() if k not in added} for record in full] == bare
    for record in full:
        folder = registry.find(f"{record['name']}@{record['version']}")
        golden = {f"golden/{path.name}" for path in (folder / "golden").iterdir()}
        codec = {"config.json", "model.weights.h5", "tables.npz", "metadata.json"}
        codec |= {"README.md"} & {path.name for path in folder.iterdir()}
        assert set(record["files"]) == codec | golden
        for name, file in record["files"].items():
            data = (folder / name).read_bytes()
            assert file == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_pictures_of_cards_are_published_apart_from_the_files():
    records = json.loads(make_index(registry.ROOT, files=True))
    for record in records:
        folder = registry.find(f"{record['name']}@{record['version']}")
        here = {path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg")}
        assert set(record["pictures"]) == here
        for name, file in record["pictures"].items():
            data = (folder / name).read_bytes()
            assert file == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a_picture_that_no_client_would_fetch_is_not_published(zoo):
    folder = zoo / "tiny" / "1"
    (folder / "README.md").write_text("![large](large.png)\n")
    with open(folder / "large.png", "wb") as file:
        file.truncate((4 << 20) + 1)
    with pytest.raises(gan_tfc.PresetError, match=r"at most 4 MiB .* tiny@1, .*large\.png has 4194305 bytes"):
        check_publishable(zoo)
    (folder / "README.md").write_text("no picture\n")
    check_publishable(zoo)
    assert "pictures" not in json.loads(make_index(zoo, files=True))[0]


def test_what_is_published_is_what_clients_read():
    check_publishable(registry.ROOT)
    entries = parse_index(make_index(registry.ROOT, files=True), "here")
    assert [f"{entry.name}@{entry.version}" for entry in entries] == [
        f"{name}@{version}" for name, versions in sorted(registry.available().items()) for version in versions
    ]


def test_a_saved_codec_is_published_and_loads_by_address(zoo, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_TFC_CACHE", str(tmp_path / "cache"))
    codec = gan_tfc.load(f"path:{zoo}/tiny/1")
    codec.save(zoo / "menu" / "3")
    check_publishable(zoo)
    (zoo / "index.json").write_text(make_index(zoo, files=True))
    loaded = gan_tfc.load(f"{zoo.as_uri()}#menu@3")
    assert (loaded.name, loaded.version) == ("menu", 3)
    assert loaded.compress(photo, 40) == gan_tfc.load(f"path:{zoo}/menu/3").compress(photo, 40)
    assert {record["name"] for record in gan_tfc.list_presets(zoo=zoo.as_uri())} == {"menu", "tiny"}
    assert [record["name"] for record in gan_tfc.list_presets("m*", zoo.as_uri())] == ["menu"]


def test_a_folder_without_presets_is_not_published(tmp_path):
    with pytest.raises(gan_tfc.PresetError, match="Expected presets in .*NAME.VERSION, found none"):
        check_publishable(tmp_path)


def test_a_damaged_preset_is_not_published(zoo):
    (zoo / "tiny" / "1" / "tables.npz").write_bytes(b"damaged")
    with pytest.raises(gan_tfc.PresetError, match=r"tables\.npz is damaged"):
        check_publishable(zoo)


@pytest.mark.parametrize("place", ["tiny/2", "menu/1"])
def test_a_preset_is_not_published_under_another_name(zoo, place):
    shutil.copytree(zoo / "tiny" / "1", zoo / place)
    with pytest.raises(gan_tfc.PresetError, match="it calls itself tiny@1: save it there"):
        check_publishable(zoo)


def test_a_name_that_no_client_takes_is_not_published(zoo):
    folder = shutil.copytree(zoo / "tiny" / "1", zoo / "Tiny" / "1")
    config = json.loads((folder / "config.json").read_text()) | {"name": "Tiny"}
    (folder / "config.json").write_text(json.dumps(config))
    record = json.loads((folder / "metadata.json").read_text()) | {"name": "Tiny"}
    record["sha256"]["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(record))
    with pytest.raises(gan_tfc.PresetError, match="'Tiny' is not the name of a preset"):
        check_publishable(zoo)


def test_a_listed_version_is_not_published_with_other_bytes(zoo):
    (zoo / "index.json").write_text(make_index(zoo, files=True))
    check_publishable(zoo)
    records = json.loads((zoo / "index.json").read_text())
    records[0]["sha256"]["tables.npz"] = records[0]["files"]["tables.npz"]["sha256"] = "0" * 64
    (zoo / "index.json").write_text(json.dumps(records))
    with pytest.raises(gan_tfc.PresetError, match="tiny@1 is another one .* save it as the next version"):
        check_publishable(zoo)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://Host/Zoo/", "https://host/Zoo"),
        ("HTTPS://host", "https://host"),
        ("http://host:8000/a b/index.json", "http://host:8000/a%20b"),
        ("http://host/a%20b//", "http://host/a%20b"),
        ("http://[::1]:8000/zoo", "http://[::1]:8000/zoo"),
        ("file:///srv/zoo/", "file:///srv/zoo"),
        ("file://localhost/srv/zoo", "file://localhost/srv/zoo"),
    ],
)
def test_an_address_has_one_spelling(address, expected):
    assert names.zoo_url(address) == expected
    assert names.split_remote(f"{address}#menu@2") == (expected, "menu@2")


@pytest.mark.parametrize(
    ("name", "remote"),
    [("menu@1", False), ("path:a://b", False), ("a/b", False), ("https://h/z#m", True), ("ftp://h", True)],
)
def test_an_address_is_told_from_a_name(name, remote):
    assert names.is_remote(name) == remote
