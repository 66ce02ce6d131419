# SPDX-License-Identifier: Apache-2.0
"""The synthesis network in two parts, so that what is quantised never meets the step.

```
 step, realism --> condition (float32) --> scale and shift of every StepGain; texture
                                                     |
 base, noise ---------------------> body (float32 or int8) --> correction, in steps
 picture = base + step x correction (float32)
```

Logarithms, exponentials and a base picture of more than eight bits do not survive eight bits;
convolutions do. All that has more than one value a picture is in the body.
"""

from keras import ops

from gan_tfc.models.synthesis import LEAK, PATCH, StepGain, fade, log_of_step, texture_block

#: Names of gains whose features realism changes, and of the layer that tells by how much.
_CHANGE = "realism_{}"
_TEXTURE_GAIN = "realism_texture_gain"


def overlap(network) -> int:
    """Pixels around a tile on which its pixels depend, a multiple of `PATCH`."""
    before = texture_block(network.blocks) + 1 if network.texture_features else 0
    after = network.blocks - texture_block(network.blocks)
    return PATCH * max(network.blocks, before + after)


def condition(network, step, realism=None) -> dict:
    """What the body is told of step and realism.

    Args:
        network: a `gan_tfc.models.synthesis.SynthesisNetwork`.
        step: `(B, 1)`, for pixels in [0, 1].
        realism: `(B, 1)` in [0, 1], or None where the network does not know it.

    Returns:
        ``<gain>/scale`` and ``<gain>/shift`` `(B, 1, 1, C)` of every `StepGain`, and with realism
        ``texture`` `(B, 1, 1, 1)`, the share of it that is added.
    """
    log_step = log_of_step(step)
    found, changes = {}, None
    if realism is not None:
        realism = realism * fade(log_step, *network.realism_codes)
        changes = ops.concatenate([realism, realism * log_step], axis=-1)
        found["texture"] = _on_all_pixels(realism)
    for name in _gains(network):
        given = [log_step]
        if changes is not None and name != _TEXTURE_GAIN:
            given.append(network.get_layer(_CHANGE.format(_number(name)))(changes))
        scale, shift = network.get_layer(name).scale_and_shift(*given)
        found |= {f"{name}/scale": _on_all_pixels(scale), f"{name}/shift": _on_all_pixels(shift)}
    return found


def body(network, base, conditions: dict, noise=None):
    """The correction of a base picture, in steps.

    Args:
        network: a `SynthesisNetwork`.
        base: `(B, H, W, 3)` RGB in about [-0.5, 0.5].
        conditions: as `condition` gives them.
        noise: `(B, H/4, W/4, texture_features)`, where the network knows realism.

    Returns:
        `(B, H, W, 3)`.
    """

    def run(name, x):
        return network.get_layer(name)(x)

    def gain(name, x):
        return x * conditions[f"{name}/scale"] + conditions[f"{name}/shift"]

    x = gain("embed_gain", 4.0 * run("embed", base))
    for i in range(network.blocks):
        if noise is not None and i == texture_block(network.blocks):
            hidden = _rectified(gain(_TEXTURE_GAIN, run("realism_texture", x)))
            mixed = run("realism_mix", network.get_layer("realism_amplitude")([hidden, noise]))
            x = x + conditions["texture"] * mixed
        x = x + run(f"mix_{i}", _rectified(gain(f"gain_{i}", run(f"spatial_{i}", x))))
    correction = run("residual", x)
    if noise is not None:
        correction = correction + conditions["texture"] * run("realism_residual", x)
    return ops.depth_to_space(correction, PATCH)


def picture(network, base, step, realism=None, noise=None):
    """What the network gives, by way of `condition` and `body`: `(B, H, W, 3)`, not clipped."""
    correction = body(network, base, condition(network, step, realism), noise)
    return base + correction * step[:, None, None, :]


def _gains(network):
    return [layer.name for layer in network.layers if isinstance(layer, StepGain)]


def _number(gain):
    # The gain of the embedding stands before those of the blocks, which count from 0.
    return "gain_-1" if gain == "embed_gain" else gain


def _on_all_pixels(x):
    return x[:, None, None, :]


def _rectified(x):
    return ops.leaky_relu(x, LEAK)
