# SPDX-License-Identifier: Apache-2.0
"""Measuring codecs by the bytes of real streams and the pixels that come back."""
