# SPDX-License-Identifier: Apache-2.0
"""Batches of random crops that depend on the seed and the step alone."""

import time
import warnings

import keras
import numpy as np

from gan_tfc.errors import GanTfcError, ImageError

#: So many damaged photos in a row are no accident.
_TRIES = 100


class CropBatches(keras.utils.PyDataset):
    """Batches for `WaveletCodec.fit`: dicts of ``image`` uint8 `(B, S, S, 3)`, ``step_code`` `(B,)`.

    Batch `i` is drawn from a random generator seeded with ``(seed, i)``, so a resumed run sees exactly
    what an uninterrupted one would have seen.

    Args:
        photos: sequence of uint8 `(H, W, 3)` arrays.
        config: a `TrainConfig`.
        first_step, last_step: which batches; the first one resumes, the last one is not included.
    """

    def __init__(self, photos, config, first_step=0, last_step=None):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.photos = photos
        self.config = config
        self.first_step = first_step
        self.last_step = config.total_steps if last_step is None else last_step
        #: Seconds spent making batches, and how many were made.
        self.seconds, self.made = 0.0, 0

    def __len__(self):
        return max(0, self.last_step - self.first_step)

    def __getitem__(self, index):
        start = time.perf_counter()
        config = self.config
        rng = np.random.default_rng((config.seed, self.first_step + index))
        crops = np.stack([self._crop(rng, config.crop_size) for _ in range(config.batch_size)])
        codes = rng.uniform(*config.step_codes, config.batch_size).astype(np.float32)
        self.seconds += time.perf_counter() - start
        self.made += 1
        return ({"image": crops, "step_code": np.floor(codes)},)

    def _photo(self, rng):
        for _ in range(_TRIES):
            try:
                return self.photos[int(rng.integers(len(self.photos)))]
            except ImageError as error:
                warnings.warn(f"Skipped a photo: {error}", stacklevel=2)
        raise GanTfcError(
            f"Expected photos that can be read, but {_TRIES} in a row could not; see the warnings."
        )

    def _crop(self, rng, side):
        photo = self._photo(rng)
        height, width = photo.shape[:2]
        if min(height, width) < side:
            photo = np.pad(photo, ((0, max(0, side - height)), (0, max(0, side - width)), (0, 0)), "reflect")
            height, width = photo.shape[:2]
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = photo[top : top + side, left : left + side]
        return crop[:, ::-1] if rng.integers(2) else crop
