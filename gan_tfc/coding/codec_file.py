# SPDX-License-Identifier: Apache-2.0
"""What decides bits, as one small file that every language reads: `codec.bin` of a bundle.

    field             bytes     contents
    ----------------  --------  --------------------------------------------------------------------
    magic             4         "GTCB", 0x47 0x54 0x43 0x42
    format version    1         1
    levels            1         L, number of context networks, 1..12
    name length       1         n, 1..32
    zero              1
    tables digest     4         as streams carry it
    preset version    4         1 or more
    rows              4         R, number of rows of the coding tables: 85
    phase             9         0 or 1 for each band, see `gan_tfc/coding/contexts.py`
    zeros             3
    preset            32        n characters a..z, 0..9 and "_", the first not a digit; then zeros
    features          12        F of each level, finest first, 1..255; zeros after the L-th
    zeros             4
    rows              8 R       for each: offset (4, signed), number of indexes N (2), header (1,
                                signed: P, or -P with an escape, 1..16), zero (1)
    biases            4 each    signed; for each level, finest first, of the layers trunk_in (F),
                                trunk (F), first_head (18), known (F) and second_head (18)
    CDFs              2 each    for each row: c_0 = 0, c_1 .. c_(N-1), rising strictly; c_N, which is
                                2^P, is left out
    kernels           1 each    signed, -127..127; for each level, finest first, of the layers trunk_in
                                (3, 3, 14, F), trunk (3, 3, F, F), first_head (1, 1, F, 18), known
                                (3, 3, 10, F), mix (1, 1, F, F) and second_head (1, 1, F, 18): height,
                                width, inputs, outputs, the last index moving fastest
    zeros             0..3      up to a multiple of 4
    CRC               4         CRC-32 of all bytes before it, the one of zip and PNG; the file ends here

All numbers are little-endian and lie on multiples of their size, so that a file in memory can be used
in place. A reader checks magic, format version and CRC first, then that the sizes add up to those of the
file, then every range named here, and last that no accumulator of a network can leave the integers
that float32 holds exactly (`gan_tfc.coding.integer_network.check_bound`).
"""

import zlib
from typing import NamedTuple

import numpy as np

from gan_tfc.coding import container
from gan_tfc.coding.contexts import CONTEXT_CHANNELS
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.integer_network import BANDS, IntegerContextNetwork
from gan_tfc.coding.scan import TABLE_ROWS, ContextModel
from gan_tfc.coding.tables import CodingTables
from gan_tfc.errors import PresetError

CODEC_MAGIC = b"GTCB"
CODEC_FORMAT_VERSION = 1
MAX_LEVELS = 12
_MAX_FEATURES = 255
_HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("format_version", "u1"),
        ("levels", "u1"),
        ("name_length", "u1"),
        ("zero", "u1"),
        ("digest", "V4"),
        ("preset_version", "<u4"),
        ("rows", "<u4"),
        ("phase", "u1", BANDS),
        ("zeros", "u1", 3),
        ("preset", "V32"),
        ("features", "u1", MAX_LEVELS),
        ("more_zeros", "u1", 4),
    ]
)
_TABLE_ROW = np.dtype([("offset", "<i4"), ("indexes", "<u2"), ("header", "i1"), ("zero", "u1")])
_MEND = "copy the bundle again."


class CodecFile(NamedTuple):
    """Contents of `codec.bin`.

    Attributes:
        preset: name that streams carry.
        version: of the preset.
        frozen: integer networks and coding tables, with their digest.
    """

    preset: str
    version: int
    frozen: FrozenTables


def write_codec_file(preset: str, version: int, frozen: FrozenTables) -> bytes:
    """The contents of `codec.bin`."""
    networks = frozen.contexts.networks
    features = [network.weights["mix/kernel"].shape[3] for network in networks]
    header = np.zeros((), _HEADER)
    header["magic"], header["format_version"], header["levels"] = (
        CODEC_MAGIC,
        CODEC_FORMAT_VERSION,
        len(networks),
    )
    header["name_length"], header["preset"] = len(preset), preset.encode("ascii").ljust(32, b"\0")
    header["digest"], header["preset_version"] = frozen.digest, version
    header["rows"], header["phase"] = len(frozen.tables), frozen.contexts.phase
    header["features"][: len(features)] = features
    rows = np.zeros(len(frozen.tables), _TABLE_ROW)
    rows["offset"], rows["indexes"] = frozen.tables.offset, frozen.tables.lengths() - 2
    rows["header"] = [row[0] for row in frozen.tables.cdf]
    biases, kernels = [], []
    for network, count in zip(networks, features, strict=True):
        for layer, shape, has_bias in _layers(count):
            kernel = network.weights[f"{layer}/kernel"]
            if kernel.shape != shape or np.abs(kernel.astype(np.int64)).max() > 127:
                raise PresetError(
                    f"Expected weights {shape} from -127 to 127 in {layer}, received {kernel.shape}."
                )
            kernels.append(kernel.astype(np.int8).tobytes())
            if has_bias:
                biases.append(network.weights[f"{layer}/bias"].astype("<i4").tobytes())
    cdfs = np.concatenate([row[1:-1] for row in frozen.tables.cdf]).astype("<u2").tobytes()
    body = b"".join([header.tobytes(), rows.tobytes(), *biases, cdfs, *kernels])
    body += bytes(-len(body) % 4)
    return body + zlib.crc32(body).to_bytes(4, "little")


