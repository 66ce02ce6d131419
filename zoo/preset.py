# SPDX-License-Identifier: Apache-2.0
"""A preset is a folder: a model, not a training run.

    config.json         Keras-serialised `WaveletCodec`, with the preset's name and version
    model.weights.h5    its weights, stored as float16
    tables.npz          what decides bits: integer networks and coding tables
    metadata.json       SHA-256 of the files above, licence, parameters, measured points
    README.md           the card
    golden/             a small input, its stream, its symbols, its decoded picture

`Codec.save` writes the first four; a released preset has all.
"""

import hashlib
import io
import json
from pathlib import Path

import h5py
import keras
import numpy as np

from gan_tfc import __version__
from gan_tfc.codec import Codec
from gan_tfc.coding.frozen import FrozenTables
from gan_tfc.errors import GanTfcError, PresetError
from gan_tfc.folders import new_folder
from gan_tfc.models.wavelet_codec import WaveletCodec
from gan_tfc.models.weights import load_weights, weights_file
from gan_tfc.zoo.registry import METADATA

CONFIG, WEIGHTS, TABLES = "config.json", "model.weights.h5", "tables.npz"
HASHED = (CONFIG, WEIGHTS, TABLES)


def save_preset(codec: Codec, folder, metadata: dict | None = None) -> None:
    """Write a codec as a preset folder.

    Args:
        codec: with or without frozen tables.
        folder: ``.../<name>/<version>`` (any other path keeps the codec's own name and version), new or
            empty: released versions are immutable.
        metadata: entries added to `metadata.json`.

    Raises:
        PresetError: the folder holds a preset already, or anything else, or cannot be written.
    """
    folder = Path(folder)
    if (folder / CONFIG).exists():
        raise PresetError(f"Expected a new folder, but {folder} holds a preset; save under the next version.")
    name, version = _named_by(folder, codec)
    config = {
        "name": name,
        "version": version,
        "model": keras.saving.serialize_keras_object(codec.model),
    }
    config["model"]["compile_config"] = None
    weights = _in_half_precision(weights_file(codec.model))
    try:
        with new_folder(folder) as scratch:
            (scratch / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
            (scratch / WEIGHTS).write_bytes(weights)
            if codec.frozen is not None:
                np.savez_compressed(scratch / TABLES, **codec.frozen.arrays())
            record = describe_model(codec) | (metadata or {}) | {"name": name, "version": version}
            record["sha256"] = hashes(scratch)
            (scratch / METADATA).write_text(json.dumps(record, indent=1) + "\n")
    except GanTfcError as error:
        raise PresetError(str(error)) from error
    codec.name, codec.version = name, version


def load_preset(folder, engine: str = "auto") -> Codec:
    """Read a preset folder.

    Raises:
        PresetError: files are missing, damaged, or do not have the hashes of `metadata.json`.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise PresetError(f"Expected a preset folder with {CONFIG}, but {folder} has none; check the path.")
    check_hashes(folder)
    try:
        return _read(folder, engine)
    except PresetError:
        raise
    except Exception as error:  # The hashes are right: whoever wrote the files got them wrong.
        raise PresetError(
            f"{folder} is no preset that this version of gan_tfc reads ({error}); it was written "
            "by another version, or by hand."
        ) from error


def _read(folder: Path, engine: str) -> Codec:
    config = json.loads((folder / CONFIG).read_text())
    # Built here: where Keras builds, it takes a Ctrl-C for a model that cannot be built, and goes on.
    model = keras.saving.deserialize_keras_object(config["model"] | {"build_config": None})
    if not isinstance(model, WaveletCodec):
        raise PresetError(f"Expected a WaveletCodec in {folder}, found {type(model).__name__}.")
    if not model.built:
        model.build()
    load_weights(model, folder / WEIGHTS)
    frozen = None
    if (folder / TABLES).exists():
        with np.load(folder / TABLES, allow_pickle=False) as arrays:
            frozen = FrozenTables.from_arrays(dict(arrays))
    return Codec(model, config["name"], config["version"], frozen, engine)


def check_hashes(folder) -> dict:
    """Compare a preset's files with its metadata, and return the metadata.

    Raises:
        PresetError: naming the first file that differs.
    """
    folder = Path(folder)
    try:
        metadata = json.loads((folder / METADATA).read_text())
        expected = dict(metadata["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PresetError(f"Expected {METADATA} with hashes in {folder}: {error}.") from error
    found = hashes(folder)
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise PresetError(
                f"{folder / name} is damaged or was changed: expected SHA-256 {expected.get(name)}, "
                f"found {found.get(name)}; install the preset again."
            )
    return metadata


def hashes(folder) -> dict[str, str]:
    """SHA-256 of the files that make the codec, by name."""
    paths = [Path(folder) / name for name in HASHED]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths if p.exists()}


def describe_model(codec: Codec) -> dict:
    """Facts about a codec that need no data."""
    from gan_tfc.models.complexity import complexity

    return {
        "package_version": __version__,
        "keras_version": keras.__version__,
        "tables_digest": codec.frozen.digest.hex() if codec.frozen else None,
        **complexity(codec.model),
    }


def _named_by(folder: Path, codec: Codec) -> tuple[str, int]:
    name, version = folder.resolve().parent.name, folder.name
    if version.isdecimal() and name.isidentifier() and name.islower():
        return name, int(version)
    return codec.name, codec.version


def _in_half_precision(data: bytes) -> bytes:
    """A Keras weights file with float16 values: half the size, errors below 0.05 %."""
    full, compact = io.BytesIO(data), io.BytesIO()
    with h5py.File(full, "r+") as file:
        floats = []
        file.visititems(
            lambda name, item: (
                floats.append(name) if isinstance(item, h5py.Dataset) and item.dtype == np.float32 else None
            )
        )
        values = {name: (file[name][()], dict(file[name].attrs)) for name in floats}
        for name, (value, attributes) in values.items():
            del file[name]
            file.create_dataset(name, data=value.astype(np.float16)).attrs.update(attributes)
    # HDF5 does not give back the space of deleted arrays; a copy does.
    with h5py.File(full, "r") as source, h5py.File(compact, "w") as target:
        for key in source:
            source.copy(key, target)
        target.attrs.update(dict(source.attrs))
    return compact.getvalue()
