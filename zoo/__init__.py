# SPDX-License-Identifier: Apache-2.0
"""The shipped codecs: preset folders `<name>/<version>/`; how they are found, checked, loaded."""
