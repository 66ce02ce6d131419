# SPDX-License-Identifier: Apache-2.0
"""Full disks, locked folders, damaged photos, Ctrl-C: one sentence with the mend, nothing half-written."""

import contextlib
import errno
import logging
import os
import shutil
import signal
import time
import types

import numpy as np
import pytest
from PIL import Image
from processes import posix_only, start
from tiny_runs import config_file

import gan_tfc
from gan_tfc.commands import interrupts, terminal
from gan_tfc.models.weights import save_weights

BUNDLE = "gan_tfc.export.bundle.bundle_card"
#: Arguments; bytes that a file may have, fewer than the output's; what a Ctrl-C comes in, and in which call.
COMMANDS = {
    "compress": ("compress PICTURE --preset tiny -o OUT/x.gtc", 100, "os.fsync", 1),
    "decompress": ("decompress STREAM -o OUT/x.png", 100, "os.fsync", 1),
    "archive extract": ("archive extract ARCHIVE -o OUT", 100, "os.fsync", 1),
    "zoo index": ("zoo index ZOO", 100, "os.fsync", 1),
    "freeze": ("freeze RUN -o OUT/menu/1", 100_000, "numpy.savez_compressed", 1),
    "export": ("export tiny --photos PHOTOS -o OUT/bundle", 100_000, BUNDLE, 1),
    "train": ("train --config CONFIG --codec tiny --data SMALL -o OUT/run", 50_000, "os.fsync", 3),
    "finetune": (
        "finetune tiny --data PHOTOS --minutes 0.02 -o OUT/a/1 --run OUT/run",
        80_000,
        "os.fsync",
        3,
    ),
}
MARKS = {
    "export": [pytest.mark.export, pytest.mark.tensorflow],
    "train": [pytest.mark.slow],
    "finetune": [pytest.mark.slow],
}
commands = pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, ())) for n in COMMANDS])
#: What a run keeps, whole, to be continued from.
OF_A_RUN = {"config.json", "fine_tuning.json", "bases.json", "bases.npy", "checkpoint.npz"}


@pytest.fixture
def heeds_ctrl_c():
    """What a process started by a person does; a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def arguments(run, zoo, picture, stream, photo, portrait, finished_run, tmp_path):
    """From a command, or its name in `COMMANDS`, to its arguments."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, pixels in (("a", photo), ("b", portrait), ("c", photo[:, ::-1])):
        Image.fromarray(pixels[:128, :128]).save(photos / f"{name}.png")
    (tmp_path / "small").mkdir()
    Image.fromarray(photo[:64, :64]).save(tmp_path / "small" / "a.png")
    archive = tmp_path / "menu.gtca"
    assert run("archive", "add", archive, picture, "--preset", "tiny").code == 0
    shutil.copytree(zoo / "tiny", tmp_path / "shop" / "tiny")
    paths = {
        "PICTURE": picture,
        "STREAM": stream,
        "ARCHIVE": archive,
        "ZOO": tmp_path / "shop",
        "RUN": finished_run("contexts"),
        "PHOTOS": photos,
        "SMALL": tmp_path / "small",
        "CONFIG": config_file(tmp_path, "synthesis", coded_copies=1),
        "OUT": tmp_path / "out",
    }
    (tmp_path / "out").mkdir()

    def fill_in(name):
        text = COMMANDS[name][0] if name in COMMANDS else name
        for key, path in paths.items():
            text = text.replace(key, str(path))
        return text.split()

    return fill_in


