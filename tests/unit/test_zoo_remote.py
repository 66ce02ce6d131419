# SPDX-License-Identifier: Apache-2.0
"""Presets of other zoos, from a server that does whatever servers do."""

import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import gan_tfc
from gan_tfc.zoo import cache, connections, download, remote
from gan_tfc.zoo.golden import make_golden
from gan_tfc.zoo.index import make_index, presets_in
from gan_tfc.zoo.preset import hashes

ROOT = pathlib.Path(__file__).parents[2]
WEIGHTS = "tiny/1/model.weights.h5"


@pytest.fixture(scope="module")
def published(tiny_preset, tiny_codec, tmp_path_factory):
    """A zoo made for others that holds `tiny@1` with card and golden files; not to be changed."""
    root = tmp_path_factory.mktemp("published")
    folder = shutil.copytree(tiny_preset, root / "tiny" / "1")
    (folder / "README.md").write_text("# tiny\n")
    make_golden(tiny_codec, folder / "golden", np.full((20, 24, 3), 90, np.uint8), [50])
    (root / "index.json").write_text(make_index(root, files=True))
    return root


@pytest.fixture
def root(published, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(published, tmp_path / "zoo")


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    """An empty cache, and no waiting."""
    monkeypatch.setenv("GAN_TFC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(connections, "TIMEOUT", 2)
    return tmp_path / "cache"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files with ranges, except where a rule of the server does something else."""

    def do_GET(self):
        path = self.path.lstrip("/")
        asked = self.headers["Range"]
        self.server.log.append((path, asked))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            rule = self.server.rules.get(path)
            file = self.server.root / path
            if rule:
                rule(self, file.read_bytes() if file.is_file() else b"")
            elif file.is_file():
                self.answer(file.read_bytes())
            else:
                self.send_error(404)

    def answer(self, data, *, ranges=True, length=None, send=None):
        """With the headers of `data` (or another length), and all of it (or its first bytes)."""
        asked = self.headers["Range"] if ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if length != "absent":
            self.send_header("Content-Length", str(len(data) - start if length is None else length))
        self.end_headers()
        self.wfile.write(data[start:] if send is None else data[start:][:send])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(root):
    """A server of `root`: `.url`, `.log` of paths and ranges, `.rules` by path."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.root, server.log, server.rules = root, [], {}
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def rewrite_index(root, change):
    records = json.loads((root / "index.json").read_text())
    change(records[0])
    (root / "index.json").write_text(json.dumps(records))


def cut_once(sizes):
    """Cuts connections after so many bytes each, then serves all."""
    left = list(sizes)

    def rule(handler, data):
        handler.answer(data, send=left.pop(0) if left else None)

    return rule


# --- what works ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["#tiny", "#tiny@1", "/#tiny", "/index.json#tiny@1"])
def test_all_files_of_the_index_come_and_nothing_else(server, suffix):
    folder = remote.find(server.url + suffix)
    assert files_in(folder) == files_in(server.root / "tiny" / "1")
    for name in files_in(folder):
        assert (folder / name).read_bytes() == (server.root / "tiny" / "1" / name).read_bytes()


def test_a_preset_loads_by_http_and_by_file_and_codes_alike(server, tiny_codec, photo):
    for address in (server.url, server.root.as_uri()):
        codec = gan_tfc.load(f"{address}#tiny@1")
        assert (codec.name, codec.version) == ("tiny", 1)
        assert codec.compress(photo, 40) == tiny_codec.compress(photo, 40)


def test_files_are_fetched_once_and_the_index_each_time(server):
    remote.find(f"{server.url}#tiny")
    server.log.clear()
    remote.find(f"{server.url}#tiny")
    assert server.log == [("index.json", None)]


def test_a_damaged_file_in_the_cache_is_fetched_again(server):
    folder = remote.find(f"{server.url}#tiny")
    (folder / "tables.npz").write_bytes(b"damaged")
    server.log.clear()
    assert hashes(remote.find(f"{server.url}#tiny")) == hashes(server.root / "tiny" / "1")
    assert [path for path, _ in server.log] == ["index.json", "tiny/1/tables.npz"]


def test_an_index_without_files_gives_what_the_metadata_hashes(server):
    (server.root / "index.json").write_text(make_index(server.root))
    folder = remote.find(f"{server.url}#tiny@1")
    assert files_in(folder) == {"config.json", "model.weights.h5", "tables.npz", "metadata.json"}
    assert gan_tfc.load(f"{server.url}#tiny@1").name == "tiny"


def test_progress_is_told_up_to_all_bytes(server):
    told = []
    folder = remote.find(f"{server.url}#tiny", lambda *numbers: told.append(numbers))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    size -= (folder / "metadata.json").stat().st_size
    assert told[-1] == (size, size) and len({total for _, total in told}) == 1


def test_the_card_comes_alone(server):
    assert remote.find_card(f"{server.url}#tiny") == ("# tiny\n", [])
    assert [path for path, _ in server.log] == ["index.json", "tiny/1/README.md"]


@pytest.fixture
def pictures(server):
    """The folder of `tiny@1`, whose card names two pictures, in the index; a third it does not name."""
    folder = server.root / "tiny" / "1"
    (folder / "README.md").write_text("# tiny\n![crops](crops.jpg) ![](b/c.png) ![](curve.png)\n")
    for name in ("crops.jpg", "curve.png", "holiday.jpg"):
        (folder / name).write_bytes(name.encode() * 9)
    (server.root / "index.json").write_text(make_index(server.root, files=True))
    return folder


def test_the_pictures_that_a_card_names_come_with_it_once(server, pictures):
    for _ in range(2):
        text, found = remote.find_card(f"{server.url}#tiny")
        assert text.startswith("# tiny") and [path.name for path in found] == ["crops.jpg", "curve.png"]
        assert all(path.read_bytes() == (pictures / path.name).read_bytes() for path in found)
    assert sorted(path for path, _ in server.log if path != "index.json") == [
        "tiny/1/README.md",
        "tiny/1/crops.jpg",
        "tiny/1/curve.png",
    ]


def test_a_preset_loads_without_the_pictures_of_its_card(server, pictures):
    folder = remote.find(f"{server.url}#tiny")
    assert not {"crops.jpg", "curve.png", "holiday.jpg"} & files_in(folder)
    assert not any(path.endswith((".jpg", "curve.png")) for path, _ in server.log)


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_card_is_shown_without_pictures_that_are_not_to_be_had(server, cached, pictures, harm):
    if harm == "missing":
        (pictures / "crops.jpg").unlink()
    else:
        (pictures / "crops.jpg").write_bytes(b"another one")
    with pytest.warns(UserWarning, match="pictures of the card are not complete: .*crops.jpg"):
        text, found = remote.find_card(f"{server.url}#tiny")
    assert text.startswith("# tiny") and "crops.jpg" not in [path.name for path in found]
    assert not list(cached.rglob("crops.jpg")) and not list(cached.rglob("*.part"))


def test_a_preset_without_a_card_shows_one_made_from_the_index(server):
    (server.root / "tiny" / "1" / "README.md").unlink()
    (server.root / "index.json").write_text(make_index(server.root, files=True))
    text, found = remote.find_card(f"{server.url}#tiny")
    assert text.startswith("# tiny@1\n") and "kMAC a pixel" in text and not found
    assert [path for path, _ in server.log] == ["index.json"]


def test_without_a_network_the_card_in_the_cache_is_shown(server, pictures):
    for fetch in (remote.find, remote.find_card):
        fetch(f"{server.url}#tiny")
    server.rules["index.json"] = lambda handler, _: handler.send_error(503)
    with pytest.warns(UserWarning, match="copy of tiny@1 in the cache is used"):
        text, found = remote.find_card(f"{server.url}#tiny")
    assert text.startswith("# tiny") and len(found) == 2


def test_the_newest_version_is_the_default(server, tiny_preset, tmp_path):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    for version in ("10", "2"):
        codec.save(server.root / "tiny" / version)
    (server.root / "index.json").write_text(make_index(server.root, files=True))
    assert remote.find(f"{server.url}#tiny").name == "10"
    assert remote.find(f"{server.url}#tiny@2").name == "2"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("#tinny@1", "no preset 'tinny' at http://127.*; did you mean 'tiny'"),
        ("#tiny@2", "no version '2' of preset 'tiny' at http://127.*; available: 1"),
        ("#tiny@../1", "no version '../1'"),
        ("#../tiny", "no preset '../tiny'"),
        ("", "Expected URL#name or URL#name@version.* `gan-tfc zoo list --zoo http"),
        ("#", "Expected URL#name"),
        ("/none#tiny", r"none/index.json cannot be fetched \(HTTP 404\)"),
    ],
)
def test_an_unknown_name_is_refused_with_the_mend(server, name, words):
    with pytest.raises(gan_tfc.PresetError, match=words):
        gan_tfc.load(server.url + name)


