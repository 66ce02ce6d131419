# SPDX-License-Identifier: Apache-2.0
"""Fixtures of training tests."""

import sys
import types

import keras
import numpy as np
import pytest


def run_eagerly():
    """Steps run without being compiled first, which for a few steps takes longer than they do."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


eager = pytest.fixture(run_eagerly)
eager_module = pytest.fixture(run_eagerly, scope="module")


@pytest.fixture(scope="session")
def photos():
    """Six real photographs of 96 x 80 pixels."""
    from skimage import data

    images = data.coffee(), data.astronaut(), data.chelsea()
    return [np.ascontiguousarray(image[top : top + 96, 100:180]) for image in images for top in (20, 150)]


class FakeWandbRun:
    """As much of a `wandb.Run` as is used; `logged`, `axes` and `exit_code` tell what became of it."""

    def __init__(self, id, **options):
        self.id, self.options = id or "new", options
        self.logged, self.axes, self.exit_code = [], {}, None

    def log(self, values):
        assert self.exit_code is None, "logged after the end"
        self.logged.append(values)

    def define_metric(self, name, step_metric):
        self.axes[name] = step_metric

    def finish(self, exit_code=0):
        self.exit_code = exit_code


@pytest.fixture
def wandb(monkeypatch):
    """Stands in for the package of that name; `runs` are those that were begun."""
    module = types.ModuleType("wandb")
    module.run, module.runs, module.Error = None, [], type("Error", (Exception,), {})

    def init(id=None, **options):
        module.runs.append(FakeWandbRun(id, **options))
        return module.runs[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module
