# SPDX-License-Identifier: Apache-2.0
"""Conditions on a graph's inputs, told in one sentence where they fail."""

import tensorflow as tf


class Checks:
    """Collects conditions in order and lets values through only where all of them hold.

    One assertion for all of them: what it says is then about the first that fails, whatever order the
    executor works in.
    """

    def __init__(self):
        self._conditions, self._sentences = [], []

    def expect(self, condition, *sentence) -> None:
        """Add a condition, a boolean scalar, and what to say unless it holds; see `text`."""
        self._conditions.append(condition)
        self._sentences.append(text(*sentence))

    def guard(self, values):
        """`values`, a nest of tensors, but none of them before every condition holds."""
        failed = ~tf.stack(self._conditions)
        sentence = tf.stack(self._sentences)[tf.argmax(tf.cast(failed, tf.int32))]
        with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(failed), [sentence])]):
            return tf.nest.map_structure(tf.identity, values)


def text(*parts) -> tf.Tensor:
    """Strings and scalars of any type joined to one string."""
    return tf.strings.join(
        [part if isinstance(part, str) or part.dtype == tf.string else _number(part) for part in parts]
    )


def _number(value):
    return (
        tf.strings.as_string(value, shortest=True) if value.dtype.is_floating else tf.strings.as_string(value)
    )
