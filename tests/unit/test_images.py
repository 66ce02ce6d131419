# SPDX-License-Identifier: Apache-2.0
"""Every kind of picture becomes the uint8 RGB that a viewer would show, or a clear error."""

import io
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gan_tfc import pil_images
from gan_tfc.errors import ImageError
from gan_tfc.images import ImageWarning, picture_size, read_image, write_image


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch):
    monkeypatch.setattr(pil_images, "_warned", set())


@pytest.fixture(scope="module")
def colours():
    """Random RGB, `(5, 7, 3)`: an odd size, no symmetry."""
    return np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(image, file_format, **options):
    """The picture as a file object, at its start."""
    file = io.BytesIO()
    image.save(file, format=file_format, **options)
    file.seek(0)
    return file


def swapped_profile():
    """An ICC profile: sRGB with the red and the green primary exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"swap").replace(b"gXYZ", b"rXYZ").replace(b"swap", b"gXYZ")


def linear_grey_profile():
    """The smallest ICC profile of a grey space with gamma 1."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    body = tags + white + curve
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + white[8:] + bytes(48)
    return header + body


# --- arrays ---------------------------------------------------------------------------------


def test_a_uint8_rgb_array_is_returned_as_it_is(colours):
    assert read_image(colours) is colours


def test_the_result_is_contiguous(colours):
    image = read_image(colours[::-1, ::2])
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, colours[::-1, ::2])


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_a_grey_array_gets_three_equal_channels(colours, shape):
    grey = colours[..., 0]
    image = read_image(grey.reshape(shape))
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_a_uint16_array_is_scaled_by_257_and_rounded(dtype):
    values = np.array([[0, 128, 129, 257, 385, 386, 32768, 65406, 65407, 65535]], dtype)
    expected = [0, 0, 1, 1, 1, 2, 128, 254, 255, 255]  # 128 / 257 < 0.5 < 129 / 257
    image = read_image(values)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[0, :, 0], expected)


def test_an_array_with_alpha_is_flattened_on_white(colours):
    alpha = np.arange(35, dtype=np.uint8).reshape(5, 7, 1) * 7
    with pytest.warns(ImageWarning, match="transparency is not kept"):
        image = read_image(np.concatenate([colours, alpha], axis=-1))
    expected = colours * (alpha / 255) + 255 * (1 - alpha / 255)
    np.testing.assert_allclose(image, expected, atol=0.51)  # rounding to nearest


def test_what_has_an_array_inside_is_accepted(colours):
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return colours

    np.testing.assert_array_equal(read_image(Tensor()), colours)


def test_a_tensor_without_values_is_refused():
    class Symbolic:
        def __array__(self, dtype=None, copy=None):
            raise NotImplementedError("a symbolic tensor has no value")

    with pytest.raises(ImageError, match="Symbolic has no values"):
        read_image(Symbolic())


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 7, 3), np.float32), r"float32 came: .*\(image \* 255\)\.round\(\)"),
        (np.zeros((5, 7, 3), np.float16), "float16"),
        (np.zeros((5, 7, 3), np.int64), r"int64 came: .*image\.astype\('uint8'\)"),
        (np.zeros((5, 7, 3), np.uint32), "uint32"),
        (np.zeros((5, 7), bool), r"bool came: pass image\.astype\('uint8'\) \* 255"),
        (np.zeros((5, 7), object), "object"),
        (np.zeros((1, 5, 7, 3), np.uint8), r"\(1, 5, 7, 3\) came: pass image\[0\]"),
        (np.zeros((2, 5, 7, 3), np.uint8), r"\(2, 5, 7, 3\)"),
        (np.zeros((3, 5, 7), np.uint8), r"np\.moveaxis\(image, 0, -1\)"),
        (np.zeros((5, 7, 2), np.uint8), r"\(5, 7, 2\)"),
        (np.zeros((7,), np.uint8), r"\(7,\)"),
        (np.uint8(3), r"\(\)"),
        (np.zeros((0, 7, 3), np.uint8), "7 x 0 came"),
        (np.zeros((5, 0, 3), np.uint8), "0 x 5 came"),
        (np.zeros((1, 65537, 3), np.uint8), "65537 x 1 came"),
        # A view of one byte: nothing of this size is ever allocated.
        (np.broadcast_to(np.uint8(0), (16385, 16384, 3)), "16384 x 16385 came"),
    ],
)
def test_an_array_of_another_kind_is_refused_with_its_mend(array, words):
    with pytest.raises(ImageError, match=words):
        read_image(array)


