# SPDX-License-Identifier: Apache-2.0
"""Photos to small streams and back, without TensorFlow: the runtime of an exported gan_tfc bundle.

    python edge.py compress photo.png -o photo.gtc --quality 50
    python edge.py decompress photo.gtc -o photo.png --realism 0.5

    from edge import EdgeCodec
    codec = EdgeCodec("bundle/")
    data = codec.compress(pixels, quality=50)  # uint8 (height, width, 3) RGB
    pixels = codec.decompress(data)

Needs NumPy, and for pixels what the bundle was made for: ai_edge_litert or tflite_runtime for "tflite",
onnxruntime for "onnx". Symbols and previews are decoded with NumPy alone. Pictures are read with Pillow
where it is installed, else from PPM files, and written as PNG or PPM.

The upper part is made of modules of gan_tfc when a bundle is exported; mend things there.
"""

import argparse
import contextlib
import functools
import importlib
import json
import os
import sys
import threading
import zlib
from pathlib import Path

import numpy as np

from gan_tfc.coding.codec_file import read_codec_file
from gan_tfc.coding.contexts import CONTEXT_CHANNELS
from gan_tfc.coding.noise import position_noise
from gan_tfc.coding.range_coder import PortableCoder
from gan_tfc.coding.scan import ContextModel
from gan_tfc.coding.strips import cores
from gan_tfc.encoder import TUNES
from gan_tfc.errors import GanTfcError, ImageError, PresetError
from gan_tfc.files import write_atomically
from gan_tfc.stream_codec import PREVIEW_SCALES, StreamCodec, to_uint8

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
#: Files whose sizes are compared with the manifest.
_CHECKED = (".bin", ".tflite", ".onnx")


