# SPDX-License-Identifier: Apache-2.0
"""The encoder's side of the codec, for one image at any number of qualities."""

import numpy as np

from gan_tfc.coding import container
from gan_tfc.coding.lifting import padded_shape, picture_bands
from gan_tfc.coding.passes import EncodingSource
from gan_tfc.coding.quantiser import RATE_WEIGHT, Quantiser
from gan_tfc.coding.scan import SECTIONS, scan
from gan_tfc.coding.visibility import rate_factors
from gan_tfc.errors import GanTfcError

#: What an encoder may aim at: squared error alone, or what is seen of it.
TUNES = ("psnr", "visual")


class ImageEncoder:
    """One image on its way into streams: the transform is done once, whatever quality is tried.

    Args:
        codec: the `gan_tfc.stream_codec.StreamCodec` whose name, tables and networks are used.
        image: uint8 `(H, W, 3)` RGB.
        rate_weight: of the quantiser, see `gan_tfc.coding.quantiser`.
        tune: one of `TUNES`, see `gan_tfc.stream_codec.StreamCodec.compress`.

    Raises:
        GanTfcError: another tune.
    """

    def __init__(self, codec, image, rate_weight=RATE_WEIGHT, tune="psnr"):
        if tune not in TUNES:
            raise GanTfcError(f"Expected tune to be one of {', '.join(TUNES)}, received {tune!r}.")
        self.codec, self.image = codec, image
        frozen = codec.tables()
        self.digest = frozen.digest
        self.height, self.width = image.shape[:2]
        self.shape = padded_shape(self.height, self.width, frozen.contexts.levels)
        self.coarsest, self.details = picture_bands(image, frozen.contexts.levels)
        self.quantiser = Quantiser(frozen.tables, rate_weight)
        self.factors = rate_factors(self.details) if tune == "visual" else None

    def encode(self, code: int) -> bytes:
        """The stream at a step code."""
        source = self._source(code, self.codec.range_coder())
        self._scan(code, source)
        return container.pack(**self._fields(code), sections=source.finish())

    def decoded(self, code: int) -> np.ndarray:
        """The base picture at a step code, padded, int32 `(H, W, 3)` luma and chroma in 1/64 step."""
        return self._scan(code, self._source(code)).picture

    def reconstruct(self, code: int, realism: float = 1.0) -> np.ndarray:
        """The decoded image at a step code and a realism, without a stream."""
        lengths = (0,) * SECTIONS
        header = container.Header(**self._fields(code), section_lengths=lengths)
        return self.codec.to_pixels(self.decoded(code), header, realism)

    def _source(self, code, coder=None):
        return EncodingSource(self.coarsest, self.details, code, self.quantiser, coder, self.factors)

    def _scan(self, code, source):
        *_, last = scan(self.codec.context_model(), self.shape, code, source)
        return last

    def _fields(self, code):
        return {
            "preset": self.codec.name,
            "preset_version": self.codec.version,
            "tables_digest": self.digest,
            "width": self.width,
            "height": self.height,
            "step_code": code,
        }
