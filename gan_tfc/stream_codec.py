# SPDX-License-Identifier: Apache-2.0
"""The codec: a photo goes in, a small stream comes out.

```
 image --pad, colour--> CDF 9/7 --> bands / step(quality) --> scan: level by level, two passes each
                                                                |   means, scale indexes from integer
                                                                |   context networks (coding/scan.py)
                                                                v
                                            symbols --> range coder --> sections --> .gtc stream
                                                                                        |
 image' <--crop, clip-- synthesis (base, step, realism) <-- inverse CDF 9/7 <-- scan <----+
```

Everything right of the symbols is integer arithmetic and the same on every machine (`gan_tfc.coding`);
floats choose symbols in the encoder and pixels in the decoder, never bits. Nothing here knows how networks
are run or trained: `gan_tfc.codec` runs them on Keras, the runtimes of exported bundles on what devices have.
"""

import math
import numbers
from abc import ABC, abstractmethod

import numpy as np

from gan_tfc.coding import container, steps
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.lifting import padded_shape
from gan_tfc.coding.passes import DecodingSource, least_bytes
from gan_tfc.coding.scan import SECTIONS, scan, section_of
from gan_tfc.encoder import ImageEncoder
from gan_tfc.errors import CorruptStreamError, GanTfcError, TablesMismatchError
from gan_tfc.rate_control import fit_bytes, reach_psnr

DEFAULT_QUALITY = 50

#: How many times smaller a preview may be.
PREVIEW_SCALES = (1, 2, 4, 8, 16, 32, 64)


