# SPDX-License-Identifier: Apache-2.0
"""The integer context networks in NumPy: the reference that every other runtime must equal.

Weights are integers in [-127, 127], activations integers in 0..255 (contexts: -127..127). Both are held
in float32 and multiplied by an ordinary matrix product; because `check_bound` holds for every output
channel, each partial sum is an integer below 2**24 and therefore exact, in any order of summation.
Between layers an accumulator is requantised by a power of two:

    clip(floor(accumulator * 2**-shift + 0.5), low, high)
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gan_tfc.errors import PresetError

HIDDEN_SHIFT = 7
MEAN_SHIFT = 11
SCALE_SHIFT = 9
MEAN_RANGE = 127  # means are integers in [-127, 127] quarters of a step
SCALE_INDEXES = 64
SCALE_OFFSET = 20
BANDS = 9  # 3 orientations x 3 colour planes, coded at each position

#: How far a result sees: two layers of 3x3.
HALO = 2

#: Rows of an unfolded picture that are multiplied at once: small enough to stay in the cache.
_STRIP_ELEMENTS = 1 << 18


def check_bound(kernels: list[np.ndarray], bias: np.ndarray, shift: int, name: str) -> None:
    """Raise PresetError unless every accumulator of the layer stays below 2**24.

    Args:
        kernels: integer kernels `(k, k, in, out)` whose results are summed.
        bias: integer biases `(out,)`.
        shift: of the requantisation that follows.
    """
    weight = sum(np.abs(k.astype(np.int64)).sum(axis=(0, 1, 2)) for k in kernels)
    worst = int((255 * weight + np.abs(bias.astype(np.int64))).max()) + (1 << (shift - 1))
    if worst >= 2**24:
        raise PresetError(
            f"Layer {name} needs accumulators below 2**24 to be exact in float32, but its weights "
            f"allow {worst}; retrain it with smaller weights."
        )


def convolve(x: np.ndarray, layer: "FoldedLayer", start: np.ndarray | None = None) -> np.ndarray:
    """Convolution with zeros outside ("same"), requantised.

    Args:
        x: `(H, W, C)` float32 integers.
        layer: kernel, bias and limits, with the requantising shift folded in.
        start: `(H, W, F)` accumulators to add, in place of a bias.

    Returns:
        `(H, W, F)` float32: ``clip(floor(...), low, high)``.
    """
    height, width, channels = x.shape
    size, (taps, filters) = layer.size, layer.matrix.shape
    result = np.empty((height * width, filters), np.float32)
    if start is not None:
        start = start.reshape(-1, filters)
    windows = x.reshape(height, width, channels) if size == 1 else _windows(x, size)
    strip = max(1, _STRIP_ELEMENTS // (width * taps))
    for top in range(0, height, strip):
        rows = windows[top : top + strip].reshape(-1, taps)
        here = slice(top * width, top * width + len(rows))
        part = np.matmul(rows, layer.matrix, out=result[here])
        part += layer.bias if start is None else start[here]
        if layer.low is not None:
            np.floor(part, out=part)
            np.maximum(part, layer.low, out=part)
            np.minimum(part, layer.high, out=part)
    return result.reshape(height, width, filters)


def _windows(x: np.ndarray, size: int) -> np.ndarray:
    """`(H, W, C)` -> a view `(H, W, size, size * C)` of each position's neighbourhood."""
    height, width, channels = x.shape
    half = size // 2
    padded = np.zeros((height + 2 * half, width + 2 * half, channels), np.float32)
    padded[half : half + height, half : half + width] = x
    row, column, item = padded.strides
    shape = (height, width, size, size * channels)
    return np.lib.stride_tricks.as_strided(padded, shape, (row, column, row, item), writeable=False)