@pytest.mark.parametrize(
    "name",
    [
        "ftp://host/zoo#tiny",
        "data://x#tiny",
        "https://#tiny",
        "https://me:secret@host/zoo#tiny",
        "https://host/zoo?key=1#tiny",
        "https://host:port/zoo#tiny",
        "file://other-host/zoo#tiny",
        "https://[1::/zoo#tiny",
    ],
)
def test_another_kind_of_address_is_refused(name):
    with pytest.raises(gan_tfc.PresetError, match="Expected the address of a zoo"):
        gan_tfc.load(name)


# --- connections that fail -------------------------------------------------------------------------


def test_a_cut_connection_goes_on_where_it_ended(server):
    server.rules[WEIGHTS] = cut_once([1000, 500])
    remote.find(f"{server.url}#tiny")
    ranges = [asked for path, asked in server.log if path == WEIGHTS]
    assert ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_the_next_call_goes_on_where_the_last_one_gave_up(server, cached):
    server.rules[WEIGHTS] = cut_once([100] * download.ATTEMPTS)
    with pytest.raises(gan_tfc.PresetError, match="ended early 5 times.*first 500 bytes are kept"):
        remote.find(f"{server.url}#tiny")
    assert not list(cached.rglob("metadata.json"))
    server.log.clear()
    remote.find(f"{server.url}#tiny")
    assert (WEIGHTS, "bytes=500-") in server.log
    assert not list(cached.rglob("*.part")) and not list(cached.rglob("*.tmp"))


