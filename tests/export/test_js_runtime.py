# SPDX-License-Identifier: Apache-2.0
"""`gtc.js` under Node: latents are NumPy's to the last one, and nothing that is broken passes."""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import PHASE, logistic_tables, random_network, worst_network

from gan_tfc.codec import Codec
from gan_tfc.coding import container, contexts, steps
from gan_tfc.coding.codec_file import write_codec_file
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.noise import position_noise
from gan_tfc.coding.scan import ContextModel
from gan_tfc.errors import CorruptStreamError

pytestmark = pytest.mark.export

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "export" / "edge" / "gtc.js"
RUNNER = Path(__file__).with_name("js_runner.mjs")
SIZES = [(1, 1), (17, 33), (200, 300)]
QUALITIES = [5, 30, 50, 90]
CASES = [(*size, quality) for size in SIZES for quality in QUALITIES]
LEVELS = 6


def run(folder, jobs, library=LIBRARY):
    """Results of jobs of `js_runner.mjs`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 18 or later")
    jobs_file = folder / "jobs.json"
    jobs_file.write_text(json.dumps(jobs, default=str))
    done = subprocess.run([node, RUNNER, library, jobs_file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def dump(scan_steps):
    """All integers of a scan in the order of `dump` in `js_runner.mjs`."""
    parts = [scan_steps[0].picture]
    for step in scan_steps[1:]:
        parts += [step.values, step.scales]
    parts.append(scan_steps[-1].picture)
    return np.concatenate([part.reshape(-1) for part in parts]).astype("<i4")


def base_psnr(codec, stream, image):
    header, _ = container.unpack(stream)
    picture = codec.symbols(stream)[-1].picture[: header.height, : header.width]
    pixels = np.clip(to_rgb(picture, steps.step_size(header.step_code) / 64) + 0.5, 0, 1) * 255
    return 10 * math.log10(255**2 / max(1e-3, np.mean((pixels - image) ** 2)))


@pytest.fixture(scope="module")
def codec(photo_codec):
    return photo_codec


@pytest.fixture(scope="module")
def codec_file(codec, tmp_path_factory):
    path = tmp_path_factory.mktemp("codec") / "codec.bin"
    path.write_bytes(write_codec_file(codec.name, codec.version, codec.frozen))
    return path


def photo_of(height, width):
    from skimage import data

    return np.ascontiguousarray(data.coffee()[100 : 100 + height, 150 : 150 + width])


@pytest.fixture(scope="module")
def streams(codec, codec_file, tmp_path_factory):
    """For each case the streams of Python and of JavaScript and what JavaScript decodes from them."""
    folder, jobs, found = tmp_path_factory.mktemp("streams"), [], {}
    for height, width, quality in CASES:
        image, name = photo_of(height, width), f"{height}x{width}_{quality}"
        paths = {key: folder / f"{name}.{key}" for key in ("image", "python", "javascript")}
        paths["image"].write_bytes(image.tobytes())
        paths["python"].write_bytes(codec.compress(image, quality))
        size = {"width": width, "height": height}
        jobs.append(
            {
                "call": "encode",
                "codec": codec_file,
                "image": paths["image"],
                "quality": quality,
                "out": paths["javascript"],
                **size,
            }
        )
        for key in ("python", "javascript"):
            out = paths[key].with_suffix(f".{key}_dump")
            jobs.append({"call": "dump", "codec": codec_file, "stream": paths[key], "out": out})
            paths[f"{key}_dump"] = out
        found[height, width, quality] = paths
    results = run(folder, jobs)
    assert results == [None] * len(jobs)
    return {case: {key: path.read_bytes() for key, path in paths.items()} for case, paths in found.items()}


@pytest.mark.parametrize("writer", ["python", "javascript"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_latents_are_equal(codec, streams, case, writer):
    latents = np.frombuffer(streams[case][f"{writer}_dump"], "<i4")
    np.testing.assert_array_equal(latents, dump(codec.symbols(streams[case][writer])))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_encoders_are_equally_good(codec, streams, case):
    image = photo_of(*case[:2])
    ours, theirs = streams[case]["python"], streams[case]["javascript"]
    # Floats choose the symbols, and may round to another where two are equally good.
    assert abs(len(theirs) - len(ours)) <= max(2, 0.01 * len(ours))
    if case[0] > 1:
        assert abs(base_psnr(codec, theirs, image) - base_psnr(codec, ours, image)) < 0.05


def test_visual_tuning_is_that_of_python(codec, codec_file, tmp_path):
    image, height, width = photo_of(201, 299), 201, 299
    (tmp_path / "image").write_bytes(image.tobytes())
    size = {"codec": codec_file, "image": tmp_path / "image", "width": width, "height": height}
    calls = {
        "none": {"call": "encode"},
        "psnr": {"call": "encode", "tune": "psnr"},
        "visual": {"call": "encode", "tune": "visual"},
        "async": {"call": "encodeAsync", "tune": "visual"},
    }
    for quality in (30, 70):
        jobs = [{**size, **call, "quality": quality, "out": tmp_path / name} for name, call in calls.items()]
        assert run(tmp_path, jobs) == [None, None, None, True]
        found = {name: (tmp_path / name).read_bytes() for name in calls}
        assert found["psnr"] == found["none"] and found["async"] == found["visual"]
        ours, plain = codec.compress(image, quality, tune="visual"), codec.compress(image, quality)
        tolerance = 0.001 * len(ours)
        assert abs(len(found["visual"]) - len(ours)) <= tolerance < abs(len(plain) - len(ours))
        assert base_psnr(codec, found["visual"], image) == pytest.approx(
            base_psnr(codec, ours, image), abs=0.02
        )


def test_encoder_gives_what_the_decoder_will(codec_file, streams, tmp_path):
    image = tmp_path / "image"
    rgb = photo_of(17, 33)
    image.write_bytes(np.dstack([rgb, np.full((17, 33), 255, np.uint8)]).tobytes())
    job = {"call": "encodeAsync", "codec": codec_file, "image": image, "width": 33, "height": 17}
    (same,) = run(tmp_path, [{**job, "quality": 50, "out": tmp_path / "stream"}])
    assert same
    assert (tmp_path / "stream").read_bytes() == streams[17, 33, 50]["javascript"]


def test_transparent_pixels_are_coded_as_white(codec, codec_file, tmp_path):
    image, stream = tmp_path / "image", tmp_path / "stream"
    image.write_bytes(np.zeros((20, 30, 4), np.uint8).tobytes())
    size = {"width": 30, "height": 20}
    run(
        tmp_path,
        [{"call": "encode", "codec": codec_file, "image": image, "quality": 50, "out": stream, **size}],
    )
    assert codec.preview(stream.read_bytes(), 1).min() > 250


def random_streams(codec, rng, count=6):
    """Streams whose payloads are noise: any bytes are symbols, most of them absurd."""
    made = []
    for index, code in enumerate([0, 1, 150, 900, 1752, 2047] * (count // 6)):
        height, width = [(70, 50), (64, 130)][index % 2]
        sections = [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for size in (300, 600, 2000, 9000)]
        if index % 3 == 2:
            sections[1] = bytes(1000)  # zeros are the longest escapes
        made.append(
            container.pack(codec.name, codec.version, codec.frozen.digest, width, height, code, sections)
        )
    return made


def made_up_codec(make):
    """A codec without pixels whose context networks are random."""
    rng = np.random.default_rng(1)
    model = ContextModel(tuple(make(rng, 5 + level) for level in range(LEVELS)), PHASE)
    return Codec(None, "made_up", 1, FrozenTables.of(model, logistic_tables()), engine="portable")


NETWORKS = {
    "preset": None,
    "random": lambda: made_up_codec(random_network),
    "worst": lambda: made_up_codec(worst_network),
}


@pytest.fixture(scope="module", params=NETWORKS)
def noise_streams(request, codec, tmp_path_factory):
    """A codec, its codec.bin and streams of noise with what NumPy decodes from them, or None."""
    chosen = NETWORKS[request.param]() if NETWORKS[request.param] else codec
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "codec.bin").write_bytes(write_codec_file(chosen.name, chosen.version, chosen.frozen))
    found = []
    for index, stream in enumerate(random_streams(chosen, np.random.default_rng(2))):
        (folder / f"{index}.gtc").write_bytes(stream)
        try:
            found.append(dump(chosen.symbols(stream)))
        except CorruptStreamError:
            found.append(None)
    return folder, found


def decode_noise(folder, count, library=LIBRARY):
    jobs = [
        {
            "call": "dump",
            "codec": folder / "codec.bin",
            "stream": folder / f"{index}.gtc",
            "out": folder / f"{index}.dump",
        }
        for index in range(count)
    ]
    results = run(folder, jobs, library)
    return [
        None if result else np.frombuffer((folder / f"{index}.dump").read_bytes(), "<i4")
        for index, result in enumerate(results)
    ]


def test_latents_of_noise_are_equal(noise_streams):
    folder, expected = noise_streams
    found = decode_noise(folder, len(expected))
    assert sum(wanted is not None for wanted in expected) >= 3
    for wanted, got in zip(expected, found, strict=True):
        assert (wanted is None) == (got is None)
        if wanted is not None:
            np.testing.assert_array_equal(got, wanted)


BROKEN = {
    "wavelet": ("(value * factor + 32768) * TO_WORD", "(value * factor + 32767) * TO_WORD"),
    "relief": ("- blur + 32) >> 6", "- blur + 31) >> 6"),
    "luma": ("/ lumaUnit + 0.5)", "/ lumaUnit + 0.49)"),
    "compress": ("8 * (power - 1 / power)", "8 * (power - 1 / power) + 1"),
    "network": ("2 ** (shifts(output) - 1)", "2 ** (shifts(output) - 1) - 1"),
    "range decoder": ("(distance * ONE + 65535) / size", "(distance * ONE) / size"),
}


@pytest.mark.parametrize("noise_streams", ["preset"], indirect=True)
@pytest.mark.parametrize("part", BROKEN)
def test_one_changed_rounding_is_seen(noise_streams, part, tmp_path):
    right, wrong = BROKEN[part]
    text = LIBRARY.read_text()
    assert text.count(right) == 1
    (tmp_path / "gtc.mjs").write_text(text.replace(right, wrong))
    folder, expected = noise_streams
    found = decode_noise(folder, len(expected), tmp_path / "gtc.mjs")
    pairs = zip(expected, found, strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs if a is not None and b is not None)


def test_tables_are_numpys(tmp_path):
    (tables,) = run(tmp_path, [{"call": "tables"}])
    positive = contexts.COMPRESS.tolist()
    assert tables["compress"] == [-x for x in positive[:0:-1]] + positive
    assert tables["octave"] == steps.OCTAVE.tolist()


def test_qualities_are_pythons(tmp_path):
    qualities = [*np.linspace(1, 100, 991).tolist(), *range(1, 101)]
    # Halves between two codes, which round to the even one.
    qualities += [100 - (code + 0.5 - 150) * 99 / 1602 for code in range(150, 1752)]
    codes = list(range(150, 1753))
    found = run(tmp_path, [{"call": "codes", "qualities": qualities}, {"call": "qualities", "codes": codes}])
    assert found[0] == [steps.quality_to_code(quality) for quality in qualities]
    assert found[1] == [steps.code_to_quality(code) for code in codes]


@pytest.mark.parametrize("scale", [1, 2, 8, 64])
def test_previews_are_pythons(codec, codec_file, streams, tmp_path, scale):
    stream, out = tmp_path / "stream", tmp_path / "out"
    for case in ((17, 33, 50), (200, 300, 30)):
        stream.write_bytes(streams[case]["python"])
        job = {"call": "preview", "codec": codec_file, "stream": stream, "scale": scale, "out": out}
        (shape,) = run(tmp_path, [job])
        found = np.frombuffer(out.read_bytes(), np.uint8).reshape(shape)
        expected = codec.preview(streams[case]["python"], scale)
        # Doubles here, float32 there: a value on the border between two may fall on either side.
        assert np.abs(found[..., :3].astype(int) - expected).max() <= 1
        assert (found[..., 3] == 255).all()


def test_base_picture_is_pythons(codec, codec_file, streams, tmp_path):
    stream, out = tmp_path / "stream", tmp_path / "out"
    data = streams[200, 300, 50]["python"]
    stream.write_bytes(data)
    run(tmp_path, [{"call": "base", "codec": codec_file, "stream": stream, "out": out}])
    header, _ = container.unpack(data)
    expected = to_rgb(codec.symbols(data)[-1].picture, steps.step_size(header.step_code) / 64)
    found = np.frombuffer(out.read_bytes(), np.float32).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)  # float32 sums of three terms below 1


def test_noise_is_numpys(tmp_path):
    out = tmp_path / "noise"
    run(tmp_path, [{"call": "noise", "arguments": [33, 40, 12, 5, 1001], "out": out}])
    found = np.frombuffer(out.read_bytes(), np.float32).reshape(33, 40, 12)
    np.testing.assert_array_equal(found, position_noise(33, 40, 12, 5, 1001))


@pytest.mark.parametrize("size", [(64, 64), (640, 1024), (1088, 512), (576, 1600)])
def test_tiles_keep_each_pixel_once_and_away_from_borders(tmp_path, size):
    (tiles,) = run(tmp_path, [{"call": "tiles", "arguments": [*size, 512, 24]}])
    count = np.zeros(size, int)
    for tile in tiles:
        keep = tile["keep"]
        count[keep["top"] :, keep["left"] :][: keep["height"], : keep["width"]] += 1
        for start, side, whole in (("top", "height", size[0]), ("left", "width", size[1])):
            assert tile[start] % 4 == 0 and tile[side] % 4 == 0 and tile[side] <= 512
            before, after = keep[start] - tile[start], tile[start] + tile[side] - keep[start] - keep[side]
            assert before >= 24 or tile[start] == 0
            assert after >= 24 or tile[start] + tile[side] == whole
    assert (count == 1).all()
    # Three tiles in a row share two seams of 48 pixels.
    assert sum(tile["height"] * tile["width"] for tile in tiles) < 1.2 * count.size


def with_header_crc(fields, payload=b""):
    """Bytes of a header, without its CRC, and of payloads -> a stream whose checksums hold."""
    import binascii
    import zlib

    body = fields + binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big") + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


def malformed_streams(good, digest):
    def fields(width=b"\x21", height=b"\x11", code=b"\x01\x00", lengths=b"\x04\x00\x00\x00\x00"):
        return b"GTC\x01\x00\x0cphoto_mobile\x02" + digest + width + height + code + lengths

    flipped = bytearray(good)
    flipped[-10] ^= 1
    other_digest = fields().replace(digest, b"\1\2\3\4")
    return {
        "nothing": (b"", "not-a-stream"),
        "picture": (b"\x89PNG\r\n\x1a\n0123456789", "not-a-stream"),
        "two bytes": (b"GT", "truncated"),
        "header cut": (good[:20], "truncated"),
        "payload cut": (good[:-30], "truncated"),
        "trailing": (good + b"\0", "corrupt"),
        "payload flipped": (bytes(flipped), "corrupt"),
        "header flipped": (good[:24] + bytes([good[24] ^ 1]) + good[25:], "corrupt"),
        "version": (b"GTC\x02" + good[4:], "unsupported"),
        "flags": (b"GTC\x01\x01" + good[5:], "unsupported"),
        "name length": (b"GTC\x01\x00\x00" + good[6:], "corrupt"),
        "longer LEB128": (with_header_crc(fields(width=b"\xa1\x00")), "corrupt"),
        "no pixels": (with_header_crc(fields(width=b"\x00")), "corrupt"),
        "hostile size": (
            with_header_crc(fields(b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x0f")),
            "too-large",
        ),
        "hostile area": (with_header_crc(fields(b"\x80\x80\x04", b"\x80\x80\x04")), "too-large"),
        "too few bytes for its size": (with_header_crc(fields(b"\x80\x80\x01", b"\x80\x80\x01")), "corrupt"),
        "step code": (with_header_crc(fields(code=b"\x08\x00")), "corrupt"),
        "three sections": (with_header_crc(fields(lengths=b"\x03\x00\x00\x00")), "corrupt"),
        "other tables": (with_header_crc(other_digest), "tables-mismatch"),
    }


def is_one_sentence(message):
    clean = not re.search(r"undefined|NaN|null|\[object|\n", message)
    return clean and message.endswith(".") and message[0].isupper() and len(message) < 250


def test_malformed_streams_are_refused_in_one_sentence(codec, codec_file, streams, tmp_path):
    cases = malformed_streams(streams[200, 300, 30]["python"], codec.frozen.digest)
    jobs = []
    for index, (data, _) in enumerate(cases.values()):
        (tmp_path / f"{index}.gtc").write_bytes(data)
        jobs.append({"call": "decode", "codec": codec_file, "stream": tmp_path / f"{index}.gtc"})
    results = dict(zip(cases, run(tmp_path, jobs), strict=True))
    assert {name: (result or {}).get("kind") for name, result in results.items()} == {
        name: kind for name, (_, kind) in cases.items()
    }
    for name, result in results.items():
        assert is_one_sentence(result["error"]), (name, result)


def test_every_cut_stream_is_refused(codec_file, streams, tmp_path):
    good = streams[17, 33, 30]["python"]
    jobs = []
    for length in range(len(good)):
        path = tmp_path / f"{length}.gtc"
        path.write_bytes(good[:length])
        jobs.append({"call": "decode", "codec": codec_file, "stream": path})
    results = run(tmp_path, jobs)
    assert all(result and is_one_sentence(result["error"]) for result in results)


def malformed_codec_files(good):
    import zlib

    def sealed(data):
        return bytes(data[:-4]) + zlib.crc32(data[:-4]).to_bytes(4, "little")

    def changed(position, value):
        data = bytearray(good)
        data[position : position + len(value)] = value
        return sealed(data)

    biases = 80 + 8 * 85
    return {
        "nothing": b"",
        "magic": b"GTCX" + good[4:],
        "version": good[:4] + b"\2" + good[5:],
        "flipped": good[:1000] + bytes([good[1000] ^ 1]) + good[1001:],
        "cut": good[:-400],
        "cut and sealed": sealed(good[:-400]),
        "longer and sealed": sealed(good + b"\0\0\0\0"),
        "levels": changed(5, b"\x0d"),
        "name": changed(32, b"9"),
        "name length": changed(6, b"\x28"),
        "preset version": changed(12, b"\0\0\0\0"),
        "rows": changed(16, b"\x54\0\0\0"),
        "phase": changed(20, b"\2"),
        "features": changed(64, b"\0"),
        "precision": changed(86, b"\x11"),
        "offset": changed(80, b"\xff\xff\xff\x7f"),
        "bias beyond 2^24": changed(biases, b"\0\0\0\1"),
        "weight -128": changed(len(good) - 40, b"\x80"),
    }


def test_malformed_codec_files_are_refused_in_one_sentence(codec_file, tmp_path):
    cases, jobs = malformed_codec_files(codec_file.read_bytes()), []
    for index, data in enumerate(cases.values()):
        (tmp_path / f"{index}.bin").write_bytes(data)
        jobs.append({"call": "open", "codec": tmp_path / f"{index}.bin"})
    for name, result in zip(cases, run(tmp_path, jobs), strict=True):
        assert result and result["kind"] == "bundle", name
        assert is_one_sentence(result["error"]), result


def test_what_cannot_be_encoded_is_refused_in_one_sentence(codec_file, tmp_path):
    image = tmp_path / "image"
    image.write_bytes(bytes(27))
    job = {"call": "encode", "codec": codec_file, "image": image, "out": tmp_path / "out"}
    changes = [
        {"width": 3, "height": 4, "quality": 50},
        {"width": 3, "height": 3, "quality": 0},
        {"width": 3, "height": 3, "quality": 101},
        {"width": 0, "height": 0, "quality": 50},
        {"width": 3, "height": 3, "quality": 50, "tune": "ssim"},
        {"call": "encodeAsync", "width": 3, "height": 3, "quality": 50, "tune": "ssim"},
    ]
    results = run(tmp_path, [{**job, **change} for change in changes])
    for result in results:
        assert result["kind"] == "input" and is_one_sentence(result["error"])
    for result in results[-2:]:
        assert result["error"] == "Expected a tune among psnr, visual, received ssim."
