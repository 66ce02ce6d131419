# SPDX-License-Identifier: Apache-2.0
"""Building blocks on `keras.ops`: colour, wavelet, integer convolution."""
