# SPDX-License-Identifier: Apache-2.0
"""`gan-tfc decompress` and `gan-tfc info`."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_tfc.cli import make_parser
from gan_tfc.stream_codec import PREVIEW_SCALES
from gan_tfc.streams import describe


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


def test_stream_names_its_preset_and_decodes_to_what_the_codec_gives(run, zoo, stream, tiny_codec):
    result = run("decompress", stream)
    assert (result.code, result.err) == (0, "")
    decoded = pixels(stream.with_suffix(".png"))
    assert np.array_equal(decoded, tiny_codec.decompress(stream.read_bytes()))


def test_preset_of_a_folder_decodes_what_the_zoo_does_not_know(run, stream, tiny_preset):
    result = run("decompress", stream)
    assert result.code == 1 and "tiny" in result.error and stream.name in result.error
    result = run("decompress", stream, "--preset", f"path:{tiny_preset}")
    assert result.code == 0 and pixels(stream.with_suffix(".png")).shape == (50, 70, 3)


@pytest.mark.parametrize("scale", [1, 8])
def test_scale_gives_a_preview(run, zoo, stream, tiny_codec, scale):
    result = run("decompress", stream, "--scale", scale)
    assert result.code == 0, result.err
    expected = tiny_codec.preview(stream.read_bytes(), scale)
    assert np.array_equal(pixels(stream.with_suffix(".png")), expected)


def test_preview_needs_only_the_beginning_of_the_file(run, zoo, stream, tmp_path):
    sections = describe(stream.read_bytes())["sections"]
    cut = tmp_path / "cut.gtc"
    cut.write_bytes(stream.read_bytes()[: sections["header"] + sections["scale 1/8"]])
    assert run("decompress", cut, "--scale", 8).code == 0
    result = run("decompress", cut, "--scale", 4, "--force")
    assert result.code == 1 and "cut.gtc" in result.error


def test_offered_scales_are_those_of_the_codec():
    for scale in PREVIEW_SCALES:
        args = make_parser().parse_args(["decompress", "x.gtc", "--scale", str(scale)])
        assert args.scale == scale


@pytest.mark.parametrize(
    "options",
    [["--scale", "3"], ["--realism", "1.1"], ["--realism", "1", "--scale", "8"]],
    ids=" ".join,
)
def test_wrong_options_are_wrong_usage(run, stream, options):
    result = run("decompress", stream, *options)
    assert result.code == 2 and options[0] in result.err


@pytest.mark.parametrize("command", ["decompress", "info"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path, data: None, "No such file"),
        (lambda path, data: path.mkdir(), "Is a directory"),
        (lambda path, data: path.write_bytes(data[:-9]), "bytes long, but only"),
        (lambda path, data: path.write_bytes(data[:20]), "header"),
        (lambda path, data: path.write_bytes(b""), "no data at all"),
        (lambda path, data: path.write_bytes(data + b"!"), "cut off what follows"),
        (lambda path, data: path.write_bytes(data[:-9] + b"?" + data[-8:]), "damaged"),
        (lambda path, data: path.write_bytes(b"\xff\xd8\xff\xe0" + data), "JPEG"),
    ],
    ids=["missing", "folder", "truncated", "header", "empty", "trailing", "flipped", "jpeg"],
)
def test_bad_file_is_one_sentence_that_names_it(run, stream, tmp_path, command, make, said):
    bad = tmp_path / "bad.gtc"
    make(bad, stream.read_bytes())
    result = run(command, bad)
    assert result.code == 1
    assert said in result.error and "bad.gtc" in result.error
    assert not (tmp_path / "bad.png").exists()


def test_several_files_go_past_a_bad_one(run, zoo, stream, tmp_path):
    (tmp_path / "bad.gtc").write_bytes(b"GTC")
    result = run("decompress", tmp_path / "bad.gtc", stream, "-o", f"{tmp_path}/out/")
    assert result.code == 1 and "bad.gtc" in result.error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["stream.png"]


def test_existing_picture_is_kept_without_force(run, zoo, stream):
    target = stream.with_suffix(".png")
    target.write_text("precious")
    assert "--force" in run("decompress", stream).error
    assert target.read_text() == "precious"
    assert run("decompress", stream, "--force").code == 0
    assert pixels(target).shape == (50, 70, 3)


def test_unknown_picture_format_is_refused(run, stream, tmp_path):
    result = run("decompress", stream, "-o", tmp_path / "x.xyz")
    assert result.code == 1 and ".png" in result.error


def test_stream_of_other_tables_is_refused(run, stream, tiny_preset, tmp_path):
    data = bytearray(stream.read_bytes())
    from gan_tfc.coding import container

    header, sections = container.unpack(bytes(data))
    stream.write_bytes(container.pack("tiny", 1, b"\0\0\0\0", header.width, header.height, 900, sections))
    result = run("decompress", stream, "--preset", f"path:{tiny_preset}")
    assert result.code == 1 and "tables" in result.error


def test_info_as_json_is_what_the_library_says(run, stream):
    result = run("info", stream, "--json")
    assert result.code == 0
    assert json.loads(result.out) == describe(stream.read_bytes())


def test_info_says_preset_size_and_quality(run, stream):
    result = run("info", stream)
    for part in ("tiny@1", "70x50", "50", f"{stream.stat().st_size} bytes"):
        assert part in result.out


def test_file_name_beginning_with_a_dash_works(run, zoo, stream, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(stream, "-x.gtc")
    assert run("decompress", "--", "-x.gtc").code == 0
    assert run("info", "--", "-x.gtc").code == 0
    assert (tmp_path / "-x.png").exists()
