# SPDX-License-Identifier: Apache-2.0
"""Learned image compression: one small file for all rates, decodable anywhere.

    codec = gan_tfc.load("photo_mobile")
    data = codec.compress("photo.jpg", quality=50)
    image = gan_tfc.decompress(data)

`import gan_tfc` needs nothing but the standard library: Keras and its backend are imported when
one of the functions below is first touched. Keras' own choice of backend is kept (`KERAS_BACKEND`,
then `keras.json`, then TensorFlow), with one exception: where that choice is TensorFlow, and it is
not installed but JAX is, the backend is JAX.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import pathlib

from gan_tfc.errors import (
    CorruptStreamError,
    GanTfcError,
    ImageError,
    NotAStreamError,
    NotFrozenError,
    PresetError,
    StreamError,
    StreamTooLargeError,
    TablesMismatchError,
    TargetError,
    TruncatedStreamError,
    UnsupportedFormatError,
)

__version__ = "0.1.0"

# A bare clone has zoo/ and export/ beside this folder; an installed copy has no setup.cfg there.
if all((pathlib.Path(__file__).parents[1] / p).is_file() for p in ("setup.cfg", "zoo/__init__.py")):
    __path__.append(str(pathlib.Path(__file__).parents[1]))

_LAZY = {
    "Codec": "gan_tfc.codec",
    "decompress": "gan_tfc.api",
    "info": "gan_tfc.api",
    "list_presets": "gan_tfc.api",
    "load": "gan_tfc.api",
    "preview": "gan_tfc.api",
}

__all__ = [
    "Codec",
    "CorruptStreamError",
    "GanTfcError",
    "ImageError",
    "NotAStreamError",
    "NotFrozenError",
    "PresetError",
    "StreamError",
    "StreamTooLargeError",
    "TablesMismatchError",
    "TargetError",
    "TruncatedStreamError",
    "UnsupportedFormatError",
    "__version__",
    "decompress",
    "info",
    "list_presets",
    "load",
    "preview",
]


def __getattr__(name):
    """Imports a public name on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gan_tfc' has no attribute {name!r}; it has {sorted(_LAZY)}.")
    with _backend_explained():
        value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


@contextlib.contextmanager
def _backend_explained():
    """Turns the failed import of a missing Keras backend into one sentence with the mend."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != _configured_backend():
            raise
        raise ImportError(
            f"gan_tfc needs the Keras backend {error.name!r}, which is not installed: "
            "pip install 'gan_tfc[tf]' (or [tfc], [jax])."
        ) from error


def _configured_backend():
    """Name of the backend that Keras would choose by itself."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        from_file = json.loads(pathlib.Path(home, "keras.json").read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        from_file = None
    return os.environ.get("KERAS_BACKEND") or from_file or "tensorflow"


def _choose_backend():
    """Lets Keras run on JAX where its choice would be a TensorFlow that is not installed."""
    if _configured_backend() == "tensorflow" and not importlib.util.find_spec("tensorflow"):
        if importlib.util.find_spec("jax"):
            os.environ["KERAS_BACKEND"] = "jax"


_choose_backend()
