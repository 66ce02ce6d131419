# SPDX-License-Identifier: Apache-2.0
"""Every released preset proves itself: files, golden streams, listing, and what its card promises."""

import json

import numpy as np
import pytest
from skimage import data

import gan_tfc
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.zoo import golden, registry
from gan_tfc.zoo.preset import check_hashes

RELEASED = [f"{name}@{v}" for name, versions in registry.available().items() for v in versions]
ENGINES = ["portable", pytest.param("tfc", marks=pytest.mark.tfc)]


def test_the_zoo_is_not_empty():
    assert "photo_mobile@1" in RELEASED


def test_index_lists_every_preset_as_its_folder_describes_it():
    assert registry.INDEX.read_text() == registry.make_index()
    listed = [f"{record['name']}@{record['version']}" for record in gan_tfc.list_presets()]
    assert listed == RELEASED


@pytest.mark.parametrize("name", RELEASED)
def test_files_have_the_hashes_of_the_metadata(name):
    metadata = check_hashes(registry.find(name))
    assert set(metadata["sha256"]) == {"config.json", "model.weights.h5", "tables.npz"}
    assert f"{metadata['name']}@{metadata['version']}" == name


@pytest.mark.parametrize("name", RELEASED)
def test_preset_builds_its_class_and_stays_within_what_its_metadata_says(name):
    codec = gan_tfc.load(name)
    metadata = json.loads((registry.find(name) / registry.METADATA).read_text())
    assert type(codec.model) is WaveletCodec
    assert codec.frozen.digest.hex() == metadata["tables_digest"]
    if name.startswith("photo_mobile@"):
        assert metadata["context_kmac_per_pixel"] <= 5
        assert metadata["synthesis_kmac_per_pixel"] <= 8
        assert metadata["parameters"] <= 1_000_000


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", RELEASED)
def test_golden_streams_decode_to_the_same_symbols_for_ever(name, engine):
    codec = gan_tfc.load(name, engine=engine)
    assert golden.check_golden(codec, registry.find(name) / "golden") == []


@pytest.mark.parametrize("name", RELEASED)
def test_card_names_the_licence_the_sources_and_the_measured_points(name):
    folder = registry.find(name)
    metadata = json.loads((folder / registry.METADATA).read_text())
    card = (folder / "README.md").read_text()
    assert metadata["licence"]["weights"] in card
    assert metadata["training"]["photos"] > 0 and metadata["training"]["commands"][0] in card
    assert len(metadata["measured"]) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_photo_mobile_1_is_as_good_as_it_was_released_on_a_photo_it_has_not_seen(engine):
    image = data.astronaut()
    codec = gan_tfc.load("photo_mobile@1", engine=engine)
    stream = codec.compress(image, quality=28)
    decoded = gan_tfc.decompress(stream)
    np.testing.assert_array_equal(decoded, codec.reconstruct(image, quality=28))
    # Measured on release: 10,023 bytes, 31.56 dB. Another machine's floats may choose a few other
    # symbols, and convolutions round otherwise: far below these bounds.
    assert len(stream) == pytest.approx(10_023, rel=0.002)
    assert psnr(image, decoded) == pytest.approx(31.56, abs=0.02)
