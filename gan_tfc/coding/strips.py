# SPDX-License-Identifier: Apache-2.0
"""Horizontal strips of a picture, worked on by all cores at once.

Nothing depends on where strips begin or on how many threads there are: a strip sees as many rows of
its neighbours as its result depends on.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

#: A strip is worth a thread from so many rows on, and fits the caches up to so many positions.
_LEAST_ROWS, _MOST_POSITIONS = 16, 1 << 15


class Strip(NamedTuple):
    """Some rows of a picture and the window around them that must be seen to compute them.

    Attributes:
        rows: of the picture.
        window: rows of the picture, all of `rows` among them.
        inside: where `rows` are in the window.
    """

    rows: slice
    window: slice
    inside: slice


def in_strips(height: int, width: int, halo: int = 0) -> list[Strip]:
    """Strips of an even number of rows (but the last), top to bottom.

    Args:
        height, width: of the picture.
        halo: an even number of rows above and below that a window holds too, where the picture has
            them. All windows of a picture are equally high and begin at even rows.
    """
    share = -(-height // (2 * cores()))
    rows = 2 * -(-max(_LEAST_ROWS, min(share, _MOST_POSITIONS // width)) // 2)
    seen = min(height, rows + 2 * halo + height % 2)
    result = []
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        top = min(max(0, start - halo), height - seen)
        result.append(Strip(slice(start, stop), slice(top, top + seen), slice(start - top, stop - top)))
    return result


def shares(count: int) -> list[slice]:
    """`count` rows or columns dealt out to all cores."""
    part = -(-count // cores())
    return [slice(start, start + part) for start in range(0, count, part)]


def on_all_cores(function: Callable, *arguments: Iterable) -> Iterator:
    """Like `map`, by as many threads as there are cores; results come in order."""
    arguments = list(zip(*arguments, strict=True))
    if len(arguments) < 2 or cores() < 2:
        return (function(*each) for each in arguments)
    return _pool(os.getpid()).map(lambda each: function(*each), arguments)


@functools.cache
def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork, so each process has its own."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="gan_tfc")