def read_codec_file(data: bytes) -> CodecFile:
    """Read back what `write_codec_file` returned.

    Raises:
        PresetError: the data is damaged, of another kind, or written by a newer gan_tfc.
    """
    header = _checked_header(data)
    reader = _ArrayReader(data, _HEADER.itemsize)
    count, levels = int(header["rows"]), int(header["levels"])
    features = header["features"].tolist()
    if count != TABLE_ROWS or not 1 <= levels <= MAX_LEVELS or 0 in features[:levels]:
        raise PresetError(
            f"Expected {TABLE_ROWS} rows of tables and 1 to {MAX_LEVELS} networks in codec.bin, found "
            f"{count} and {levels} with {features} features; {_MEND}"
        )
    rows = reader.take(_TABLE_ROW, count)
    layers = [_layers(features[level]) for level in range(levels)]
    weights = [{} for _ in layers]
    for arrays, of_level in zip(weights, layers, strict=True):
        for name, shape, has_bias in of_level:
            if has_bias:
                arrays[f"{name}/bias"] = reader.take("<i4", shape[3]).astype(np.int32)
    cdf = []
    for row in rows:
        inner = reader.take("<u2", int(row["indexes"]))
        precision = abs(int(row["header"]))
        cdf.append(np.concatenate([row["header"][None], inner, [1 << precision]]).astype(np.int32))
    for arrays, of_level in zip(weights, layers, strict=True):
        for name, shape, _ in of_level:
            kernel = reader.take("i1", int(np.prod(shape))).reshape(shape)
            if kernel.min() < -127:
                raise PresetError(f"Expected weights from -127 in {name} of codec.bin; {_MEND}")
            arrays[f"{name}/kernel"] = kernel
    reader.finish()
    networks = tuple(IntegerContextNetwork(arrays) for arrays in weights)
    contexts = ContextModel(networks, header["phase"].astype(np.int8))
    frozen = FrozenTables.of(contexts, CodingTables(cdf, rows["offset"]))
    if frozen.digest != header["digest"].tobytes():
        raise PresetError(
            f"Expected tables of digest {header['digest'].tobytes().hex()} in codec.bin, found "
            f"{frozen.digest.hex()}; {_MEND}"
        )
    name = header["preset"].tobytes()[: header["name_length"]].decode("latin-1")
    return CodecFile(name, int(header["preset_version"]), frozen)


def _layers(features):
    """(name, kernel shape, has a bias) in the order of the file."""
    return [
        ("trunk_in", (3, 3, CONTEXT_CHANNELS, features), True),
        ("trunk", (3, 3, features, features), True),
        ("first_head", (1, 1, features, 2 * BANDS), True),
        ("known", (3, 3, BANDS + 1, features), True),
        ("mix", (1, 1, features, features), False),
        ("second_head", (1, 1, features, 2 * BANDS), True),
    ]


def _checked_header(data):
    if len(data) < _HEADER.itemsize + 4 or data[:4] != CODEC_MAGIC:
        raise PresetError(
            f"Expected a codec.bin, which begins with {CODEC_MAGIC.decode()}, received {len(data)} bytes "
            f"that begin with {bytes(data[:4]).hex(' ') or 'nothing'}; {_MEND}"
        )
    if data[4] != CODEC_FORMAT_VERSION:
        raise PresetError(
            f"Expected a codec.bin of format version {CODEC_FORMAT_VERSION}, this one has {data[4]}; "
            "install a newer gan_tfc."
        )
    computed, stored = zlib.crc32(data[:-4]), int.from_bytes(data[-4:], "little")
    if computed != stored:
        raise PresetError(f"codec.bin is damaged (CRC-32 {computed:08x}, expected {stored:08x}); {_MEND}")
    header = np.frombuffer(data, _HEADER, 1)[0]
    if header["phase"].max() > 1 or not 1 <= header["name_length"] <= container.MAX_NAME_BYTES:
        raise PresetError(f"Expected phases 0 or 1 and a name in codec.bin, found others; {_MEND}")
    return header


class _ArrayReader:
    """Takes arrays from a file, one after another, and refuses to run past its end."""

    def __init__(self, data, position):
        self._data, self._position = data, position

    def take(self, dtype, count):
        dtype = np.dtype(dtype)
        end = self._position + dtype.itemsize * count
        if end > len(self._data) - 4:
            raise PresetError(
                f"Expected at least {end + 4} bytes in codec.bin, received {len(self._data)}; {_MEND}"
            )
        array = np.frombuffer(self._data, dtype, count, self._position)
        self._position = end
        return array

    def finish(self):
        end = self._position + -self._position % 4 + 4
        if len(self._data) != end:
            raise PresetError(f"Expected {end} bytes in codec.bin, received {len(self._data)}; {_MEND}")
