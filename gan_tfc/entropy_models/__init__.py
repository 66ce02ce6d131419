# SPDX-License-Identifier: Apache-2.0
"""Entropy models: Keras layers for training, and the coder that runs on frozen tables."""
