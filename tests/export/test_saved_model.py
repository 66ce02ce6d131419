# SPDX-License-Identifier: Apache-2.0
"""SavedModels code and decode the streams of gan_tfc where neither it nor Keras is there."""

import binascii
import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import random_context, random_known
from PIL import Image
from skimage import data

import gan_tfc
from gan_tfc.coding import container, steps
from gan_tfc.coding.scan import coarsest_rows
from gan_tfc.errors import GanTfcError

pytestmark = [pytest.mark.export, pytest.mark.tfc, pytest.mark.tensorflow]

RUNNER = Path(__file__).with_name("saved_model_runner.py")
SIZES = [(1, 1), (17, 33), (200, 300)]
QUALITIES = [5, 30, 50, 90]
CASES = [(size, quality) for size in SIZES for quality in QUALITIES]
CASE_IDS = [f"{height}x{width}-{quality}" for (height, width), quality in CASES]
# A decoder that searches for the end of an escape never returns.
TIMEOUT = 300


class Calls:
    """Calls of signatures, collected first and then run together in another process."""

    def __init__(self):
        self.arrays, self.results, self.count = {}, None, 0

    def add(self, signature, **inputs):
        """Add a call; returns its number, and "<number>/<output>" may be an input of later ones."""
        for name, value in inputs.items():
            value = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)
            self.arrays[f"{self.count}/{signature}/{name}"] = value
        self.count += 1
        return self.count - 1

    def run(self, model, folder, *modules):
        np.savez(folder / "in.npz", **self.arrays)
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(
            [sys.executable, RUNNER, model, folder / "in.npz", folder / "out.npz", *modules],
            env=environment,
            check=True,
            timeout=TIMEOUT,
        )
        with np.load(folder / "out.npz") as results:
            self.results = {name: results[name] for name in results.files}
        return self

    def __getitem__(self, name):
        value = self.results[name]
        return str(value) if value.dtype.kind == "U" and not value.shape else value

    def stream(self, number):
        return self[f"{number}/stream"].tobytes()

    def outcome(self, number):
        """The sentence of an error, or None."""
        return self[f"{number}/error"] if f"{number}/error" in self.results else None


def photo(height, width):
    return np.ascontiguousarray(data.coffee()[100 : 100 + height, 150 : 150 + width])


def file_of(image, kind):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def codec():
    return gan_tfc.load("photo_mobile")


@pytest.fixture(scope="module")
def saved(codec, tmp_path_factory):
    """The folder of the codec's SavedModel."""
    from gan_tfc.export.tensorflow_codec import save_codec

    folder = tmp_path_factory.mktemp("saved_model") / "codec"
    save_codec(codec, folder)
    return folder


def add_files(calls, picture):
    """Calls with files of a picture beside those with its pixels."""
    jpeg = file_of(picture, "JPEG")
    numbers = {
        "pixels": calls.add("compress_pixels", image=picture, quality=60),
        "PNG": calls.add("compress", image=file_of(picture, "PNG"), quality=60),
        "BMP": calls.add("compress", image=file_of(picture, "BMP"), quality=60),
        "JPEG": calls.add("compress", image=jpeg, quality=60),
        "JPEG pixels": calls.add(
            "compress_pixels", image=np.asarray(Image.open(io.BytesIO(jpeg))), quality=60
        ),
    }
    stream = f"{numbers['pixels']}/stream"
    numbers["decoded"] = calls.add("decompress_pixels", stream=stream, realism=0.5)
    numbers["png"] = calls.add("decompress", stream=stream, realism=0.5)
    return numbers


@pytest.fixture(scope="module")
def all_calls(codec, saved, tmp_path_factory):
    """Calls on intact streams and on others, all in one process, and the numbers of both."""
    calls = Calls()
    numbers = add_round_trips(calls, codec), add_attacks(calls, codec)
    calls.run(saved, tmp_path_factory.mktemp("calls"), "tensorflow_compression_ops")
    return calls, *numbers


@pytest.fixture(scope="module")
def round_trips(all_calls):
    """All calls, and the numbers of those on intact streams."""
    calls, numbers, _ = all_calls
    return calls, numbers


@pytest.fixture(scope="module")
def attacks(all_calls):
    """All calls, and the numbers of those on streams that are not intact."""
    calls, _, numbers = all_calls
    return calls, numbers


