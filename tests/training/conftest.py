# SPDX-License-Identifier: Apache-2.0
"""Fixtures of training tests."""

import keras
import pytest


@pytest.fixture
def eager():
    """Steps run without being compiled first, which for a few steps takes longer than they do."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
