# SPDX-License-Identifier: Apache-2.0
"""Orthonormal colour axes: squared error along them is squared error in RGB."""

import numpy as np

#: Columns are the luma axis and two chroma axes: ``rgb @ COLOUR`` -> (luma, chroma, chroma).
#: Written out, not computed by a QR factorisation: its signs differ between libraries.
_S3, _S2, _S6 = 3**-0.5, 2**-0.5, 6**-0.5
COLOUR = np.array([[_S3, _S2, _S6], [_S3, 0.0, -2 * _S6], [_S3, -_S2, _S6]], np.float32)