def add_round_trips(calls, codec):
    """Calls on streams of gan_tfc and of the graph; returns their numbers by case."""
    numbers = {}
    for size, quality in CASES:
        python = codec.compress(photo(*size), quality)
        graph = calls.add("compress_pixels", image=photo(*size), quality=quality)
        for writer, stream in (("python", python), ("graph", f"{graph}/stream")):
            numbers[size, quality, writer] = {
                "stream": python if writer == "python" else graph,
                "latents": calls.add("latents", stream=stream),
                "pixels": {
                    realism: calls.add("decompress_pixels", stream=stream, realism=realism)
                    for realism in (0, 1)
                },
            }
    numbers["files"] = add_files(calls, photo(40, 50))
    return numbers


def assert_same_latents(calls, number, steps_of_scan):
    assert calls.outcome(number) is None
    coarsest, *levels = steps_of_scan
    np.testing.assert_array_equal(calls[f"{number}/coarsest"], coarsest.picture)
    for step in levels:
        np.testing.assert_array_equal(calls[f"{number}/values_{step.level}"], step.values)
        np.testing.assert_array_equal(calls[f"{number}/scales_{step.level}"], step.scales)


def stream_of(calls, entry):
    return entry if isinstance(entry, bytes) else calls.stream(entry)


@pytest.mark.parametrize("writer", ["python", "graph"])
@pytest.mark.parametrize(("size", "quality"), CASES, ids=CASE_IDS)
def test_both_decode_a_stream_to_equal_latents_and_pixels(codec, round_trips, size, quality, writer):
    calls, numbers = round_trips
    case = numbers[size, quality, writer]
    stream = stream_of(calls, case["stream"])
    assert_same_latents(calls, case["latents"], codec.symbols(stream))
    for realism, number in case["pixels"].items():
        pixels, expected = calls[f"{number}/pixels"], codec.decompress(stream, realism)
        assert pixels.dtype == np.uint8 and pixels.shape == (*size, 3)
        # Networks of floats round differently, and one unit is what a rounded pixel shows of it.
        assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("size", "quality"), CASES, ids=CASE_IDS)
def test_streams_of_the_graph_are_as_small_as_those_of_python(round_trips, size, quality):
    calls, numbers = round_trips
    python, graph = (
        len(stream_of(calls, numbers[size, quality, writer]["stream"])) for writer in ("python", "graph")
    )
    # Floats that round differently may choose another symbol now and then.
    assert abs(graph - python) <= 0.01 * python


def test_files_and_pixels_make_the_same_streams(round_trips):
    calls, numbers = round_trips
    files = numbers["files"]
    assert calls.stream(files["PNG"]) == calls.stream(files["BMP"]) == calls.stream(files["pixels"])
    assert calls.stream(files["JPEG"]) == calls.stream(files["JPEG pixels"])


def test_png_holds_the_decoded_pixels(round_trips):
    calls, numbers = round_trips
    png = calls[f"{numbers['files']['png']}/png"].tobytes()
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    np.testing.assert_array_equal(picture, calls[f"{numbers['files']['decoded']}/pixels"])


def test_neither_gan_tfc_nor_keras_is_needed(round_trips):
    modules = set(round_trips[0]["modules"])
    assert "tensorflow_compression_ops" in modules
    assert not modules & {"gan_tfc", "keras", "tf_keras"}


def test_only_operators_of_tensorflow_compression_are_foreign(round_trips):
    assert set(round_trips[0]["foreign"]) == {
        "CreateRangeDecoder",
        "CreateRangeEncoder",
        "EntropyDecodeIndex",
        "EntropyEncodeFinalize",
        "EntropyEncodeIndex",
    }


# --- damaged and hostile streams ------------------------------------------------------------------


def sealed(fields, payload):
    """Fields of a header and a payload with the checksums that belong to them."""
    body = fields + binascii.crc_hqx(fields, 0xFFFF).to_bytes(2, "big") + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


def taken_apart(stream):
    """Header, its fields without checksum, and payload of a stream."""
    header, start = container.parse_header(stream)
    return header, stream[: start - 2], stream[start:-4]


def changed(stream, **fields):
    """A stream with other header fields, of whatever value, and right checksums."""
    header, _, payload = taken_apart(stream)
    values = {**vars(header), **fields}
    return sealed(container._serialise(container.Header(**values))[:-2], payload)


def respelled(stream, old, new):
    """A stream with one piece of its header replaced, and right checksums."""
    _, fields, payload = taken_apart(stream)
    assert fields.count(old) == 1
    return sealed(fields.replace(old, new), payload)


