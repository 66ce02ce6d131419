# SPDX-License-Identifier: Apache-2.0
"""Streams of a wanted size or fidelity."""

import math

import numpy as np
import pytest

from gan_tfc import GanTfcError, TargetError
from gan_tfc.coding import container
from gan_tfc.coding.steps import COARSEST_CODE, FINEST_CODE
from gan_tfc.rate_control import fit_bytes


@pytest.fixture(scope="module")
def image():
    from skimage import data

    return data.coffee()[100:196, 150:278].copy()


@pytest.fixture(scope="module")
def sizes(tiny_codec, image):
    """Bytes at quality 1 and at quality 100."""
    return len(tiny_codec.compress(image, 1)), len(tiny_codec.compress(image, 100))


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean(np.square(a.astype(float) - b)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_max_bytes_is_kept_and_nearly_used_up(tiny_codec, image, sizes, share):
    smallest, largest = sizes
    limit = int(smallest + share * (largest - smallest))
    data = tiny_codec.compress(image, max_bytes=limit)
    # A search ends within 1 %, or on the last of the steps, which are 0.3 % of the step apart.
    assert 0.97 * limit <= len(data) <= limit


def test_exactly_the_bytes_of_quality_1_are_enough(tiny_codec, image, sizes):
    assert len(tiny_codec.compress(image, max_bytes=sizes[0])) <= sizes[0]


def test_more_bytes_than_quality_100_takes_give_quality_100(tiny_codec, image, sizes):
    expected = tiny_codec.compress(image, 100)
    assert tiny_codec.compress(image, max_bytes=sizes[1]) == expected
    assert tiny_codec.compress(image, max_bytes=10**9) == expected


def test_a_target_bpp_is_a_number_of_bytes(tiny_codec, image, sizes):
    limit = sum(sizes) // 2
    bpp = (8 * limit + 0.5) / image[..., 0].size  # rounds down to the limit
    assert tiny_codec.compress(image, target_bpp=bpp) == tiny_codec.compress(image, max_bytes=limit)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_min_psnr_is_reached_and_hardly_exceeded(tiny_codec, image, share):
    worst, best = (psnr(tiny_codec.reconstruct(image, quality), image) for quality in (1, 100))
    target = worst + share * (best - worst)
    reached = psnr(tiny_codec.decompress(tiny_codec.compress(image, min_psnr=target)), image)
    # Steps are 6.02 / 256 = 0.024 dB apart, and a search ends within 0.02 dB; the rest allows for
    # the curve, which is not quite monotone from one step to the next.
    assert target <= reached < target + 0.1


def test_a_psnr_that_quality_1_exceeds_gives_quality_1(tiny_codec, image):
    data = tiny_codec.compress(image, min_psnr=5)
    assert container.parse_header(data)[0].step_code == COARSEST_CODE


def test_unreachable_targets_are_refused_with_what_can_be_reached(tiny_codec, image, sizes):
    with pytest.raises(TargetError, match=f"takes {sizes[0]} bytes .* received {sizes[0] - 1} "):
        tiny_codec.compress(image, max_bytes=sizes[0] - 1)
    with pytest.raises(TargetError, match="received 0 bytes"):
        tiny_codec.compress(image, target_bpp=0.0001)
    with pytest.raises(TargetError, match=r"quality 100 can reach, .* received 99 dB"):
        tiny_codec.compress(image, min_psnr=99)


@pytest.mark.parametrize("name", ["max_bytes", "target_bpp", "min_psnr"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "20"])
def test_a_target_that_is_no_finite_number_is_refused(tiny_codec, image, name, value):
    with pytest.raises(GanTfcError, match=f"Expected {name} to be a finite number"):
        tiny_codec.compress(image, **{name: value})


@pytest.mark.parametrize("other", [{"max_bytes": 9000}, {"target_bpp": 1}, {"min_psnr": 30}])
def test_two_targets_are_refused(tiny_codec, image, other):
    with pytest.raises(GanTfcError, match=f"received quality and {next(iter(other))}; leave out"):
        tiny_codec.compress(image, 50, **other)


class Curve:
    """An encoder whose stream at a step code has a size by formula; counts its streams."""

    def __init__(self, size):
        self.size = size
        self.streams = 0

    def encode(self, code):
        self.streams += 1
        return bytes(int(self.size(code)))


@pytest.mark.parametrize(
    ("name", "size", "most"),
    [
        ("as photos have it", lambda code: 500 + 2e5 * 2 ** (-code / 256), 8),
        ("flat, then steep", lambda code: 60 + 1e6 * math.exp((150 - code) / 100), 16),
        ("nearly a step", lambda code: 1000 + 99_000 / (1 + math.exp((code - 1700) / 5)), 40),
        ("wavy", lambda code: 2e5 * 2 ** (-code / 256) * (1 + 0.02 * math.sin(code * 7.3)), 16),
    ],
)
def test_a_size_is_found_in_few_tries_on_any_curve(name, size, most):
    sizes = [int(size(code)) for code in range(FINEST_CODE, COARSEST_CODE + 1)]
    for limit in np.geomspace(sizes[-1] + 1, sizes[0] - 1, 40).astype(int):
        curve = Curve(size)
        found = len(fit_bytes(curve, int(limit)))
        best = max(s for s in sizes if s <= limit)
        # Within 1 % of the limit, or next to it on the curve; waves of 2 % may hide the best.
        assert 0.96 * min(best, 0.99 * limit) <= found <= limit
        assert curve.streams <= most
