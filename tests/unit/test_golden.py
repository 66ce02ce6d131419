# SPDX-License-Identifier: Apache-2.0
"""Golden files pass the codec that wrote them, and nothing else."""

import numpy as np
import pytest
from PIL import Image

from gan_tfc.errors import GanTfcError, ImageError, NotFrozenError, PresetError
from gan_tfc.zoo import golden as golden_files
from gan_tfc.zoo.golden import check_golden, make_golden


@pytest.fixture
def golden(tiny_codec, photo, tmp_path):
    make_golden(tiny_codec, tmp_path / "golden", photo[:37, :45], [12.5, 70])
    return tmp_path / "golden"


def rewrite(path, change):
    with np.load(path) as arrays:
        arrays = dict(arrays)
    change(arrays)
    np.savez_compressed(path, **arrays)


def test_codec_passes_its_own_golden_files(tiny_codec, golden):
    assert check_golden(tiny_codec, golden) == []


def test_folder_holds_input_streams_pictures_and_symbols(golden, photo, tiny_codec):
    assert sorted(path.name for path in golden.iterdir()) == [
        "input.png",
        "q12.5.gtc",
        "q12.5.png",
        "q70.gtc",
        "q70.png",
        "symbols.npz",
    ]
    assert np.array_equal(np.array(Image.open(golden / "input.png")), photo[:37, :45])
    with np.load(golden / "symbols.npz") as arrays:
        expected = {f"q{q}/level_{i}" for q in (12.5, 70) for i in range(6)}
        assert set(arrays) == expected | {"q12.5/picture", "q70/picture"}
        assert all(array.dtype == np.int32 for array in arrays.values())
        for step in tiny_codec.symbols((golden / "q70.gtc").read_bytes())[1:]:
            assert np.array_equal(arrays[f"q70/level_{step.level}"], step.values)
        assert arrays["q70/picture"].shape == (64, 64, 3)


def test_golden_files_are_never_made_anew(tiny_codec, golden, photo):
    with pytest.raises(PresetError, match="never made anew"):
        make_golden(tiny_codec, golden, photo[:8, :8], [50])
    assert check_golden(tiny_codec, golden) == []


def test_a_picture_too_large_to_ship_is_refused_before_anything_is_written(
    tiny_codec, photo, tmp_path, monkeypatch
):
    with pytest.raises(ImageError, match="at most 65536 pixels, .* ships with .* received 257x256"):
        make_golden(tiny_codec, tmp_path / "golden", np.zeros((256, 257, 3), np.uint8), [50])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(golden_files, "MAX_PIXELS", 8 * 9)
    make_golden(tiny_codec, tmp_path / "golden", photo[:8, :9], [50])


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_ends_half_way_leaves_nothing_and_can_be_done_again(
    tiny_codec, photo, tmp_path, monkeypatch, error
):
    decompress, calls = tiny_codec.decompress, []

    def fail_at_the_second(data):
        calls.append(data)
        if len(calls) == 2:
            assert list(tmp_path.rglob("q20.gtc"))  # something had been written
            raise error
        return decompress(data)

    with monkeypatch.context() as patch:
        patch.setattr(tiny_codec, "decompress", fail_at_the_second)
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else GanTfcError):
            make_golden(tiny_codec, tmp_path / "golden", photo[:20, :20], [20, 50])
    assert list(tmp_path.iterdir()) == []
    make_golden(tiny_codec, tmp_path / "golden", photo[:20, :20], [20, 50])
    assert check_golden(tiny_codec, tmp_path / "golden") == []


def test_of_two_that_write_at_once_one_is_refused(tiny_codec, photo, tmp_path, monkeypatch):
    compress, folder = tiny_codec.compress, tmp_path / "golden"

    def be_overtaken(image, quality):
        if not folder.exists():
            folder.mkdir()
            (folder / "input.png").touch()
        return compress(image, quality)

    monkeypatch.setattr(tiny_codec, "compress", be_overtaken)
    with pytest.raises(GanTfcError, match="cannot write .*golden"):
        make_golden(tiny_codec, folder, photo[:8, :8], [50])
    assert [path.name for path in tmp_path.rglob("*")] == ["golden", "input.png"]


def test_an_empty_folder_is_filled_and_readable_as_any_other(tiny_codec, photo, tmp_path):
    (tmp_path / "golden").mkdir()
    (tmp_path / "other").mkdir()
    make_golden(tiny_codec, tmp_path / "golden", photo[:8, :8], [50, 50.0])
    assert (tmp_path / "golden").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert len(list((tmp_path / "golden").iterdir())) == 4  # a quality given twice counts once


def test_a_codec_without_tables_has_no_golden_files(tiny_codec, photo, tmp_path):
    unfrozen = type(tiny_codec)(tiny_codec.model, "tiny", 1)
    with pytest.raises(NotFrozenError):
        make_golden(unfrozen, tmp_path / "golden", photo[:8, :8], [50])
    assert list(tmp_path.iterdir()) == []


def test_one_other_symbol_is_a_problem(tiny_codec, golden):
    def change(arrays):
        arrays["q70/level_3"][0, 0, 0] += 1

    rewrite(golden / "symbols.npz", change)
    (problem,) = check_golden(tiny_codec, golden)
    assert "q70.gtc: level_3 differs" in problem


def test_missing_symbols_of_a_level_are_a_problem(tiny_codec, golden):
    rewrite(golden / "symbols.npz", lambda arrays: arrays.pop("q12.5/picture"))
    (problem,) = check_golden(tiny_codec, golden)
    assert "q12.5.gtc: picture differs" in problem


@pytest.mark.parametrize(("amount", "problems"), [(1, 0), (2, 1)])
def test_pixels_may_differ_by_one(tiny_codec, golden, amount, problems):
    pixels = np.array(Image.open(golden / "q70.png"))
    pixels[5, 6, 1] += amount if pixels[5, 6, 1] < 128 else -amount
    Image.fromarray(pixels).save(golden / "q70.png")
    assert len(check_golden(tiny_codec, golden)) == problems


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "q70.gtc").unlink(),
        lambda folder: (folder / "q70.png").unlink(),
        lambda folder: (folder / "q70.gtc").write_bytes((folder / "q70.gtc").read_bytes()[:-5]),
        lambda folder: (folder / "symbols.npz").unlink(),
        lambda folder: (folder / "symbols.npz").write_bytes(b""),
        lambda folder: (folder / "symbols.npz").write_bytes(b"PK\3\4 nonsense"),
        lambda folder: np.savez(folder / "symbols.npz"),
        lambda folder: (folder / "q70.gtc").rename(folder / "q71.gtc"),
        lambda folder: Image.new("RGB", (9, 9)).save(folder / "q70.png"),
    ],
    ids=[
        "no-stream",
        "no-picture",
        "cut-stream",
        "no-symbols",
        "empty-file",
        "no-npz",
        "no-arrays",
        "renamed",
        "other-size",
    ],
)
def test_damaged_folder_is_a_problem_and_no_exception(tiny_codec, golden, damage):
    damage(golden)
    assert check_golden(tiny_codec, golden)


def test_missing_folder_is_a_problem(tiny_codec, tmp_path):
    assert check_golden(tiny_codec, tmp_path / "none")