class EdgeCodec(StreamCodec):
    """The codec of a bundle.

    Args:
        folder: of the bundle.
        threads: for the synthesis network; default all cores.
        tiled: whether the synthesis network sees a picture piece by piece, which bounds its memory and
            changes no pixel by more than one level; None does so where a picture is larger than four pieces.

    Raises:
        PresetError: the folder holds no intact bundle.
    """

    def __init__(self, folder, threads: int | None = None, tiled: bool | None = None):
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        content = read_codec_file(_read(self.folder, "codec.bin"))
        super().__init__(content.preset, content.version)
        self._frozen = content.frozen
        self._coder = PortableCoder(content.frozen.tables)
        self._tiled = tiled
        self._runtime = _RUNTIMES[self.manifest["target"]](self.folder, self.manifest, threads or cores())
        self._contexts = None

    def __repr__(self):
        return f"<EdgeCodec {self.name}@{self.version} on {self.manifest['target']}>"

    def tables(self):
        """What decides bits."""
        return self._frozen

    def range_coder(self):
        """The coder of the tables."""
        return self._coder

    def context_model(self):
        """The context networks, on the bundle's runtime where it is installed, else in NumPy."""
        if self._contexts is None:
            contexts = self._frozen.contexts
            try:
                networks = tuple(self._runtime.network(level) for level in range(contexts.levels))
                self._contexts = ContextModel(networks, contexts.phase)
            except ImportError:
                self._contexts = contexts
        return self._contexts

    def read_image(self, image) -> np.ndarray:
        """uint8 `(H, W, 3)` as it is, anything else by way of a file's path.

        Raises:
            ImageError: neither pixels nor a picture file.
        """
        if isinstance(image, str | os.PathLike):
            return read_picture(image)
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ImageError(
                f"Expected uint8 pixels (height, width, 3) in RGB, received {pixels.dtype} "
                f"{pixels.shape}; convert them first."
            )
        return np.ascontiguousarray(pixels)

    def synthesise(self, base, step, realism) -> np.ndarray:
        """Base picture to pixels, by the synthesis network of the bundle."""
        synthesis = self.manifest["synthesis"]
        inputs = {"step": np.full((1, 1), step, np.float32)}
        if synthesis["noise_channels"]:
            inputs["realism"] = np.full((1, 1), realism, np.float32)
        side = synthesis["tile"]
        height, width = base.shape[1:3]
        tiled = height * width > 4 * side**2 if self._tiled is None else self._tiled
        if not tiled:
            side = max(height, width)
        result = np.empty((height, width, 3), np.uint8)
        for rows in _pieces(height, side, synthesis["overlap"]):
            for columns in _pieces(width, side, synthesis["overlap"]):
                piece = self._piece(base, rows.seen, columns.seen, inputs)
                result[rows.kept, columns.kept] = to_uint8(piece[rows.inside, columns.inside])
        return result

    def _piece(self, base, rows, columns, inputs):
        """What the network gives for some rows and columns of a base picture, `(H, W, 3)`."""
        inputs = {**inputs, "base": np.ascontiguousarray(base[:, rows, columns])}
        synthesis = self.manifest["synthesis"]
        if synthesis["noise_channels"]:
            place = (rows.stop - rows.start, columns.stop - columns.start, rows.start, columns.start)
            height, width, top, left = (x // synthesis["patch"] for x in place)
            inputs["noise"] = position_noise(height, width, synthesis["noise_channels"], top, left)[None]
        return self._runtime.synthesise(inputs)[0]


class _Piece:
    """Rows or columns that the network sees at once, those that are kept, and where these are inside."""

    def __init__(self, start, stop, first, last):
        self.seen, self.kept = slice(start, stop), slice(first, last)
        self.inside = slice(first - start, last - start)


def _pieces(length, side, overlap):
    """Pieces of equal length that cover rows or columns; what a border spoils is left to neighbours."""
    if length <= side:
        return [_Piece(0, length, 0, length)]
    starts = [*range(0, length - side, side - 2 * overlap), length - side]
    kept = [0, *(start + overlap for start in starts[1:]), length]
    return [_Piece(s, s + side, a, b) for s, a, b in zip(starts, kept[:-1], kept[1:], strict=True)]


# --- runtimes ----------------------------------------------------------------------------------------


class _LiteRuntime:
    """TFLite files; an interpreter belongs to one thread, so each thread that comes has its own."""

    def __init__(self, folder, manifest, threads):
        self._folder, self._manifest, self._threads = folder, manifest, threads
        self._local = threading.local()

    def network(self, level):
        """One level's context network."""
        _lite_interpreter()
        data = self._data(self._manifest["contexts"]["file"])
        network = _LiteNetwork(functools.partial(self._signature, data), level)
        if level == 0:
            with _silent_stderr():  # the first call of a process tells which kernels it found
                network.first(np.zeros((1, 1, CONTEXT_CHANNELS), np.float32))
        return network

    def synthesise(self, inputs):
        """The synthesis network, on the graph of fixed size where the piece has it."""
        synthesis = self._manifest["synthesis"]
        fixed = inputs["base"].shape[1:3] == (synthesis["tile"], synthesis["tile"])
        runner = self._whole(synthesis["tile_file" if fixed else "file"])
        return runner(**inputs)["picture"]

    @functools.lru_cache(maxsize=2)  # noqa: B019 - a codec is kept as long as its runtime
    def _whole(self, name):
        return _lite_interpreter()(
            model_content=self._data(name), num_threads=self._threads
        ).get_signature_runner()

    def _signature(self, data, name):
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = _lite_interpreter()(model_content=data, num_threads=1)
            self._local.runners = {}
        if name not in self._local.runners:
            self._local.runners[name] = self._local.interpreter.get_signature_runner(name)
        return self._local.runners[name]

    @functools.cache  # noqa: B019
    def _data(self, name):
        return _read(self._folder, name)


class _LiteNetwork:
    """Used like `IntegerContextNetwork`; features are already mixed for the second pass."""

    def __init__(self, signature, level):
        self._signature, self._level = signature, level

    def first(self, context):
        found = self._signature(f"first_{self._level}")(context=context[None])
        return found["mixed"][0], found["means"][0], found["scales"][0]

    def second(self, mixed, known):
        found = self._signature(f"second_{self._level}")(mixed=mixed[None], known=known[None])
        return found["means"][0], found["scales"][0]


class _OnnxRuntime:
    """ONNX files; sessions may be used by several threads at once."""

    def __init__(self, folder, manifest, threads):
        self._folder, self._manifest, self._threads = folder, manifest, threads

    def network(self, level):
        """One level's context network."""
        contexts = self._manifest["contexts"]
        first, second = (
            _onnx_session(_read(self._folder, contexts[name].format(level=level)), 1)
            for name in ("first", "second")
        )
        return _OnnxNetwork(first, second)

    def synthesise(self, inputs):
        """The synthesis network."""
        (picture,) = self._synthesis.run(["picture"], inputs)
        return picture

    @functools.cached_property
    def _synthesis(self):
        return _onnx_session(_read(self._folder, self._manifest["synthesis"]["file"]), self._threads)


class _OnnxNetwork:
    """Used like `IntegerContextNetwork`."""

    def __init__(self, first, second):
        self._first, self._second = first, second

    def first(self, context):
        found = self._first.run(["features", "means", "scales"], {"context": context[None]})
        return tuple(x[0] for x in found)

    def second(self, features, known):
        found = self._second.run(["means", "scales"], {"features": features[None], "known": known[None]})
        return tuple(x[0] for x in found)


_RUNTIMES = {"tflite": _LiteRuntime, "onnx": _OnnxRuntime}


@functools.cache
def _lite_interpreter():
    for name in ("ai_edge_litert", "tflite_runtime"):
        try:
            return importlib.import_module(f"{name}.interpreter").Interpreter
        except ImportError:
            pass
    raise ImportError(
        "Expected ai_edge_litert or tflite_runtime to run this bundle's networks, found neither; "
        "pip install ai-edge-litert."
    )


@contextlib.contextmanager
def _silent_stderr():
    """What native code writes to the standard error stream is lost."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _onnx_session(data, threads):
    try:
        import onnxruntime
    except ImportError:
        raise ImportError(
            "Expected onnxruntime to run this bundle's networks, found none; pip install onnxruntime."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


# --- files -------------------------------------------------------------------------------------------


def _read(folder, name) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise PresetError(
            f"Expected {name} in the bundle {folder}, but {error.strerror}; export or copy it again."
        ) from error


def _read_manifest(folder) -> dict:
    text = _read(folder, MANIFEST)
    try:
        manifest = json.loads(text)
        version, target = manifest["format_version"], manifest["target"]
    except (ValueError, KeyError, TypeError):
        raise PresetError(
            f"Expected a manifest in {folder / MANIFEST}, found none; export it again."
        ) from None
    if version != MANIFEST_VERSION:
        raise PresetError(
            f"Expected a bundle of format version {MANIFEST_VERSION}, this one has {version}; "
            "take the edge.py that came with it."
        )
    if target not in _RUNTIMES:
        raise PresetError(
            f"Expected a bundle for {' or '.join(_RUNTIMES)}, this one is for {target}; export another."
        )
    for name, record in manifest["files"].items():
        if Path(name).suffix not in _CHECKED:
            continue
        size = (folder / name).stat().st_size if (folder / name).is_file() else None
        if size != record["bytes"]:
            raise PresetError(
                f"Expected {record['bytes']} bytes in {name} of the bundle {folder}, found "
                f"{'no such file' if size is None else size}; copy it again."
            )
    return manifest


def read_picture(path) -> np.ndarray:
    """A picture file as uint8 `(H, W, 3)` RGB, upright and on white; other files than PPM need Pillow.

    Raises:
        ImageError: no picture, or no Pillow.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"Expected a picture, but {path}: {error.strerror}.") from error
    if data[:2] == b"P6":
        return _from_ppm(data, path)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImageError(
            f"Expected a PPM file, as Pillow is not installed, received {path}; pip install pillow."
        ) from None
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
            white = Image.new("RGBA", upright.size, "white")
            return np.asarray(Image.alpha_composite(white, upright).convert("RGB"))
    except Exception as error:  # For damaged files Pillow raises nearly any class.
        raise ImageError(f"Expected a picture that Pillow reads, but {path}: {error}.") from error