@pytest.mark.parametrize("source", [None, 3, [[0, 1]], object()])
def test_what_is_no_picture_at_all_is_refused_by_its_type(source):
    with pytest.raises(ImageError, match=f"{type(source).__name__} came"):
        read_image(source)


def test_the_bytes_of_a_file_are_refused_with_their_mend(colours):
    data = encoded(Image.fromarray(colours), "PNG").read()
    with pytest.raises(ImageError, match=r"io\.BytesIO\(data\)"):
        read_image(data)
    np.testing.assert_array_equal(read_image(io.BytesIO(data)), colours)


# --- modes ----------------------------------------------------------------------------------


def test_rgb_comes_from_a_pil_image_a_path_and_a_file_object(tmp_path, colours):
    path = tmp_path / "photo.png"
    Image.fromarray(colours).save(path)
    with open(path, "rb") as file:
        for source in (Image.fromarray(colours), path, str(path), file):
            np.testing.assert_array_equal(read_image(source), colours)
        assert not file.closed


def test_a_stream_that_cannot_seek_is_read(colours):
    class Pipe:
        def __init__(self, data):
            self.read = io.BytesIO(data).read

    data = encoded(Image.fromarray(colours), "PNG").read()
    np.testing.assert_array_equal(read_image(Pipe(data)), colours)


def test_the_result_can_be_written_to(colours):
    image = read_image(Image.fromarray(colours))
    image[:] = 0


def test_one_bit_is_black_and_white():
    image = read_image(encoded(Image.fromarray(np.array([[True, False]])), "PNG"))
    np.testing.assert_array_equal(image, [[[255] * 3, [0] * 3]])


def test_grey_gets_three_equal_channels(colours):
    image = read_image(encoded(Image.fromarray(colours[..., 0]), "PNG"))
    np.testing.assert_array_equal(image, np.stack([colours[..., 0]] * 3, axis=-1))


def test_a_palette_becomes_its_colours():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([9, 8, 7, 60, 50, 40, 255, 0, 1])
    expected = [[[9, 8, 7], [60, 50, 40], [255, 0, 1]]]
    for file_format in ("PNG", "GIF"):
        np.testing.assert_array_equal(read_image(encoded(image, file_format)), expected)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_the_transparent_entry_of_a_palette_becomes_white(file_format):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([9, 8, 7, 60, 50, 40, 255, 0, 1])
    with pytest.warns(ImageWarning, match="transparency"):
        read = read_image(encoded(image, file_format, transparency=1))
    np.testing.assert_array_equal(read, [[[9, 8, 7], [255, 255, 255], [255, 0, 1]]])


def test_partly_transparent_entries_of_a_palette_are_blended():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([100, 0, 0, 0, 100, 0])
    with pytest.warns(ImageWarning):
        read = read_image(encoded(image, "PNG", transparency=b"\x33\xff"))
    # 0x33 is a fifth: 100 / 5 + 255 * 4 / 5 = 224, 255 * 4 / 5 = 204
    np.testing.assert_array_equal(read, [[[224, 204, 204], [0, 100, 0]]])


