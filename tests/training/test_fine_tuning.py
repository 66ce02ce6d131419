# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning: streams stay, pictures get better or stay, and being killed loses nothing."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fine_tuned import QUICK, make_codec, same, weights_of
from PIL import Image

from gan_tfc import losses
from gan_tfc.codec import Codec
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.entropy_models.freezing import context_model
from gan_tfc.errors import GanTfcError
from gan_tfc.training import decoder_tuning, fine_tuning
from gan_tfc.training.blending import FACTORS, best_blend, blend
from gan_tfc.training.checkpoint import read_checkpoint
from gan_tfc.training.full_fine_tuning import gains_at_equal_bytes
from gan_tfc.training.held_out import HeldOut, decibels
from gan_tfc.training.rounds import BEST, KeepBest, Rounds
from gan_tfc.training.sources import read_photos
from gan_tfc.training.splits import split
from gan_tfc.zoo.preset import load_preset

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def untrained():
    """Not to be changed."""
    return make_codec()


@pytest.fixture(scope="module")
def tuned(photos, tmp_path_factory):
    """(codec, result, folder of the run)."""
    codec, folder = make_codec(), tmp_path_factory.mktemp("run")
    return codec, codec.fine_tune(photos, 5, settings=QUICK, folder=folder), folder


# --- the decoder -------------------------------------------------------------------------------------


def test_old_streams_decode_to_better_pictures_and_new_streams_are_the_old_ones(untrained, tuned, photos):
    codec, result, _ = tuned
    assert result.improved and result.gain > 1 and result.least_gain >= -0.1
    assert (result.trained, result.held_out) == (4, 2)
    for photo in split(photos)[1]:
        for quality in (15, 60):
            stream = untrained.compress(photo, quality)
            assert codec.compress(photo, quality) == stream
            before, after = (decibels(c.decompress(stream, 0), photo) for c in (untrained, codec))
            assert after > before
    assert codec.frozen.digest == untrained.frozen.digest
    assert (codec.name, codec.version) == ("tiny", 1)


def test_the_decoder_changes_but_for_its_layers_of_realism_and_nothing_else_does(untrained, tuned):
    codec, result, _ = tuned
    for before, after in zip(untrained.model.networks, codec.model.networks, strict=True):
        assert all(same(weights_of(before), weights_of(after)))
    assert all(same(weights_of(untrained.model.bottleneck), weights_of(codec.model.bottleneck)))
    layers = [layer for layer in untrained.model.synthesis.layers if layer.weights]
    changed = {
        layer.name
        for layer in layers
        if not all(same(weights_of(layer), weights_of(codec.model.synthesis.get_layer(layer.name))))
    }
    assert changed == {layer.name for layer in layers if not layer.name.startswith("realism")}
    assert set(result.realism) == {"before", "after", "alike"}
    assert 5 < result.realism["alike"] < 50


def test_the_table_tells_what_decoding_gives_and_a_saved_preset_decodes_the_same(
    untrained, tuned, photos, tmp_path
):
    codec, result, _ = tuned
    Codec(codec.model, "tiny", 1, codec.frozen).save(tmp_path / "dishes" / "1")
    loaded = load_preset(tmp_path / "dishes" / "1")
    held_out = split(photos)[1]
    streams = [untrained.compress(photo, 35) for photo in held_out]
    before, after = (
        [decibels(c.decompress(stream, 0), photo) for stream, photo in zip(streams, held_out, strict=True)]
        for c in (untrained, loaded)
    )
    row = result.rows[1]
    # Compiled, the network adds up in another order: some pixels are rounded otherwise.
    assert row.quality == 35
    assert row.before == pytest.approx(np.mean(before), abs=0.01)
    assert row.after == pytest.approx(np.mean(after), abs=0.01)
    assert row.worst_after == pytest.approx(min(after), abs=0.01)
    assert row.least_gain == pytest.approx(min(np.subtract(after, before)), abs=0.02)
    assert row.bytes_before == row.bytes_after == np.mean([len(stream) for stream in streams])
    assert f"{row.after:.2f}" in str(result) and "streams are equal to the byte" in str(result)


