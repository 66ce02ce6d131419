# SPDX-License-Identifier: Apache-2.0
"""LiteRT gives the integers of the NumPy reference, all of them, whatever the size and the thread."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import random_context, random_known, random_model, random_network, worst_network

from gan_tfc.entropy_models import lite_graph
from gan_tfc.entropy_models.lite_networks import LiteContextNetwork, lite_contexts

try:
    INTERPRETER, SCHEMA = lite_graph.litert()
except ImportError:
    pytest.skip("needs ai-edge-litert, or TensorFlow to be imported", allow_module_level=True)

SIZES = [(1, 1), (1, 7), (5, 1), (36, 48), (17, 90)]


def assert_same(network, lite, context, known):
    features, *first = network.first(context)
    mixed, *lite_first = lite.first(context)
    compared = 0
    for one, other in zip(
        [*first, *network.second(features, known)], [*lite_first, *lite.second(mixed, known)], strict=True
    ):
        np.testing.assert_array_equal(one, other)
        compared += one.size
    return compared


@pytest.mark.parametrize("make", [random_network, worst_network])
@pytest.mark.parametrize("features", [24, 28, 36])
def test_lite_networks_give_the_integers_of_the_reference(rng, make, features):
    network = make(rng, features)
    lite = LiteContextNetwork(network, INTERPRETER, SCHEMA)
    for size in SIZES:
        assert_same(network, lite, random_context(rng, *size), random_known(rng, *size))
    assert assert_same(network, lite, random_context(rng, 160, 200), random_known(rng, 160, 200)) > 10**6


def test_results_stay_when_the_network_runs_again(rng):
    lite = LiteContextNetwork(random_network(rng), INTERPRETER, SCHEMA)
    context, other = random_context(rng, 8, 8), random_context(rng, 8, 8)
    results = lite.first(context)
    before = [x.copy() for x in results]
    lite.first(other)
    lite.first(random_context(rng, 3, 9))
    for one, two in zip(results, before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_threads_do_not_disturb_each_other(rng):
    network = random_network(rng, 24)
    lite = LiteContextNetwork(network, INTERPRETER, SCHEMA)
    inputs = [(random_context(rng, 20, 9 + i % 3), random_known(rng, 20, 9 + i % 3)) for i in range(24)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda pair: assert_same(network, lite, *pair), inputs))


def test_without_litert_the_reference_runs(rng, monkeypatch):
    def refuse(name, *args, **kwargs):
        raise ImportError(name)

    lite_graph.litert.cache_clear()
    monkeypatch.setattr(lite_graph.importlib, "import_module", refuse)
    model = random_model(rng)
    assert lite_contexts(model) is model
    monkeypatch.undo()
    lite_graph.litert.cache_clear()


def test_tensorflow_carries_the_same_runtime(rng, monkeypatch):
    pytest.importorskip("tensorflow.lite.python.interpreter")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)  # as if not installed
    lite_graph.litert.cache_clear()
    interpreter, schema = lite_graph.litert()
    monkeypatch.undo()
    lite_graph.litert.cache_clear()
    assert interpreter.__module__.startswith("tensorflow")
    network = random_network(rng, 24)
    lite = LiteContextNetwork(network, interpreter, schema)
    assert_same(network, lite, random_context(rng, 36, 48), random_known(rng, 36, 48))


def test_the_first_interpreter_is_silent():
    pytest.importorskip("ai_edge_litert")
    code = "from gan_tfc.entropy_models.lite_graph import litert; litert()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