def test_a_transparent_colour_of_an_rgb_file_becomes_white():
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    with pytest.warns(ImageWarning):
        read = read_image(encoded(image, "PNG", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(read, [[[255, 255, 255], [4, 5, 6]]])


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa", "PA"])
def test_transparency_is_flattened_on_white(mode):
    straight = Image.fromarray(np.array([[[100, 100, 100, 51], [7, 7, 7, 255]]], np.uint8))
    if mode in ("La", "RGBa"):
        straight = straight.convert(mode.upper()).convert(mode)
    elif mode == "PA":
        palette = Image.new("PA", (2, 1))
        palette.putpalette([100, 100, 100, 7, 7, 7])
        palette.putdata([(0, 51), (1, 255)])
        straight = palette
    else:
        straight = straight.convert(mode)
    with pytest.warns(ImageWarning):
        image = read_image(straight)
    # 51 / 255 is a fifth: 100 / 5 + 255 * 4 / 5 = 224; premultiplied modes round once more.
    np.testing.assert_allclose(image, [[[224] * 3, [7] * 3]], atol=1 if "a" in mode else 0)


def test_an_alpha_channel_that_is_opaque_everywhere_says_nothing(colours):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(Image.fromarray(colours).convert("RGBA"))
    np.testing.assert_array_equal(image, colours)


def test_transparency_is_said_once_per_process():
    with pytest.warns(ImageWarning) as said:
        for _ in range(3):
            read_image(np.zeros((2, 2, 4), np.uint8))
    assert len(said) == 1


def test_cmyk_becomes_rgb_in_a_jpeg_file_which_holds_it_inverted():
    # (C, M, Y, K) of red, and of a dark grey made of black ink only.
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:8], inks[8:] = [0, 255, 255, 0], [0, 0, 0, 200]
    file = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)
    assert b"Adobe" in file.getvalue()
    image = read_image(file)
    expected = np.zeros((16, 16, 3))
    expected[:8], expected[8:] = [255, 0, 0], [55, 55, 55]
    np.testing.assert_allclose(image, expected, atol=3)  # JPEG at quality 95, flat blocks


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_files_are_scaled_not_clipped(file_format):
    values = np.array([[0, 129, 257, 32768, 65535]], np.uint16)
    image = read_image(encoded(Image.fromarray(values), file_format))
    np.testing.assert_array_equal(image[0, :, 0], [0, 1, 1, 128, 255])


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I"])
def test_every_16_bit_mode_is_scaled(mode):
    if mode == "I":
        picture = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    else:
        dtype = ">u2" if mode == "I;16B" else "<u2"
        data = np.array([[0, 257, 65535]], dtype).tobytes()
        picture = Image.frombytes(mode, (3, 1), data)
    assert picture.mode == mode
    np.testing.assert_array_equal(read_image(picture)[0, :, 0], [0, 1, 255])


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_beyond_16_bits_are_refused(value):
    with pytest.raises(ImageError, match=r"0 to 65535"):
        read_image(Image.fromarray(np.array([[0, value]], np.int32)))


def test_float_grey_of_0_to_255_is_rounded():
    values = np.array([[0, 0.49, 0.51, 254.4, 255]], np.float32)
    image = read_image(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 1, 254, 255])


@pytest.mark.parametrize("value", [1.0, 0.3, 255.5, -0.1, np.nan, np.inf])
def test_float_grey_of_any_other_range_is_refused(value):
    with pytest.raises(ImageError, match="mode F"):
        read_image(Image.fromarray(np.array([[0, value]], np.float32)))


@pytest.mark.parametrize("mode", ["YCbCr", "HSV"])
def test_other_colour_spaces_become_rgb(mode, colours):
    image = read_image(Image.fromarray(colours).convert(mode))
    # One unit lost in Y and in Cb is 1 + 1.772 levels of blue, and one more in going back; hue
    # has 256 steps for the full circle of 6 * 255.
    np.testing.assert_allclose(image, colours, atol=4 if mode == "YCbCr" else 6)


@pytest.mark.parametrize("in_a_file", [False, True])
def test_lab_becomes_rgb(in_a_file):
    # L* * 2.55, then a* and b* as signed bytes, as in a TIFF file. sRGB red is L* 54.29, a* 80.8,
    # b* 69.9 under D50; the neutral of L* 53.6 is 128.
    lab = np.array([[[138, 81, 70], [137, 0, 0], [255, 0, 0]]], np.uint8)
    picture = Image.fromarray(lab, "LAB")
    image = read_image(encoded(picture, "TIFF") if in_a_file else picture)
    # One step of 8-bit a* or b* moves a channel of saturated red by up to about 5.
    np.testing.assert_allclose(image, [[[255, 0, 0], [128] * 3, [255] * 3]], atol=6)


# --- orientation, profiles, frames ----------------------------------------------------------


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_a_picture_is_turned_upright_once(colours, orientation, file_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    file = encoded(Image.fromarray(colours), file_format, exif=exif, **options)
    np.testing.assert_array_equal(read_image(file), TURNED[orientation](colours))


def test_an_alpha_channel_is_turned_with_its_picture():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1, 3] = 255
    exif = Image.Exif()
    exif[0x0112] = 8
    with pytest.warns(ImageWarning):
        image = read_image(encoded(Image.fromarray(pixels), "PNG", exif=exif))
    np.testing.assert_array_equal(image[:, 0, 0], [0, 255])


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"\0"])
def test_damaged_exif_data_does_not_matter(exif):
    file = encoded(Image.new("RGB", (4, 3), (9, 9, 9)), "JPEG", exif=exif)
    assert read_image(file).shape == (3, 4, 3)


