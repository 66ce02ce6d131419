# SPDX-License-Identifier: Apache-2.0
"""benchmarks/make_card.py: a user's card says what its maker says, and nothing of photo_mobile's."""

import json
import pathlib
import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from gan_tfc.evaluation import judge, patch_features
from gan_tfc.evaluation.curves import Curve
from gan_tfc.losses import lpips
from gan_tfc.zoo import registry
from gan_tfc.zoo.preset import hashes

ROOT = pathlib.Path(__file__).parents[2]
PHOTOS = ("a.png", "b.png")
SAID = ["--weights-licence", "CC-BY-4.0", "--limitation", "Soups only.", "--command", "gan-tfc train soups"]
#: What photo_mobile@3's metadata do not hold.
LIMITATION = (
    "Trained on photographs of about 500 pixels. Text, drawings and screenshots are not among them: "
    "expect to gain less there."
)


@pytest.fixture
def script(benchmark_script):
    """The script as a module."""
    return benchmark_script("make_card")


@pytest.fixture
def preset(tiny_preset, tmp_path):
    """The folder of `tiny@1`, which may be changed."""
    return shutil.copytree(tiny_preset, tmp_path / "my zoo" / "tiny" / "1")


def curve(name, rate, codec):
    qualities, psnr = (5.0, 10.0, 50.0, 90.0), (25.0, 27.0, 36.0, 46.0)
    bpp = tuple(rate * 2 ** (i - 3) for i in range(4))
    return Curve(name, "settings", PHOTOS, qualities, bpp, psnr, psnr, psnr, codec)


@pytest.fixture
def results(preset, tmp_path):
    """A folder with what kodak.py would have left of it."""
    folder = tmp_path / "results"
    curve("tiny@1", 1.0, {"sha256": hashes(preset)}).save(folder / "tiny-1.json")
    for name, rate in (("jpeg", 2.0), ("webp", 1.5), ("avif", 1.25)):
        curve(name.upper(), rate, {}).save(folder / f"{name}.json")
    Image.new("RGB", (8, 8)).save(folder / "tiny-1.png")
    return folder


@pytest.fixture
def make(script, preset, results, capsys):
    """Runs the script on the preset; returns the card, or what went wrong."""

    def call(*arguments):
        argv = ["--preset", f"path:{preset}", "--results", results, "--photos", "photos/val", *arguments]
        code = script.main([str(argument) for argument in argv])
        error = capsys.readouterr().err
        return error if code else (preset / "README.md").read_text()

    return call


def test_a_users_card_says_what_its_maker_says(make, preset):
    shipped = registry.INDEX.read_bytes()
    card = make(*SAID, "--dataset", "our soups")
    assert "Weights and tables: CC-BY-4.0." in card and "\n- Soups only.\n" in card
    assert "    gan-tfc train soups\n" in card and "## Measured on our soups" in card
    assert "`python benchmarks/kodak.py --preset path:tiny/1 --photos photos/val`" in card
    assert "| JPEG | -50.0 % | 25.0 to 46.0 | settings |" in card
    assert 'codec = gan_tfc.load("https://host/zoo#tiny@1")' in card and "image = codec.decompress(" in card
    assert "`realism` changes nothing" in card and "realism=1" not in card
    for text in (
        "photo_mobile",
        "CC0",
        "free for any use",
        "500 pixels",
        "gan_tfc.decompress",
        "Kodak",
        "my zoo",
    ):
        assert text not in card
    metadata = json.loads((preset / "metadata.json").read_text())
    assert metadata["licence"] == {"code": "Apache-2.0", "weights": "CC-BY-4.0"}
    assert metadata["measured"][0] == {"set": "our soups", "quality": 10.0, "bpp": 0.25, "psnr": 27.0}
    assert metadata["sha256"] == hashes(preset) and registry.INDEX.read_bytes() == shipped


def test_what_was_said_once_is_kept_and_can_be_said_anew(make):
    first = make(*SAID)
    assert make() == first
    other = make("--weights-licence", "CC0-1.0", "--limitation", "No salads.", "--limitation", "No cakes.")
    assert "free for any use (CC0-1.0)" in other and "- No salads.\n- No cakes.\n- " in other
    assert "Soups" not in other and "gan-tfc train soups" in other


@pytest.mark.parametrize("option", ["--weights-licence", "--limitation", "--command"])
def test_what_nobody_said_is_asked_for_and_nothing_is_written(make, preset, option):
    before = {path.name for path in preset.iterdir()}
    index = SAID.index(option)
    error = make(*SAID[:index], *SAID[index + 2 :])
    assert error.startswith("make_card.py: Expected ") and f"pass {option}" in error
    assert {path.name for path in preset.iterdir()} == before


def test_training_photos_are_listed_where_a_list_is_given_and_not_invented(make, tmp_path):
    assert "Which photos it was trained on is not stated." in make(*SAID)
    listing = tmp_path / "sources.csv"
    rows = ["train/1.jpg,cafe,MIT", "train/2.jpg,cafe,MIT", "train/3.jpg,home,CC0", "val/4.jpg,x,y"]
    listing.write_text("file,source,licence_as_stated\n" + "\n".join(rows) + "\n")
    card = make("--sources", listing)
    assert "3 photos of 2 sources, each with a stated licence. That none of the photos measured" in card
    assert "| cafe | 2 | MIT |\n| home | 1 | CC0 |" in card and "test_no_test_photo" not in card
    assert "list of the 3 training photos, which is not kept; pass it as --sources" in make()
    listing.write_text("file,source,licence_as_stated\ntrain/1.jpg,cafe,\n")
    assert "1 photos of 1 sources. That none" in make("--sources", listing)
    listing.write_text("name\n1.jpg\n")
    assert "Expected a list of the training photos" in make("--sources", listing)