@pytest.mark.parametrize("answer", ["whole", "other part", "no such part", "nonsense"])
def test_a_server_without_ranges_starts_again_cleanly(server, answer):
    asked = []

    def rule(handler, data):
        asked.append(handler.headers["Range"])
        if len(asked) == 1:
            handler.answer(data, send=700)
        elif len(asked) == 2 and answer == "no such part":
            handler.send_error(416)
        elif len(asked) == 2 and answer in ("other part", "nonsense"):
            handler.send_response(206)
            first = 3 if answer == "other part" else "9" * 5000
            handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            handler.end_headers()
            handler.wfile.write(data[3:])
        else:
            handler.answer(data, ranges=False)

    server.rules[WEIGHTS] = rule
    folder = remote.find(f"{server.url}#tiny")
    assert hashes(folder) == hashes(server.root / "tiny" / "1")
    assert asked[1] == "bytes=700-"


def test_what_was_left_of_another_file_is_not_gone_on_with(server, cached):
    sha256 = hashlib.sha256((server.root / WEIGHTS).read_bytes()).hexdigest()
    partials = cache.zoo_folder(server.url) / ".partial"
    partials.mkdir(parents=True)
    (partials / f"{sha256}.part").write_bytes(b"?" * 300)
    assert hashes(remote.find(f"{server.url}#tiny")) == hashes(server.root / "tiny" / "1")
    assert [asked for path, asked in server.log if path == WEIGHTS] == ["bytes=300-", None]


