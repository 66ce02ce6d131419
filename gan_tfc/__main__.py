# SPDX-License-Identifier: Apache-2.0
"""`python -m gan_tfc` is the same program as `gan-tfc`."""

import sys

from gan_tfc.cli import main

if __name__ == "__main__":
    sys.exit(main())
