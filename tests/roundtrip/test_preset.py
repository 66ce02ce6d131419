# SPDX-License-Identifier: Apache-2.0
"""Preset folders: what was saved comes back, and nothing else passes for it."""

import json
import shutil

import numpy as np
import pytest

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.zoo import preset, registry

FILES = {"config.json", "model.weights.h5", "tables.npz", "metadata.json"}


@pytest.fixture
def copy(tiny_preset, tmp_path):
    """A preset folder that may be damaged."""
    return shutil.copytree(tiny_preset, tmp_path / "tiny" / "1")


def test_a_preset_folder_holds_four_files(tiny_preset):
    assert {path.name for path in tiny_preset.iterdir()} == FILES
    # Nothing is left beside it either.
    assert [path.name for path in tiny_preset.parent.iterdir()] == ["1"]


def test_a_loaded_codec_is_of_the_same_class_and_writes_the_same_bytes(tiny_preset, tiny_codec, photo):
    loaded = gan_tfc.load(f"path:{tiny_preset}")
    assert type(loaded) is Codec and type(loaded.model) is WaveletCodec
    assert loaded.model.get_config() == tiny_codec.model.get_config()
    assert repr(loaded) == "<Codec tiny@1, frozen>"
    for quality in (1, 50.5, 100):
        data = tiny_codec.compress(photo, quality)
        assert loaded.compress(photo, quality) == data
        # Equal, not close: the fixture's weights are float16 already, which presets store.
        np.testing.assert_array_equal(loaded.decompress(data), tiny_codec.decompress(data))


def test_weights_are_stored_with_half_precision(tiny_preset, tiny_codec):
    import h5py

    values = []
    with h5py.File(tiny_preset / "model.weights.h5") as file:
        file.visititems(lambda _, item: values.append(item) if isinstance(item, h5py.Dataset) else None)
        floats = [item for item in values if item.dtype.kind == "f"]
        assert {item.dtype for item in floats} == {np.dtype("float16")}
        assert sum(item.size for item in floats) == tiny_codec.model.count_params()


def test_each_load_gives_a_codec_of_its_own(tiny_preset):
    one, two = gan_tfc.load(f"path:{tiny_preset}"), gan_tfc.load(f"path:{tiny_preset}")
    kernel = one.model.synthesis.get_layer("residual").kernel
    kernel.assign(0 * kernel)
    assert np.abs(np.array(two.model.synthesis.get_layer("residual").kernel)).max() > 0


def test_the_folder_names_the_codec(tiny_preset, photo, tmp_path):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    codec.save(tmp_path / "menu" / "3")
    assert (codec.name, codec.version) == ("menu", 3)
    loaded = gan_tfc.load(f"path:{tmp_path}/menu/3")
    assert (loaded.name, loaded.version) == ("menu", 3)
    found = gan_tfc.info(loaded.compress(photo))
    assert (found["preset"], found["version"]) == ("menu", 3)


def test_another_kind_of_folder_keeps_the_name_of_the_codec(tiny_preset, tmp_path):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    codec.save(tmp_path / "my codec")
    assert gan_tfc.load(f"path:{tmp_path}/my codec").name == "tiny"


def test_a_codec_is_saved_and_loaded_without_tables_too(tiny_codec, tmp_path):
    Codec(tiny_codec.model, "raw", 1).save(tmp_path / "raw")
    assert gan_tfc.load(f"path:{tmp_path}/raw").frozen is None