@pytest.mark.parametrize("length", [10, 10**9, -5, "absent", "many"])
def test_a_length_that_is_a_lie_is_refused_or_does_no_harm(server, cached, length):
    server.rules[WEIGHTS] = lambda handler, data: handler.answer(data, length=length)
    if isinstance(length, int) and length > 0:
        with pytest.raises(gan_tfc.PresetError, match=f"its server announces {length}"):
            remote.find(f"{server.url}#tiny")
        assert not list(cached.rglob("*.part")) and not list(cached.rglob("*.tmp"))
    else:
        assert hashes(remote.find(f"{server.url}#tiny")) == hashes(server.root / "tiny" / "1")


def endless(handler, data):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(data)
    while True:
        handler.wfile.write(b" " * 65536)


@pytest.mark.parametrize("path", ["index.json", WEIGHTS])
def test_a_body_without_end_is_left_at_its_limit(server, cached, path):
    server.rules[path] = endless
    with pytest.raises(gan_tfc.PresetError, match=r"Expected at most \d+ bytes .* received more"):
        remote.find(f"{server.url}#tiny")
    assert not list(cached.rglob("*.part")) and not list(cached.rglob("*.tmp"))


def test_a_body_without_end_and_without_known_size_is_left_at_the_limit_of_files(server, monkeypatch):
    (server.root / "index.json").write_text(make_index(server.root))
    monkeypatch.setattr(download, "MAX_FILE", 300_000)
    server.rules["tiny/1/tables.npz"] = endless
    with pytest.raises(gan_tfc.PresetError, match="at most 300000 bytes .* received more"):
        remote.find(f"{server.url}#tiny")


@pytest.mark.parametrize("path", ["index.json", WEIGHTS])
def test_a_silent_server_is_given_up(server, monkeypatch, path):
    monkeypatch.setattr(connections, "TIMEOUT", 0.05)
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    server.rules[path] = lambda handler, data: time.sleep(0.3)
    with pytest.raises(gan_tfc.PresetError, match="timed out"):
        remote.find(f"{server.url}#tiny")


def test_a_server_that_drips_is_given_up(server, monkeypatch):
    def drip(handler, data):
        handler.send_response(200)
        handler.end_headers()
        for i in range(100):
            handler.wfile.write(data[i : i + 1])
            time.sleep(0.02)

    monkeypatch.setattr(download, "PATIENCE", 0.2)
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    server.rules[WEIGHTS] = drip
    with pytest.raises(gan_tfc.PresetError, match="slower than 1024 bytes a second"):
        remote.find(f"{server.url}#tiny")


def redirect(target):
    def rule(handler, data):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return rule


def test_redirects_within_the_web_are_followed(server):
    server.rules[WEIGHTS] = redirect("/elsewhere")
    server.rules["elsewhere"] = lambda handler, _: handler.answer((server.root / WEIGHTS).read_bytes())
    remote.find(f"{server.url}#tiny")


@pytest.mark.parametrize("path", ["index.json", WEIGHTS])
@pytest.mark.parametrize("scheme", ["file", "ftp", "circle"])
def test_redirects_elsewhere_are_not_followed(server, path, scheme):
    target = f"/{path}" if scheme == "circle" else f"{scheme}://{server.root / WEIGHTS}"
    server.rules[path] = redirect(target)
    with pytest.raises(gan_tfc.PresetError, match="redirects are followed to http:// and https:// only"):
        remote.find(f"{server.url}#tiny")


# --- content that is not what it should be -----------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "tables.npz", "golden/q50.gtc"])
def test_nothing_is_kept_of_a_tampered_file(server, cached, name):
    path = server.root / "tiny" / "1" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(gan_tfc.PresetError, match="is damaged or was changed: .* nothing of it was kept"):
        remote.find(f"{server.url}#tiny")
    assert bytes(data) not in [path.read_bytes() for path in cached.rglob("*") if path.is_file()]
    assert not list(cached.rglob("metadata.json"))  # no folder passes for a complete preset


