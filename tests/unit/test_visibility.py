# SPDX-License-Identifier: Apache-2.0
"""Where errors are seen, and what the encoder makes of it."""

import numpy as np
import pytest
from skimage import data

import gan_tfc
from gan_tfc import cli
from gan_tfc.coding.lifting import picture_bands
from gan_tfc.coding.visibility import COARSER, MIDDLE, rate_factors
from gan_tfc.encoder import TUNES, ImageEncoder
from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.metrics import psnr
from gan_tfc.evaluation.ms_ssim import ms_ssim


def factors_of(picture, levels=4, **constants):
    return rate_factors(picture_bands(picture, levels)[1], **constants)


def test_there_is_a_factor_for_each_place_of_each_level(photo):
    assert [factor.shape for factor in factors_of(photo)] == [(96, 128), (48, 64), (24, 32), (12, 16)]
    assert all(factor.dtype == np.float32 for factor in factors_of(photo))


def test_in_a_smooth_picture_bits_weigh_least_and_in_a_busy_one_most(rng):
    smooth = np.full((64, 64, 3), 99, np.uint8)
    busy = rng.integers(256, size=(64, 64, 1), dtype=np.uint8).repeat(3, 2)
    assert all((factor == np.float32(29 / MIDDLE)).all() for factor in factors_of(smooth))
    assert (factors_of(busy)[0] == 3).all()


def test_variance_is_that_of_grey_levels_at_each_scale(rng):
    noise = 128 + 20 * rng.standard_normal((512, 512, 1))
    picture = np.clip(np.round(noise), 0, 255).astype(np.uint8).repeat(3, 2)
    # White noise of variance 400 has a quarter of it after each halving, and three quarters of what a
    # scale has lie in its own details.
    own = [300 / 4**level for level in range(4)]
    expected = [sum(x * COARSER**i for i, x in enumerate(own[level:])) for level in range(4)]
    for level, factor in enumerate(factors_of(picture)[:3]):
        variance = factor.astype(np.float64).mean() * MIDDLE - 29
        # 9/7 is not quite orthonormal, by some percent a level; a wrong scale is off by two or more.
        assert variance == pytest.approx(expected[level], rel=0.25), level


def test_colour_alone_hides_nothing():
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[::2, :, 0] += 60  # of equal luma: red against blue
    picture[::2, :, 2] -= 60
    assert factors_of(picture)[0].max() < 0.1


def test_coarser_texture_hides_errors_by_its_share(photo):
    alone, half = (factors_of(photo, coarser=share)[0] for share in (0.0, COARSER))
    assert (half >= alone).all() and half.mean() > 1.1 * alone.mean()


def test_factors_of_one_change_nothing(tiny_codec, photo):
    plain, weighed = (ImageEncoder(tiny_codec, photo) for _ in range(2))
    weighed.factors = [np.ones(details.shape[:2], np.float32) for details in weighed.details]
    assert plain.encode(900) == weighed.encode(900)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_at_equal_bytes_pictures_are_more_alike_for_a_little_psnr(name):
    codec, image = gan_tfc.load("photo_mobile@3"), getattr(data, name)()[:320, 100:420]
    streams = {tune: codec.compress(image, target_bpp=0.3, tune=tune) for tune in TUNES}
    decoded = {tune: gan_tfc.decompress(stream, realism=0) for tune, stream in streams.items()}
    assert len(streams["visual"]) == pytest.approx(len(streams["psnr"]), rel=0.02)
    alike, ratio = ({tune: f(image, x) for tune, x in decoded.items()} for f in (ms_ssim, psnr))
    assert alike["visual"] > alike["psnr"]
    assert ratio["psnr"] - 1 < ratio["visual"] < ratio["psnr"]


def test_what_the_encoder_foresees_is_what_comes_out(tiny_codec, photo):
    stream = tiny_codec.compress(photo, 40, tune="visual")
    assert stream != tiny_codec.compress(photo, 40)
    foreseen = tiny_codec.reconstruct(photo, 40, tune="visual")
    np.testing.assert_array_equal(tiny_codec.decompress(stream), foreseen)


def test_another_tune_is_refused_with_the_names(tiny_codec, photo):
    with pytest.raises(GanTfcError, match="tune to be one of psnr, visual, received 'ssim'"):
        tiny_codec.compress(photo, tune="ssim")


def test_the_program_knows_the_same_tunes():
    assert cli._TUNES == TUNES