def damages(stream):
    """Name -> (stream, part of the sentence)."""
    middle = len(stream) - 20
    header = container.parse_header(stream)[0]
    name = header.preset.encode()
    digest, sides = header.tables_digest, container._leb128(header.width) + container._leb128(header.height)
    flipped = stream[:middle] + bytes([stream[middle] ^ 4]) + stream[middle + 1 :]
    short, *lengths = header.section_lengths
    return {
        "nothing": (b"", "begins with 475443"),
        "magic": (b"PTC" + stream[3:], "begins with 475443"),
        "format version": (stream[:3] + b"\x02" + stream[4:], "has version 2"),
        "flags": (stream[:4] + b"\x01" + stream[5:], "with flags 1"),
        "name length": (stream[:5] + b"\x21" + stream[6:], "but 33 came"),
        "header cut off": (stream[:20], "longer than the 20 bytes"),
        "header flipped": (stream[:21] + bytes([stream[21] ^ 1]) + stream[22:], "CRC-16"),
        "truncated": (stream[:-1], "only"),
        "trailing": (stream + b"\0", "cut off what follows"),
        "payload flipped": (flipped, "CRC-32"),
        "checksum flipped": (stream[:-1] + bytes([stream[-1] ^ 1]), "CRC-32"),
        "name": (respelled(stream, name, b"7" + name[1:]), "the first not a digit"),
        "preset version": (changed(stream, preset_version=0), "a preset version is 1 or more"),
        "digest": (changed(stream, tables_digest=b"\1\2\3\4"), "with tables 01020304"),
        "step code": (changed(stream, step_code=2048), "at most 2047"),
        "long number": (respelled(stream, digest + sides, digest + b"\x8c\0" + sides[1:]), "shortest"),
        "huge number": (respelled(stream, digest + sides, digest + b"\xff\xff\xff\xff\x7f"), "shortest"),
        "no width": (changed(stream, width=0), "at least 1 pixel"),
        "wide": (changed(stream, width=65537), "at most 65536"),
        "large": (changed(stream, width=65536, height=65536), "268435456 in all"),
        "too few bytes": (changed(stream, width=16384, height=16384), "in the first section"),
        "three sections": (changed(stream, section_lengths=(short + lengths[0], *lengths[1:])), "4 sections"),
        "long sections": (changed(stream, section_lengths=(2**32 - 1,) * 4), "only"),
    }


def hostile_escape(codec, stream):
    """A stream whose first escape has a gamma code of zeros without an end."""
    header, *_ = taken_apart(stream)
    row = codec.frozen.tables.cdf[coarsest_rows((1, 1, 3), header.step_code)[0]]
    start = (int(row[-2]) << 32) >> -int(row[0])
    sections = [start.to_bytes(4, "big"), b"", b"", b""]
    fields = {name: getattr(header, name) for name in ("preset", "preset_version", "tables_digest")}
    size = {"width": header.width, "height": header.height, "step_code": header.step_code}
    return container.pack(**fields, **size, sections=sections)


def mutated(rng, stream):
    """A stream with a few other bytes in payload or header fields, and right checksums."""
    header, fields, payload = taken_apart(stream)
    if rng.random() < 0.2:
        sides = {name: int(rng.integers(1, 200)) for name in ("width", "height")}
        return changed(stream, **sides, step_code=int(rng.integers(steps.MAX_STEP_CODE + 1)))
    data = np.frombuffer(payload, np.uint8).copy()
    count = int(rng.integers(1, 9))
    start = int(rng.integers(len(data)))
    if rng.random() < 0.5:
        data[rng.integers(len(data), size=count)] = rng.integers(256, size=count)
    else:
        data[start : start + 8 * count] = rng.choice([0x00, 0x80, 0xFF])
    return sealed(fields, data.tobytes())


def add_attacks(calls, codec):
    """Calls on streams that are not intact; returns their numbers with what was passed."""
    rng = np.random.default_rng(3)
    small, larger = codec.compress(photo(12, 23), 50), codec.compress(photo(60, 70), 70)
    numbers = {
        "damages": {
            name: (calls.add("latents", stream=stream), part)
            for name, (stream, part) in damages(small).items()
        },
        "prefixes": [calls.add("latents", stream=small[:end]) for end in range(len(small))],
        "flips": [
            calls.add("latents", stream=small[:at] + bytes([small[at] ^ 1 << at % 8]) + small[at + 1 :])
            for at in range(len(small))
        ],
        "escape": calls.add("latents", stream=hostile_escape(codec, small)),
        "mutants": [],
        "arguments": {
            "realism": calls.add("decompress", stream=small, realism=1.5),
            "quality": calls.add("compress_pixels", image=photo(2, 3), quality=np.nan),
            "pixel": calls.add("compress_pixels", image=np.zeros((0, 4, 3)), quality=50),
            "image": calls.add("compress", image=b"no picture at all", quality=50),
        },
    }
    for number in range(300):
        stream = mutated(rng, (small, larger)[number % 2])
        numbers["mutants"].append((calls.add("latents", stream=stream), stream))
    return numbers