class StreamCodec(ABC):
    """Streams in and out, on whatever runs the networks.

    Args:
        name, version: what streams say of the codec that wrote them.
    """

    def __init__(self, name: str, version: int):
        self.name = name
        self.version = version

    # --- what a runtime brings -------------------------------------------------------------------

    @abstractmethod
    def tables(self) -> FrozenTables:
        """What decides bits."""

    @abstractmethod
    def context_model(self):
        """A `ContextModel`, its networks on the engine in use."""

    @abstractmethod
    def range_coder(self):
        """The coder of the tables."""

    @abstractmethod
    def read_image(self, image) -> np.ndarray:
        """A picture that `compress` was given as uint8 `(H, W, 3)` RGB."""

    @abstractmethod
    def synthesise(self, base, step, realism) -> np.ndarray:
        """Base picture `(1, H, W, 3)`, RGB in about [-0.5, 0.5], to uint8 `(H, W, 3)`."""

    # --- compress --------------------------------------------------------------------------------

    def compress(
        self, image, quality=None, *, max_bytes=None, target_bpp=None, min_psnr=None, tune="psnr"
    ) -> bytes:
        """Compress an image to a `.gtc` stream.

        Args:
            image: uint8 `(H, W, 3)` RGB array, a PIL image or a path; other modes are converted, see
                `gan_tfc.images.read_image`.
            quality: 1 (smallest) to 100, any real number; 50 when nothing else is given.
            max_bytes: the best quality whose stream, header included, takes at most this many bytes.
            target_bpp: the same as ``max_bytes = target_bpp * H * W / 8``.
            min_psnr: the lowest quality whose decoded picture has at least this PSNR, in dB, at every
                realism.
            tune: "psnr" spends bits where they lower squared error most; "visual" where they are seen,
                on faint detail before busy textures, see `gan_tfc.coding.visibility`. At equal bytes
                pictures then look better and have a little less PSNR. Either decodes everywhere.

        Returns:
            The stream; `gan_tfc.decompress` needs nothing else.

        Raises:
            GanTfcError: no image (`ImageError`), more than one target, a target that no quality meets
                (`TargetError`), an unknown tune, or tables that were never frozen (`NotFrozenError`).
        """
        self.tables()
        given = {
            "quality": quality,
            "max_bytes": max_bytes,
            "target_bpp": target_bpp,
            "min_psnr": min_psnr,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1:
            raise GanTfcError(
                f"Expected one of quality, max_bytes, target_bpp and min_psnr, received "
                f"{' and '.join(given)}; leave out all but one."
            )
        for name, value in given.items():
            if not isinstance(value, numbers.Real) or not math.isfinite(value):
                raise GanTfcError(f"Expected {name} to be a finite number, received {value!r}.")
        encoder = ImageEncoder(self, self.read_image(image), tune=tune)
        if min_psnr is not None:
            return reach_psnr(encoder, float(min_psnr))
        if target_bpp is not None:
            max_bytes = int(float(target_bpp) * encoder.width * encoder.height / 8)
        if max_bytes is not None:
            return fit_bytes(encoder, int(max_bytes))
        return encoder.encode(steps.quality_to_code(DEFAULT_QUALITY if quality is None else quality))

    # --- decompress ------------------------------------------------------------------------------

    def decompress(self, data, realism=1.0) -> np.ndarray:
        """Decode a stream of this codec.

        Args:
            data: bytes of a `.gtc` stream.
            realism: 0 (nearest to the original in PSNR) to 1 (textures instead of blur, invented where
                the stream has none; without effect where it has them all, at high qualities). Codecs
                without an adversarial stage decode the same at every realism.

        Returns:
            uint8 `(H, W, 3)` RGB.

        Raises:
            StreamError: the data is no intact stream of this codec.
        """
        if not 0 <= realism <= 1:
            raise GanTfcError(f"Expected a realism from 0 to 1, received {realism}.")
        header, sections = container.unpack(data)
        *_, last = self._decode(header, sections)
        return self.to_pixels(last.picture, header, realism)

    def symbols(self, data) -> list:
        """All steps of the scan of a stream, coarsest first: what must be equal on every machine.

        Returns:
            A list of `gan_tfc.coding.scan.ScanStep`.
        """
        header, sections = container.unpack(data)
        return list(self._decode(header, sections))

    def preview(self, data, scale=8) -> np.ndarray:
        """A small picture from the beginning of a stream, without any network for pixels.

        Its pixel `(i, j)` is centred on pixel ``(scale * i, scale * j)`` of the decoded picture.

        Args:
            data: bytes of a stream, or of a prefix that holds the sections needed.
            scale: the picture is this many times smaller: 1, 2, 4, 8, 16, 32 or 64.

        Returns:
            uint8 `(ceil(H / scale), ceil(W / scale), 3)` RGB.

        Raises:
            StreamError: the data is no stream of this codec or ends too early.
        """
        level = preview_level(scale)
        if level > self.tables().contexts.levels:
            raise GanTfcError(
                f"Expected a scale up to {2 ** self.tables().contexts.levels}, which is as small as a "
                f"picture of {self.name}@{self.version} gets, received {scale}."
            )
        header, sections = container.unpack_prefix(data, section_of(level) + 1)
        for step in self._decode(header, sections):
            if step.level == level:
                break
        pixels = to_rgb(step.picture, steps.step_size(header.step_code) / 64 / scale)
        height, width = -(-header.height // scale), -(-header.width // scale)
        return to_uint8(pixels[:height, :width])

    def reconstruct(self, image, quality=DEFAULT_QUALITY, realism=1.0, tune="psnr") -> np.ndarray:
        """What decompressing the compressed image would give, without writing a stream.

        Args:
            image: as for `compress`.
            quality: 1 to 100.
            realism: as for `decompress`.
            tune: as for `compress`.

        Returns:
            uint8 `(H, W, 3)` RGB.
        """
        encoder = ImageEncoder(self, self.read_image(image), tune=tune)
        return encoder.reconstruct(steps.quality_to_code(quality), realism)

    def _decode(self, header, sections):
        frozen = self.tables()
        if header.tables_digest != frozen.digest:
            raise TablesMismatchError(
                f"The stream was written by {header.preset}@{header.preset_version} with tables "
                f"{header.tables_digest.hex()}, but {self.name}@{self.version} holds tables "
                f"{frozen.digest.hex()}; decode it with the codec that wrote it."
            )
        if header.step_code > steps.MAX_STEP_CODE:
            raise CorruptStreamError(
                f"Expected a step code of at most {steps.MAX_STEP_CODE}, the stream has "
                f"{header.step_code}; it is damaged."
            )
        if len(header.section_lengths) != SECTIONS:
            raise CorruptStreamError(
                f"Expected {SECTIONS} sections, the stream has {len(header.section_lengths)}; it is damaged."
            )
        shape = padded_shape(header.height, header.width, frozen.contexts.levels)
        band = (*(side >> frozen.contexts.levels for side in shape), 3)
        least = least_bytes(frozen.tables, band, header.step_code)
        if len(sections[0]) < least:
            raise CorruptStreamError(
                f"Expected at least {least} bytes in the first section of {header.width} x "
                f"{header.height} pixels, the stream has {len(sections[0])}; it is damaged."
            )
        source = DecodingSource(sections, self.range_coder())
        return scan(self.context_model(), shape, header.step_code, source)

    # --- pixels ----------------------------------------------------------------------------------

    def to_pixels(self, picture, header, realism) -> np.ndarray:
        """Base picture in 1/64 step -> decoded image."""
        step = steps.step_size(header.step_code)
        base = to_rgb(picture, step / 64)[None]
        return self.synthesise(base, step, realism)[: header.height, : header.width]


def preview_level(scale) -> int:
    """How many times `scale` halves the picture.

    Raises:
        GanTfcError: a scale that is not offered.
    """
    if scale not in PREVIEW_SCALES:
        raise GanTfcError(f"Expected a scale among {', '.join(map(str, PREVIEW_SCALES))}, received {scale}.")
    return PREVIEW_SCALES.index(scale)


def to_uint8(pixels) -> np.ndarray:
    """[-0.5, 0.5] -> 0..255, rounded and clipped."""
    return np.clip(np.floor((pixels + 0.5) * 255 + 0.5), 0, 255).astype(np.uint8)
