# SPDX-License-Identifier: Apache-2.0
"""The C99 runtime computes the same integers as `gan_tfc`, and refuses what `gan_tfc` refuses."""

import binascii
import functools
import os
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import PHASE, logistic_tables, random_network, worst_network

import gan_tfc
from gan_tfc.codec import Codec
from gan_tfc.coding import container, steps
from gan_tfc.coding.codec_file import write_codec_file
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.noise import position_noise
from gan_tfc.coding.scan import ContextModel, coarsest_rows
from gan_tfc.encoder import TUNES

pytestmark = pytest.mark.export

EDGE = Path(__file__).parents[2] / "export" / "edge"
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
#: Sanitizers' own reports must not look like an error of the program.
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=0",
    "UBSAN_OPTIONS": "exitcode=99",
}
SIZES = [(1, 1), (17, 33), (200, 300)]
QUALITIES = [5, 30, 50, 90]
MUTATIONS = 200
#: Exit code 0 where streams are equal with and without GTC_TUNE_PSNR; prints what another tune is called.
TUNES_IN_C = r"""
#include <stdio.h>
#include <stdlib.h>
#define GTC_IMPLEMENTATION
#include "gtc.h"

int main(int count, char **arguments) {
    static uint8_t data[1 << 22], rgb[3 * 20 * 30];
    static gtc_codec codec;
    FILE *file = fopen(arguments[count - 1], "rb");
    if (!file || gtc_open(&codec, data, fread(data, 1, sizeof data, file))) return 1;
    for (int i = 0; i < 3 * 20 * 30; i++) rgb[i] = (uint8_t)(i * i / 7);
    size_t needed = gtc_encode_workspace_bytes(&codec, 30, 20), n, m;
    size_t bound = gtc_encode_bound(&codec, 30, 20);
    uint8_t *room = malloc(needed), *a = malloc(bound), *b = malloc(bound);
    if (gtc_encode(&codec, rgb, 30, 20, 60, room, needed, a, bound, &n)) return 2;
    if (gtc_encode_tuned(&codec, rgb, 30, 20, 60, GTC_TUNE_PSNR, room, needed, b, bound, &m)) return 3;
    if (n != m || memcmp(a, b, n)) return 4;
    if (gtc_encode_tuned(&codec, rgb, 30, 20, 60, GTC_TUNE_VISUAL, room, needed, b, bound, &m)) return 5;
    if (n == m && !memcmp(a, b, n)) return 6;
    puts(gtc_status_text(gtc_encode_tuned(&codec, rgb, 30, 20, 60, (gtc_tune)2, room, needed, b, bound, &m)));
    return 0;
}
"""


# --- the program and what it is compared with ------------------------------------------------------


