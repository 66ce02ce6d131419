# SPDX-License-Identifier: Apache-2.0
"""Training objectives by name: functions of a codec's inputs and outputs, to be minimised."""

from gan_tfc.losses.rate_distortion import RateDistortion
from gan_tfc.losses.reconstruction import Reconstruction

_LOSSES = {"rate_distortion": RateDistortion, "reconstruction": Reconstruction}


def get(loss):
    """A loss object, or the name of one with its default arguments.

    Raises:
        ValueError: for an unknown name.
    """
    if not isinstance(loss, str):
        return loss
    if loss not in _LOSSES:
        raise ValueError(f"Expected a loss object or one of {', '.join(_LOSSES)}. Received: loss={loss!r}")
    return _LOSSES[loss]()
