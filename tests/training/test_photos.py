# SPDX-License-Identifier: Apache-2.0
"""Where training gets its crops: folders, data sets, photos coded beforehand."""

import builtins
import os
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from gan_tfc.coding import container
from gan_tfc.coding.steps import code_to_quality
from gan_tfc.errors import GanTfcError
from gan_tfc.photos import PhotoFolder, open_photos
from gan_tfc.training.batches import CropBatches
from gan_tfc.training.coded import CodedCropBatches, CodedPhotos
from gan_tfc.training.config import TrainConfig, built_in, load_config


def config(**changes):
    return TrainConfig("contexts", **({"batch_size": 3, "crop_size": 64, "seed": 7} | changes))


@pytest.fixture
def images(rng):
    """Three pictures whose crops can all be told apart."""
    sizes = [(70, 90), (64, 64), (128, 100)]
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def same(one, two):
    return all(np.array_equal(one[0][key], two[0][key]) for key in one[0])


def test_a_batch_holds_crops_and_steps_of_the_range_asked_for(images):
    (batch,) = CropBatches(images, config(batch_size=50, step_codes=(300, 320)))[0]
    assert batch["image"].shape == (50, 64, 64, 3) and batch["image"].dtype == np.uint8
    assert batch["step_code"].shape == (50,)
    assert set(batch["step_code"]) <= set(range(300, 320)) and len(set(batch["step_code"])) > 10


def test_a_batch_depends_on_the_seed_and_the_step_alone(images):
    batches = CropBatches(images, config())
    expected = [batches[step] for step in range(6)]
    again = CropBatches(images, config())
    for step in (5, 0, 3):  # in any order
        assert same(again[step], expected[step])
    resumed = CropBatches(images, config(), first_step=4)
    assert len(resumed) == config().total_steps - 4
    assert same(resumed[0], expected[4]) and same(resumed[1], expected[5])
    assert not same(expected[0], expected[1])
    assert not same(CropBatches(images, config(seed=8))[0], expected[0])


def test_a_run_beyond_its_schedule_has_no_batches(images):
    assert len(CropBatches(images, config(total_steps=5), first_step=9)) == 0


def test_photos_smaller_than_a_crop_are_mirrored(rng):
    small = rng.integers(0, 256, (20, 30, 3), np.uint8)
    (batch,) = CropBatches([small], config())[0]
    assert batch["image"].shape == (3, 64, 64, 3)
    assert set(map(tuple, batch["image"].reshape(-1, 3))) <= set(map(tuple, small.reshape(-1, 3)))