def test_when_nothing_helps_the_codec_stays_as_it_was_and_says_so(photos, monkeypatch):
    codec = make_codec(bias=0.0)
    before = weights_of(codec.model)
    monkeypatch.setattr(decoder_tuning, "Reconstruction", Destruction)
    result = codec.fine_tune(photos, 5, settings=replace(QUICK, most_rounds=2))
    assert not result.improved and result.factor == 0 and result.gain == 0
    assert "the codec stays as it was" in str(result)
    assert all(same(before, weights_of(codec.model)))


class Destruction(losses.reconstruction.Reconstruction):
    """Trains the wrong way."""

    def __call__(self, inputs, outputs):
        return -super().__call__(inputs, outputs)


@pytest.mark.parametrize(
    ("gains", "factor"),
    [
        (lambda x: [x, x], 1.0),
        # One photo loses 0.3 dB at full strength: too much, and so is what 0.5 leaves of it.
        (lambda x: [1.0 * x, -0.3 * x], 0.3),
        (lambda x: [x - 1.1 * x**2, 0.0], 0.5),
        (lambda x: [-x, 0.05], None),
        (lambda x: [-0.01, -0.01], None),
    ],
    ids=["all gain", "one loses", "best between", "all lose too much", "no gain"],
)
def test_blending_goes_as_far_as_no_photo_suffers(gains, factor):
    original, tuned = [np.zeros(3, np.float32)], [np.ones(3, np.float32)]
    found = best_blend(original, tuned, lambda w: np.array(gains(float(w[0][0]))), 0.1)
    assert (found and found[0]) == factor


def test_a_blend_is_what_float16_holds():
    weights = blend([np.zeros(1, np.float32)], [np.full(1, 0.1, np.float32)], FACTORS[0])[0]
    assert weights.dtype == np.float32 and weights[0] == np.float16(0.1)


# --- runs --------------------------------------------------------------------------------------------


class FakeOptimizer:
    learning_rate = 0.0


def test_training_ends_when_scores_no_longer_rise(tmp_path, monkeypatch):
    from gan_tfc.training import rounds

    scores = iter([1.0, 2.0, 1.5, 1.9, 1.0])
    values = iter(range(5))
    monkeypatch.setattr(rounds, "averages", lambda model: [np.float32(next(values))])
    monkeypatch.setattr(rounds, "save_checkpoint", lambda *args: None)
    keep = KeepBest(tmp_path, lambda w: next(scores), "synthesis", 1e-6, 0.1, patience=2)
    model = type("Model", (), {"stop_training": False, "optimizer": FakeOptimizer()})()
    keep.set_model(model)
    keep.on_train_begin()
    stopped = []
    for epoch in range(4):
        keep.on_epoch_begin(epoch)
        model.stop_training = False
        keep.on_epoch_end(epoch, {})
        stopped.append(model.stop_training)
    assert stopped == [False, False, False, True]
    with np.load(tmp_path / BEST) as best:
        assert best["arr_0"] == 1.0  # the second one's
    again = KeepBest(tmp_path, None, "synthesis", 1.0, 0.1, patience=2)
    assert again.state["best"] == 2.0 and again.state["stale"] == 2


def test_rounds_go_through_the_batches_one_after_the_other():
    data = Rounds(list(range(5)), 2, first_step=3)
    seen = []
    for _ in range(2):
        seen += [data[i] for i in range(len(data))]
        data.on_epoch_end()
    assert seen == [3, 4, 0, 1]


