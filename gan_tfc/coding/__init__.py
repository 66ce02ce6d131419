# SPDX-License-Identifier: Apache-2.0
"""Layer 0, NumPy and the standard library only: everything that decides a bit of a stream.

Range coder, coding tables, container, quantiser steps, lifting, integer context networks and
the scan order. Nothing here imports TensorFlow or Keras; the C and JavaScript ports under
`export/edge` follow these files one by one.
"""
