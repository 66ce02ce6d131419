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
floats choose symbols in the encoder and pixels in the decoder, never bits.
"""

import math
import numbers
import os

import numpy as np

from gan_tfc.coding import container, steps
from gan_tfc.coding.colour import to_rgb
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.lifting import padded_shape
from gan_tfc.coding.passes import DecodingSource, least_bytes
from gan_tfc.coding.scan import SECTIONS, scan, section_of
from gan_tfc.encoder import ImageEncoder
from gan_tfc.errors import (
    CorruptStreamError,
    GanTfcError,
    NotFrozenError,
    TablesMismatchError,
)
from gan_tfc.images import read_image
from gan_tfc.rate_control import fit_bytes, reach_psnr
from gan_tfc.streams import preview_level

DEFAULT_QUALITY = 50


class Codec:
    """An image codec that compresses, decompresses, trains and saves.

    Args:
        model: a `gan_tfc.models.wavelet_codec.WaveletCodec`, trained or not.
        name, version: what streams say of the codec that wrote them.
        frozen: `FrozenTables`; None until `freeze_tables()`.
        engine: range coder: "auto" (TensorFlow Compression where installed), "tfc" or "portable", which
            runs the context networks in NumPy, too. Streams do not depend on it.
    """

    def __init__(self, model, name="unnamed", version=1, frozen=None, engine="auto"):
        self.model = model
        self.name = name
        self.version = version
        self.frozen = frozen
        self.engine = engine
        self._coder = self._contexts = None
        self._pixel_decoder = None

    def __repr__(self):
        state = "frozen" if self.frozen else "tables not frozen"
        return f"<Codec {self.name}@{self.version}, {state}>"

    # --- compress --------------------------------------------------------------------------------

    def compress(self, image, quality=None, *, max_bytes=None, target_bpp=None, min_psnr=None) -> bytes:
        """Compress an image to a `.gtc` stream.

        Args:
            image: uint8 `(H, W, 3)` RGB array, a PIL image or a path; other modes are converted, see
                `gan_tfc.images.read_image`.
            quality: 1 (smallest) to 100, any real number; 50 when nothing else is given.
            max_bytes: the best quality whose stream, header included, takes at most this many bytes.
            target_bpp: the same as ``max_bytes = target_bpp * H * W / 8``.
            min_psnr: the lowest quality whose decoded picture has at least this PSNR, in dB, at every
                realism.

        Returns:
            The stream; `gan_tfc.decompress` needs nothing else.

        Raises:
            GanTfcError: no image (`ImageError`), more than one target, a target that no quality
                meets (`TargetError`), or tables that were never frozen (`NotFrozenError`).
        """
        frozen = self._require_frozen()
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
        encoder = ImageEncoder(self, frozen, read_image(image))
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
        if level > self._require_frozen().contexts.levels:
            raise GanTfcError(
                f"Expected a scale up to {2**self.frozen.contexts.levels}, which is as small as a "
                f"picture of {self.name}@{self.version} gets, received {scale}."
            )
        header, sections = container.unpack_prefix(data, section_of(level) + 1)
        for step in self._decode(header, sections):
            if step.level == level:
                break
        pixels = to_rgb(step.picture, steps.step_size(header.step_code) / 64 / scale)
        height, width = -(-header.height // scale), -(-header.width // scale)
        return _to_uint8(pixels[:height, :width])

    def reconstruct(self, image, quality=DEFAULT_QUALITY, realism=1.0) -> np.ndarray:
        """What decompressing the compressed image would give, without writing a stream.

        Args:
            image: as for `compress`.
            quality: 1 to 100.
            realism: as for `decompress`.

        Returns:
            uint8 `(H, W, 3)` RGB.
        """
        encoder = ImageEncoder(self, self._require_frozen(), read_image(image))
        return encoder.reconstruct(steps.quality_to_code(quality), realism)

    def _decode(self, header, sections):
        frozen = self._require_frozen()
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
        if self._pixel_decoder is None:
            from gan_tfc.models.inference import PixelDecoder

            self._pixel_decoder = PixelDecoder(self.model.synthesis)
        base = to_rgb(picture, step / 64)[None]
        return self._pixel_decoder(base, step, realism)[: header.height, : header.width]

    def range_coder(self):
        """The coder of the frozen tables, on the engine asked for."""
        if self._coder is None:
            from gan_tfc.entropy_models.tfc_coder import make_coder

            self._coder = make_coder(self._require_frozen().tables, self.engine)
        return self._coder

    def context_model(self):
        """The frozen context networks, on the engine asked for."""
        if self._contexts is None:
            from gan_tfc.entropy_models.lite_networks import lite_contexts

            contexts = self._require_frozen().contexts
            self._contexts = contexts if self.engine == "portable" else lite_contexts(contexts)
        return self._contexts

    def _require_frozen(self) -> FrozenTables:
        if self.frozen is None:
            raise NotFrozenError(
                "Expected a codec with coding tables, but this one was trained and not frozen; "
                "call freeze_tables() once after training."
            )
        return self.frozen

    # --- train and keep --------------------------------------------------------------------------

    def compile(self, *args, **kwargs):
        """Configure training; see `gan_tfc.models.wavelet_codec.WaveletCodec.compile`."""
        self.model.compile(*args, **kwargs)

    def fit(self, *args, **kwargs):
        """Train the Keras model; see `keras.Model.fit`.

        Training what decides bits (loss "rate_distortion") drops the frozen tables: streams of the
        old ones would no longer decode.
        """
        if self.model.objective is not None and not self.model.objective.needs_synthesis:
            self.frozen = self._coder = self._contexts = None
        try:
            return self.model.fit(*args, **kwargs)
        finally:
            self._pixel_decoder = None  # a callback may have decoded, with the weights of then

    def freeze_tables(self, photos=None, count=120, seed=0) -> None:
        """Turn the trained networks into integers and build the coding tables, once.

        Args:
            photos: sequence of uint8 `(H, W, 3)` arrays or a folder; tables are then fitted to what
                the encoder really codes. None uses the densities that training assumed.
            count: how many photos are used.
            seed: of the choice of photos and qualities.
        """
        from gan_tfc.entropy_models.freezing import calibrated_tables

        if isinstance(photos, (str, os.PathLike)):
            from gan_tfc.photos import open_photos

            photos = open_photos(photos)
        self.frozen = calibrated_tables(self.model, photos, count, seed)
        self._coder = self._contexts = None

    def save(self, folder) -> None:
        """Write a preset folder, the same kind as the shipped ones; see `gan_tfc.zoo`."""
        from gan_tfc.zoo.preset import save_preset

        save_preset(self, folder)


def _to_uint8(pixels) -> np.ndarray:
    """[-0.5, 0.5] -> 0..255, rounded and clipped."""
    return np.clip(np.floor((pixels + 0.5) * 255 + 0.5), 0, 255).astype(np.uint8)