def test_photos_are_held_out_where_the_test_compares_them(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "DATA", tmp_path)
    for name in ("kodak/a.png", "kodak/b.png", "photos/val/c.png", "photos/sources.csv", "sources.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = tmp_path / "photos" / "sources.csv"
    assert script.held_out(listing, PHOTOS) and script.held_out(listing, ("c.png",))
    assert not script.held_out(listing, ("a.png", "other.png"))
    assert not script.held_out(tmp_path / "sources.csv", PHOTOS) and not script.held_out(None, PHOTOS)


def test_results_of_other_files_are_refused(make, results):
    curve("tiny@1", 1.0, {"sha256": {}}).save(results / "tiny-1.json")
    assert "was made by other files; run benchmarks/kodak.py again" in make(*SAID)


def test_bars_are_those_of_the_same_preset_and_photos(make, preset, results):
    bar = {"bar": "range", "measured": "wide", "met": False}
    for codec, photos, shown in (({"sha256": hashes(preset)}, 2, True), ({}, 2, False)):
        report = {"codec": codec, "photos": photos, "bars": [bar]}
        (results / "bars.json").write_text(json.dumps(report))
        assert ("| range | wide | **no** |" in make(*SAID)) == shown


def test_a_fine_tuned_preset_keeps_its_table_of_gains(make, preset):
    facts = {"from": "menu@3", "photos": 9, "held_out_photos": 2, "gain_db": 0.2, "least_gain_db": 0.1}
    path = preset / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fine_tuning": facts}))
    card = make(*SAID)
    assert "## Fine-tuned from menu@3" in card and "Mean gain +0.200 dB" in card


# --- realism ----------------------------------------------------------------------------------------


def numbers(moved):
    return {"psnr-rgb": 30.0, "lpips": 0.2, "structure": 0.1, "fid": 20.0, "moved": moved}


@pytest.fixture
def measure_realism(script, preset, results, monkeypatch):
    """Runs realism_runs.py on the preset with made-up measurements."""
    import realism_runs

    def main(photos, *arguments):
        argv = ["--codec", f"path:{preset}", "--photos", photos, "--qualities", "10,50", "-o", results]
        assert realism_runs.main([str(argument) for argument in [*argv, *arguments]]) == 0

    monkeypatch.setattr(judge, "Judge", lambda *parts: SimpleNamespace(original=lambda image: None))
    monkeypatch.setattr(patch_features, "alex_network", lambda network: ())
    monkeypatch.setattr(patch_features, "PatchFeatures", lambda size: None)
    monkeypatch.setattr(lpips, "LPIPS", lambda network: None)
    found = {"realism 0": numbers(0.0), "realism 1": numbers(3.0)}
    monkeypatch.setattr(realism_runs, "measure", lambda *what: found)
    monkeypatch.setattr(realism_runs, "decoder", lambda *what: None)
    monkeypatch.setattr(script, "knows_realism", lambda folder: True)
    return main


@pytest.fixture
def photos(tmp_path, photo):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in PHOTOS:
        Image.fromarray(photo[:32, :32]).save(folder / name)
    return folder


def test_what_realism_runs_measures_of_a_folder_is_on_its_card(measure_realism, make, photos):
    assert "it was not measured below which quality" in make(*SAID)
    measure_realism(photos)
    card = make()
    assert "`python benchmarks/realism_runs.py --codec path:tiny/1 --photos photos/val`" in card
    assert "| 10 | " in card and "begins to invent at about quality 50" in card
    assert "see above below which quality" in card and "codec.decompress(data, realism=1)" in card


def test_realism_of_another_preset_or_other_photos_is_not_on_a_card(measure_realism, make, results, photos):
    measure_realism(photos, "--limit", "1")
    assert "run benchmarks/realism_runs.py again" in make(*SAID)
    measure_realism(photos)
    path = results / "tiny-1-realism.json"
    report = json.loads(path.read_text())
    report["sha256"]["tables.npz"] = "0" * 64
    path.write_text(json.dumps(report))
    assert "run benchmarks/realism_runs.py again" in make(*SAID)


def test_crops_are_on_the_card_where_they_are(make, preset):
    assert "crops.jpg" not in make(*SAID)
    (preset / "crops.jpg").touch()
    card = make()
    assert "## Crops\n\n![Six crops" in card
    assert "`python benchmarks/card_crops.py --preset path:tiny/1`" in card


# --- shipped presets --------------------------------------------------------------------------------


def test_the_card_of_photo_mobile_3_is_what_the_script_writes(script, data_dir, tmp_path, monkeypatch):
    shipped = registry.find("photo_mobile@3")
    folder = shutil.copytree(shipped, tmp_path / "photo_mobile" / "3")
    monkeypatch.setattr(script, "DATA", data_dir)
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.setattr(registry, "INDEX", tmp_path / "index.json")
    arguments = ["--preset", "photo_mobile@3", "--limitation", LIMITATION]
    assert script.main([*arguments, "--sources", str(data_dir / "photos" / "sources.csv")]) == 0
    assert (folder / "README.md").read_text() == (shipped / "README.md").read_text()
    written, kept = (json.loads((path / "metadata.json").read_text()) for path in (folder, shipped))
    assert written == kept | {"limits": [LIMITATION]}
    assert registry.INDEX.read_text() == registry.make_index()