def test_a_preset_is_never_overwritten(copy, tiny_codec):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(gan_tfc.PresetError, match="holds a preset; save under the next version"):
        tiny_codec.save(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_a_clear_error(tiny_codec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(gan_tfc.PresetError, match="neither; name another"):
        tiny_codec.save(tmp_path / "file")
    with pytest.raises(gan_tfc.PresetError, match="file' is a file: name another"):
        tiny_codec.save(tmp_path / "file" / "1")


def test_saving_that_fails_leaves_no_half_a_preset(tiny_codec, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "disk full")

    monkeypatch.setattr(preset, "hashes", fail)
    with pytest.raises(gan_tfc.PresetError, match="disk full: choose another path or make room there"):
        tiny_codec.save(tmp_path / "new" / "1")
    assert list(tmp_path.rglob("*")) == [] and tiny_codec.name == "tiny"


@pytest.mark.parametrize("name", preset.HASHED)
@pytest.mark.parametrize("place", [0.0, 0.37, 0.999])
def test_one_flipped_bit_in_any_file_is_found(copy, name, place):
    data = bytearray((copy / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(gan_tfc.PresetError, match=f"{name} is damaged or was changed"):
        gan_tfc.load(f"path:{copy}")


@pytest.mark.parametrize("name", preset.HASHED)
def test_a_missing_file_is_found(copy, name):
    (copy / name).unlink()
    with pytest.raises(gan_tfc.PresetError, match=name):
        gan_tfc.load(f"path:{copy}")


def test_a_file_that_the_metadata_does_not_list_is_refused(copy):
    record = json.loads((copy / "metadata.json").read_text())
    del record["sha256"]["tables.npz"]
    (copy / "metadata.json").write_text(json.dumps(record))
    with pytest.raises(gan_tfc.PresetError, match="expected SHA-256 None"):
        gan_tfc.load(f"path:{copy}")


@pytest.mark.parametrize("text", [b"", b"{", b"{}", b"[]", b'{"sha256": 3}', b"\xff\xfe\x00"])
def test_damaged_metadata_is_refused(copy, text):
    (copy / "metadata.json").write_bytes(text)
    with pytest.raises(gan_tfc.PresetError, match=r"Expected metadata\.json with hashes"):
        gan_tfc.load(f"path:{copy}")


def forge(folder, name, data):
    """Replace a file and mend its hash."""
    (folder / name).write_bytes(data)
    record = json.loads((folder / "metadata.json").read_text())
    record["sha256"] = preset.hashes(folder)
    (folder / "metadata.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config.json", b"{}"),
        ("config.json", b"no JSON"),
        ("config.json", b'{"name": "x", "version": 1, "model": {"class_name": "Nothing"}}'),
        ("model.weights.h5", b"no HDF5"),
        ("tables.npz", b"no zip"),
        ("tables.npz", b"PK\x03\x04 half a zip"),
        ("tables.npz", b""),
    ],
)
def test_files_that_are_wrong_but_have_the_right_hash_are_refused(copy, name, data):
    forge(copy, name, data)
    with pytest.raises(gan_tfc.PresetError):
        gan_tfc.load(f"path:{copy}")


def test_tables_that_hold_pickled_objects_are_refused(copy, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    with open(tmp_path / "evil.npz", "wb") as file:
        np.savez(file, phase=np.array([Evil()], object))
    forge(copy, "tables.npz", (tmp_path / "evil.npz").read_bytes())
    with pytest.raises(gan_tfc.PresetError):
        gan_tfc.load(f"path:{copy}")
    assert not (tmp_path / "executed").exists()


def test_another_kind_of_model_is_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config["model"] = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"units": 3},
        "registered_name": None,
    }
    forge(copy, "config.json", json.dumps(config).encode())
    with pytest.raises(gan_tfc.PresetError, match="Expected a WaveletCodec .* found Dense"):
        gan_tfc.load(f"path:{copy}")


def test_a_preset_loads_by_name_and_by_version(tiny_zoo):
    for name in ("tiny", "tiny@1"):
        codec = gan_tfc.load(name)
        assert (codec.name, codec.version) == ("tiny", 1)


def test_the_newest_version_is_the_default_by_number(tiny_preset, tmp_path, monkeypatch):
    for version in ("2", "10"):
        shutil.copytree(tiny_preset, tmp_path / "tiny" / version)
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    assert registry.find("tiny") == tmp_path / "tiny" / "10"
    assert registry.find("tiny@2") == tmp_path / "tiny" / "2"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tinny", "no preset 'tinny'; did you mean 'tiny'"),
        ("tinny@1", "no preset 'tinny'; did you mean 'tiny'"),
        ("photograph", "no preset 'photograph'; available: tiny@1"),
        ("", "Expected a preset name"),
        ("tiny@2", "no version '2' of preset 'tiny'; available: 1"),
        ("tiny@", "no version '' of preset 'tiny'"),
        ("tiny@-1", "no version '-1'"),
        ("tiny@1.0", r"no version '1\.0'"),
        ("../tiny/1", "for a folder write path:../tiny/1"),
        ("path:nowhere", "Expected a preset folder with config.json, but nowhere has none"),
        ("path:", "Expected a preset folder"),
    ],
)
def test_an_unknown_name_is_refused_with_the_mend(tiny_zoo, name, words):
    with pytest.raises(gan_tfc.PresetError, match=words):
        gan_tfc.load(name)


