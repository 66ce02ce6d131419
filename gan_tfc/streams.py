# SPDX-License-Identifier: Apache-2.0
"""Streams as bytes and files: what can be said and read without decoding them."""

import os
from pathlib import Path

from gan_tfc.coding import container, steps
from gan_tfc.coding.scan import section_of
from gan_tfc.errors import GanTfcError
from gan_tfc.stream_codec import preview_level


def read_preview_prefix(path, scale) -> bytes:
    """The bytes of a file that a preview needs, and no more."""
    with open(path, "rb") as file:
        data = file.read(container.MAX_HEADER_BYTES)
        header, _ = container.parse_header(data)
        needed = container.prefix_length(header, section_of(preview_level(scale)) + 1)
        if needed > len(data):
            data += file.read(needed - len(data))
    return data


def describe(data) -> dict:
    """What a stream says of itself; see `gan_tfc.info`."""
    header, sections = container.unpack(data)
    names = ["1/8", "1/4", "1/2", "1"]
    total = header.stream_bytes
    return {
        "preset": header.preset,
        "version": header.preset_version,
        "width": header.width,
        "height": header.height,
        "quality": steps.code_to_quality(header.step_code),
        "step": steps.step_size(header.step_code),
        "bytes": total,
        "bpp": 8 * total / (header.width * header.height),
        "sections": {
            "header": total - sum(header.section_lengths),
            **{f"scale {n}": len(s) for n, s in zip(names, sections, strict=False)},
        },
    }


def stream_bytes(data) -> bytes:
    """Bytes of a stream given as bytes or as the path of a file."""
    if isinstance(data, (str, os.PathLike)):
        try:
            return Path(data).read_bytes()
        except OSError as error:
            raise GanTfcError(
                f"Expected a .gtc file, but {data}: {error.strerror}; check the path."
            ) from error
    return data
