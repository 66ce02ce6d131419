# SPDX-License-Identifier: Apache-2.0
"""Running the program in this process, with a zoo of one tiny preset."""

import shutil
from typing import NamedTuple

import pytest
from PIL import Image
from tiny_runs import config_file

from gan_tfc.cli import main


class Outcome(NamedTuple):
    """What a command left: exit code and the text of both streams."""

    code: int
    out: str
    err: str

    @property
    def error(self):
        """The one line on stderr; fails when there are more or it is no error."""
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("gan-tfc: error: "), self.err
        return lines[0]


@pytest.fixture
def run(capsys):
    """`main` with the given arguments -> `Outcome`."""

    def call(*argv):
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as stop:  # argparse
            code = stop.code
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def zoo(tiny_preset, tmp_path_factory, monkeypatch):
    """A zoo that holds preset `tiny`; the folder may be changed."""
    from gan_tfc.zoo import registry

    root = tmp_path_factory.mktemp("own_zoo")
    shutil.copytree(tiny_preset.parent, root / "tiny")
    monkeypatch.setattr(registry, "ROOT", root)
    monkeypatch.setattr(registry, "INDEX", root / "index.json")
    registry.INDEX.write_text(registry.make_index())
    registry.shared.cache_clear()
    yield root
    registry.shared.cache_clear()


@pytest.fixture
def picture(photo, tmp_path):
    """The path of a PNG file, 70 x 50 pixels."""
    path = tmp_path / "cup.png"
    Image.fromarray(photo[:50, :70]).save(path)
    return path


@pytest.fixture
def stream(picture, tiny_codec, tmp_path):
    """The path of the `.gtc` file of `picture` at quality 50, named otherwise."""
    path = tmp_path / "stream.gtc"
    path.write_bytes(tiny_codec.compress(picture, quality=50))
    return path


@pytest.fixture
def finished_run(tiny_codec, tmp_path):
    """Makes a run folder of a stage with the weights of `tiny_codec`, without training."""

    def make(stage):
        folder = tmp_path / f"run_{stage}"
        folder.mkdir()
        (folder / "config.json").write_text(config_file(tmp_path, stage).read_text())
        tiny_codec.model.save_weights(folder / "averaged.weights.h5")
        return folder

    return make
