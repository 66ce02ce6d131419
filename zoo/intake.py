# SPDX-License-Identifier: Apache-2.0
"""What a downloaded preset may hold: the model class of this package, plain numbers, arrays of bounded size.

The hashes say that the files are those of whoever runs the zoo, and nothing about what is in them.
Keras refuses lambdas and, in its newest versions, foreign modules; here nothing but a `WaveletCodec`
comes as far as Keras.
"""

import json
import zipfile
from pathlib import Path

from gan_tfc.errors import PresetError
from gan_tfc.zoo.index import MAX_FILE

_MODEL = {
    "module": "gan_tfc.models.wavelet_codec",
    "class_name": "WaveletCodec",
    "registered_name": "gan_tfc>WaveletCodec",
}
#: A network has fewer channels, blocks and levels than this.
_LARGEST_NUMBER, _LONGEST_LIST = 4096, 64


def check_intake(folder: Path, name: str, version: int) -> None:
    """Look into a preset folder before it is loaded, or offered to others.

    Args:
        folder: complete, with the right hashes.
        name, version: under which it was asked for; its streams must say the same.

    Raises:
        PresetError: it holds what no preset needs, or is another preset.
    """
    try:
        config = json.loads((folder / "config.json").read_bytes())
        if (config["name"], config["version"]) != (name, version):
            raise ValueError(f"it calls itself {config['name']!r}, version {config['version']!r}")
        _check_model(config["model"])
        for path in folder.rglob("*.npz"):
            _check_arrays(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise PresetError(
            f"Expected preset {name}@{version} in {folder}, which is none to share ({what}); take another "
            "one, or tell who made it."
        ) from error


def _check_model(model):
    for key, expected in _MODEL.items():
        if model[key] != expected:
            raise ValueError(f"config.json holds {key} {model[key]!r}, where {expected!r} is expected")
    extra = set(model) - {*_MODEL, "config", "build_config"}
    if any(model[key] for key in extra):
        raise ValueError(f"config.json holds {', '.join(sorted(extra))}")
    arguments = dict(model["config"])
    dtype = arguments.pop("dtype", None)
    if isinstance(dtype, dict) and (dtype["module"], dtype["class_name"]) == ("keras", "DTypePolicy"):
        dtype = dtype["config"]["name"]
    _check_plain([arguments, dtype, model.get("build_config")])


def _check_plain(value):
    """Neither an object for Keras to build, nor a number that would fill the memory."""
    if isinstance(value, dict):
        if "class_name" in value:
            raise ValueError(f"config.json holds an object of class {value['class_name']!r}")
        value = list(value.values())
    if isinstance(value, list):
        if len(value) > _LONGEST_LIST:
            raise ValueError(f"config.json holds a list of {len(value)}")
        for item in value:
            _check_plain(item)
    elif isinstance(value, (int, float)) and not abs(value) <= _LARGEST_NUMBER:
        raise ValueError(f"config.json holds the number {value}")


def _check_arrays(path):
    with zipfile.ZipFile(path) as file:
        size = sum(member.file_size for member in file.infolist())
    if size > MAX_FILE:
        raise ValueError(f"{path.name} would unfold to {size} bytes")