def test_a_folder_of_that_name_does_not_load_without_path(tiny_zoo, tiny_preset, tmp_path, monkeypatch):
    shutil.copytree(tiny_preset, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gan_tfc.PresetError, match="for a folder write path:mine"):
        gan_tfc.load("mine")
    assert gan_tfc.load("path:mine").name == "tiny"


def test_an_unknown_engine_is_refused(tiny_zoo, photo):
    with pytest.raises(gan_tfc.GanTfcError, match="'auto', 'tfc' or 'portable'"):
        gan_tfc.load("tiny", engine="fast").compress(photo)


@pytest.mark.tensorflow
def test_fine_tuning_the_synthesis_network_keeps_every_stream(tiny_preset, photo, portrait):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    before = codec.compress(photo, 40)
    pixels = codec.decompress(before)
    codec.compile(optimizer="adam", loss="reconstruction", run_eagerly=True)
    crops = np.stack([portrait[:64, :64], portrait[64:128, :64]])
    codec.fit({"image": crops, "step_code": np.array([900.0, 1200.0])}, batch_size=2, verbose=0)
    assert codec.compress(photo, 40) == before
    changed = codec.decompress(before)
    assert (changed != pixels).any()  # it has learned, and the new weights are in use
    np.testing.assert_array_equal(changed, codec.reconstruct(photo, 40))


@pytest.mark.tensorflow
def test_a_trained_codec_is_saved_without_its_optimizer(tiny_preset, photo, tmp_path):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    codec.compile(optimizer="adam", loss="reconstruction", run_eagerly=True)
    codec.fit({"image": photo[None, :64, :64], "step_code": np.array([900.0])}, verbose=0)
    codec.save(tmp_path / "trained")
    sizes = [(f / "model.weights.h5").stat().st_size for f in (tiny_preset, tmp_path / "trained")]
    assert sizes[1] < 1.05 * sizes[0]  # Adam holds twice as many numbers as it trains
    codec.fit({"image": photo[None, :64, :64], "step_code": np.array([900.0])}, verbose=0)
    assert int(np.array(codec.model.optimizer.iterations)) == 2  # and goes on afterwards


@pytest.mark.tensorflow
def test_training_what_decides_bits_drops_the_tables(tiny_preset, photo):
    codec = gan_tfc.load(f"path:{tiny_preset}")
    codec.compile(optimizer="adam", loss="rate_distortion", run_eagerly=True)
    codec.fit({"image": photo[None, :64, :64], "step_code": np.array([900.0])}, verbose=0)
    with pytest.raises(gan_tfc.NotFrozenError):
        codec.compress(photo)
    codec.freeze_tables(None)
    np.testing.assert_array_equal(codec.decompress(codec.compress(photo, 40)), codec.reconstruct(photo, 40))
