# SPDX-License-Identifier: Apache-2.0
"""A codec for another runtime, as a folder: all that is needed to compress and decompress there.

    manifest.json   preset and version, digest of the tables, names, inputs and ranges of the graphs, tile
                    size, licence, bytes and SHA-256 of every other file
    README.md       the card: how to use it, what the precision costs
    codec.bin       what decides bits, see `gan_tfc/coding/codec_file.py`
    ...             graphs and runtimes of the target

Context networks are exact in every bundle; `precision` is that of the synthesis network alone.
"""

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path

from gan_tfc import __version__
from gan_tfc.coding.codec_file import write_codec_file
from gan_tfc.errors import GanTfcError
from gan_tfc.export.calibration import Samples
from gan_tfc.export.card import MANIFEST, bundle_card
from gan_tfc.export.targets import TARGETS
from gan_tfc.folders import check_new, new_folder

FORMAT_VERSION = 1


def export_codec(codec, folder, format="tflite", precision="float32", photos=None) -> Path:
    """Write a bundle; see `gan_tfc.codec.Codec.export`.

    Args:
        codec: a frozen `gan_tfc.codec.Codec`.
        folder: new or empty.
        format: "tflite", "onnx" or "saved_model".
        precision: "float32", "float16" or "int8".
        photos: folder, or sequence of uint8 `(H, W, 3)` arrays: int8 is calibrated on them and
            losses are measured on them; default sample photos.

    Returns:
        The folder.

    Raises:
        GanTfcError: a folder that is not empty, an unknown format or precision, or a package that
            is missing.
    """
    if format not in TARGETS:
        raise GanTfcError(f"Expected a format of {', '.join(TARGETS)}, received {format!r}.")
    folder, target = Path(folder), TARGETS[format]
    target.check(precision)
    check_new(folder)
    # Before anything is written: unusable photos are told at once.
    frozen, samples = codec.tables(), Samples(codec, photos) if target.make else None
    with new_folder(folder) as scratch, _tensorflow_explained(folder):
        (scratch / "codec.bin").write_bytes(write_codec_file(codec.name, codec.version, frozen))
        graphs = target.write(codec, scratch, precision, samples)
        manifest = {
            "format_version": FORMAT_VERSION,
            "target": format,
            "preset": codec.name,
            "version": codec.version,
            "tables_digest": frozen.digest.hex(),
            "precision": precision,
            "gan_tfc": __version__,
            "licence": _licence(codec),
            **graphs,
        }
        _write_manifest(scratch, manifest)  # the card runs the bundle
        (scratch / "README.md").write_text(bundle_card(codec, target, precision, samples, scratch))
        _write_manifest(scratch, manifest)
    return folder


@contextlib.contextmanager
def _tensorflow_explained(folder):
    """TensorFlow writes SavedModels here, and temporary ones elsewhere, and has errors of its own."""
    import tensorflow as tf

    refusals = (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError, tf.errors.PermissionDeniedError)
    try:
        yield
    except refusals as error:
        raise GanTfcError(
            f"TensorFlow cannot write ({error.message}): make room in {str(folder.parent)!r} and in "
            f"{tempfile.gettempdir()!r}, or name another folder and TMPDIR."
        ) from error


def _licence(codec) -> dict:
    """Of the code that travels along, and of the weights where they are a shipped preset's."""
    from gan_tfc.zoo import registry

    stated = {"code": "Apache-2.0", "weights": "as stated by who trained them"}
    for record in registry.list_presets(codec.name):
        if record["version"] == codec.version and record["tables_digest"] == codec.tables().digest.hex():
            return record.get("licence", stated)
    return stated


def _write_manifest(folder, manifest):
    text = json.dumps({**manifest, "files": _records(folder)}, indent=1)
    (folder / MANIFEST).write_text(text + "\n")


def _records(folder) -> dict:
    """Bytes and SHA-256 of every file, by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files
    }
