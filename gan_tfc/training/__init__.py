# SPDX-License-Identifier: Apache-2.0
"""Training: configurations, photos, resumable runs."""