@functools.cache
def build(folder, compiler, *flags):
    """Path of the command-line program."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs the compiler {compiler}")
    program = folder / f"gtc_{compiler}_{len(flags)}"
    command = [compiler, *STRICT, "-O2", *flags, str(EDGE / "gtc_cli.c"), "-o", str(program), "-lm"]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c_runtime")


@pytest.fixture(params=["gcc", "clang"])
def gtc(request, folder):
    return functools.partial(run, build(folder, request.param))


@pytest.fixture
def sanitized(folder):
    """The program under sanitizers, made by whichever compiler is there."""
    compiler = next((c for c in ("clang", "gcc") if shutil.which(c)), "gcc")
    return functools.partial(run, build(folder, compiler, *SANITIZERS))


@pytest.fixture(scope="module")
def codec():
    return gan_tfc.load("photo_mobile", engine="portable")


@pytest.fixture(scope="module")
def codec_bin(codec, folder):
    path = folder / "codec.bin"
    path.write_bytes(write_codec_file(codec.name, codec.version, codec.frozen))
    return path


def run(program, *arguments):
    """Exit code and stderr; nothing but a run without errors is silent there."""
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert bool(done.stderr) == bool(done.returncode)
    return done.returncode, done.stderr


def succeeds(result):
    assert result == (0, "")


def refuses(result, words):
    code, message = result
    assert code == 1 and message.count("\n") == 1 and words in message, message


def write_ppm(path, image):
    height, width, _ = image.shape
    path.write_bytes(b"P6\n# a comment\n%d %d\n255\n" % (width, height) + image.tobytes())


def read_ppm(path):
    magic, size, largest, pixels = path.read_bytes().split(b"\n", 3)
    assert (magic, largest) == (b"P6", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


@functools.cache
def crop(height, width):
    from skimage import data

    return np.ascontiguousarray(data.coffee()[100 : 100 + height, 150 : 150 + width])


def python_latents(codec, data):
    """What `gtc latents` writes."""
    first, *levels = codec.symbols(data)
    arrays = [first.picture, *(x for step in levels for x in (step.values, step.scales)), levels[-1].picture]
    return np.concatenate([array.reshape(-1) for array in arrays])


def c_latents(gtc, codec_bin, stream, out):
    succeeds(gtc("latents", codec_bin, stream, out, "--force"))
    return np.fromfile(out, "<i4")


def base_picture(codec, data):
    header, _ = container.unpack(data)
    pixels = to_rgb(codec.symbols(data)[-1].picture, steps.step_size(header.step_code) / 64)
    pixels = np.clip(np.floor((pixels + 0.5) * 255 + 0.5), 0, 255)
    return pixels[: header.height, : header.width].astype(np.uint8)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean(np.square(a.astype(float) - b)))


# --- equal integers --------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", SIZES)
def test_latents_of_streams_of_either_encoder_are_those_of_python(
    gtc, codec, codec_bin, tmp_path, size, quality
):
    ours, theirs, out = tmp_path / "python.gtc", tmp_path / "c.gtc", tmp_path / "out.i32"
    ours.write_bytes(codec.compress(crop(*size), quality))
    write_ppm(tmp_path / "in.ppm", crop(*size))
    succeeds(gtc("compress", codec_bin, tmp_path / "in.ppm", theirs, quality))
    for stream in (ours, theirs):
        expected = python_latents(codec, stream.read_bytes())
        np.testing.assert_array_equal(c_latents(gtc, codec_bin, stream, out), expected)


@pytest.mark.parametrize(
    "make, features, levels", [(random_network, 1, 1), (random_network, 5, 3), (worst_network, 28, 4)]
)
def test_latents_of_other_networks_are_equal(gtc, tmp_path, rng, make, features, levels):
    networks = tuple(make(rng, features) for _ in range(levels))
    frozen = FrozenTables.of(ContextModel(networks, PHASE), logistic_tables())
    other = Codec(None, "other", 3, frozen, engine="portable")
    codec_bin, stream = tmp_path / "codec.bin", tmp_path / "python.gtc"
    codec_bin.write_bytes(write_codec_file("other", 3, frozen))
    for quality in (1, 60, 100):
        stream.write_bytes(other.compress(crop(61, 90), quality))
        found = c_latents(gtc, codec_bin, stream, tmp_path / "out.i32")
        np.testing.assert_array_equal(found, python_latents(other, stream.read_bytes()))


def test_position_noise_is_equal(gtc, tmp_path):
    out = tmp_path / "noise.f32"
    succeeds(gtc("noise", 13, 21, 4, 1000, 70000, out))
    np.testing.assert_array_equal(
        np.fromfile(out, np.float32).reshape(13, 21, 4), position_noise(13, 21, 4, top=1000, left=70000)
    )


# --- pixels and rate -------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [5, 50, 95])
def test_streams_of_c_are_as_small_and_as_near_as_those_of_python(
    gtc, codec, codec_bin, photo, tmp_path, quality
):
    write_ppm(tmp_path / "in.ppm", photo)
    succeeds(gtc("compress", codec_bin, tmp_path / "in.ppm", tmp_path / "c.gtc", quality))
    succeeds(gtc("decompress", codec_bin, tmp_path / "c.gtc", tmp_path / "out.ppm"))
    ours, theirs = codec.compress(photo, quality), (tmp_path / "c.gtc").read_bytes()
    # Floats of the forward wavelet differ in the last bit and change a symbol now and then.
    assert len(theirs) == pytest.approx(len(ours), rel=0.01)
    found = read_ppm(tmp_path / "out.ppm")
    assert psnr(found, photo) == pytest.approx(psnr(base_picture(codec, ours), photo), abs=0.05)
    # to_rgb sums three products in another order.
    assert np.abs(found.astype(int) - base_picture(codec, theirs)).max() <= 1


@pytest.mark.parametrize("quality", [30, 70])
def test_visual_tuning_is_that_of_python(gtc, codec, codec_bin, tmp_path, quality):
    image, found = crop(201, 299), {}
    write_ppm(tmp_path / "in.ppm", image)
    for name, options in {"none": (), "psnr": ("--tune", "psnr"), "visual": ("--tune", "visual")}.items():
        succeeds(gtc("compress", codec_bin, tmp_path / "in.ppm", tmp_path / name, quality, *options))
        found[name] = (tmp_path / name).read_bytes()
    assert found["psnr"] == found["none"]
    ours, plain = codec.compress(image, quality, tune="visual"), codec.compress(image, quality)
    tolerance = 0.001 * len(ours)
    assert abs(len(found["visual"]) - len(ours)) <= tolerance < abs(len(plain) - len(ours))
    pictures = (base_picture(codec, stream) for stream in (found["visual"], ours))
    assert psnr(next(pictures), image) == pytest.approx(psnr(next(pictures), image), abs=0.02)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_visual_tuning_needs_no_more_room_at_any_depth(sanitized, rng, tmp_path, levels):
    small = small_codec(rng, features=3, levels=levels, reach=20)
    codec_bin, stream = tmp_path / "codec.bin", tmp_path / "c.gtc"
    codec_bin.write_bytes(write_codec_file(small.name, small.version, small.frozen))
    write_ppm(tmp_path / "in.ppm", crop(61, 90))
    succeeds(sanitized("compress", codec_bin, tmp_path / "in.ppm", stream, 40, "--tune", "visual"))
    found, expected, plain = (
        python_latents(small, data)
        for data in (
            stream.read_bytes(),
            small.compress(crop(61, 90), 40, tune="visual"),
            small.compress(crop(61, 90), 40),
        )
    )
    # A symbol that rounds otherwise changes the contexts of a few others.
    assert (found == expected).mean() > 0.999 > (plain == expected).mean()


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16, 32, 64])
def test_preview_of_a_prefix_is_that_of_python(gtc, codec, codec_bin, tmp_path, scale):
    data = codec.compress(crop(200, 300), 70)
    header, _ = container.parse_header(data)
    prefix = data[: container.prefix_length(header, {1: 4, 2: 3, 4: 2}.get(scale, 1))]
    stream, out = tmp_path / "prefix.gtc", tmp_path / "out.ppm"
    stream.write_bytes(prefix)
    succeeds(gtc("preview", codec_bin, stream, out, scale))
    # to_rgb sums three products in another order.
    assert np.abs(read_ppm(out).astype(int) - codec.preview(prefix, scale)).max() <= 1
    stream.write_bytes(prefix[:-1])
    refuses(gtc("preview", codec_bin, stream, out, scale, "--force"), "ends before the stream does")


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.parametrize("quality", [1, 100])
def test_noise_fits_into_the_bound(sanitized, codec, codec_bin, rng, tmp_path, quality, tune):
    write_ppm(tmp_path / "in.ppm", rng.choice(np.uint8([0, 255]), (64, 64, 3)))
    stream = tmp_path / "c.gtc"
    succeeds(sanitized("compress", codec_bin, tmp_path / "in.ppm", stream, quality, "--tune", tune))
    found = c_latents(sanitized, codec_bin, stream, tmp_path / "out.i32")
    np.testing.assert_array_equal(found, python_latents(codec, stream.read_bytes()))


# --- what is refused -------------------------------------------------------------------------------


def repaired(data, header_bytes):
    """Both checksums made right again."""
    data = bytearray(data)
    data[header_bytes - 2 : header_bytes] = binascii.crc_hqx(data[: header_bytes - 2], 0xFFFF).to_bytes(
        2, "big"
    )
    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "big")
    return bytes(data)


def long_escape(codec, row):
    """A section that begins with an escape and a gamma code of 31 digits."""
    encoder = codec.range_coder().encoder()
    first, last = codec.frozen.tables.cdf[row][-2:].tolist()
    low = np.array([0] * 30 + [1] + [0] * 31) << 15
    encoder._narrow([first, *low.tolist()], [last, *(low + (1 << 15)).tolist()])
    return encoder.finish() + bytes(90)


def hostile_streams(codec, data):
    """(name, stream, words of the error)."""
    header, sections = container.unpack(data)
    fields = (header.preset, header.preset_version, header.tables_digest)
    version = 6 + len(header.preset)  # below 128, so that 0 may follow as a digit too many
    longer = data[:version] + bytes([data[version] | 0x80, 0]) + data[version + 1 :]
    flipped = bytearray(data)
    flipped[header.header_bytes - 1] ^= 1
    payload = bytearray(data)
    payload[header.header_bytes] ^= 1
    section = long_escape(codec, coarsest_rows((1, 1, 3), 900)[0])
    wrong = header.preset, header.preset_version, b"\1\2\3\4"
    return [
        ("nothing", b"", "begins with 'GTC'"),
        ("PNG", b"\x89PNG\r\n\x1a\n" + bytes(40), "begins with 'GTC'"),
        ("magic alone", b"GTC", "ends before"),
        ("version", data[:3] + b"\2" + data[4:], "format version 1"),
        ("flags", data[:4] + b"\1" + data[5:], "flags 0"),
        ("header CRC", bytes(flipped), "CRC-16"),
        ("payload", bytes(payload), "CRC-32"),
        ("truncated header", data[:20], "ends before"),
        ("truncated", data[:-1], "ends before"),
        ("trailing", data + b"\0", "follow the end"),
        ("LEB128", repaired(longer, header.header_bytes + 1), "out of its range"),
        ("digest", container.pack(*wrong, 64, 48, header.step_code, sections), "other tables"),
        ("step code", container.pack(*fields, 64, 48, 2048, sections), "out of its range"),
        ("sections", container.pack(*fields, 64, 48, 900, sections[:3]), "out of its range"),
        ("size", container.pack(*fields, 16384, 16384, header.step_code, sections), "takes more bytes"),
        ("name", repaired(data[:6] + b"9" + data[7:], header.header_bytes), "out of its range"),
        ("escape", container.pack(*fields, 1, 1, 900, [section] + [b""] * 3), "escape"),
    ]


def test_malformed_streams_are_refused_in_one_line(sanitized, codec, codec_bin, tmp_path):
    stream, out = tmp_path / "in.gtc", tmp_path / "out.ppm"
    for name, data, words in hostile_streams(codec, codec.compress(crop(48, 64), 40)):
        stream.write_bytes(data)
        with pytest.raises(gan_tfc.GanTfcError):
            codec.symbols(data)
        refuses(sanitized("decompress", codec_bin, stream, out), words)
        assert not out.exists(), name


def small_codec(rng, features, levels, reach):
    """Random networks that run in milliseconds under sanitizers, too."""
    networks = tuple(random_network(rng, features) for _ in range(levels))
    frozen = FrozenTables.of(ContextModel(networks, PHASE), logistic_tables(reach=reach))
    return Codec(None, "small", 1, frozen, engine="portable")


def mutated(data, rng, start=0):
    """Some bytes replaced, some flipped in one bit."""
    data = bytearray(data)
    for place in rng.integers(start, len(data), rng.integers(1, 4)):
        data[place] = rng.integers(256) if rng.random() < 0.5 else data[place] ^ 1 << rng.integers(8)
    return bytes(data)


def test_mutated_streams_are_read_or_refused_as_by_python(sanitized, rng, tmp_path):
    small = small_codec(rng, features=3, levels=3, reach=20)
    codec_bin, stream, out = tmp_path / "codec.bin", tmp_path / "in.gtc", tmp_path / "out.i32"
    codec_bin.write_bytes(write_codec_file(small.name, small.version, small.frozen))
    streams = [small.compress(crop(*size), quality) for size, quality in (((5, 9), 30), ((20, 30), 80))]
    accepted = refused = 0
    for turn in range(MUTATIONS):
        data = streams[turn % 2]
        header_bytes = container.parse_header(data)[1]
        data = repaired(mutated(data[: header_bytes + 40], rng) + data[header_bytes + 40 :], header_bytes)
        stream.write_bytes(data)
        try:
            expected = python_latents(small, data)
        except gan_tfc.GanTfcError:
            refuses(sanitized("latents", codec_bin, stream, out, "--force"), "gtc: ")
            refused += 1
        else:
            found = c_latents(sanitized, codec_bin, stream, out)
            np.testing.assert_array_equal(found, expected)
            accepted += 1
    assert min(accepted, refused) > MUTATIONS / 10


def hostile_codec_files(data):
    """(name, codec.bin, words of the error)."""

    def patched(place, value):
        body = data[:place] + value + data[place + len(value) : -4]
        return body + zlib.crc32(body).to_bytes(4, "little")

    cdfs = 80 + 8 * 85 + sum(4 * (3 * features + 36) for features in data[64:76] if features)
    return [
        ("nothing", b"", "begins with 'GTCB'"),
        ("magic", b"GTCX" + data[4:], "begins with 'GTCB'"),
        ("version", data[:4] + b"\2" + data[5:], "format version 1"),
        ("flipped", data[:1000] + bytes([data[1000] ^ 1]) + data[1001:], "CRC-32"),
        ("truncated", data[:-1], "CRC-32"),
        ("shorter", (body := data[:-8]) + zlib.crc32(body).to_bytes(4, "little"), "longer or shorter"),
        (
            "longer",
            (body := data[:-4] + bytes(4)) + zlib.crc32(body).to_bytes(4, "little"),
            "longer or shorter",
        ),
        ("levels", patched(5, b"\0"), "out of its range"),
        ("many levels", patched(5, b"\x0d"), "out of its range"),
        ("name", patched(32, b"9"), "out of its range"),
        ("rows", patched(16, b"\x54"), "out of its range"),
        ("phase", patched(20, b"\2"), "out of its range"),
        ("features", patched(64, b"\0"), "out of its range"),
        ("row header", patched(80 + 6, b"\x11"), "out of its range"),
        ("offset", patched(80, b"\xff\xff\xff\x7f"), "out of its range"),
        ("no indexes", patched(80 + 4, b"\0\0"), "longer or shorter"),
        ("first of a CDF", patched(cdfs, b"\1\0"), "rise strictly"),
        ("falling CDF", patched(cdfs + 2, b"\0\0"), "rise strictly"),
        ("weight", patched(len(data) - 1000, b"\x80"), "-127 to 127"),
        ("bias", patched(760, b"\xff\xff\xff\x7f"), "sums below 2^24"),
    ]


def test_malformed_codec_files_are_refused_in_one_line(sanitized, codec, codec_bin, tmp_path):
    stream, bad = tmp_path / "in.gtc", tmp_path / "codec.bin"
    stream.write_bytes(codec.compress(crop(5, 5), 40))
    for name, data, words in hostile_codec_files(codec_bin.read_bytes()):
        bad.write_bytes(data)
        refuses(sanitized("decompress", bad, stream, tmp_path / "out.ppm"), words)
        assert not (tmp_path / "out.ppm").exists(), name


def test_a_bias_at_the_bound_is_read_and_one_above_is_refused(sanitized, rng, tmp_path):
    frozen = FrozenTables.of(ContextModel((worst_network(rng, 28),), PHASE), logistic_tables(reach=4))
    stream, codec_bin, out = tmp_path / "in.gtc", tmp_path / "codec.bin", tmp_path / "out.i32"
    stream.write_bytes(Codec(None, "worst", 1, frozen, engine="portable").compress(crop(3, 4), 40))
    data = write_codec_file("worst", 1, frozen)
    codec_bin.write_bytes(data)
    succeeds(sanitized("latents", codec_bin, stream, out))
    place = 80 + 8 * 85 + 4 * (28 + 28 + 1)  # of the second bias of the first head
    bias = int.from_bytes(data[place : place + 4], "little", signed=True)
    body = data[:place] + (bias + 1).to_bytes(4, "little", signed=True) + data[place + 4 : -4]
    codec_bin.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    refuses(sanitized("latents", codec_bin, stream, out, "--force"), "sums below 2^24")


def test_mutated_codec_files_never_crash(sanitized, rng, tmp_path):
    small = small_codec(rng, features=2, levels=3, reach=4)
    stream, mutant = tmp_path / "in.gtc", tmp_path / "codec.bin"
    stream.write_bytes(small.compress(crop(20, 30), 60))
    intact = write_codec_file(small.name, small.version, small.frozen)
    codes = []
    for turn in range(MUTATIONS):
        body = mutated(intact[: 100 if turn % 2 else -4], rng) + intact[100 if turn % 2 else -4 : -4]
        mutant.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
        code, message = sanitized("latents", mutant, stream, tmp_path / "out.i32", "--force")
        assert message.count("\n") == code
        codes.append(code)
    assert MUTATIONS / 10 < sum(codes) < MUTATIONS * 9 / 10


# --- the program -----------------------------------------------------------------------------------


def test_header_is_valid_cpp(folder):
    if shutil.which("g++") is None:
        pytest.skip("needs the compiler g++")
    source = folder / "gtc.cpp"
    source.write_text('#define GTC_IMPLEMENTATION\n#include "gtc.h"\n')
    command = ["g++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", f"-I{EDGE}"]
    subprocess.run([*command, "-c", str(source), "-o", str(folder / "gtc.o")], check=True)


def test_plain_encoding_is_that_of_psnr_and_another_tune_is_a_status(folder, codec_bin):
    if shutil.which("gcc") is None:
        pytest.skip("needs the compiler gcc")
    source, program = folder / "tunes.c", folder / "tunes"
    source.write_text(TUNES_IN_C)
    command = ["gcc", *STRICT, *SANITIZERS, f"-I{EDGE}", str(source), "-o", str(program), "-lm"]
    subprocess.run(command, check=True)
    done = subprocess.run([program, codec_bin], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("expected GTC_TUNE_PSNR or GTC_TUNE_VISUAL, but another tune came")


def test_fuzz_targets_compile(folder):
    if shutil.which("clang") is None:
        pytest.skip("needs the compiler clang")
    for kind in ((), ("-DFUZZ_CODEC_FILE",)):
        command = ["clang", *STRICT, "-fsyntax-only", *kind, str(EDGE / "fuzz_decode.c")]
        subprocess.run(command, check=True)


def test_existing_files_are_kept_unless_forced(gtc, codec_bin, tmp_path):
    write_ppm(tmp_path / "in.ppm", crop(3, 4))
    out = tmp_path / "out.gtc"
    out.write_bytes(b"mine")
    refuses(gtc("compress", codec_bin, tmp_path / "in.ppm", out), "--force")
    assert out.read_bytes() == b"mine"
    succeeds(gtc("compress", codec_bin, tmp_path / "in.ppm", out, "--force"))
    succeeds(gtc("info", out))


def test_wrong_usage_exits_with_2(gtc, codec_bin):
    tuned = ("decompress", codec_bin, "a", "b", "--tune", "visual")
    for arguments in ((), ("unknown",), ("compress", codec_bin), ("info", "a", "b"), tuned):
        assert gtc(*arguments)[0] == 2


def test_values_out_of_range_are_refused_in_one_line(gtc, codec, codec_bin, tmp_path):
    write_ppm(tmp_path / "in.ppm", crop(3, 4))
    for quality in ("0.99", "100.01", "nan", "high"):
        refuses(gtc("compress", codec_bin, tmp_path / "in.ppm", tmp_path / "out.gtc", quality), "expected a")
    for tune in (("--tune", "ssim"), ("--tune",)):
        result = gtc("compress", codec_bin, tmp_path / "in.ppm", tmp_path / "out.gtc", *tune)
        refuses(result, "--tune: expected psnr or visual, but other text came")
    assert not (tmp_path / "out.gtc").exists()
    (tmp_path / "in.gtc").write_bytes(codec.compress(crop(3, 4), 40))
    for scale in ("0", "3", "128", "2.5"):
        result = gtc("preview", codec_bin, tmp_path / "in.gtc", tmp_path / "out.ppm", scale)
        refuses(result, "expected a scale")
