# SPDX-License-Identifier: Apache-2.0
"""The page of an archive in headless Chromium: what a waiter sees, types and taps."""

import json
import pathlib
import shutil
import signal
import subprocess
import threading
import urllib.request

import numpy as np
import pytest
from browsers import PLAYWRIGHT, node_modules
from processes import posix_only, start

from gan_tfc.archive import Archive
from gan_tfc.archive.gallery import Gallery
from gan_tfc.archive.server import Server
from gan_tfc.coding import container

pytestmark = pytest.mark.slow

RUNNER = pathlib.Path(__file__).with_name("browse_runner.mjs")
HOSTILE = "<img src=x onerror=document.title='hit'>.jpg"

READY = "document.body.classList.contains('ready')"
IN_SIGHT = (
    "[...document.querySelectorAll('.photo')].filter((x) => x.getBoundingClientRect().top < innerHeight && "
    "x.getBoundingClientRect().bottom > 0).map((x) => x.querySelector('img'))"
)
SHOWN = f"{IN_SIGHT}.every((x) => x.src && x.complete && x.naturalWidth)"
DECODED = "document.getElementById('picture').naturalWidth > 0 && !document.querySelector('.busy')"
FOCUSED = "document.activeElement.textContent || document.activeElement.id"
#: Only once the dialog's "close" event has come; until then the browser's own choice has the focus.
FOCUS_IS_BACK = "document.activeElement.textContent === document.getElementById('name').textContent"
COLUMNS = "getComputedStyle(document.getElementById('grid')).gridTemplateColumns.split(' ').length"
NAMES = "[...document.querySelectorAll('.photo')].map((x) => x.title)"


@pytest.fixture(scope="module")
def modules(request):
    return node_modules(request.config, "archive_page", [PLAYWRIGHT])


@pytest.fixture(scope="module")
def archive(tiny_codec, tmp_path_factory):
    """80 small photos, and at the end one with an odd name."""
    from skimage import data

    coffee = data.coffee()
    with Archive(tmp_path_factory.mktemp("browse") / "menu.gtca", tiny_codec) as made:
        for i in range(80):
            crop = coffee[2 * i : 2 * i + 72, 3 * i : 3 * i + 96].copy()
            tags = ["lunch"] * (i % 2) + ["sea"] * (i % 10 == 5)
            made.add(crop, f"dishes/dish {i:02}.jpg", tags=tags)
        made.add(coffee[200:260, 200:260].copy(), "süß/Crème brûlée.jpg", tags=["dessert"])
        yield made


class Realistic(Gallery):
    """A gallery whose presets know realism, and that takes note of what is asked for."""

    def __init__(self, archive):
        super().__init__(archive)
        self.asked = []

    def _has_realism(self, preset, version):
        return True

    def picture(self, hash, realism):
        self.asked.append(realism)
        return super().picture(hash, realism)


@pytest.fixture
def gallery(archive):
    return Realistic(archive)


@pytest.fixture
def visit(gallery, modules, tmp_path):
    """A function from actions of `browse_runner.mjs` to what they tell."""
    with Server(gallery) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def run(*actions):
            list_file = tmp_path / "actions.json"
            list_file.write_text(json.dumps([["load"], ["until", READY], *actions]))
            command = ["node", RUNNER, modules, shutil.which("chromium"), server.url, list_file]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        yield run
        server.shutdown()
        thread.join()


def test_only_previews_in_sight_are_decoded_and_the_others_when_they_come(visit):
    requests, loaded, _, last = visit(
        ["until", SHOWN],
        ["sleep", 500],
        ["requests"],
        ["evaluate", f"{IN_SIGHT}.length"],
        ["evaluate", "window.scrollTo(0, document.body.scrollHeight)"],
        ["until", SHOWN],
        ["evaluate", "document.querySelector('.photo:last-child img').naturalWidth > 0"],
    )
    previews = {path.split("/")[2] for path in requests if path.startswith("/preview/")}
    assert loaded <= len(previews) < 50
    assert not any(path.startswith("/picture/") for path in requests)
    assert last


def test_a_click_shows_the_picture_that_the_codec_decodes(visit, archive):
    pixels = (
        "(() => { const image = document.getElementById('picture'); const canvas = document.createElement("
        "'canvas'); [canvas.width, canvas.height] = [96, 72]; const context = canvas.getContext('2d'); "
        "context.drawImage(image, 0, 0); return [...context.getImageData(0, 0, 96, 72).data]; })()"
    )
    found, caption, facts = visit(
        ["click", ".photo:nth-child(4)"],
        ["until", DECODED],
        ["evaluate", pixels],
        ["evaluate", "document.getElementById('name').textContent"],
        ["evaluate", "document.getElementById('facts').textContent"],
    )
    found = np.array(found).reshape(72, 96, 4)[..., :3]
    # JPEG at quality 95.
    assert np.abs(found - archive.read("dishes/dish 03.jpg").astype(int)).mean() < 3
    assert caption == "dish 03" and "lunch" in facts and "96 × 72" in facts


def test_preview_in_the_viewer_lies_where_the_picture_will(visit):
    shift = (
        "(() => { const [a, b] = ['small', 'picture'].map((x) => document.getElementById(x)"
        ".getBoundingClientRect()); const s = b.width / 96; return [(a.left - b.left) / s, a.width / s]; })()"
    )
    ((left, width),) = visit(["click", ".photo"], ["until", DECODED], ["evaluate", shift])
    scale = round(-2 * left) + 1
    # Its first pixel is centred on the picture's first; a fraction of a pixel is lost in layout.
    assert scale in (1, 2, 4, 8) and abs(width - 96) < 0.5