def test_another_preset_under_a_version_that_was_fetched_is_refused(server, tiny_codec):
    folder = remote.find(f"{server.url}#tiny@1")
    before = hashes(folder)

    def change(record):
        record["files"]["tables.npz"]["sha256"] = record["sha256"]["tables.npz"] = "0" * 64

    rewrite_index(server.root, change)
    with pytest.raises(gan_tfc.PresetError, match="versions never change: ask .* or delete"):
        remote.find(f"{server.url}#tiny@1")
    assert hashes(folder) == before


def set_entry(*keys):
    *path, last, value = keys

    def change(record):
        for key in path:
            record = record[key]
        record[last] = value

    return change


def add_file(name):
    return set_entry("files", name, {"bytes": 1, "sha256": "0" * 64})


def remove_file(name):
    return lambda record: record["files"].pop(name)


@pytest.mark.parametrize(
    "change",
    [
        *(set_entry("name", name) for name in ["../tiny", "a/b", "/tmp", "..", "", "A", "a" * 33, 3, None]),
        *(set_entry("version", version) for version in [0, -1, "1", 1.0, True, 2**40, None, "../1"]),
        *map(add_file, ["../x", "/etc/x", "golden/../../x", "golden\\x", "C:x", "golden/.x", "x.py"]),
        *(set_entry("files", "tables.npz", "bytes", size) for size in [-1, 2**40, "9", 1.5, True]),
        *(set_entry("files", "tables.npz", "sha256", text) for text in ["", "x" * 64, 5, None, "0" * 64]),
        *map(remove_file, ["config.json", "model.weights.h5", "tables.npz", "metadata.json"]),
        *(set_entry("pictures", value) for value in [[1], "x", {"a.png": 1}, {"a.png": {"bytes": 1}}]),
        *(
            set_entry("pictures", {"a.png": {"bytes": size, "sha256": "0" * 64}})
            for size in [-1, (4 << 20) + 1, None, "9"]
        ),
        set_entry("pictures", {f"{i}.png": {"bytes": 1, "sha256": "0" * 64} for i in range(17)}),
        set_entry("files", []),
        set_entry("files", {}),
        set_entry("sha256", None),
        lambda record: [
            add_file(f"golden/{i}")(record) or set_entry("files", f"golden/{i}", "bytes", 2**28)(record)
            for i in range(3)
        ],
    ],
)
def test_an_index_that_no_zoo_would_write_is_refused_before_anything_is_written(server, cached, change):
    rewrite_index(server.root, change)
    with pytest.raises(gan_tfc.PresetError, match="Expected an index of presets in http"):
        remote.find(f"{server.url}#tiny")
    assert [path for path, _ in server.log] == ["index.json"]
    assert not cached.exists()


@pytest.mark.parametrize(
    "name", ["../x.png", "/x.png", "golden/x.png", ".x.png", "x.py", "x.png/..", "x.avif"]
)
def test_a_picture_of_another_name_is_neither_fetched_nor_a_reason_to_refuse(server, cached, name):
    rewrite_index(server.root, set_entry("pictures", {name: {"bytes": 1, "sha256": "0" * 64}}))
    assert remote.find_card(f"{server.url}#tiny").pictures == []
    assert [path for path, _ in server.log] == ["index.json", "tiny/1/README.md"]
    assert [path.name for path in cached.rglob("*/1/*")] == ["README.md"]


@pytest.mark.parametrize(
    "text", ["", "<html>", "{}", "[1]", "[[]]", '["x"]', "[{}]", "[" * 100_000, "\udcff", "[NaN]"], ids=repr
)
def test_what_is_no_index_is_refused(server, text):
    (server.root / "index.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(gan_tfc.PresetError, match="Expected an index of presets"):
        gan_tfc.list_presets(zoo=server.url)


def forge(root, change):
    """Change the model's entry in config.json, and mend all hashes."""
    folder = root / "tiny" / "1"
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    record = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(record | {"sha256": hashes(folder)}))
    (root / "index.json").write_text(make_index(root, files=True))


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "registered_name": None,
    "config": {"function": {"class_name": "__lambda__", "config": {"value": "4wAAAAA=", "defaults": None}}},
}
FOREIGN = {"module": "evil", "class_name": "Evil", "registered_name": "evil>Evil", "config": {}}


