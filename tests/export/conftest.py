# SPDX-License-Identifier: Apache-2.0
"""Bundles that several tests use, made once."""

from unittest import mock

import pytest


@pytest.fixture(scope="session")
def photo_codec():
    """The newest `photo_mobile`; not to be trained."""
    pytest.importorskip("tensorflow", reason="needs tensorflow (extra tf or tfc)")
    import gan_tfc

    return gan_tfc.load("photo_mobile")


@pytest.fixture(scope="session")
def bundle_of(photo_codec, tmp_path_factory):
    """(format, precision) -> the bundle of `photo_codec`, without the measurements of its card."""
    found = {}

    def make(format, precision="float32"):
        if (format, precision) not in found:
            for package in {"tflite": ["ai_edge_litert"], "onnx": ["tf2onnx", "onnxruntime"]}[format]:
                pytest.importorskip(package, reason=f"needs {package} (extra export)")
            folder = tmp_path_factory.mktemp("bundles") / f"{format}-{precision}"
            with mock.patch("gan_tfc.export.bundle.bundle_card", return_value=""):
                photo_codec.export(folder, format, precision)
            found[format, precision] = folder
        return found[format, precision]

    return make
