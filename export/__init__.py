# SPDX-License-Identifier: Apache-2.0
"""Codecs as SavedModel, TFLite and ONNX bundles; the device runtimes that code their streams."""
