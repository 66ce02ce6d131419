# SPDX-License-Identifier: Apache-2.0
"""The functions of ``import gan_tfc``: streams in and out, presets by name."""

import os

from gan_tfc.codec import Codec
from gan_tfc.coding import container
from gan_tfc.errors import GanTfcError, PresetError
from gan_tfc.streams import describe, read_preview_prefix, stream_bytes
from gan_tfc.zoo import registry
from gan_tfc.zoo.cache import cached_names


def load(name: str = "photo_mobile", engine: str = "auto", progress=None) -> Codec:
    """A codec by name.

    Args:
        name: "photo_mobile" (its newest version), "photo_mobile@1", a preset folder
            "path:./my_codec", or a preset of another zoo "https://host/zoo#menu@1" (http:// and file://,
            too; see `gan_tfc.zoo.remote`), which is fetched once and kept in the user's cache
            (`GAN_TFC_CACHE` names another folder). Without a network the copy there is used.
        engine: range coder: "auto", "tfc" or "portable"; streams do not depend on it.
        progress: of a download: called with the bytes that are here and those of all files (or None).

    Returns:
        A `Codec`. Each call returns a new one, so training it changes nobody else's.

    Raises:
        PresetError: no such preset or version, a damaged folder, or a failed download.
    """
    return registry.load(name, engine, progress)


def list_presets(pattern: str = "*", zoo: str | None = None) -> list[dict]:
    """Records of presets whose name matches a shell pattern, such as "photo_*".

    Args:
        pattern: of names.
        zoo: address of another zoo, such as "https://host/zoo"; default the shipped presets.

    Returns:
        Dicts with name, version, parameters, kmac_per_pixel; of shipped presets also licence and measured
        points, of other zoos what their index says.

    Raises:
        PresetError: there is no zoo at that address.
    """
    return registry.list_presets(pattern, zoo)


def decompress(data, realism: float = 1.0):
    """Decode a `.gtc` stream; it names the preset that wrote it.

    Nothing is downloaded: a stream of another zoo's preset is decoded by
    `gan_tfc.load("https://host/zoo#menu@1").decompress(data)`.

    Args:
        data: bytes of the stream, or the path of a file.
        realism: 0 (nearest to the original in PSNR) to 1 (textures instead of blur, invented where the
            stream has none); presets without an adversarial stage decode the same at every realism.

    Returns:
        uint8 `(H, W, 3)` RGB.

    Raises:
        StreamError: the data is no intact stream.
        PresetError: the stream names a preset that is not here.
    """
    data = stream_bytes(data)
    header, _ = container.unpack(data)
    return _codec_of(header).decompress(data, realism)


def preview(data, scale: int = 8):
    """A small picture from the beginning of a stream, without any network for pixels.

    Args:
        data: bytes of a stream or of a sufficient prefix, or the path of a file, of which only that
            prefix is read.
        scale: how many times smaller: 1, 2, 4, 8, 16, 32 or 64.

    Returns:
        uint8 `(ceil(H / scale), ceil(W / scale), 3)` RGB.

    Raises:
        StreamError: the data is no stream or ends too early.
        PresetError: the stream names a preset that is not here.
    """
    if isinstance(data, (str, os.PathLike)):
        try:
            data = read_preview_prefix(data, scale)
        except OSError as error:
            raise GanTfcError(f"Expected a .gtc file, but {data}: {error.strerror}.") from error
    header, _ = container.parse_header(data)
    return _codec_of(header).preview(data, scale)


def info(data) -> dict:
    """What a stream says of itself, without decoding it.

    Args:
        data: bytes of the stream, or the path of a file.

    Returns:
        Dict of preset, version, width, height, quality, step, bytes, bpp and sections (bytes each).

    Raises:
        StreamError: the data is no intact stream.
    """
    return describe(stream_bytes(data))


def _codec_of(header) -> Codec:
    name, version = header.preset, header.preset_version
    full = f"{name}@{version}"
    try:
        return registry.shared(full)
    except PresetError as error:
        if version in registry.available().get(name, ()):
            raise  # It is here, and damaged.
        # Whose preset of that name it is, a stream cannot say.
        cached = cached_names(name, version) or [f"URL#{full}"]
        raise PresetError(
            f"{error} The stream is of another zoo or folder: decode it with "
            f"gan_tfc.load({cached[0]!r}).decompress(data), on the command line with --preset {cached[0]}."
        ) from error