def test_an_embedded_profile_is_converted_to_srgb():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3]], np.uint8)
    file = encoded(Image.fromarray(colours), "PNG", icc_profile=swapped_profile())
    # Colour management works in 16 bits with rounded primaries; 2 levels are its own noise.
    np.testing.assert_allclose(read_image(file), colours[..., [1, 0, 2]], atol=2)


@pytest.mark.parametrize("kind", ["L", "LA", "I;16"])
def test_a_grey_profile_is_converted_to_srgb(kind):
    grey = np.array([[0, 55, 128, 255]], np.uint8)
    pictures = {
        "L": Image.fromarray(grey),
        "LA": Image.fromarray(grey).convert("LA"),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
    }
    file = encoded(pictures[kind], "PNG", icc_profile=linear_grey_profile())
    # The sRGB curve: 55 / 255 = 0.2157 linear is 128 (127.9), 128 / 255 = 0.502 is 188.
    np.testing.assert_allclose(read_image(file)[0, :, 1], [0, 128, 188, 255], atol=1)


@pytest.mark.parametrize("difference", [0, 20])
def test_an_srgb_profile_changes_no_pixel(difference):
    # Every maker's sRGB has its own last digits: here one primary moves by 20 / 65536, by which
    # colour management would change 6 pixels in 1000.
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tag = data.index(b"rXYZ")
    at = int.from_bytes(data[tag + 4 : tag + 8], "big") + 8
    primary = int.from_bytes(data[at : at + 4], "big") + difference
    data[at : at + 4] = primary.to_bytes(4, "big")
    colours = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = encoded(Image.fromarray(colours), "PNG", icc_profile=bytes(data))
    np.testing.assert_array_equal(read_image(file), colours)


