# SPDX-License-Identifier: Apache-2.0
"""The codec on Keras: compresses and decompresses (`gan_tfc.stream_codec`), trains, saves and exports."""

import os

import numpy as np

from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.errors import NotFrozenError
from gan_tfc.images import read_image
from gan_tfc.stream_codec import StreamCodec


class Codec(StreamCodec):
    """An image codec that compresses, decompresses, trains and saves.

    Args:
        model: a `gan_tfc.models.wavelet_codec.WaveletCodec`, trained or not.
        name, version: what streams say of the codec that wrote them.
        frozen: `FrozenTables`; None until `freeze_tables()`.
        engine: range coder: "auto" (TensorFlow Compression where installed), "tfc" or "portable", which
            runs the context networks in NumPy, too. Streams do not depend on it.
    """

    def __init__(self, model, name="unnamed", version=1, frozen=None, engine="auto"):
        super().__init__(name, version)
        self.model = model
        self.frozen = frozen
        self.engine = engine
        self._coder = self._contexts = None
        self._pixel_decoder = None

    def __repr__(self):
        state = "frozen" if self.frozen else "tables not frozen"
        return f"<Codec {self.name}@{self.version}, {state}>"

    # --- what streams are coded with ---------------------------------------------------------------

    def tables(self) -> FrozenTables:
        """What decides bits.

        Raises:
            NotFrozenError: tables were never frozen.
        """
        if self.frozen is None:
            raise NotFrozenError(
                "Expected a codec with coding tables, but this one was trained and not frozen; "
                "call freeze_tables() once after training."
            )
        return self.frozen

    def range_coder(self):
        """The coder of the frozen tables, on the engine asked for."""
        if self._coder is None:
            from gan_tfc.entropy_models.tfc_coder import make_coder

            self._coder = make_coder(self.tables().tables, self.engine)
        return self._coder

    def context_model(self):
        """The frozen context networks, on the engine asked for."""
        if self._contexts is None:
            from gan_tfc.entropy_models.lite_networks import lite_contexts

            contexts = self.tables().contexts
            self._contexts = contexts if self.engine == "portable" else lite_contexts(contexts)
        return self._contexts

    def read_image(self, image) -> np.ndarray:
        """Any picture as uint8 RGB, see `gan_tfc.images.read_image`."""
        return read_image(image)

    def synthesise(self, base, step, realism) -> np.ndarray:
        """Base picture to pixels, by the Keras model."""
        if self._pixel_decoder is None:
            from gan_tfc.models.inference import PixelDecoder

            self._pixel_decoder = PixelDecoder(self.model.synthesis)
        return self._pixel_decoder(base, step, realism)

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

    def fine_tune(self, data, minutes=30.0, **options):
        """Train on photos of one kind for some minutes: the codec ends better on them, or as it was.

        By default only the decoder learns, so streams written before decode, and better.

        Args:
            data: a folder of photos, ``tfds:NAME``, a `tf.data.Dataset`, a `tfds.ImageFolder`, or any
                iterable of uint8 `(H, W, 3)` arrays.
            minutes: for all of it.
            **options: see `gan_tfc.training.fine_tuning.fine_tune`.

        Returns:
            A `gan_tfc.training.fine_tuning_report.FineTuning`, or with ``realism=True`` a
            `gan_tfc.training.realism_report.RealismFineTuning`; printed, a table of before and after on
            photos that were not trained on.

        Raises:
            GanTfcError: unusable photos, or tables that were never frozen.
        """
        from gan_tfc.training.fine_tuning import fine_tune

        try:
            return fine_tune(self, data, minutes, **options)
        finally:
            self._coder = self._contexts = self._pixel_decoder = None

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

    def export(self, folder, format="tflite", precision="float32", photos=None) -> None:
        """Write a bundle: all that another runtime needs to compress and decompress.

        Args:
            folder: new or empty.
            format: "tflite", "onnx" or "saved_model".
            precision: of the synthesis network, "float32", "float16" or "int8"; context networks are
                always exact.
            photos: folder or sequence of uint8 `(H, W, 3)` arrays that int8 is calibrated on; default
                sample photos.

        Raises:
            GanTfcError: a folder that is not empty, an unknown format or precision, or a package that
                is missing.
        """
        from gan_tfc.export.bundle import export_codec

        export_codec(self, folder, format, precision, photos)
