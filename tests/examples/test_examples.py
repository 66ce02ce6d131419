# SPDX-License-Identifier: Apache-2.0
"""The programs in `examples/`, as the processes that a reader starts, and what they leave behind."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fine_tuned import make_codec
from PIL import Image, ImageOps

import gan_tfc
from gan_tfc.archive import Archive
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.images import read_image
from gan_tfc.zoo.preset import load_preset

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]
MENU, FINE_TUNE = "menu_archive.py", "fine_tune_and_ship.py"


def run(example, *argv, before="", **options):
    """Runs an example; `before` is code that runs first, to stand in for another environment."""
    path = ROOT / "examples" / example
    code = f"import runpy, sys\n{before}\nsys.argv.pop(0)\nrunpy.run_path(sys.argv[0], None, '__main__')"
    program = ["-c", code, path] if before else [path]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, *map(str, [*program, *argv])],
        env=environment | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        **options,
    )


def save_crops(folder, size, count):
    """Real photographs of `size` (width, height), as PNG files."""
    from skimage import data

    width, height = size
    folder.mkdir(parents=True)
    for i in range(count):
        image = (data.coffee(), data.astronaut(), data.chelsea())[i % 3]
        top, left = 20 + 15 * i, 90 + 10 * i
        Image.fromarray(image[top : top + height, left : left + width]).save(folder / f"photo{i}.png")
    return folder


# --- the archive -------------------------------------------------------------------------------------


def rows_of(text):
    """Name -> (bytes of the file, bytes in the archive, bytes of JPEG, PSNR), as printed."""
    found = re.findall(r"^(\S+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d.]+)$", text, re.MULTILINE)
    return {name: (*(int(x.replace(",", "")) for x in sizes), float(db)) for name, *sizes, db in found}


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    return file


def check_menu(text, output, sources, preset):
    """That what was printed is what lies in the folder, and that the pictures show the photos."""
    rows = rows_of(text)
    assert list(rows) == list(sources)
    with Archive(output / "menu.gtca", preset) as archive:
        assert archive.names() == sorted(sources)
        for name, source in sources.items():
            image, stream = read_image(source), archive.stream(name)
            source_bytes, archive_bytes, jpeg_bytes, decibels = rows[name]
            assert (source_bytes, archive_bytes) == (source.stat().st_size, len(stream))
            found = psnr(image, preset.decompress(stream, realism=0))
            assert decibels == pytest.approx(found, abs=0.006)  # two decimals
            # One JPEG quality less is worse than ours.
            sizes = {jpeg(image, quality).getbuffer().nbytes: quality for quality in range(1, 101)}
            quality = sizes[jpeg_bytes]
            assert psnr(image, read_image(jpeg(image, quality))) >= found
            assert psnr(image, read_image(jpeg(image, quality - 1))) < found
        dish = preset.decompress(archive.stream(next(iter(sources))))
    assert np.array_equal(read_image(output / "dish.png"), dish)
    sheet = Image.open(output / "contact-sheet.png")
    for i, name in enumerate(sorted(sources)):
        tile = sheet.crop((16 + 256 * i, 46, 256 + 256 * i, 286))
        expected = ImageOps.fit(Image.open(sources[name]).convert("RGB"), tile.size)
        assert np.corrcoef(np.ravel(tile), np.ravel(expected))[0, 1] > 0.95
    return rows


@pytest.mark.slow
def test_the_menu_of_the_sample_photos_is_smaller_than_jpeg_by_half(tmp_path):
    import skimage.data

    done = run(MENU, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = ("coffee.png", "astronaut.png", "chelsea.png", "rocket.jpg")
    sources = {name: Path(skimage.data.__file__).with_name(name) for name in names}
    output = tmp_path / "menu-output"
    rows = check_menu(done.stdout, output, sources, gan_tfc.load("photo_mobile"))
    assert sum(row[1] for row in rows.values()) < 0.5 * sum(row[2] for row in rows.values())


@pytest.mark.slow
def test_the_menu_of_a_folder_has_tags_and_grows(tmp_path, tiny_preset, tiny_codec):
    folder = save_crops(tmp_path / "dishes", (120, 90), 1)
    save_crops(folder / "soups", (90, 120), 1)
    options = (folder, "-o", tmp_path / "menu", "--preset", f"path:{tiny_preset}")
    assert run(MENU, *options).returncode == 0
    Image.open(folder / "photo0.png").rotate(180).save(folder / "photo1.png")
    done = run(MENU, *options)
    assert (done.returncode, done.stderr) == (0, "")
    names = ("photo0.png", "photo1.png", "soups/photo0.png")
    check_menu(done.stdout, tmp_path / "menu", {name: folder / name for name in names}, tiny_codec)
    with Archive(tmp_path / "menu" / "menu.gtca") as archive:
        assert [archive.record(name).tags for name in names] == [(), (), ("soups",)]


# --- fine-tuning -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset folder whose decoder a few steps make better."""
    folder = tmp_path_factory.mktemp("presets") / "tiny" / "1"
    make_codec().save(folder)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five photos that are large enough to be trained on."""
    return save_crops(tmp_path_factory.mktemp("photos") / "dishes", (160, 144), 5)


def check_own_decoder(done, output, old, tmp_path):
    """That what was printed is what lies in the folder; returns the gain of the old stream."""
    assert done.returncode == 0, done.stderr
    stream = (output / "old.gtc").read_bytes()
    (first, gain) = map(float, re.search(r"([\d.]+) dB before, ([-+\d.]+) dB after", done.stdout).groups())
    improved = "the codec stays as it was" not in done.stdout
    folder = output / "my-zoo" / "dishes" / "1"
    assert folder.exists() == improved
    codec = load_preset(folder) if improved else old
    before, after = (each.decompress(stream, realism=0) for each in (old, codec))
    assert np.array_equal(before, after) != improved
    assert "all integers of the old stream are equal" in done.stdout
    # The bundle, as a device runs it.
    program = [sys.executable, output / "bundle" / "edge.py", "decompress", output / "old.gtc"]
    subprocess.run([*program, "--realism", "0", "-o", tmp_path / "there.png"], check=True)
    there = read_image(tmp_path / "there.png")
    difference = np.abs(there.astype(int) - after).max()
    # Presets hold float16, as the bundle does: all that differs is the order of additions.
    assert f"pixels to {difference} of 255" in done.stdout and difference <= 1
    if improved:
        assert np.mean(there != after) < 0.1 * np.mean(there != before)
    # Original, before, after, and the change if there is one; all in colours that are not the paper's.
    sheet = np.asarray(Image.open(output / "comparison.png"))
    assert sheet.shape[1] == 12 + 492 * (4 if improved else 3)
    panels = [sheet[30:200, 12 + 492 * i :][:, :200] for i in range(4 if improved else 3)]
    assert all(panel.std() > 0 for panel in panels)
    return improved, first, gain, stream, after


@pytest.mark.export
@pytest.mark.slow
def test_a_decoder_that_gets_better_is_kept_and_shipped(preset, photos, tmp_path):
    old, output = load_preset(preset), tmp_path / "out"
    done = run(FINE_TUNE, photos, "-o", output, "--minutes", 0.1, "--preset", f"path:{preset}")
    improved, first, gain, stream, after = check_own_decoder(done, output, old, tmp_path)
    shown = read_image(photos / "photo0.png")
    before = psnr(shown, old.decompress(stream, realism=0))
    assert improved and psnr(shown, after) > before
    assert (first, gain) == pytest.approx((before, psnr(shown, after) - before), abs=1e-3)  # three decimals
    assert "preset dishes@1" in done.stdout


WORSE = """
from gan_tfc.training import decoder_tuning
class Destruction(decoder_tuning.Reconstruction):
    def __call__(self, inputs, outputs):
        return -super().__call__(inputs, outputs)