def test_a_folder_is_searched_with_all_its_subfolders(images, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    Image.fromarray(images[1]).save(tmp_path / "a" / "two.PNG")
    Image.fromarray(images[2]).save(tmp_path / "a" / "b" / "three.webp", lossless=True)
    (tmp_path / "notes.txt").write_text("no photo")
    photos = open_photos(tmp_path)
    assert len(photos) == 3
    found = {photos[index].tobytes() for index in range(3)}
    assert found == {image.tobytes() for image in images}


def test_a_photo_is_decoded_once_while_there_is_room(images, tmp_path):
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    roomy = PhotoFolder(tmp_path)
    assert roomy[0] is roomy[0]
    full = PhotoFolder(tmp_path, cache_bytes=images[0].nbytes)
    assert full[0] is full[0] and full[2] is not full[2]
    np.testing.assert_array_equal(full[2], images[2])


def test_unreadable_and_small_files_are_left_out_with_one_warning(images, tmp_path):
    Image.fromarray(images[0]).save(tmp_path / "good.png")
    Image.fromarray(images[0][:63]).save(tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"no JPEG at all")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\x02\0\0\0"
    (tmp_path / "bomb.png").write_bytes(header + bytes(20))
    with pytest.warns(UserWarning, match="Left out 5 files .* smaller than 64 pixels, .* bomb.png"):
        photos = open_photos(tmp_path)
    assert [path.name for path in photos.paths] == ["good.png"]


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(GanTfcError, match="found none among 0 image files"):
        open_photos(tmp_path)
    with pytest.raises(GanTfcError, match="Expected a folder of photos, but .*nowhere is none"):
        open_photos(tmp_path / "nowhere")


def truncated_photo(path, image):
    """A file whose size can be read, but not its pixels."""
    Image.fromarray(image).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_a_photo_that_turns_out_to_be_damaged_is_skipped_with_a_warning(images, tmp_path):
    Image.fromarray(images[0]).save(tmp_path / "good.png")
    truncated_photo(tmp_path / "truncated.png", images[2])
    batches = CropBatches(open_photos(tmp_path), config(batch_size=20))
    with pytest.warns(UserWarning, match=r"Skipped a photo: .*truncated\.png"):
        first = batches[0]
    assert first[0]["image"].shape == (20, 64, 64, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(batches[0], first)


def test_a_folder_of_damaged_photos_alone_ends_in_an_error_and_not_in_an_endless_search(images, tmp_path):
    truncated_photo(tmp_path / "truncated.png", images[2])
    batches = CropBatches(open_photos(tmp_path), config())
    with pytest.warns(UserWarning), pytest.raises(GanTfcError, match="photos that can be read"):
        batches[0]


@pytest.fixture(scope="module")
def tiny_dataset(tmp_path_factory):
    """(name, pictures) of a TensorFlow data set."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs extra train")
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in [(70, 90), (64, 64)]]

    folder = tmp_path_factory.mktemp("tfds")
    rows = [(index, {"image": picture}) for index, picture in enumerate(pictures)]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_pictures",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"image": tfds.features.Image()}),
        split_datasets={"train": rows, "test": rows[:1]},
        data_dir=folder,
    )
    load = tfds.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds, "load", lambda name, **kw: load(name, data_dir=folder, **kw))
        yield "tiny_pictures", pictures


def test_a_data_set_is_read_by_name_and_split(tiny_dataset):
    name, pictures = tiny_dataset
    photos = open_photos(f"tfds:{name}")
    assert {photo.tobytes() for photo in photos} == {picture.tobytes() for picture in pictures}
    assert len(open_photos(f"tfds:{name}:test")) == 1
    (batch,) = CropBatches(photos, config())[0]
    assert batch["image"].shape == (3, 64, 64, 3)


def test_a_data_set_that_is_not_there_is_refused(tiny_dataset):
    tiny, _ = tiny_dataset
    for name in ("tfds:no_such_data_set", f"tfds:{tiny}:no_such_split"):
        with pytest.raises(GanTfcError, match=f"Expected a data set with images in {name}"):
            open_photos(name)
    with pytest.raises(GanTfcError, match="at least 999x999 pixels in .*, found none"):
        open_photos(f"tfds:{tiny}", minimum_side=999)


@pytest.mark.parametrize(
    "rows",
    [
        [{"image": np.full((70, 80, 1), 7, np.uint8)}],  # grey
        [{"image": np.full((70, 80, 4), [7, 7, 7, 255], np.uint8)}],  # opaque
        [{"image": np.full((70, 80, 3), 7, np.uint8)}, {"image": np.zeros((9, 9, 3), np.uint8)}],
    ],
)
def test_pictures_of_a_data_set_become_rgb_and_small_ones_are_left_out(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", FakeDatasets(rows))
    (photo,) = open_photos("tfds:any")
    np.testing.assert_array_equal(photo, np.full((70, 80, 3), 7, np.uint8))


@pytest.mark.parametrize("rows", [[{"text": b"a"}], [{"image": np.zeros((70, 80, 3), np.float32)}]])
def test_a_data_set_without_pictures_is_refused(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", FakeDatasets(rows))
    with pytest.raises(GanTfcError, match="Expected a data set with images in tfds:any"):
        open_photos("tfds:any")


class FakeDatasets:
    """The two functions of TensorFlow Datasets that are used."""

    def __init__(self, rows):
        self.rows = rows

    def load(self, name, split):
        return self.rows

    def as_numpy(self, rows):
        return rows


def test_without_tensorflow_datasets_the_error_names_the_package(monkeypatch):
    real = builtins.__import__

    def no_tfds(name, *args, **kwargs):
        if name == "tensorflow_datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_tfds)
    with pytest.raises(GanTfcError, match="pip install tensorflow-datasets"):
        open_photos("tfds:mnist")


def coded_photos(tiny_codec, images, folder, copies=2):
    return CodedPhotos(images, tiny_codec.frozen, (300, 1700), copies, 1, folder)


def test_a_coded_copy_is_the_base_picture_that_the_codec_decodes(tiny_codec, photo, tmp_path):
    photo = photo[:100, :90]
    coded = coded_photos(tiny_codec, [photo], tmp_path)
    for index in range(2):
        image, base, code = coded[index]
        assert np.array_equal(image, photo) or np.array_equal(image, photo[:, ::-1])
        assert 300 <= code < 1700
        stream = tiny_codec.compress(np.ascontiguousarray(image), code_to_quality(code))
        assert container.parse_header(stream)[0].step_code == code
        expected = tiny_codec.preview(stream, scale=1).astype(int)
        found = np.clip((base.astype(np.float32) + 0.5) * 255, 0, 255)
        # Half of one of 255 for rounding to 8 bits; float16 is off by 2^-13 at most, 0.03 of 255.
        assert np.abs(found - expected).max() <= 0.54


def test_crops_of_picture_and_base_lie_at_the_same_place(tiny_codec, photo, tmp_path):
    coded = coded_photos(tiny_codec, [photo[:100, :120]], tmp_path)
    (batch,) = CodedCropBatches(coded, config(batch_size=8))[0]
    difference = batch["base"] - (batch["image"] / 255.0 - 0.5)
    moved = batch["base"] - (np.roll(batch["image"], 4, axis=2) / 255.0 - 0.5)
    assert (np.square(difference).mean((1, 2, 3)) < np.square(moved).mean((1, 2, 3))).all()


def test_coded_copies_are_kept_for_the_next_run_and_made_anew_for_other_tables(tiny_codec, photo, tmp_path):
    photo = photo[:64, :64]
    first = coded_photos(tiny_codec, [photo], tmp_path)
    done = []
    again = CodedPhotos([photo], tiny_codec.frozen, (300, 1700), 2, 1, tmp_path, done.append)
    assert done == []
    for index in range(2):
        np.testing.assert_array_equal(first[index][1], again[index][1])
    other = tiny_codec.frozen._replace(digest=b"else")
    CodedPhotos([photo], other, (300, 1700), 2, 1, tmp_path, done.append)
    assert done == [1, 2]


def test_room_for_coded_copies_is_taken_before_they_are_mapped(tiny_codec, photo, tmp_path, monkeypatch):
    # Where the disk is full, writing to mapped memory ends the process with a bus error.
    def full(file, start, size):
        assert size > 2 * 2 * photo[:64, :64].size
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(GanTfcError, match="No space left on device: .* make room there"):
        coded_photos(tiny_codec, [photo[:64, :64]], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_coding_that_is_interrupted_leaves_no_file(tiny_codec, photo, tmp_path):
    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CodedPhotos([photo[:64, :64]], tiny_codec.frozen, (300, 1700), 2, 1, tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_photos_smaller_than_a_crop_are_not_searched_for_ever(tiny_codec, photo, tmp_path):
    coded = coded_photos(tiny_codec, [photo[:64, :64]], tmp_path)
    with pytest.raises(GanTfcError, match="at least 128x128 pixels, found none"):
        CodedCropBatches(coded, config(crop_size=128))


def test_every_built_in_configuration_loads_and_survives_json(tmp_path):
    assert "photo_mobile_contexts" in built_in()
    for name in built_in():
        loaded = load_config(name)
        path = tmp_path / f"{name}.json"
        path.write_text(loaded.to_json())
        assert load_config(path) == loaded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "is no training configuration"),
        (b"[]", "is no training configuration"),
        (b"\xff\xfe", "is no training configuration"),
        (b'{"stage": "contexts", "speed": 3}', "speed"),
        (b'{"stage": "audio"}', "Expected stage to be one of contexts, synthesis, realism"),
        (b'{"stage": "contexts", "crop_size": 100}', "multiple of 64, received 100; use 64"),
        (b'{"stage": "contexts", "crop_size": "big"}', "is no training configuration"),
        (b'{"stage": "contexts", "step_codes": 5}', "is no training configuration"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(tmp_path, text, words):
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(GanTfcError, match=words):
        load_config(tmp_path / "run.json")


def test_an_unknown_configuration_is_refused_with_the_names_there_are():
    with pytest.raises(GanTfcError, match="photo_mobile_contexts.* received 'photo_huge'"):
        load_config("photo_huge")