@pytest.mark.parametrize("model", [LAMBDA, FOREIGN], ids=["lambda", "foreign"])
def test_a_model_that_would_run_code_is_refused_by_address_and_by_path(
    server, cached, model, tmp_path, monkeypatch
):
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    forge(server.root, set_entry("model", model))
    for name in (f"{server.url}#tiny", f"path:{server.root}/tiny/1"):
        with pytest.raises(gan_tfc.PresetError):
            gan_tfc.load(name)
    assert not (tmp_path / "ran").exists()
    assert not list(cached.rglob("config.json"))


@pytest.mark.parametrize(
    "change",
    [
        set_entry("name", "other"),
        set_entry("version", 2),
        set_entry("model", "module", "evil"),
        set_entry("model", "registered_name", "evil>Evil"),
        set_entry("model", "compile_config", {"optimizer": LAMBDA}),
        set_entry("model", "config", "family", LAMBDA),
        set_entry("model", "config", "dtype", LAMBDA),
        set_entry("model", "build_config", {"x": [LAMBDA]}),
        set_entry("model", "config", "synthesis_features", 10**7),
        set_entry("model", "config", "features", [4] * 1000),
        set_entry("model", "config", "dead_zone", float("nan")),
        set_entry("model", None),
    ],
)
def test_a_configuration_that_is_no_codec_of_this_package_never_reaches_keras(server, change):
    forge(server.root, change)
    with pytest.raises(gan_tfc.PresetError, match="Expected preset tiny@1 in .* none to share"):
        remote.find(f"{server.url}#tiny")


def test_arrays_that_would_fill_the_memory_are_refused(server, monkeypatch):
    monkeypatch.setattr("gan_tfc.zoo.intake.MAX_FILE", 100_000)
    with pytest.raises(gan_tfc.PresetError, match="would unfold to"):
        remote.find(f"{server.url}#tiny")


# --- without a network, and two at once --------------------------------------------------------------


def test_without_a_network_the_copy_in_the_cache_is_used_and_that_is_said(server, photo, tiny_codec):
    first = remote.find(f"{server.url}#tiny@1")
    server.rules["index.json"] = lambda handler, _: handler.send_error(503)
    server.log.clear()
    for name in ("#tiny", "#tiny@1"):
        with pytest.warns(UserWarning, match="copy of tiny@1 in the cache is used: .*HTTP 503"):
            assert remote.find(server.url + name) == first
    with pytest.warns(UserWarning, match="list in the cache"):
        assert gan_tfc.list_presets(zoo=server.url)[0]["name"] == "tiny"
    assert {path for path, _ in server.log} == {"index.json"}
    with pytest.warns(UserWarning, match="cache"):
        codec = gan_tfc.load(f"{server.url}#tiny")
    assert codec.compress(photo, 30) == tiny_codec.compress(photo, 30)


def test_without_a_network_a_damaged_copy_is_refused(server):
    folder = remote.find(f"{server.url}#tiny@1")
    (folder / "model.weights.h5").write_bytes(b"damaged")
    server.rules["index.json"] = lambda handler, _: handler.send_error(503)
    with pytest.warns(UserWarning, match="cache"):
        with pytest.raises(gan_tfc.PresetError, match=r"model\.weights\.h5 is damaged"):
            gan_tfc.load(f"{server.url}#tiny@1")


def test_without_a_network_and_a_copy_the_error_says_what_is_there(server):
    url = server.url
    remote.find(f"{url}#tiny@1")
    server.rules["index.json"] = lambda handler, _: handler.send_error(503)
    with pytest.raises(gan_tfc.PresetError, match="HTTP 503.* In the cache are: tiny@1"):
        remote.find(f"{url}#tiny@2")
    with pytest.raises(gan_tfc.PresetError, match="In the cache are: none"):
        remote.find("http://127.0.0.1:9#tiny")