def assert_one_sentence(said):
    assert said and not said.startswith("NO SENTENCE"), said
    assert said.endswith(".") and ". " not in said and "\n" not in said


def test_every_damage_is_told_in_one_sentence(attacks):
    calls, numbers = attacks
    for name, (number, part) in numbers["damages"].items():
        said = calls.outcome(number)
        assert said is not None, f"{name} was not noticed"
        assert_one_sentence(said)
        assert part in said, f"{name}: {said}"


@pytest.mark.parametrize("kind", ["prefixes", "flips"])
def test_no_prefix_and_no_flipped_bit_passes(attacks, kind):
    calls, numbers = attacks
    for number in numbers[kind]:
        assert_one_sentence(calls.outcome(number))


def test_arguments_out_of_range_are_told_in_one_sentence(attacks):
    calls, numbers = attacks
    for part, number in numbers["arguments"].items():
        assert part in calls.outcome(number)
        assert_one_sentence(calls.outcome(number))


def test_escape_without_an_end_is_refused(attacks):
    calls, numbers = attacks
    assert "escape" in calls.outcome(numbers["escape"])


def test_mutants_with_right_checksums_decode_as_in_python_or_are_refused(codec, attacks):
    calls, numbers = attacks
    decoded = 0
    for number, stream in numbers["mutants"]:
        if said := calls.outcome(number):
            assert_one_sentence(said)
            continue
        try:
            expected = codec.symbols(stream)
        except GanTfcError:
            continue  # an escape that wraps around in the operator
        assert_same_latents(calls, number, expected)
        decoded += 1
    assert decoded >= len(numbers["mutants"]) // 2


# --- transforms -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformed(codec, tmp_path_factory):
    """Calls of the transforms, in a process without TensorFlow Compression, and their inputs."""
    from gan_tfc.export.tensorflow_codec import save_transforms

    folder = tmp_path_factory.mktemp("transforms")
    save_transforms(codec, folder / "transforms")
    rng, calls, inputs = np.random.default_rng(5), Calls(), []
    for level in range(codec.frozen.contexts.levels):
        context, known = random_context(rng, 9, 14), random_known(rng, 9, 14)
        first = calls.add(f"first_{level}", context=context[None])
        second = calls.add(f"second_{level}", features=f"{first}/features", known=known[None])
        inputs.append((first, second, context, known))
    synthesis = {
        "base": rng.uniform(-0.5, 0.5, (2, 12, 20, 3)),
        "step": np.array([[0.05], [0.2]]),
        "realism": np.array([[0.0], [1.0]]),
        "noise": rng.uniform(-1, 1, (2, 3, 5, codec.model.synthesis.texture_features)),
    }
    synthesis = {name: value.astype(np.float32) for name, value in synthesis.items()}
    number = calls.add("synthesis", **synthesis)
    return calls.run(folder / "transforms", folder), inputs, (number, synthesis)


def test_transforms_need_tensorflow_alone(transformed):
    calls, *_ = transformed
    assert not calls["foreign"].size
    assert not set(calls["modules"]) & {"gan_tfc", "keras", "tf_keras", "tensorflow_compression_ops"}


def test_transforms_give_the_integers_of_the_reference(codec, transformed):
    calls, inputs, _ = transformed
    for network, (first, second, context, known) in zip(codec.frozen.contexts.networks, inputs, strict=True):
        features, means, scales = network.first(context)
        for name, expected in (("features", features), ("means", means), ("scales", scales)):
            np.testing.assert_array_equal(calls[f"{first}/{name}"][0], expected)
        for name, expected in zip(("means", "scales"), network.second(features, known), strict=True):
            np.testing.assert_array_equal(calls[f"{second}/{name}"][0], expected)


def test_synthesis_gives_the_pixels_of_the_model(codec, transformed):
    calls, _, (number, inputs) = transformed
    expected = np.asarray(codec.model.synthesis(inputs, training=False))
    # float32 sums of some hundred products in another order
    np.testing.assert_allclose(calls[f"{number}/picture"], expected, atol=1e-4)


def test_missing_operators_are_told_in_one_sentence(codec, tmp_path, monkeypatch):
    from gan_tfc.export.tensorflow_codec import save_codec

    monkeypatch.setitem(sys.modules, "tensorflow_compression_ops", None)
    with pytest.raises(GanTfcError, match="needs tensorflow_compression_ops"):
        save_codec(codec, tmp_path / "codec")
