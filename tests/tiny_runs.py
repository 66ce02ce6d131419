# SPDX-License-Identifier: Apache-2.0
"""Configurations of training runs that take seconds."""

import json

TINY = {
    "features": [4, 4, 4, 4, 4, 4],
    "phase": [0, 1, 1, 1, 0, 0, 0, 1, 1],
    "synthesis_features": 8,
    "synthesis_blocks": 1,
}


def config_file(folder, stage, total_steps=2, **fields):
    """The path of a configuration of the model of `tiny_codec`, written into a folder."""
    fields = {"stage": stage, "model": TINY, "total_steps": total_steps, "batch_size": 1} | fields
    path = folder / f"tiny_{stage}.json"
    path.write_text(json.dumps(fields | {"crop_size": 64}))
    return path