class FoldedLayer(NamedTuple):
    """A layer ready to run: ``floor(x @ matrix + bias)``, clipped.

    Multiplying weights by a power of two is exact, so the requantising shift is folded into them, and
    its rounding half into the bias: every number stays a multiple of 2**-shift below 2**(24 - shift).
    """

    size: int
    matrix: np.ndarray
    bias: np.ndarray | None
    low: np.ndarray | float | None
    high: np.ndarray | float | None

    @classmethod
    def fold(cls, kernel, bias, shift, low, high, offset=0.0):
        """Fold `shift` (scalar or one for each filter), and add `offset` after it."""
        factor = np.float32(2.0) ** -np.asarray(shift, np.float32)
        size, _, channels, filters = kernel.shape
        matrix = kernel.reshape(size * size * channels, filters).astype(np.float32) * factor
        if bias is not None:
            bias = (bias.astype(np.float32) * factor + np.float32(0.5) + offset).astype(np.float32)
        return cls(size, np.ascontiguousarray(matrix), bias, low, high)


_HEAD = {
    "shift": np.repeat(np.float32([MEAN_SHIFT, SCALE_SHIFT]), BANDS),
    "low": np.repeat(np.float32([-MEAN_RANGE, 0]), BANDS),
    "high": np.repeat(np.float32([MEAN_RANGE, SCALE_INDEXES - 1]), BANDS),
    "offset": np.repeat(np.float32([0, SCALE_OFFSET]), BANDS),
}


@dataclass(frozen=True)
class IntegerContextNetwork:
    """One level's network; the signal path is drawn in `gan_tfc.entropy_models.context_network`.

    Args:
        weights: integer arrays ``<layer>/kernel`` `(k, k, in, out)` int8 and ``<layer>/bias`` `(out,)`
            int32 for the layers trunk_in, trunk, first_head, known, mix (no bias), second_head.

    Raises:
        PresetError: an array is missing, or a layer could leave the exact range.
    """

    weights: dict[str, np.ndarray]
    _folded: dict[str, FoldedLayer] = field(init=False, repr=False)

    LAYERS = ("trunk_in", "trunk", "first_head", "known", "mix", "second_head")

    def __post_init__(self):
        w = self.weights
        try:
            kernels = {name: w[f"{name}/kernel"] for name in self.LAYERS}
            biases = {name: w[f"{name}/bias"] for name in self.LAYERS if name != "mix"}
        except KeyError as missing:
            raise PresetError(f"A context network lacks the array {missing}.") from None
        for name, array in w.items():
            if array.dtype.kind not in "iu":
                raise PresetError(f"Expected integers in {name}, received {array.dtype}.")
        for name, bias in biases.items():
            summed = [kernels[name]] + ([kernels["mix"]] if name == "known" else [])
            shift = MEAN_SHIFT if name.endswith("head") else HIDDEN_SHIFT
            check_bound(summed, bias, shift, name)
        hidden = {
            "trunk_in": (HIDDEN_SHIFT, 0, 255),
            "trunk": (HIDDEN_SHIFT, -255, 255),
            "known": (HIDDEN_SHIFT, None, None),
            "mix": (HIDDEN_SHIFT, 0, 255),
        }
        folded = {
            name: FoldedLayer.fold(kernels[name], biases.get(name), *limits)
            for name, limits in hidden.items()
        }
        for name in ("first_head", "second_head"):
            folded[name] = FoldedLayer.fold(kernels[name], biases[name], **_HEAD)
        object.__setattr__(self, "_folded", folded)

    def first(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Context `(H, W, C)` -> features `(H, W, F)`, means `(H, W, 9)`, scale indexes `(H, W, 9)`."""
        hidden = convolve(context, self._folded["trunk_in"])
        features = convolve(hidden, self._folded["trunk"])
        features += hidden
        np.maximum(features, 0, out=features)
        np.minimum(features, 255, out=features)
        return features, *self._parameters(features, "first_head")

    def second(self, features: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features and known values `(H, W, 10)` -> means, scale indexes `(H, W, 9)`."""
        accumulator = convolve(known, self._folded["known"])
        hidden = convolve(features, self._folded["mix"], start=accumulator)
        return self._parameters(hidden, "second_head")

    def _parameters(self, hidden: np.ndarray, head: str) -> tuple[np.ndarray, np.ndarray]:
        parameters = convolve(hidden, self._folded[head]).astype(np.int32)
        return parameters[..., :BANDS], parameters[..., BANDS:]