@pytest.mark.parametrize("profile", [b"nonsense", swapped_profile()[:200], linear_grey_profile()])
def test_a_broken_or_foreign_profile_is_as_good_as_none(colours, profile):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(encoded(Image.fromarray(colours), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(image, colours)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_is_used_and_said_once(file_format):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if file_format == "WEBP" else {}
    file = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    with pytest.warns(ImageWarning, match="frame 1 of the 3 frames") as said:
        image = read_image(file)
        read_image(file)
    assert len(said) == 1
    np.testing.assert_array_equal(image, np.broadcast_to([255, 0, 0], (3, 4, 3)))


def test_the_frame_that_a_pil_image_is_at_is_used():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    picture = Image.open(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    picture.seek(2)
    with pytest.warns(ImageWarning, match="frame 3 of the 3 frames"):
        np.testing.assert_array_equal(read_image(picture)[0, 0], [0, 0, 255])


def test_the_hidden_second_picture_of_a_phone_says_nothing():
    photo, gain_map = Image.new("RGB", (8, 8), (90, 90, 90)), Image.new("RGB", (4, 4))
    file = encoded(photo, "MPO", save_all=True, append_images=[gain_map])
    assert Image.open(file).n_frames == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(read_image(file), 90, atol=1)  # JPEG, flat


# --- refusals -------------------------------------------------------------------------------


def png_header(width, height):
    """A PNG file that ends after declaring its size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(chunk))
    idat = b"\0\0\0\4IDAT\0\0\0\0" + struct.pack(">I", zlib.crc32(b"IDAT\0\0\0\0"))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + crc + idat)


@pytest.mark.parametrize(("width", "height"), [(65537, 1), (1, 65537)])
def test_a_file_that_declares_too_long_a_side_is_refused(width, height):
    with pytest.raises(ImageError, match=f"65536 pixels a side .* {width} x {height} came"):
        read_image(png_header(width, height))


def test_a_file_that_declares_too_large_an_area_is_refused(monkeypatch):
    with pytest.raises(ImageError, match=r"raise PIL\.Image\.MAX_IMAGE_PIXELS"):
        read_image(png_header(16385, 16384))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match="16385 x 16384 came"):
        read_image(png_header(16385, 16384))


def test_the_warning_of_pillow_about_large_files_is_not_passed_on(monkeypatch, colours):
    file = encoded(Image.fromarray(colours), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)  # 35 pixels: a warning from Pillow
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(file), colours)
        with pytest.raises(Image.DecompressionBombWarning):
            Image.open(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17)  # more than twice: an error
    with pytest.raises(ImageError, match="35 pixels"):
        read_image(file)


def test_reading_in_many_threads_leaves_the_warning_filters_alone(colours):
    data = encoded(Image.fromarray(colours), "PNG").read()
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_image(io.BytesIO(data)) for _ in range(20)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_an_empty_pil_image_is_refused():
    with pytest.raises(ImageError, match="0 x 5 came"):
        read_image(Image.new("RGB", (0, 5)))


def test_the_size_of_a_file_is_that_of_its_header(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    assert picture_size(path) == (colours.shape[1], colours.shape[0])
    path.write_bytes(path.read_bytes()[:60])
    assert picture_size(path) == (colours.shape[1], colours.shape[0])
    path.write_text("no picture")
    with pytest.raises(ImageError, match="a.png' is not a picture .* convert it to PNG or JPEG"):
        picture_size(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"there is no file '.*photo\.png': check the path\.$"):
        read_image(tmp_path / "photo.png")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        read_image(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 40, b"\0" * 1000, b"GTC\x01\0\x05"])
def test_a_file_that_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"notes\.png' is not a picture"):
        read_image(path)


def test_a_file_opened_as_text_is_refused(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"text")
    with open(path) as file, pytest.raises(ImageError, match="open it with 'rb'"):
        read_image(file)


@pytest.mark.parametrize(
    ("path", "words"),
    [("", "no file ''"), ("photo\0.png", "null"), ("p" * 5000, "check the path")],
)
def test_an_impossible_path_is_refused(path, words):
    with pytest.raises(ImageError, match=words):
        read_image(path)


def test_an_eps_file_is_never_handed_to_an_interpreter(colours, monkeypatch):
    from PIL import EpsImagePlugin

    def interpreter(*arguments, **options):
        raise AssertionError("the interpreter was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", interpreter)
    with pytest.raises(ImageError, match="an EPS file is a program"):
        read_image(encoded(Image.fromarray(colours), "EPS"))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_half_a_file_is_refused(tmp_path, file_format):
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), file_format).read()
    path = tmp_path / "photo"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"photo' is (damaged|not a picture)"):
        read_image(path)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF"])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_a_damaged_file_gives_a_picture_or_an_image_error(file_format, data):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5)
    content = bytearray(encoded(image, file_format).read())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        read = read_image(io.BytesIO(content))
    except ImageError:
        return
    assert read.dtype == np.uint8
    assert read.shape[2] == 3


def test_a_warning_made_an_error_is_not_taken_for_damage():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageWarning):
            read_image(Image.new("RGBA", (2, 2)))


# --- writing --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["photo.png", "photo.PNG", "photo.webp"])
def test_a_lossless_format_keeps_every_pixel(tmp_path, colours, name):
    write_image(tmp_path / name, colours)
    np.testing.assert_array_equal(read_image(tmp_path / name), colours)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["photo.jpg", "photo.jpeg"])
def test_a_jpeg_file_is_close_to_the_picture(tmp_path, name):
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    image = np.stack([ramp, ramp[::-1], 255 - ramp], axis=-1)
    write_image(tmp_path / name, image)
    assert Image.open(tmp_path / name).format == "JPEG"
    # Quality 95 quantises the lowest frequencies in steps of 2 and the highest of 10.
    assert np.abs(read_image(tmp_path / name).astype(int) - image).mean() < 1


@pytest.mark.parametrize("name", ["photo.gtc", "photo", "photo.gif"])
def test_another_suffix_is_refused(tmp_path, colours, name):
    with pytest.raises(ImageError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
        write_image(tmp_path / name, colours)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_file_is_not_overwritten_unless_asked(tmp_path, colours):
    path = tmp_path / "photo.png"
    path.write_bytes(b"old")
    with pytest.raises(ImageError, match="exists already.*overwrite=True"):
        write_image(path, colours)
    assert path.read_bytes() == b"old"
    write_image(path, colours, overwrite=True)
    np.testing.assert_array_equal(read_image(path), colours)


@pytest.mark.parametrize(("suffix", "width"), [(".webp", 16384), (".jpg", 65536)])
def test_a_picture_too_large_for_its_format_is_refused_and_nothing_written(tmp_path, suffix, width):
    with pytest.raises(ImageError, match=rf"{width} x 1 does not go into .* write it as \.png"):
        write_image(tmp_path / f"photo{suffix}", np.zeros((1, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_picture_is_not_written(tmp_path):
    with pytest.raises(ImageError, match="float64"):
        write_image(tmp_path / "photo.png", np.zeros((4, 4, 3)))
    assert list(tmp_path.iterdir()) == []