def test_a_half_fetched_preset_does_not_pass_for_a_copy(server):
    server.rules[WEIGHTS] = lambda handler, data: handler.answer(data, send=10)
    with pytest.raises(gan_tfc.PresetError, match="ended early"):
        remote.find(f"{server.url}#tiny")
    server.rules["index.json"] = lambda handler, _: handler.send_error(503)
    with pytest.raises(gan_tfc.PresetError, match="In the cache are: none"):
        remote.find(f"{server.url}#tiny")


def test_processes_that_fetch_at_once_all_get_the_preset(server, cached):
    def slow(handler, data):
        time.sleep(0.2)
        handler.answer(data)

    for path in ("config.json", "tables.npz", "model.weights.h5"):
        server.rules[f"tiny/1/{path}"] = slow
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from gan_tfc.zoo import remote\nprint(remote.find('{server.url}#tiny@1'))"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], answers
    (folder,) = {pathlib.Path(out.strip()) for out, _ in answers}
    assert hashes(folder) == hashes(server.root / "tiny" / "1")
    assert not list(cached.rglob("*.tmp")) and not list(cached.rglob("*.part"))


def test_old_remains_of_killed_processes_are_removed(server):
    partials = cache.zoo_folder(server.url) / ".partial"
    partials.mkdir(parents=True)
    for name, age in (("old.tmp", 2 * download.STALE), ("new.tmp", 0)):
        (partials / name).touch()
        os.utime(partials / name, (time.time() - age,) * 2)
    remote.find(f"{server.url}#tiny")
    assert files_in(partials) == {"new.tmp"}


def test_a_stream_never_downloads_and_the_error_says_what_decodes_it(server, tiny_codec, photo):
    data = tiny_codec.compress(photo[:40, :40], 30)
    with pytest.raises(gan_tfc.PresetError, match=r"no preset 'tiny'.*--preset URL#tiny@1\."):
        gan_tfc.decompress(data)
    codec = gan_tfc.load(f"{server.url}#tiny@1")
    server.log.clear()
    for read in (gan_tfc.decompress, gan_tfc.preview):
        with pytest.raises(gan_tfc.PresetError, match=rf"gan_tfc\.load\('{server.url}#tiny@1'\)"):
            read(data)
    assert server.log == []
    np.testing.assert_array_equal(codec.decompress(data), tiny_codec.decompress(data))


# --- the cache -------------------------------------------------------------------------------------


def test_the_cache_lies_where_the_system_keeps_such_things(monkeypatch, tmp_path):
    for name in ("GAN_TFC_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.cache_folder().as_posix() == "/home/me/Library/Caches/gan_tfc"
    monkeypatch.setattr(sys, "platform", "win32")
    assert cache.cache_folder().as_posix() == "/home/me/AppData/Local/gan_tfc/Cache"
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.cache_folder().as_posix() == "/home/me/.cache/gan_tfc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_folder().as_posix() == "/home/me/.cache/gan_tfc"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert cache.cache_folder().as_posix() == "/var/cache/me/gan_tfc"
    monkeypatch.setenv("GAN_TFC_CACHE", str(tmp_path))
    assert cache.cache_folder() == tmp_path


def test_zoos_of_different_addresses_do_not_share_a_folder():
    addresses = ["https://a/b", "http://a/b", "https://a/b-c", "https://a/b/c", "https://a:8/b"]
    assert len({cache.zoo_folder(address) for address in addresses}) == len(addresses)


def test_a_cache_that_cannot_be_written_is_a_clear_error(server, cached):
    cached.write_text("no folder")
    with pytest.raises(gan_tfc.PresetError, match="cache that can be written.*GAN_TFC_CACHE names another"):
        remote.find(f"{server.url}#tiny")


def test_only_complete_presets_count(tmp_path):
    (tmp_path / "tiny" / "1").mkdir(parents=True)
    assert presets_in(tmp_path) == {}