def _from_ppm(data, path):
    fields, at = [], 2
    while len(fields) < 3 and at < len(data):
        line = data[at : data.find(b"\n", at) + 1 or len(data)]
        if line.lstrip()[:1] == b"#":
            at += len(line)
            continue
        word = data[at:].split(None, 1)[0]
        at = data.index(word, at) + len(word)
        fields.append(word)
    if len(fields) == 3 and all(f.isdigit() for f in fields) and fields[2] == b"255":
        width, height = int(fields[0]), int(fields[1])
        pixels = np.frombuffer(data, np.uint8, offset=at + 1)
        if pixels.size == 3 * width * height > 0:
            return pixels.reshape(height, width, 3)
    raise ImageError(f"Expected a binary PPM file of 8 bits in {path}, found another or a damaged one.")


def picture_file(pixels, suffix) -> bytes:
    """uint8 `(H, W, 3)` RGB as a PNG or PPM file.

    Raises:
        ImageError: another suffix than ".png" and ".ppm".
    """
    height, width, _ = pixels.shape
    if suffix == ".ppm":
        return b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes()
    if suffix != ".png":
        raise ImageError(f"Expected a name that ends in .png or .ppm, received one in {suffix!r}.")
    # Filter 2 of the format: each row as the difference from the one above.
    rows = pixels.reshape(height, 3 * width)
    filtered = np.empty((height, 3 * width + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in chunks
    )


# --- command line ------------------------------------------------------------------------------------


def main(argv=None) -> int:
    """Runs the program; returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        if not args.force and os.path.exists(args.output):
            raise GanTfcError(f"Expected a new file, but {args.output} exists; --force overwrites it.")
        codec = EdgeCodec(args.bundle)
        write_atomically(args.output, args.run(codec, args), args.force)
        return 0
    except KeyboardInterrupt:
        return 130
    except (GanTfcError, OSError, ImportError, MemoryError) as error:
        print(f"edge: error: {error or type(error).__name__}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="edge.py", description="Photos to .gtc streams and back.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    compress = _command(commands, "compress", _compress, "photo", ".gtc")
    target = compress.add_mutually_exclusive_group()
    target.add_argument("--quality", type=float, metavar="Q", help="1 to 100, default 50")
    target.add_argument("--max-bytes", type=int, metavar="N", help="the best within N bytes")
    compress.add_argument("--tune", choices=TUNES, default=TUNES[0], help="psnr, the default, or visual")
    decompress = _command(commands, "decompress", _decompress, "stream", ".png")
    decompress.add_argument("--realism", type=float, default=1.0, metavar="R", help="0 to 1, default 1")
    preview = _command(commands, "preview", _preview, "stream", ".png")
    preview.add_argument("--scale", type=int, default=8, choices=PREVIEW_SCALES, help="default 8")
    return parser


def _command(commands, name, run, what, suffix):
    parser = commands.add_parser(name)
    parser.add_argument("input", metavar="IN", help=what)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help=f"file, such as out{suffix}")
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists")
    parser.add_argument(
        "--bundle", default=Path(__file__).parent, metavar="DIR", help="default the folder of edge.py"
    )
    parser.set_defaults(run=run)
    return parser


def _compress(codec, args):
    return codec.compress(args.input, args.quality, max_bytes=args.max_bytes, tune=args.tune)


def _decompress(codec, args):
    pixels = codec.decompress(Path(args.input).read_bytes(), args.realism)
    return picture_file(pixels, Path(args.output).suffix)


def _preview(codec, args):
    pixels = codec.preview(Path(args.input).read_bytes(), args.scale)
    return picture_file(pixels, Path(args.output).suffix)


if __name__ == "__main__":
    sys.exit(main())
