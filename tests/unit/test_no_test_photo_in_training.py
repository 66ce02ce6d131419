# SPDX-License-Identifier: Apache-2.0
"""No photo that results are reported on, or that settings are chosen by, was trained on.

Two comparisons of every training photo with every photo of Kodak and of the validation set: equal
pixels, by SHA-256, and nearly equal pictures, by a 256-bit difference hash of the whole picture
(N. Krawetz, "Kind of like that", 2013), which survives scaling and compression, and of its mirror
image.
"""

import hashlib

import numpy as np
import pytest
from PIL import Image

SIDE = 16
#: Of 256 bits. Halved copies at JPEG quality 60 differ in at most 27 here, unrelated photos in 49
#: at least and in about 120 on average.
NEAR = 40


def small_grey(image):
    """A picture just large enough for its hash, `(16, 17)`; JPEG files are decoded at that size."""
    image.draft("L", (4 * SIDE, 4 * SIDE))
    grey = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.int16)


def bits_of(grey):
    """Whether each pixel is brighter than its left neighbour, 256 bits."""
    return (grey[:, 1:] > grey[:, :-1]).reshape(-1)


def difference_hashes(path):
    """Hashes of the picture and of its mirror image, `(2, 256)` bool."""
    with Image.open(path) as image:
        grey = small_grey(image)
    return np.stack([bits_of(grey), bits_of(grey[:, ::-1])])


def distances(paths, hashes):
    """Differing bits between each path and each hash: `(paths, hashes)`, the mirror counted in."""
    known = np.stack(hashes).astype(np.float32)
    found = np.stack([difference_hashes(path)[0] for path in paths]).astype(np.float32)
    # |a - b| summed over bits is a + b - 2ab.
    sums = found.sum(1)[:, None, None] + known.sum(2)[None]
    return (sums - 2 * np.einsum("ib,jmb->ijm", found, known)).min(axis=2).astype(int)


def size_of(path):
    with Image.open(path) as image:
        return image.size


def pixel_hash(path):
    with Image.open(path) as image:
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


@pytest.fixture(scope="module")
def photos(data_dir):
    """Paths: trained on, and not to be."""
    train = sorted((data_dir / "photos" / "train").glob("*.jpg"))
    held_out = sorted((data_dir / "kodak").glob("*.png"))
    held_out += sorted((data_dir / "photos" / "val").glob("*.png"))
    if not train or not held_out:
        pytest.skip(f"no photos/train, photos/val and kodak in {data_dir}; set GAN_TFC_DATA")
    return train, held_out


@pytest.fixture(scope="module")
def held_out_hashes(photos):
    return [difference_hashes(path) for path in photos[1]]


def test_no_test_photo_has_the_pixels_of_a_training_photo(photos):
    train, held_out = photos
    # Equal pixels need equal sizes, which a file's header tells: few files are decoded in full.
    sizes = {size_of(path) for path in held_out}
    trained = {pixel_hash(path): path.name for path in train if size_of(path) in sizes}
    found = [(p.name, trained[h]) for p in held_out if (h := pixel_hash(p)) in trained]
    assert not found


def test_no_training_photo_looks_like_a_test_photo(photos, held_out_hashes):
    train, held_out = photos
    close = np.argwhere(distances(train, held_out_hashes) <= NEAR)
    assert [(train[i].name, held_out[j].name) for i, j in close] == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_scaled_and_compressed_copy_would_be_found(photos, held_out_hashes, tmp_path, mirrored):
    held_out = photos[1][::16]
    for path in held_out:
        with Image.open(path) as image:
            copy = image.convert("RGB").reduce(2)
        if mirrored:
            copy = copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        copy.save(tmp_path / f"{path.stem}.jpg", quality=60)
    copies = [tmp_path / f"{path.stem}.jpg" for path in held_out]
    nearest = distances(copies, held_out_hashes)
    assert nearest.argmin(axis=1).tolist() == list(range(0, len(photos[1]), 16))
    assert nearest.min(axis=1).max() <= NEAR