def test_search_finds_names_and_tags_without_accents_and_escape_clears_it(visit):
    typed, by_tag, count, nothing, all_ = visit(
        ["key", "/"],
        ["type", "CREME"],
        ["evaluate", NAMES],
        ["fill", "#search", "sea"],
        ["evaluate", NAMES],
        ["evaluate", "document.getElementById('count').textContent"],
        ["fill", "#search", "unicorn"],
        ["evaluate", "document.getElementById('empty').textContent"],
        ["key", "Escape"],
        ["evaluate", f"{NAMES}.length"],
    )
    assert typed == ["süß/Crème brûlée.jpg"]
    assert by_tag == [f"dishes/dish {i:02}.jpg" for i in range(5, 80, 10)] and count == "8 of 81"
    assert nothing.startswith("No photo") and all_ == 81


def test_tags_are_buttons_that_narrow_the_choice(visit):
    tags, lunch, both, pressed = visit(
        ["evaluate", "[...document.querySelectorAll('#tags button')].map((x) => x.textContent)"],
        ["click", "#tags button:nth-child(1)"],
        ["evaluate", f"{NAMES}.length"],
        ["click", "#tags button:nth-child(2)"],
        ["evaluate", f"{NAMES}.length"],
        ["evaluate", "document.querySelectorAll('#tags [aria-pressed=true]').length"],
    )
    assert tags == ["lunch", "sea", "dessert"]
    assert (lunch, both, pressed) == (40, 8, 2)


def test_everything_goes_by_keyboard(visit):
    columns, below, next_, opened, turned, closed, back = visit(
        ["evaluate", COLUMNS],
        ["key", "/"],
        ["key", "Enter"],
        ["key", "ArrowDown"],
        ["evaluate", FOCUSED],
        ["key", "ArrowRight"],
        ["evaluate", FOCUSED],
        ["key", "Enter"],
        ["until", DECODED],
        ["evaluate", "document.getElementById('name').textContent"],
        ["key", "ArrowRight"],
        ["key", "ArrowRight"],
        ["key", "ArrowLeft"],
        ["until", DECODED],
        ["evaluate", "document.getElementById('name').textContent"],
        ["key", "Escape"],
        ["evaluate", "document.getElementById('viewer').open"],
        ["until", FOCUS_IS_BACK],
        ["evaluate", FOCUSED],
    )
    assert (below, next_) == (f"dish {columns:02}", f"dish {columns + 1:02}")
    assert (opened, turned) == (next_, f"dish {columns + 2:02}")
    assert not closed and back == turned


def test_realism_is_chosen_by_a_slider_and_asked_for(visit, gallery):
    visit(
        ["click", ".photo"],
        ["until", DECODED],
        ["fill", "#realism", "0.3"],
        ["sleep", 300],
        ["until", DECODED],
    )
    assert gallery.asked == [1.0, 0.3]


def test_presets_without_realism_have_no_slider(visit, gallery):
    gallery._has_realism = lambda *_: False
    (visible,) = visit(
        ["click", ".photo"],
        ["until", DECODED],
        ["evaluate", "document.getElementById('realism').checkVisibility()"],
    )
    assert not visible


def test_names_are_text_and_never_markup(visit, archive):
    hash = archive.record("dishes/dish 00.jpg").hash
    archive.store.link(HOSTILE, hash, "2020-01-01T00:00:00", ["<b>bold</b>"])
    try:
        title, bold, name = visit(
            ["click", ".photo"],
            ["until", DECODED],
            ["evaluate", "document.title"],
            ["evaluate", "document.querySelectorAll('b').length"],
            ["evaluate", "document.getElementById('name').textContent"],
        )
    finally:
        archive.remove(HOSTILE)
    assert (title, bold, name) == ("menu.gtca", 0, HOSTILE.removesuffix(".jpg"))


def test_photo_of_a_missing_preset_gets_a_sentence(visit, archive):
    stream = container.pack("huge", 3, b"none", 80, 60, 9, [b"junk"])
    archive.store.put("a.jpg", "0" * 64, 1, stream, "2020-01-01T00:00:00")
    try:
        broken, error = visit(
            ["until", "document.querySelector('.broken')"],
            ["evaluate", "document.querySelector('.broken').title"],
            ["click", ".broken"],
            ["until", "!document.getElementById('error').hidden"],
            ["evaluate", "document.getElementById('error').textContent"],
        )
    finally:
        archive.remove("a.jpg")
    assert broken == "a.jpg" and "preset huge@3, which is not installed" in error


@pytest.mark.parametrize("size", [(820, 1180), (390, 800)], ids=["tablet", "phone"])
def test_nothing_is_wider_than_the_window(visit, size):
    overflow, nameless, below = visit(
        ["viewport", *size],
        ["until", SHOWN],
        ["evaluate", "document.documentElement.scrollWidth - innerWidth"],
        [
            "evaluate",
            "[...document.querySelectorAll('input, button')].filter((x) => !(x.ariaLabel || "
            "x.labels?.[0]?.textContent.trim() || x.textContent.trim())).map((x) => x.outerHTML)",
        ],
        ["click", ".photo"],
        ["until", DECODED],
        ["evaluate", "document.querySelector('footer').getBoundingClientRect().bottom - innerHeight"],
    )
    assert overflow <= 0 and nameless == [] and below <= 0


@posix_only
def test_command_serves_until_it_is_interrupted(archive, tiny_preset):
    process = start("archive", "browse", archive.store.path, "--no-open", "--preset", f"path:{tiny_preset}")
    url = process.stdout.readline().split()[0]
    with urllib.request.urlopen(f"{url}photos", timeout=30) as answer:
        assert len(json.load(answer)["photos"]) == 81
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "closed\n")
