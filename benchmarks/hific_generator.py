# SPDX-License-Identifier: Apache-2.0
"""HiFiC's generator in PyTorch, from its published layers: for its speed alone, there are no weights.

Mentzer, Toderici, Tschannen, Agustsson, "High-Fidelity Generative Image Compression" (NeurIPS 2020, arXiv
2006.09965), figure 2 and appendix A: 220 latents at 1/16 of the resolution, ChannelNorm, 9 residual blocks
of 960 channels, four transposed convolutions of stride 2.
"""

import torch
from torch import nn

LATENTS = 220
STRIDE = 16
_FEATURES = 960
_BLOCKS = 9
_UPSAMPLED = (480, 240, 120, 60)


class ChannelNorm(nn.Module):
    """Normalises over the channels of each position, with a learned gain and bias."""

    def __init__(self, channels):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x):
        variance, mean = torch.var_mean(x, 1, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-3) * self.gain + self.bias


class ResidualBlock(nn.Sequential):
    """``x + norm(conv(relu(norm(conv(x)))))``."""

    def __init__(self, channels):
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelNorm(channels),
        )

    def forward(self, x):
        return x + super().forward(x)


class Generator(nn.Module):
    """Latents `(B, 220, H, W)` -> pictures `(B, 3, 16 H, 16 W)`."""

    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(
            ChannelNorm(LATENTS),
            nn.Conv2d(LATENTS, _FEATURES, 3, padding=1),
            ChannelNorm(_FEATURES),
        )
        self.blocks = nn.Sequential(*(ResidualBlock(_FEATURES) for _ in range(_BLOCKS)))
        layers, before = [], _FEATURES
        for after in _UPSAMPLED:
            layers.append(nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1))
            layers += [ChannelNorm(after), nn.ReLU()]
            before = after
        self.tail = nn.Sequential(*layers, nn.Conv2d(before, 3, 7, padding=3))

    def forward(self, latents):
        head = self.head(latents)
        return self.tail(head + self.blocks(head))


def parameters(model) -> int:
    """How many numbers a model has learned."""
    return sum(p.numel() for p in model.parameters())


def kmacs(model, pixels: int, run) -> dict:
    """Thousands of multiply-accumulates a pixel of each part of a model, counted from shapes.

    Convolutions and CompressAI's GDN, which multiplies all channels with each other, are counted.

    Args:
        model: whose direct children are the parts.
        pixels: of the picture.
        run: uses the model once; called without arguments.
    """
    totals = {}

    def count(part):
        def hook(layer, inputs, output):
            x = inputs[0]
            if isinstance(layer, nn.ConvTranspose2d):
                macs = layer.weight.numel() * x.shape[2] * x.shape[3]
            elif isinstance(layer, nn.Conv2d):
                macs = layer.weight.numel() * output.shape[2] * output.shape[3]
            else:
                macs = x.shape[1] ** 2 * x.shape[2] * x.shape[3]
            totals[part] = totals.get(part, 0) + macs / pixels / 1000

        return hook

    counted = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [
        layer.register_forward_hook(count(part))
        for part, child in model.named_children()
        for layer in child.modules()
        if isinstance(layer, counted) or type(layer).__name__ == "GDN"
    ]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return totals


if __name__ == "__main__":
    generator = Generator().eval()
    count = kmacs(generator, 256 * 256, lambda: generator(torch.zeros(1, LATENTS, 16, 16)))
    print(f"{parameters(generator) / 1e6:.1f} M parameters, {sum(count.values()):.0f} kMAC/px")
