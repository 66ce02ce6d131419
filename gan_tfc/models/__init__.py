# SPDX-License-Identifier: Apache-2.0
"""Keras models: the transforms and the trainable codec they make together."""