decoder_tuning.Reconstruction = Destruction
"""


@pytest.mark.export
@pytest.mark.slow
def test_where_nothing_gets_better_nothing_is_kept_and_it_is_said(preset, photos, tmp_path):
    options = (photos, "-o", tmp_path / "out", "--minutes", 0.1, "--preset", f"path:{preset}")
    done = run(FINE_TUNE, *options, before=WORSE)
    improved, _, gain, *_ = check_own_decoder(done, tmp_path / "out", load_preset(preset), tmp_path)
    assert not improved and gain == 0
    assert "there is no preset to keep" in done.stdout


@pytest.mark.export
@pytest.mark.slow
def test_without_arguments_it_tries_photo_mobile_on_the_sample_photos(tmp_path):
    done = run(FINE_TUNE, "--minutes", 0.1, cwd=tmp_path)
    check_own_decoder(done, tmp_path / "own-decoder-output", gan_tfc.load("photo_mobile"), tmp_path)


# --- mistakes ----------------------------------------------------------------------------------------

NO_SKIMAGE = "sys.modules['skimage'] = None"
NO_LITERT = """
import importlib.util as util
find_spec = util.find_spec
util.find_spec = lambda name, *more: None if name == "ai_edge_litert" else find_spec(name, *more)
"""


@pytest.mark.parametrize(
    ("example", "argv", "before", "words"),
    [
        (MENU, [], NO_SKIMAGE, r"pip install 'gan_tfc\[demo\]', or name a folder"),
        (MENU, ["empty"], "", "expected photos below 'empty', found none"),
        (MENU, ["gone"], "", "no file or folder 'gone'"),
        (FINE_TUNE, [], NO_SKIMAGE, r"pip install 'gan_tfc\[demo\]', or name photos"),
        # The converter is TensorFlow's, whose import takes seconds.
        pytest.param(FINE_TUNE, [], NO_LITERT, r"pip install 'gan_tfc\[export\]'", marks=pytest.mark.slow),
        (FINE_TUNE, ["-o", "full"], "", "expected a new folder, but 'full'"),
        (FINE_TUNE, ["empty"], "", "expected photos in 'empty'"),
    ],
    ids=["menu-extra", "menu-empty", "menu-gone", "tune-demo", "tune-export", "tune-full", "tune-empty"],
)
def test_a_mistake_is_told_in_one_sentence_before_anything_is_done(tmp_path, example, argv, before, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    done = run(example, *argv, before=before, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and re.search(words, line)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]
