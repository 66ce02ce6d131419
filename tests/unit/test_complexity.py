# SPDX-License-Identifier: Apache-2.0
"""Sizes and costs of `photo_mobile`, counted while the network runs and not from its own report."""

import math

import keras
import numpy as np
import pytest

from gan_tfc.layers.integer_conv import IntegerConv2D
from gan_tfc.models.complexity import complexity
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.training.config import load_config


@pytest.fixture(scope="module")
def photo_mobile():
    model = WaveletCodec(**load_config("photo_mobile_contexts").model)
    model.build()
    return model


@pytest.fixture(scope="module")
def counted(photo_mobile):
    """Multiply-accumulates a pixel of the convolutions that run on a 128x128 picture."""
    totals = {"contexts": 0, "synthesis": 0}

    def counting(kind, original):
        def call(layer, x, *args, **kwargs):
            out = original(layer, x, *args, **kwargs)
            _, height, width, filters = out.shape
            side = layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[0]
            totals[kind] += height * width * filters * side**2 * x.shape[-1]
            return out

        return call

    with pytest.MonkeyPatch.context() as patch:
        for kind, layer in (("contexts", IntegerConv2D), ("synthesis", keras.layers.Conv2D)):
            patch.setattr(layer, "call", counting(kind, layer.call))
        image = np.zeros((1, 128, 128, 3), np.uint8)
        photo_mobile({"image": image, "step_code": np.array([900])})
    return {kind: total / 128**2 for kind, total in totals.items()}


def test_context_networks_cost_at_most_5000_multiplications_a_pixel(counted):
    assert 1000 < counted["contexts"] <= 5000


def test_the_synthesis_network_costs_at_most_8000_multiplications_a_pixel(counted):
    assert 1000 < counted["synthesis"] <= 8000


def test_all_parameters_together_are_at_most_a_million(photo_mobile):
    parameters = sum(math.prod(weight.shape) for weight in photo_mobile.trainable_weights)
    assert 10_000 < parameters <= 1_000_000
    assert complexity(photo_mobile)["parameters"] == parameters


def test_the_report_says_what_was_counted(photo_mobile, counted):
    report = complexity(photo_mobile)
    # Rounded to three decimals of a thousand; their sum is rounded once more.
    assert report["context_kmac_per_pixel"] == pytest.approx(counted["contexts"] / 1000, abs=5e-4)
    assert report["synthesis_kmac_per_pixel"] == pytest.approx(counted["synthesis"] / 1000, abs=5e-4)
    assert report["kmac_per_pixel"] == pytest.approx(sum(counted.values()) / 1000, abs=5e-4)


def test_both_training_stages_describe_the_same_model(photo_mobile):
    synthesis = load_config("photo_mobile_synthesis").model
    for name, value in synthesis.items():
        ours = photo_mobile.get_config()[name]
        assert (list(ours) if isinstance(ours, tuple) else ours) == value, name
