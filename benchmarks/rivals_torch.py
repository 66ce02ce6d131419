# SPDX-License-Identifier: Apache-2.0
"""The PyTorch side of benchmarks/rivals_speed.py: times one call for each line that it is sent.

Runs in an interpreter that has torch, compressai and NumPy, and needs nothing of gan_tfc. Reads JSON lines
`{"rival": NAME, "task": TASK}` and answers with one JSON line each: what the rival is for the task
"describe", seconds for "decode", "encode" and "transforms" (the synthesis transforms alone).

    python benchmarks/rivals_torch.py PHOTO.npy THREADS
"""

import functools
import json
import sys
import time

import numpy as np

DECODER = ("h_s", "g_s", "context_prediction", "entropy_parameters")


def import_compressai():
    """CompressAI's models.

    It imports torchvision for transforms that are not used here, and pip's torchvision declares operators
    that only exist beside a torch with CUDA: those names must be there, and do nothing.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_compressai.library = library  # undone when it is collected
    from compressai import zoo

    return zoo


class CompressAI:
    """A model of CompressAI with random weights.

    Args:
        name: function in `compressai.zoo`.
        quality: its level, which sets the numbers of channels.
        image: float tensor `(1, 3, H, W)`.
    """

    def __init__(self, name, quality, image):
        import torch

        torch.manual_seed(0)
        self.image = image
        self.model = getattr(import_compressai(), name)(quality).eval()
        self.model.update(force=True)
        self.stream = None

    def encode(self):
        self.stream = self.model.compress(self.image)

    def decode(self):
        self.model.decompress(self.stream["strings"], self.stream["shape"])

    def transforms(self):
        """From random latents of the right size: what they are does not change the time."""
        import torch

        height, width = self.image.shape[2:]
        self.model.h_s(torch.randn(1, self._channels("h_s"), height // 64, width // 64))
        self.model.g_s(torch.randn(1, self._channels("g_s"), height // 16, width // 16))

    def describe(self):
        from hific_generator import kmacs, parameters

        pixels = self.image.shape[2] * self.image.shape[3]
        counts = kmacs(self.model, pixels, lambda: self.model(self.image))
        decoder = sum(count for part, count in counts.items() if part in DECODER)
        self.encode()
        size = sum(len(string) for strings in self.stream["strings"] for string in strings)
        return {
            "parameters": parameters(self.model),
            "kmac_decode": round(decoder, 1),
            "bpp": round(8 * size / pixels, 3),
        }

    def _channels(self, part):
        layer = next(m for m in getattr(self.model, part).modules() if hasattr(m, "in_channels"))
        return layer.in_channels


class HiFiC:
    """HiFiC's generator alone."""

    def __init__(self, image):
        import torch
        from hific_generator import LATENTS, STRIDE, Generator

        torch.manual_seed(0)
        height, width = image.shape[2:]
        self.pixels = height * width
        self.model = Generator().eval().to(memory_format=torch.channels_last)
        latents = torch.randn(1, LATENTS, height // STRIDE, width // STRIDE)
        self.latents = latents.contiguous(memory_format=torch.channels_last)

    def transforms(self):
        self.model(self.latents)

    def describe(self):
        from hific_generator import kmacs, parameters

        counts = kmacs(self.model, self.pixels, self.transforms)
        return {"parameters": parameters(self.model), "kmac_decode": round(sum(counts.values()), 1)}


@functools.cache
def make_rival(name, image):
    """`name` as in benchmarks/rivals_speed.py: "hific", or CompressAI's name and quality."""
    if name == "hific":
        return HiFiC(image)
    model, _, quality = name.rpartition("-")
    return CompressAI(model, int(quality), image)


def main(photo, threads):
    """Answers until there is no more to read."""
    answers, sys.stdout = sys.stdout, sys.stderr  # packages may print what they like

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    try:
        import torch

        import_compressai()
    except ImportError as error:
        answer({"error": str(error)})
        return 1
    from importlib.metadata import version

    torch.set_num_threads(int(threads))
    pixels = np.load(photo).astype(np.float32) / 255
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()
    answer({name: version(name) for name in ("torch", "compressai")})
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            task = getattr(make_rival(request["rival"], image), request["task"])
            start = time.perf_counter()
            result = task()
            seconds = time.perf_counter() - start
            answer(result if request["task"] == "describe" else seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
