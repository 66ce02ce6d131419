# SPDX-License-Identifier: Apache-2.0
"""The beginning of a stream is a small picture."""

import numpy as np
import pytest
from skimage import data as photos

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.coding import container
from gan_tfc.coding.scan import section_of
from gan_tfc.stream_codec import PREVIEW_SCALES

#: Sections that a preview needs; the coarsest levels share one.
SECTIONS = {1: 4, 2: 3, 4: 2, 8: 1, 16: 1, 32: 1, 64: 1}


@pytest.fixture(scope="module")
def stream(tiny_codec):
    return tiny_codec.compress(photos.coffee()[:200, :333], 60)


def prefix(data, scale):
    """Just the bytes that a preview needs."""
    header, _ = container.parse_header(data)
    return data[: container.prefix_length(header, SECTIONS[scale])]


def box_downscaled(image, scale):
    """Means of `scale` x `scale` blocks centred on every `scale`-th pixel, as previews are."""
    height, width = (side // scale for side in image.shape[:2])
    padded = np.pad(image, ((scale // 2, 0), (scale // 2, 0), (0, 0)), "symmetric")
    blocks = padded[: height * scale, : width * scale]
    return blocks.reshape(height, scale, width, scale, 3).mean((1, 3))


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean(np.square(a.astype(float) - b)))


def test_the_sections_are_those_that_the_scan_uses():
    assert {s: section_of(i) + 1 for i, s in enumerate(PREVIEW_SCALES)} == SECTIONS


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 33), (65, 257)])
@pytest.mark.parametrize("scale", PREVIEW_SCALES)
def test_a_preview_has_the_size_of_the_picture_divided_and_rounded_up(tiny_codec, size, scale):
    data = tiny_codec.compress(photos.coffee()[: size[0], : size[1]], 20)
    small = tiny_codec.preview(data, scale)
    assert small.dtype == np.uint8
    assert small.shape == (-(-size[0] // scale), -(-size[1] // scale), 3)


@pytest.mark.parametrize("scale", PREVIEW_SCALES)
def test_the_prefix_gives_the_same_preview_as_the_whole_stream(tiny_codec, stream, scale):
    part = prefix(stream, scale)
    expected = tiny_codec.preview(stream, scale)
    np.testing.assert_array_equal(tiny_codec.preview(part, scale), expected)
    with pytest.raises(gan_tfc.TruncatedStreamError):
        tiny_codec.preview(part[:-1], scale)


def test_eight_is_the_default_scale(tiny_codec, stream):
    np.testing.assert_array_equal(tiny_codec.preview(stream), tiny_codec.preview(stream, 8))


@pytest.mark.parametrize("scale", PREVIEW_SCALES)
def test_of_a_file_only_the_prefix_is_read(tiny_zoo, tiny_codec, stream, scale, tmp_path):
    path = tmp_path / "photo.gtc"
    path.write_bytes(prefix(stream, scale))  # there is no more to read
    expected = tiny_codec.preview(stream, scale)
    np.testing.assert_array_equal(gan_tfc.preview(path, scale), expected)
    np.testing.assert_array_equal(gan_tfc.preview(str(path), scale), expected)
    np.testing.assert_array_equal(gan_tfc.preview(stream, scale), expected)


def test_damage_behind_the_prefix_does_not_matter(tiny_codec, stream):
    part = prefix(stream, 8)
    damaged = part + bytes(byte ^ 0x55 for byte in stream[len(part) :])
    np.testing.assert_array_equal(tiny_codec.preview(damaged, 8), tiny_codec.preview(stream, 8))


@pytest.mark.parametrize("scale", PREVIEW_SCALES[1:])
def test_a_preview_is_the_decoded_picture_in_small(tiny_codec, stream, scale):
    # At scale 1 a preview is the decoded picture without the correction of the synthesis network,
    # whose weights are random here.
    expected = box_downscaled(tiny_codec.preview(stream, 1), scale)
    height, width = expected.shape[:2]
    small = tiny_codec.preview(stream, scale)[:height, :width]
    # The wavelet's low pass filter is longer and sharper than a block's mean, so the two differ at
    # edges: by 30 to 39 dB here, where a picture moved by one pixel reaches 25 dB.
    assert 29 < psnr(small, expected) < 41
    assert psnr(np.roll(small, 1, axis=1), expected) < 26


@pytest.mark.parametrize("scale", [0, 3, 128, -8, 2.5, None])
def test_other_scales_are_refused(tiny_codec, stream, scale):
    with pytest.raises(gan_tfc.GanTfcError, match="Expected a scale among 1, 2, 4, 8, 16, 32, 64"):
        tiny_codec.preview(stream, scale)


def test_a_codec_with_fewer_levels_refuses_scales_that_it_has_not():
    from gan_tfc.models.wavelet_codec import WaveletCodec

    model = WaveletCodec(features=(4, 4, 4), synthesis_features=8, synthesis_blocks=1)
    model.build()
    shallow = Codec(model, "shallow", 1)
    shallow.freeze_tables(None)
    data = shallow.compress(photos.coffee()[:20, :20])
    assert shallow.preview(data, 8).shape == (3, 3, 3)
    with pytest.raises(gan_tfc.GanTfcError, match="up to 8"):
        shallow.preview(data, 16)
