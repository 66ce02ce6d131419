# SPDX-License-Identifier: Apache-2.0
"""Matching sizes, measuring every decoder of one stream, keeping results, and peak memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation import suite as suites
from gan_tfc.evaluation.crops import blind_boxes
from gan_tfc.evaluation.judge import Judge
from gan_tfc.evaluation.matching import Contender, match
from gan_tfc.evaluation.measuring import measure_all
from gan_tfc.evaluation.memory import codec_memory
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.evaluation.rivals import ALL_RIVALS, JPEG, JPEG_XL, WEBP, best_within
from gan_tfc.evaluation.suite import Suite


@pytest.fixture
def photos(photo, portrait, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, pixels in (("cup.png", photo[:170, :180]), ("face.png", portrait[:180, :170])):
        Image.fromarray(pixels).save(folder / name)
    return sorted(folder.iterdir())


def contender(rival, qualities=(20, 70)):
    return Contender(rival, {rival.name: rival.decode}, qualities, f"rival:{rival.name.lower()}")


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 9, 10, 11, 499, 500, 1009, 5000])
def test_best_within_is_the_highest_quality_that_fits(limit):
    sizes = {quality: 10 + 10 * quality for quality in range(101)}
    expected = max([size for size in sizes.values() if size <= limit], default=10)
    tried = []

    def encode(quality):
        tried.append(quality)
        return bytes(sizes[quality])

    assert len(best_within(encode, limit)) == expected
    tried.clear()
    known = [(float(quality), sizes[quality]) for quality in (20, 48, 50, 90)]
    assert len(best_within(encode, limit, known=known)) == expected
    assert len(tried) <= 7 and (limit != 499 or tried == [48, 49][: len(tried)])


@pytest.mark.parametrize("rival", [JPEG, WEBP], ids=lambda rival: rival.name)
def test_rival_takes_at_most_the_bytes_and_nearly_all_of_them(photo, rival):
    data = rival.encode_within(photo, 6000)
    assert 0.93 * 6000 < len(data) <= 6000  # steps of one quality are a few percent
    assert rival.decode(data).shape == photo.shape
    assert rival.encode_within(photo, 1) == rival.encode(photo, rival.lowest)


def test_sizes_are_matched_photo_by_photo_to_the_first(photos, tmp_path):
    seen = []

    def keep(path, image, name, decoded, size):
        seen.append((path.name, name, size, psnr(image, decoded)))

    rows = match(contender(WEBP), [contender(JPEG)], photos, 0.6, Judge(), tmp_path, keep)
    assert [row.name for row in rows] == ["WebP", "JPEG"]
    sizes = {(photo, name): size for photo, name, size, _ in seen}
    for path in photos:
        assert sizes[path.name, "JPEG"] <= sizes[path.name, "WebP"] <= 0.6 * 170 * 180 / 8
    decibels = [value for _, name, _, value in seen if name == "JPEG"]
    assert rows[1].numbers["psnr-rgb"] == pytest.approx(np.mean(decibels))
    assert rows[1].too_large == 0 and "encoding_time" not in rows[1].record()


def test_codec_that_cannot_go_so_low_is_counted_and_sets_no_limit_for_itself(photos, tmp_path):
    ours, jpeg = match(contender(WEBP), [contender(JPEG)], photos, 0.001, Judge(), tmp_path)
    assert ours.too_large == 2 and ours.numbers["bpp"] > 0.001
    assert jpeg.too_large == 2 and jpeg.numbers["bpp"] > ours.numbers["bpp"]


# --- curves --------------------------------------------------------------------------------------


class Counting:
    """JPEG that counts how often it encodes."""

    name, description = "counting", "a test"

    def __init__(self):
        self.encoded = 0

    def encode(self, image, quality):
        self.encoded += 1
        return JPEG.encode(image, quality)


def inverted(data):
    return 255 - JPEG.decode(data)


def test_streams_are_encoded_once_for_all_decoders(photos, tmp_path):
    codec = Counting()
    decoders = {"plain": JPEG.decode, "inverted": inverted}
    plain, other = measure_all(codec, decoders, photos, [60, 20], Judge(), tmp_path)
    assert codec.encoded == 2 * 2 + 1  # and once to warm up
    assert (plain.name, other.name) == ("plain", "inverted")
    assert plain.quality == (20, 60) and plain.bpp == other.bpp
    assert min(plain.psnr) > 25 > 10 > max(other.psnr)
    assert plain.values("ms-ssim-rgb")[0] < plain.values("ms-ssim-rgb")[1] < 1
    cup = plain.per_photo["cup.png"]
    assert plain.bpp[0] == pytest.approx((cup["bpp"][0] + plain.per_photo["face.png"]["bpp"][0]) / 2)
    assert cup["bytes"] == [len(JPEG.encode(np.array(Image.open(photos[0])), q)) for q in (20, 60)]


@pytest.fixture
def suite(photos, tmp_path, monkeypatch):
    peak = {"encode": {"before": 1.0, "peak": 2.0}, "decode": {"before": 1.0, "peak": 3.0}}
    monkeypatch.setattr(suites, "codec_memory", lambda *arguments: peak)
    return Suite(photos, Judge(), tmp_path / "results", tmp_path)


def test_curves_are_kept_and_measured_again_where_anything_differs(suite, photos, tmp_path):
    codec = Counting()
    ours = Contender(codec, {"one": JPEG.decode}, (20, 70), "any")
    (first,) = suite.curves(ours)
    assert first.memory["decode"]["peak"] == 3.0
    encoded = codec.encoded
    (again,) = Suite(photos, Judge(), suite.results, tmp_path).curves(ours)
    assert codec.encoded == encoded
    assert again.psnr == pytest.approx(first.psnr, abs=1e-4)  # four digits are kept
    suite.curves(Contender(codec, {"one": JPEG.decode}, (20, 80), "any"))
    assert codec.encoded > encoded
    encoded = codec.encoded
    Image.new("RGB", (170, 170)).save(photos[0])
    same = Contender(codec, {"one": JPEG.decode}, (20, 80), "any")
    Suite(photos, Judge(), suite.results, tmp_path).curves(same)
    assert codec.encoded > encoded


def test_crops_show_ours_jpeg_and_webp_at_one_size_twelve_times(suite, monkeypatch):
    monkeypatch.setattr(suites, "blind_boxes", lambda image, count: blind_boxes(image, count, 40, 40))
    monkeypatch.setattr(suites, "MATCHED_BPP", (0.9,))
    monkeypatch.setattr(suites, "BLIND_BPP", 0.9)
    ours = Contender(WEBP, {"ours realism 0": WEBP.decode, "ours realism 1": inverted_webp}, (), "")
    webp = contender(WEBP)
    matched, blind = suite.matched([ours, contender(JPEG), webp])
    assert [row["name"] for row in matched[0.9]] == ["ours realism 0", "ours realism 1", "JPEG", "WebP"]
    assert len(blind) == 12 and len({(row.photo, row.box) for row in blind}) == 12
    for row in blind:
        assert {name for name, _, _ in row.crops} == {"ours realism 1", "JPEG", "WebP"}
        sizes = {name: size for name, _, size in row.crops}
        assert max(sizes.values()) == sizes["ours realism 1"] <= 0.9 * 170 * 180 / 8


def inverted_webp(data):
    return 255 - WEBP.decode(data)


def test_photo_too_small_for_a_metric_is_named_before_anything_is_measured(photos, tmp_path):
    Image.new("RGB", (160, 300)).save(photos[1])
    with pytest.raises(GanTfcError, match="face.png has 160x300"):
        Suite(photos, Judge(), tmp_path, tmp_path)


# --- JPEG XL -------------------------------------------------------------------------------------


def test_jpeg_xl_gives_back_the_picture_and_more_of_it_for_more_bytes(photo):
    if sentence := JPEG_XL.missing():
        pytest.skip(sentence)
    streams = [JPEG_XL.encode(photo, quality) for quality in (30, 80)]
    pictures = [JPEG_XL.decode(data) for data in streams]
    assert len(streams[0]) < len(streams[1])
    assert 25 < psnr(photo, pictures[0]) < psnr(photo, pictures[1])
    assert "pillow-jxl-plugin 1." in JPEG_XL.description


def test_missing_plug_in_is_one_sentence_with_the_extra(photo, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GanTfcError, match=r"pip install 'gan_tfc\[eval\]'"):
        ALL_RIVALS["jpegxl"].encode(photo, 50)


# --- memory --------------------------------------------------------------------------------------


MEASURED_IN_A_FRESH_PROCESS = """
import numpy as np
from gan_tfc.evaluation.memory import peak_memory
mib = 1 << 20
np.ones(200 * mib, np.uint8)  # freed at once
peak, size = peak_memory(lambda: np.ones(60 * mib, np.uint8).size)
after, _ = peak_memory(lambda: None)
print(size // mib, peak.peak - peak.before, after.peak - after.before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of single calls are Linux's")
def test_peak_is_that_of_the_call_and_not_of_what_was_before():
    # In a fresh process: one that holds gigabytes may serve the array from what it once freed.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True
    )
    size, during, after = map(float, done.stdout.split())
    assert size == 60
    assert 55 < during < 120  # the array, and what else Python takes meanwhile
    assert after < 20


def test_memory_of_a_codec_is_told_by_a_process_of_its_own(photos):
    found = codec_memory("rival:jpeg", photos[0], 50)
    assert set(found) == {"encode", "decode"}
    assert 10 < found["encode"]["before"] <= found["encode"]["peak"] < 1000


def test_process_that_fails_is_quoted(tmp_path):
    with pytest.raises(GanTfcError, match="gone.png"):
        codec_memory("rival:jpeg", tmp_path / "gone.png", 50)
