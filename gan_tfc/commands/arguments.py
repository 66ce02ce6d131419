# SPDX-License-Identifier: Apache-2.0
"""Types of command-line arguments."""

import argparse
import math
from collections.abc import Callable


def number(low: float, high: float = math.inf, kind: type = float) -> Callable:
    """A parser of finite numbers from `low` to `high`, for the `type` of an argument."""
    noun = "a whole number" if kind is int else "a number"
    wanted = f"{noun} from {low}" + (f" to {high}" if high < math.inf else "")

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or value == math.inf:
            raise argparse.ArgumentTypeError(f"expected {wanted}, received {text!r}")
        return value

    return parse


def listed(parse: Callable) -> Callable:
    """A parser of one or more comma-separated values, each by `parse`, to a list; for `type`."""

    def parse_all(text):
        return [parse(part.strip()) for part in text.split(",")]

    return parse_all


def one_of(*choices: str) -> Callable:
    """A parser of one of some words, for `listed`; a single one has argparse's own `choices`."""

    def parse(text):
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(choices)}, received {text!r}")
        return text

    return parse
