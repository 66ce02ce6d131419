# SPDX-License-Identifier: Apache-2.0
"""Searching for the step that meets a size or a quality.

An encoder here has ``encode(code) -> bytes``, ``reconstruct(code) -> image`` and ``image``; a larger
step code gives fewer bytes.
"""

import math

import numpy as np

from gan_tfc.coding.steps import COARSEST_CODE, FINEST_CODE
from gan_tfc.errors import TargetError

#: A stream within one percent of the bytes allowed, or 0.02 dB of the PSNR asked for, ends a search.
_CLOSE_BYTES = 0.01
_CLOSE_PSNR = 0.02


def fit_bytes(encoder, max_bytes: int) -> bytes:
    """The best stream of at most `max_bytes`, by false position on the logarithm of the size.

    Raises:
        TargetError: even quality 1 takes more.
    """
    data = encoder.encode(COARSEST_CODE)
    if len(data) > max_bytes:
        raise TargetError(
            f"Expected a size that quality 1 can reach, which takes {len(data)} bytes for this "
            f"picture, received {max_bytes} bytes; ask for more or scale the picture down."
        )
    finest = encoder.encode(FINEST_CODE)
    if len(finest) <= max_bytes:
        return finest
    fits, too_big = COARSEST_CODE, FINEST_CODE
    room, excess = math.log(max_bytes / len(data)), math.log(len(finest) / max_bytes)
    # What pulls the next try towards either end. After two tries on one side the pull of the other
    # end is halved (the Illinois rule): without it, a steep curve takes hundreds of tries.
    low, high, last_fitted = room, excess, None
    while fits - too_big > 1 and room > _CLOSE_BYTES:
        # Aim a little below the limit: a hit from below ends the search.
        share = (low - _CLOSE_BYTES / 2) / (low + high)
        middle = min(max(round(fits + share * (too_big - fits)), too_big + 1), fits - 1)
        candidate = encoder.encode(middle)
        fitted = len(candidate) <= max_bytes
        if fitted:
            fits, data, room = middle, candidate, math.log(max_bytes / len(candidate))
            low, high = room, high / 2 if last_fitted is True else high
        else:
            too_big, excess = middle, math.log(len(candidate) / max_bytes)
            low, high = low / 2 if last_fitted is False else low, excess
        last_fitted = fitted
    return data


def reach_psnr(encoder, min_psnr: float) -> bytes:
    """The smallest stream whose decoded picture has at least `min_psnr` decibels, by bisection.

    Measured at realism 1, where PSNR is lowest: less realism has more.

    Raises:
        TargetError: even quality 100 has less.
    """

    def psnr(code):
        error = encoder.reconstruct(code).astype(np.float32) - encoder.image
        return 10 * math.log10(255**2 / max(float(np.mean(np.square(error))), 1e-10))

    finest = psnr(FINEST_CODE)
    if finest < min_psnr:
        raise TargetError(
            f"Expected a PSNR that quality 100 can reach, which gives {finest:.2f} dB for this "
            f"picture, received {min_psnr:g} dB; ask for less."
        )
    reached, missed = FINEST_CODE, COARSEST_CODE + 1
    while missed - reached > 1:
        middle = (reached + missed) // 2
        value = psnr(middle)
        if value < min_psnr:
            missed = middle
            continue
        reached = middle
        if value < min_psnr + _CLOSE_PSNR:
            break
    return encoder.encode(reached)
