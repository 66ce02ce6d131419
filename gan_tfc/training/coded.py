# SPDX-License-Identifier: Apache-2.0
"""Photos coded once by the frozen codec: what the synthesis network is trained on.

The synthesis network only ever sees base pictures that the real encoder made, with its integer
contexts and its rate-distortion optimised choices. Coding every photo a few times beforehand gives
exactly those, and saves the scan in every training step.
"""

import contextlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np

from gan_tfc.coding import lifting, steps
from gan_tfc.coding.colour import COLOUR
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.coding.passes import EncodingSource
from gan_tfc.coding.quantiser import Quantiser
from gan_tfc.coding.scan import scan
from gan_tfc.entropy_models.lite_networks import lite_contexts
from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically
from gan_tfc.folders import explained

#: Crops start at multiples of this: the wavelet and the synthesis network are not invariant to
#: smaller shifts.
ALIGNMENT = 4


def code_photo(photo: np.ndarray, frozen: FrozenTables, code: int, contexts=None) -> np.ndarray:
    """The base picture of a photo at a step code, `(H, W, 3)` float16 RGB in about [-0.5, 0.5].

    Args:
        photo: uint8 `(H, W, 3)`.
        frozen: the codec's frozen tables.
        code: step code.
        contexts: the same networks on another engine; None runs those of `frozen` in NumPy.
    """
    contexts = contexts or frozen.contexts
    levels = contexts.levels
    height, width = photo.shape[:2]
    bands = lifting.picture_bands(photo, levels)
    source = EncodingSource(*bands, code, Quantiser(frozen.tables))
    shape = lifting.padded_shape(height, width, levels)
    *_, last = scan(contexts, shape, code, source)
    planes = last.picture[:height, :width].astype(np.float32) * (steps.step_size(code) / 64)
    return (planes @ COLOUR.T).astype(np.float16)


class CodedPhotos:
    """Every photo coded at a few random steps; kept in a folder, so that a resumed run starts at once.

    Args:
        photos: sequence of uint8 `(H, W, 3)` arrays.
        frozen: `FrozenTables` of the codec.
        step_codes: lowest and highest step code.
        copies: how often each photo is coded.
        seed: of the steps; each copy is flipped or not at random, before it is coded.
        folder: for `bases.npy` and `bases.json`; made new when they belong to other tables.
        progress: called with the number of copies done so far.
    """

    def __init__(self, photos, frozen, step_codes, copies, seed, folder, progress=None):
        self.photos, self.frozen = photos, frozen
        rng = np.random.default_rng(seed)
        count = len(photos) * copies
        # Stratified over all copies: every step is about equally frequent.
        strata = (rng.permutation(count) + rng.uniform(size=count)) / count
        low, high = step_codes
        self.codes = np.floor(low + strata * (high - low)).astype(np.int64)
        self.flipped = rng.integers(2, size=count).astype(bool)
        self._bases = self._load(Path(folder)) or self._code(Path(folder), progress)

    def __len__(self):
        return len(self.codes)

    def shorter_side(self, index):
        """The shorter side of a copy, in pixels."""
        return min(self._bases[1][index][1][:2])

    def __getitem__(self, index):
        """(image uint8, base float16, step code)."""
        photo, (start, shape) = self._photo(index), self._bases[1][index]
        size = int(np.prod(shape))
        base = self._bases[0][start : start + size].reshape(shape)
        return photo, base, int(self.codes[index])

    def _photo(self, index):
        photo = self.photos[index % len(self.photos)]
        return photo[:, ::-1] if self.flipped[index] else photo

    def _key(self):
        return {
            "tables": self.frozen.digest.hex(),
            "photos": len(self.photos),
            "codes": [int(code) for code in self.codes],
        }

    def _load(self, folder):
        try:
            record = json.loads((folder / "bases.json").read_text())
            if record["key"] != self._key():
                return None
            places = [(start, tuple(shape)) for start, shape in record["places"]]
            return np.load(folder / "bases.npy", mmap_mode="r"), places
        except (OSError, ValueError, KeyError):
            return None

    def _code(self, folder, progress):
        # A record of other tables must not outlive the pictures that it describes.
        (folder / "bases.json").unlink(missing_ok=True)
        path = folder / "bases.npy"
        try:
            with explained(folder):
                bases, places = self._code_all(path, progress)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        record = {"key": self._key(), "places": places}
        write_atomically(folder / "bases.json", json.dumps(record).encode())
        return bases, places

    def _code_all(self, path, progress):
        shapes = [self.photos[i].shape for i in range(len(self.photos))]
        starts = np.cumsum([0] + [int(np.prod(shapes[i % len(shapes)])) for i in range(len(self))])
        bases = np.lib.format.open_memmap(path, "w+", np.float16, (int(starts[-1]),))
        _take_room(path)
        contexts = lite_contexts(self.frozen.contexts)

        def work(index):
            base = code_photo(self._photo(index), self.frozen, int(self.codes[index]), contexts)
            bases[starts[index] : starts[index + 1]] = base.reshape(-1)

        with ThreadPoolExecutor(2) as pool:
            for done, _ in enumerate(pool.map(work, range(len(self))), 1):
                if progress is not None:
                    progress(done)
        bases.flush()
        return bases, [(int(starts[i]), shapes[i % len(shapes)]) for i in range(len(self))]


def _take_room(path):
    """Has a file's room on the disk kept for it: writing to mapped memory without room ends the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class CodedCropBatches(keras.utils.PyDataset):
    """Like `CropBatches`, with the base picture beside image and step code.

    Args:
        coded: `CodedPhotos`.
        config: a `TrainConfig`.
        first_step: where a resumed run goes on.
    """

    def __init__(self, coded, config, first_step=0):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.coded, self.config = coded, config
        self.first_step, self.last_step = first_step, config.total_steps
        self.seconds, self.made = 0.0, 0
        self._usable = [i for i in range(len(coded)) if coded.shorter_side(i) >= config.crop_size]
        if not self._usable:
            raise GanTfcError(
                f"Expected photos of at least {config.crop_size}x{config.crop_size} pixels, found "
                "none; use larger photos or a smaller crop_size."
            )

    def __len__(self):
        return max(0, self.last_step - self.first_step)

    def __getitem__(self, index):
        start = time.perf_counter()
        rng = np.random.default_rng((self.config.seed, self.first_step + index))
        images, bases, codes = zip(*(self._crop(rng) for _ in range(self.config.batch_size)), strict=True)
        batch = {
            "image": np.stack(images),
            "base": np.stack(bases).astype(np.float32),
            "step_code": np.array(codes, np.float32),
        }
        self.seconds += time.perf_counter() - start
        self.made += 1
        return (batch,)

    def _crop(self, rng):
        side = self.config.crop_size
        image, base, code = self.coded[self._usable[int(rng.integers(len(self._usable)))]]
        height, width = image.shape[:2]
        top, left = (
            ALIGNMENT * int(rng.integers((room - side) // ALIGNMENT + 1)) for room in (height, width)
        )
        here = (slice(top, top + side), slice(left, left + side))
        return image[here], base[here], code
