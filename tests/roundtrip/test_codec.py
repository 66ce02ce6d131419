# SPDX-License-Identifier: Apache-2.0
"""A picture goes into a stream and comes out as the encoder foresaw, on either range coder."""

import numpy as np
import pytest
from PIL import Image
from skimage import data as photos

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.coding import container, steps

SIZES = [(1, 1), (1, 7), (17, 33), (64, 64), (65, 257), (200, 300)]
QUALITIES = [1, 37.3, 50, 100]
ENGINES = ["portable", pytest.param("tfc", marks=pytest.mark.tfc)]


def picture(height, width):
    """A real photograph of any size."""
    return photos.coffee()[100 : 100 + height, 100 : 100 + width].copy()


def with_engine(codec, engine):
    """The same codec on another range coder."""
    other = Codec(codec.model, codec.name, codec.version, codec.frozen, engine)
    other._pixel_decoder = codec._pixel_decoder  # compiled once for all tests
    return other


@pytest.fixture(scope="module", params=ENGINES)
def codec(request, tiny_codec):
    tiny_codec.decompress(tiny_codec.compress(picture(8, 8)))  # compiles the synthesis network
    return with_engine(tiny_codec, request.param)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_a_decompressed_picture_is_what_the_encoder_foresaw_pixel_for_pixel(codec, size):
    image = picture(*size)
    for quality in QUALITIES:
        decoded = codec.decompress(codec.compress(image, quality))
        assert decoded.dtype == np.uint8 and decoded.shape == image.shape
        np.testing.assert_array_equal(decoded, codec.reconstruct(image, quality))


@pytest.mark.parametrize("name", ["photo", "portrait"])
def test_photographs_survive_at_every_quality(codec, name, request):
    image = request.getfixturevalue(name)
    errors = []
    for quality in QUALITIES:
        data = codec.compress(image, quality)
        np.testing.assert_array_equal(codec.decompress(data), codec.reconstruct(image, quality))
        # Without the synthesis network, whose weights are random here.
        base = codec.preview(data, scale=1).astype(float)
        errors.append(np.mean(np.square(base - image)))
    assert errors == sorted(errors, reverse=True)
    # The quantiser trades a step squared for 9 bits, and with random contexts a symbol that was not
    # expected takes up to 20: 2.2 steps squared lost at worst, where plain rounding loses 1/12.
    for quality, error in zip(QUALITIES, errors, strict=True):
        assert error < 2.2 * (255 * steps.step_size(steps.quality_to_code(quality))) ** 2


@pytest.mark.tfc
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_both_range_coders_write_the_same_bytes_and_read_each_other(tiny_codec, size):
    portable, tfc = (with_engine(tiny_codec, engine) for engine in ("portable", "tfc"))
    for quality in QUALITIES:
        data = portable.compress(picture(*size), quality)
        assert tfc.compress(picture(*size), quality) == data
        np.testing.assert_array_equal(tfc.decompress(data), portable.decompress(data))


def test_the_symbols_of_a_stream_are_the_same_on_both_coders_and_in_a_second_decoding(codec, photo):
    data = codec.compress(photo, 60)
    steps_read = codec.symbols(data)
    assert [step.level for step in steps_read] == [6, 5, 4, 3, 2, 1, 0]
    for step, again in zip(steps_read, with_engine(codec, "portable").symbols(data), strict=True):
        np.testing.assert_array_equal(step.picture, again.picture)
        np.testing.assert_array_equal(step.values, again.values)


