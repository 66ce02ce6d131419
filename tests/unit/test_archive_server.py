# SPDX-License-Identifier: Apache-2.0
"""The server of an archive's page: pictures for its own page, nothing for anybody else."""

import http.client
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from gan_tfc.archive import Archive
from gan_tfc.archive.gallery import Gallery
from gan_tfc.archive.server import Server
from gan_tfc.coding import container
from gan_tfc.errors import GanTfcError


@pytest.fixture(scope="module")
def archive(tiny_codec, tmp_path_factory):
    from skimage import data

    with Archive(tmp_path_factory.mktemp("archive") / "menu.gtca", tiny_codec) as made:
        made.add(data.coffee()[100:190, 150:270].copy(), "cup.png", tags=["<b>"])
        stream = container.pack("huge", 3, b"none", 8, 6, 9, [b"junk"])
        made.store.put("other.png", "0" * 64, 1, stream, "2020-01-01T00:00:00")
        yield made


@pytest.fixture(scope="module")
def server(archive):
    with Server(Gallery(archive)) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def ask(server):
    """Path and headers -> response, with its body."""

    def call(path, method="GET", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(*server.server_address, timeout=30)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        response.body = response.read()
        connection.close()
        return response

    return call


def decoded(response):
    return np.asarray(Image.open(io.BytesIO(response.body)))


def test_list_holds_all_records(ask, archive):
    answer = json.loads(ask("/photos").body)
    assert answer["title"].endswith("menu.gtca")
    assert [photo["name"] for photo in answer["photos"]] == archive.names()
    assert answer["photos"][0]["tags"] == ["<b>"] and answer["photos"][0]["realism"] is False


def test_preview_and_picture_are_those_of_the_archive(ask, archive):
    hash = archive.record("cup.png").hash
    for scale in (4, 8):
        answer = ask(f"/preview/{hash}/{scale}")
        assert answer.headers["Content-Type"] == "image/png"
        np.testing.assert_array_equal(decoded(answer), archive.preview("cup.png", scale))
    picture = decoded(ask(f"/picture/{hash}?realism=0.5")).astype(int)
    # JPEG at quality 95.
    assert np.abs(picture - archive.read("cup.png", 0.5)).mean() < 3


def test_page_is_served_with_what_it_needs(ask):
    for path, start in (("/", b"<!doctype html>"), ("/style.css", b"/*"), ("/app.js", b"//")):
        answer = ask(path)
        assert answer.status == 200 and answer.body.startswith(start)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


PATHS = [
    "/../schema.py",
    "/page/app.js",
    "/%2e%2e/schema.py",
    "//etc/passwd",
    "/app.js/../../store.py",
    "/menu.gtca",
    "/preview/xyz/8",
    f"/preview/{'0' * 64}/8/../../x",
    f"/picture/{'A' * 64}",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_other_path_leads_anywhere(ask, path):
    assert ask(path).status == 404


def test_foreign_host_names_are_refused(ask, server):
    for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1", "127.0.0.1:1", ""):
        for path in ("/", "/photos"):
            answer = ask(path, Host=host)
            assert answer.status == 403 and b"cup" not in answer.body
    assert ask("/photos", Host=f"localhost:{server.server_port}").status == 200


def test_pages_of_other_sites_are_refused_but_a_link_opens_the_page(ask):
    for site in ("cross-site", "same-site"):
        assert ask("/photos", Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status == 403
        assert ask("/photos", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 403
        assert ask("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 200
    assert ask("/photos", Sec_Fetch_Site="same-origin").status == 200


def test_only_this_machine_is_listened_to(server):
    assert server.server_address[0] == "127.0.0.1"


def test_other_methods_are_not_known(ask):
    assert ask("/photos", "POST").status == 501
    head = ask("/photos", "HEAD")
    assert head.status == 200 and head.body == b""


def test_mistakes_get_a_sentence(ask):
    for realism in ("2", "nan", "x", "-1"):
        assert ask(f"/picture/{'0' * 64}?realism={realism}").status == 400
    answer = ask(f"/picture/{'0' * 64}")
    assert answer.status == 500 and b"preset huge@3, which is not installed" in answer.body
    assert b"has no content" in ask(f"/preview/{'1' * 64}/8").body
    assert b"a scale among" in ask(f"/preview/{'0' * 64}/3").body


def test_taken_port_is_one_sentence(server):
    with pytest.raises(GanTfcError, match=rf"port {server.server_port} cannot be used .*--port"):
        Server(server.gallery, server.server_port)


def test_warming_up_says_which_presets_are_missing(archive):
    (problem,) = Gallery(archive).warm_up()
    assert "huge@3" in problem