KILLED = """
import os, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
import numpy as np
from fine_tuned import QUICK, make_codec
from gan_tfc.training import rounds
from dataclasses import replace

write, states = rounds.write_atomically, 0
def write_or_die(path, data, **options):
    global states
    states += path.name == rounds.STATE
    if states == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data, **options)

rounds.write_atomically = write_or_die
photos = np.load(sys.argv[2])
make_codec().fine_tune(list(photos), 5, settings=QUICK, folder=sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_goes_on_where_it_was(photos, tmp_path):
    np.save(tmp_path / "photos.npy", np.stack(photos))
    folder = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, ROOT, tmp_path / "photos.npy", folder],
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert int(read_checkpoint(folder)["step"]) == 6
    coded = (folder / "bases.npy").stat().st_mtime_ns

    codec = make_codec()
    result = codec.fine_tune(photos, 5, settings=QUICK, folder=folder, resume=True)
    assert result.steps == 12 and result.improved
    assert (folder / "bases.npy").stat().st_mtime_ns == coded  # photos were not coded again
    # The round that was killed has no line, and none has two.
    _, *lines = (folder / "log.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["0", "2", "3"]


def test_a_damaged_run_is_refused_with_the_mend(untrained, photos, tmp_path):
    (tmp_path / "fine_tuning.json").write_text("{")
    with pytest.raises(GanTfcError, match="is damaged; delete .* to start anew"):
        untrained.fine_tune(photos, 1, settings=QUICK, folder=tmp_path, resume=True)


def test_a_run_leaves_a_log_with_what_was_gained(tuned):
    header, *rows = (tuned[2] / "log.csv").read_text().splitlines()
    assert {"loss", "psnr", "held_out_gain"} <= set(header.split(",")) and len(rows) == QUICK.most_rounds


@pytest.mark.tensorflow
def test_a_run_leaves_tensorboard_events(tuned):
    pytest.importorskip("tensorboard", reason="needs extra train: newer TensorFlow has no TensorBoard")
    assert list((tuned[2] / "tensorboard" / "train").glob("events.out.tfevents.*"))


def test_a_run_is_not_overwritten_unasked_nor_resumed_as_another(untrained, tuned, photos):
    options = {"settings": QUICK, "folder": tuned[2]}
    with pytest.raises(GanTfcError, match="resume it, or delete the folder"):
        untrained.fine_tune(photos, 5, **options)
    with pytest.raises(GanTfcError, match="another codec"):
        make_codec(bias=0.5).fine_tune(photos, 5, resume=True, **options)
    with pytest.raises(GanTfcError, match="another photos and another held_out"):
        untrained.fine_tune([photo[1:] for photo in photos], 5, resume=True, **options)


def test_weights_and_biases_is_asked_for_before_photos_are_read(untrained, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.raises(GanTfcError, match="pip install wandb"):
        untrained.fine_tune("nowhere", 5, wandb_project="dishes")


def test_a_run_at_weights_and_biases_lasts_as_long_as_training(untrained, photos, wandb, monkeypatch):
    def interrupted(codec, train, held_out, run):
        assert run.wandb is wandb.runs[0] and run.wandb.exit_code is None
        raise KeyboardInterrupt

    monkeypatch.setattr(fine_tuning, "tune_decoder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        untrained.fine_tune(photos, 5, settings=QUICK, wandb_project="dishes")
    assert wandb.runs[0].exit_code == 1 and wandb.runs[0].options["config"]["kind"] == "decoder"


# --- everything --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_training_everything_gives_a_new_name_and_new_tables(photos):
    codec = make_codec()
    stream, digest = codec.compress(photos[0]), codec.frozen.digest
    result = codec.fine_tune(photos, 5, settings=QUICK, everything=True, name="dishes")
    assert result.improved and (codec.name, codec.version) == ("dishes", 1)
    assert codec.frozen.digest != digest
    with pytest.raises(GanTfcError, match="decode it with the codec that wrote it"):
        codec.decompress(stream)
    new = codec.compress(photos[0])
    assert len(new) < len(stream) and codec.decompress(new).shape == photos[0].shape
    assert result.rows[0].bytes_after < result.rows[0].bytes_before
    # Networks and tables belong together: integers made of the model again are the frozen ones.
    again = FrozenTables.of(context_model(codec.model), codec.frozen.tables)
    assert again.digest == codec.frozen.digest


@pytest.mark.parametrize("name", [None, "tiny"])
def test_training_everything_needs_a_new_name(untrained, photos, name):
    with pytest.raises(GanTfcError, match="Expected a new name"):
        untrained.fine_tune(photos, 1, everything=True, name=name)


def test_gains_are_measured_at_equal_bytes():
    sizes, psnr = np.array([[100.0, 200.0, 400.0]]), np.array([[30.0, 33.0, 36.0]])
    np.testing.assert_allclose(gains_at_equal_bytes(sizes, psnr, sizes, psnr), 0, atol=1e-12)
    # Half the bytes at the same PSNR are worth the three decibels that doubling brings.
    np.testing.assert_allclose(gains_at_equal_bytes(sizes, psnr, sizes / 2, psnr), 3)
    np.testing.assert_allclose(gains_at_equal_bytes(sizes, psnr, sizes, psnr - 1), -1)


# --- photos ------------------------------------------------------------------------------------------


def test_a_folder_is_read_at_any_depth_in_any_format_and_bad_files_are_told(photos, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for path, photo in zip(("1.png", "a/2.BMP", "a/b/3.jp2", "a/b/4.tga"), photos, strict=False):
        Image.fromarray(photo).save(tmp_path / path)
    Image.fromarray(photos[4][:20]).save(tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    half = (tmp_path / "1.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    (tmp_path / "notes.txt").write_text("none")
    with pytest.warns(UserWarning, match="Left out 3 images"):
        found = read_photos(tmp_path, 64, 100)
    assert sorted(f.tobytes() for f in found) != [] and len(found) == 4
    assert len(read_photos(tmp_path / "a", 64, 1)) == 1


@pytest.mark.parametrize("kind", ["arrays", "dicts", "pairs", "batches", "generator"])
def test_anything_that_yields_images_is_read(photos, kind):
    source = {
        "arrays": photos,
        "dicts": [{"image": photo, "label": 1} for photo in photos],
        "pairs": [(photo, 1) for photo in photos],
        "batches": [{"image": np.stack(photos[:4])}, {"image": np.stack(photos[4:])}],
        "generator": (photo for photo in photos),
    }[kind]
    for photo, found in zip(photos, read_photos(source, 64, 100), strict=True):
        np.testing.assert_array_equal(found, photo)


@pytest.mark.tensorflow
def test_a_tensorflow_dataset_and_an_image_folder_are_read(photos, tmp_path):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices({"image": np.stack(photos)})
    assert same(photos, read_photos(dataset, 64, 100)) == [True] * 6
    assert len(read_photos(dataset.batch(2).repeat(), 64, 5)) == 5
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs extra train")
    for label, photo in zip("ab", photos, strict=False):
        (tmp_path / "train" / label).mkdir(parents=True)
        Image.fromarray(photo).save(tmp_path / "train" / label / "1.png")
    found = read_photos(tfds.ImageFolder(str(tmp_path)), 64, 100)
    assert same(photos[:2], sorted(found, key=lambda f: not np.array_equal(f, photos[0]))) == [True] * 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "there is no folder 'nowhere'"),
        ([], "there are no images"),
        ([np.zeros((8, 8, 3), np.uint8)], "fewer than 64 pixels"),
        ([np.zeros((80, 80, 3), np.float32)], "1 could not be used: .*uint8"),
        ([{"picture": 1}], "Expected elements with 'image', received keys picture"),
        (7, "received int"),
    ],
)
def test_unusable_sources_are_said(source, words):
    with pytest.raises(GanTfcError, match=words):
        read_photos(source, 64, 100)


def test_the_split_depends_on_the_photos_alone(photos, rng):
    noise = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(40)]
    train, held_out = split(noise)
    assert (len(train), len(held_out)) == (36, 4)
    again = split([noise[i].copy() for i in rng.permutation(40)] + noise[:3])
    assert [a.tobytes() for a in (*train, *held_out)] == [a.tobytes() for part in again for a in part]
    assert len(split(noise[:5])[1]) == 2
    many = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(400)]
    assert len(split(many)[1]) == 32
    with pytest.raises(GanTfcError, match="at least 3 different photos, .* found 2; add photos"):
        split([photos[0], photos[1], photos[0]])


def test_large_photos_are_cut_at_native_resolution(rng):
    large = [rng.integers(0, 256, (90, 300, 3), dtype=np.uint8) for _ in range(4)]
    train, held_out = split(large, side=64)
    for cut in (*train, *held_out):
        assert cut.shape == (64, 64, 3)
        assert any(cut.tobytes() == w.tobytes() for photo in large for w in _windows(photo, cut))


def _windows(photo, cut):
    rows, columns = np.where((photo[:27, :237] == cut[0, 0]).all(-1))
    for top, left in zip(rows, columns, strict=True):
        yield np.ascontiguousarray(photo[top : top + 64, left : left + 64])


def test_changed_streams_are_noticed(untrained, photos):
    held_out = HeldOut(untrained, photos[:2], qualities=(20, 50))
    assert held_out.changed_streams(untrained) == 0
    other = Codec(untrained.model, "tiny", 2, untrained.frozen)
    assert held_out.changed_streams(other) == 2
