# SPDX-License-Identifier: Apache-2.0
"""How long a call takes once everything is loaded."""

import statistics
import time
from collections.abc import Callable


def median_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Median wall-clock seconds of a call; run it once before, so that it is warm.

    Args:
        call: Takes no arguments.
        repeats: How often it is timed.
    """
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