def test_an_array_a_pil_image_and_a_path_give_equal_bytes(tiny_codec, photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    expected = tiny_codec.compress(photo)
    for source in (Image.fromarray(photo), path, str(path)):
        assert tiny_codec.compress(source) == expected


def test_quality_50_is_the_default(tiny_codec, photo):
    assert tiny_codec.compress(photo) == tiny_codec.compress(photo, 50)


@pytest.mark.parametrize("quality", [0.99, 100.01, -5, float("nan"), float("inf"), "high"])
def test_a_quality_outside_1_to_100_is_refused(tiny_codec, photo, quality):
    with pytest.raises(gan_tfc.GanTfcError, match="quality"):
        tiny_codec.compress(photo, quality)


def test_fractional_qualities_lie_between_whole_ones(tiny_codec, photo):
    codes = [
        container.parse_header(tiny_codec.compress(photo, quality))[0].step_code
        for quality in (40, 40.25, 40.5, 41)
    ]
    assert codes == sorted(codes, reverse=True) and len(set(codes)) == 4


@pytest.mark.parametrize("realism", [-0.1, 1.1, float("nan")])
def test_a_realism_outside_0_to_1_is_refused(tiny_codec, photo, realism):
    data = tiny_codec.compress(photo)
    with pytest.raises(gan_tfc.GanTfcError, match="realism from 0 to 1"):
        tiny_codec.decompress(data, realism=realism)


def test_info_says_what_the_header_says_and_counts_every_byte(tiny_codec):
    data = tiny_codec.compress(picture(65, 257), 37.5)
    found = gan_tfc.info(data)
    assert (found["preset"], found["version"]) == ("tiny", 1)
    assert (found["width"], found["height"]) == (257, 65)
    assert found["quality"] == pytest.approx(37.5, abs=0.04)  # 1602 codes for 99 qualities
    assert found["step"] == steps.step_size(steps.quality_to_code(37.5))
    assert found["bytes"] == len(data) == sum(found["sections"].values())
    assert found["bpp"] == 8 * len(data) / (65 * 257)
    lengths = container.parse_header(data)[0].section_lengths
    assert list(found["sections"]) == ["header", "scale 1/8", "scale 1/4", "scale 1/2", "scale 1"]
    assert tuple(found["sections"].values())[1:] == lengths


def test_info_needs_no_preset_and_takes_a_path(tiny_codec, photo, tmp_path):
    data = tiny_codec.compress(photo)
    path = tmp_path / "photo.gtc"
    path.write_bytes(data)
    # The zoo that ships has no preset "tiny".
    assert gan_tfc.info(path) == gan_tfc.info(str(path)) == gan_tfc.info(data)


def test_decompress_finds_the_preset_that_the_stream_names(tiny_zoo, tiny_codec, photo, tmp_path):
    data = tiny_codec.compress(photo, 30)
    path = tmp_path / "photo.gtc"
    path.write_bytes(data)
    expected = tiny_codec.decompress(data)
    np.testing.assert_array_equal(gan_tfc.decompress(data), expected)
    np.testing.assert_array_equal(gan_tfc.decompress(path), expected)


def test_a_missing_file_is_an_error_in_one_sentence(tmp_path):
    for function in (gan_tfc.decompress, gan_tfc.preview, gan_tfc.info):
        with pytest.raises(gan_tfc.GanTfcError, match=r"none\.gtc: No such file"):
            function(tmp_path / "none.gtc")


def test_a_codec_that_was_not_frozen_refuses_streams_both_ways(tiny_codec, photo):
    data = tiny_codec.compress(photo)
    unfrozen = Codec(tiny_codec.model, "tiny", 1)
    calls = [
        lambda: unfrozen.compress(photo),
        lambda: unfrozen.reconstruct(photo),
        lambda: unfrozen.decompress(data),
        lambda: unfrozen.preview(data),
        lambda: unfrozen.symbols(data),
    ]
    for call in calls:
        with pytest.raises(gan_tfc.NotFrozenError, match=r"call freeze_tables\(\)"):
            call()


def test_a_codec_with_other_tables_refuses_the_stream(tiny_codec, photo):
    data = tiny_codec.compress(photo)
    bias = tiny_codec.model.networks[0].second_head.bias
    before = np.array(bias)
    try:
        bias.assign(before + 2**-11)  # two units in the last place of one layer
        other = Codec(tiny_codec.model, "tiny", 1)
        other.freeze_tables(None)
    finally:
        bias.assign(before)
    with pytest.raises(gan_tfc.TablesMismatchError, match="tiny@1.*decode it with the codec"):
        other.decompress(data)
    with pytest.raises(gan_tfc.TablesMismatchError):
        other.preview(data)


def test_freezing_twice_gives_the_same_tables(tiny_codec):
    again = Codec(tiny_codec.model, "tiny", 1)
    again.freeze_tables(None)
    assert again.frozen.digest == tiny_codec.frozen.digest


def test_tables_fitted_to_photos_code_them_in_fewer_bytes(tiny_codec, photo, portrait, tmp_path):
    images = [photo[:128, :128], portrait[:128, :128]]
    fitted = Codec(tiny_codec.model, "tiny", 1)
    fitted.freeze_tables(images)

    def total(codec):
        # What two photos are fitted at: one of them at the finest step, one at the coarsest.
        return sum(len(codec.compress(image, quality)) for image in images for quality in (1, 100))

    # Random contexts assume a density that fits nothing: the least that counting must save.
    assert total(fitted) < 0.95 * total(tiny_codec)
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    from_folder = Codec(tiny_codec.model, "tiny", 1)
    from_folder.freeze_tables(tmp_path)
    assert from_folder.frozen.digest == fitted.frozen.digest