@contextlib.contextmanager
def small_disk(size):
    """As `ulimit -f`: what a file may grow to, beyond which writing fails."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def left(tmp_path):
    """What was written, without logs of runs."""
    logs = {"run", "tensorboard", "train", "log.csv", "log.jsonl"}
    found = [path for path in (tmp_path / "out").rglob("*") if path.name not in logs]
    found = [path for path in found if ".tfevents." not in path.name]
    return [*found, *(path for path in (tmp_path / "shop").iterdir() if path.name != "tiny")]


@commands
def test_full_disk_is_one_sentence_with_the_mend_and_leaves_nothing_half_written(
    run, arguments, tmp_path, name
):
    with small_disk(COMMANDS[name][1]):
        result = run(*arguments(name))
    assert result.code == 1 and "Traceback" not in result.err
    assert result.err.splitlines()[-1].startswith("gan-tfc: error: "), result.err
    assert "make room there" in result.err
    if name not in ("train", "finetune"):
        assert left(tmp_path) == [] and len(result.err.splitlines()) == 1
        return
    assert {path.name for path in left(tmp_path)} <= OF_A_RUN
    result = run(*arguments(name), *(["--resume"] if name == "finetune" else []))
    assert result.code in (0, 1) and "error: " not in result.err


@commands
def test_interrupted_while_it_writes_a_command_leaves_nothing_half_written(
    run, arguments, tmp_path, monkeypatch, name
):
    *_, place, calls = COMMANDS[name]
    module, _, function = place.rpartition(".")
    with monkeypatch.context() as patch:
        patch.setattr(place, interrupting(getattr(pytest.importorskip(module), function), calls))
        result = run(*arguments(name))
    assert result.code == 130 and "Traceback" not in result.err
    assert result.err.splitlines()[-1] == "gan-tfc: interrupted"
    if name not in ("train", "finetune"):
        assert left(tmp_path) == [] and len(result.err.splitlines()) == 1
        return
    assert {path.name for path in left(tmp_path)} <= OF_A_RUN and "--resume" in result.err
    if name == "train":
        assert run(*arguments(name)).code == 0 and (tmp_path / "out" / "run" / "averaged.weights.h5").exists()


def interrupting(function, calls):
    """The function, in whose call of this number there is a Ctrl-C."""
    count = iter(range(1, calls))

    def call(*args, **kwargs):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return call


@posix_only
@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, ())) for n in ("freeze", "export")])
def test_a_real_ctrl_c_while_a_folder_is_being_made_leaves_none(arguments, tiny_preset, tmp_path, name):
    argv = [f"path:{tiny_preset}" if word == "tiny" else word for word in arguments(name)]
    process = start(*argv)
    while not list((tmp_path / "out").rglob(".gan_tfc-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "gan-tfc: interrupted\n")
    assert list((tmp_path / "out").iterdir()) == []


@posix_only
@pytest.mark.slow
def test_a_real_ctrl_c_in_fine_tuning_leaves_a_run_that_is_continued(run, arguments, tiny_preset, tmp_path):
    argv = [f"path:{tiny_preset}" if word == "tiny" else word for word in arguments("finetune")]
    argv[argv.index("--minutes") + 1] = "0.1"
    process = start(*argv)
    while not (tmp_path / "out" / "run" / "checkpoint.npz").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and "Traceback" not in err and "--resume continues the run" in err
    preset = tmp_path / "out" / "a" / "1"
    assert not preset.exists()
    result = run(*argv, "--resume")
    assert result.code == 0, result.err
    assert gan_tfc.load(f"path:{preset}").name == "a"


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_ctrl_c_that_a_callback_of_the_interpreter_loses_comes_again():
    class Lost:
        def __del__(self):
            raise KeyboardInterrupt

    with interrupts.kept(), pytest.raises(KeyboardInterrupt):
        Lost()
        time.sleep(30)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("pressed", [True, False])
def test_an_error_after_a_ctrl_c_that_a_library_swallowed_is_no_error(run, monkeypatch, pressed):
    def show(args):
        with contextlib.suppress(BaseException):
            if pressed:
                signal.raise_signal(signal.SIGINT)
        raise RuntimeError("the model cannot be built")

    monkeypatch.setattr("gan_tfc.commands.zoo.show", show)
    if pressed:
        assert run("zoo", "show", "tiny") == (130, "", "gan-tfc: interrupted\n")
    else:
        with pytest.raises(RuntimeError):
            run("zoo", "show", "tiny")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


#: Commands that work for long, and which of their folders is not to be had.
LONG = {
    "freeze": "freeze RUN -o HERE/menu/1",
    "train": "train --config CONFIG --codec tiny --data SMALL -o HERE/run",
    "finetune": "finetune tiny --data PHOTOS -o HERE/a/1 --run OUT/run",
    "finetune --run": "finetune tiny --data PHOTOS -o OUT/a/1 --run HERE/run",
    "eval": "eval PHOTOS --presets tiny -o HERE/report",
    "archive extract": "archive extract ARCHIVE --preset tiny -o HERE/photos",
}


@pytest.mark.parametrize("command", LONG.values(), ids=LONG)
@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_folder_that_cannot_be_written_is_said_before_any_work(
    run, arguments, tmp_path, monkeypatch, command, kind
):
    here = tmp_path / "here"
    if kind == "file":
        here.write_text("precious")
    else:
        here.mkdir()
        # Not a folder without permission, which does not stop root.
        monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != os.fspath(here))
    for work in ("terminal.load", "train._codec"):
        monkeypatch.setattr(f"gan_tfc.commands.{work}", lambda *_: pytest.fail("loaded"))
    result = run(*arguments(command.replace("HERE", str(here))))
    said = (
        "here' is a file: name another" if kind == "file" else "may not be written to: choose another folder"
    )
    assert result.code == 1 and said in result.error
    assert left(tmp_path) == [] and (here.is_file() or not list(here.iterdir()))


def test_a_fine_tuned_preset_and_its_run_are_kept_apart(run, arguments, tmp_path):
    out = tmp_path / "out" / "a" / "1"
    for folder in (out, out / "run"):
        result = run(*arguments(f"finetune tiny --data PHOTOS -o {out} --run {folder}"))
        assert result.code == 1 and "choose another --run" in result.error
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("precious")
    assert "neither; name another" in run(*arguments(f"finetune tiny --data PHOTOS -o {out}")).error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()], ids=repr)
def test_when_a_trained_preset_cannot_be_written_its_run_is_not_lost(
    run, arguments, tmp_path, monkeypatch, error
):
    def fail(*_, **__):
        raise error

    trained = types.SimpleNamespace(improved=True, facts=dict, to_dict=dict)
    monkeypatch.setattr(gan_tfc.Codec, "fine_tune", lambda *_, **__: trained)
    monkeypatch.setattr(np, "savez_compressed", fail)
    result = run(*arguments(COMMANDS["finetune"][0]), "--json")
    assert result.code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "the same command with --resume " in result.err and left(tmp_path) == []


WITH_PHOTOS = {
    "freeze": "freeze RUN --data PHOTOS -o OUT/menu/1",
    "export": "export tiny --photos PHOTOS -o OUT/bundle",
    "train": "train --config CONFIG --codec tiny --data PHOTOS -o OUT/run",
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, ())) for n in WITH_PHOTOS])
def test_a_damaged_photo_is_named_with_the_mend_and_nothing_is_written(run, arguments, tmp_path, name):
    photo = tmp_path / "photos" / "b.png"
    photo.write_bytes(photo.read_bytes()[:-9000])
    result = run(*arguments(WITH_PHOTOS[name]))
    last = result.err.splitlines()[-1]
    assert result.code == 1 and last.startswith("gan-tfc: error: ") and "Traceback" not in result.err
    assert "b.png' is damaged (image file is truncated" in last and last.endswith("fetch it again.")
    assert {path.name for path in left(tmp_path)} <= {"config.json"}


SAID = [
    (FileNotFoundError(errno.ENOENT, "No such file", "a.png"), "a.png: No such file: check the path."),
    (OSError(errno.ENOSPC, "No space left"), "No space left: make room on the disk."),
    (
        OSError(errno.EROFS, "Read-only file system", "out"),
        "out: Read-only file system: choose a folder that",
    ),
    (
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        "Connection refused: check the network.",
    ),
    (ModuleNotFoundError("No module named 'h5py'", name="h5py"), "'h5py' is not installed: install it"),
    (MemoryError(), "not enough memory for this: use smaller pictures"),
]


@pytest.mark.parametrize(("error", "said"), SAID, ids=lambda value: type(value).__name__)
def test_errors_that_are_not_our_own_are_told_with_a_mend(capsys, error, said):
    terminal.report(error)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gan-tfc: error: ") and said in line


def test_what_converters_log_is_not_shown_and_logging_is_as_it_was_afterwards(caplog):
    with terminal.converter_silence():
        logging.getLogger("tf2onnx").warning("Failed to apply an optimizer")
        logging.getLogger("tf2onnx").error("broken")
    logging.getLogger("tf2onnx").warning("later")
    assert [record.message for record in caplog.records] == ["broken", "later"]


def test_weights_are_made_before_their_file_is_opened(tiny_codec, tmp_path):
    # Written to directly, HDF5 ends the process with a segmentation fault where the disk is full.
    path = tmp_path / "x.weights.h5"
    path.write_text("before")
    with small_disk(1000), pytest.raises(gan_tfc.GanTfcError, match="make room there"):
        save_weights(tiny_codec.model, path)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    save_weights(tiny_codec.model, path)
    expected = [np.asarray(weight) for weight in tiny_codec.model.weights]
    copy = type(tiny_codec.model).from_config(tiny_codec.model.get_config())
    copy.build()
    copy.load_weights(path)
    for weight, value in zip(copy.weights, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)
