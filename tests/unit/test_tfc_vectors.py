# SPDX-License-Identifier: Apache-2.0
"""Streams of the full tensorflow-compression 2.14.1, made by benchmarks/make_tfc_vectors.py."""

import pathlib

import numpy as np
import pytest

from gan_tfc.coding.tables import CodingTables
from gan_tfc.entropy_models.tfc_coder import make_coder

VECTORS = np.load(pathlib.Path(__file__).parents[1] / "vectors" / "tfc_2_14_1.npz")
NAMES = sorted({key.partition(".")[0] for key in VECTORS})
ENGINES = ["portable", pytest.param("tfc", marks=pytest.mark.tfc)]


def vector(name):
    return {key.partition(".")[2]: VECTORS[key] for key in VECTORS if key.startswith(name + ".")}


@pytest.mark.parametrize("name", NAMES)
def test_symbols_are_the_rounded_difference_from_the_mean(name):
    case = vector(name)
    np.testing.assert_array_equal(np.rint(case["bottleneck"] - case["loc"]), case["symbols"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_streams_equal_those_of_tensorflow_compression(name, engine):
    case = vector(name)
    encoder = make_coder(CodingTables.load(case), engine).encoder()
    encoder.encode(case["symbols"], case["rows"])
    assert encoder.finish() == case["stream"].tobytes()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_streams_of_tensorflow_compression_are_decoded(name, engine):
    case = vector(name)
    decoder = make_coder(CodingTables.load(case), engine).decoder(case["stream"].tobytes())
    np.testing.assert_array_equal(decoder.decode(case["rows"]), case["symbols"])


def test_the_vectors_hold_escapes_on_both_sides():
    case = vector("indexed_escapes")
    tables = CodingTables.load(case)
    index, rows = tables.indexes(case["symbols"], case["rows"])
    assert (index < 0).any() and (index >= tables.escape_index()[rows]).any()
