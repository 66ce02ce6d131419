# SPDX-License-Identifier: Apache-2.0
"""Cards made from metadata say what is there, and survive what should not be."""

import json

import pytest

from gan_tfc.zoo import registry
from gan_tfc.zoo.card_text import make_card, measured_points

GAINS = {"quality": 15.0, "bytes_before": 999.6, "bytes_after": 1000, "before": 30, "after": 30.254}
GAINS |= {"gain": 0.254, "least_gain": -0.0312}
METADATA = {
    "name": "dishes",
    "version": 2,
    "parameters": 253305,
    "kmac_per_pixel": 12.778,
    "context_kmac_per_pixel": 4.786,
    "synthesis_kmac_per_pixel": 7.992,
    "licence": {"code": "Apache-2.0", "weights": "CC-BY-4.0"},
    "measured": [{"set": "food | photos", "quality": 30.0, "bpp": 0.3212, "psnr": 30.751}],
    "fine_tuning": {
        "from": "photo_mobile@3",
        "photos": 72,
        "held_out_photos": 8,
        "gain_db": 0.25,
        "least_gain_db": -0.031,
        "everything": False,
        "rows": [GAINS],
    },
}

TEXTURES = {"quality": 10.0, "bytes": 999.6, "before": 0.2, "after": 0.15, "gain": 25.04, "least_gain": 20}
TEXTURES |= {"psnr_before": 30, "psnr_after": 29.754, "least_psnr_gain": -0.3}
REALISM = {
    "trained": "realism",
    "from": "photo_mobile@3",
    "photos": 72,
    "held_out_photos": 8,
    "texture_gain_percent": 25.04,
    "least_psnr_gain_db": -0.3,
    "rows": [TEXTURES],
}


def test_a_card_tells_all_that_metadata_hold():
    lines = make_card(METADATA).splitlines()
    assert lines[0] == "# dishes@2"
    assert "253,305 parameters, 12.8 kMAC a pixel (4.8 in the context networks" in lines[2]
    assert "## Fine-tuned from photo_mobile@3" in lines
    assert "| 15 | 1000 | 1000 | 30.00 | 30.25 | +0.254 | -0.031 |" in lines
    assert "| food photos | 30 | 0.321 | 30.75 |" in lines  # a name opens no cell
    assert "Weights and tables: CC-BY-4.0." in lines
    text = " ".join(lines)
    assert "72 photos and measured on 8 others" in text and "Mean gain +0.250 dB" in text
    assert "this preset and photo_mobile@3 decode each other's files" in text


def test_a_card_of_a_preset_that_was_trained_whole_says_which_files_need_which():
    facts = METADATA["fine_tuning"] | {"everything": True}
    text = make_card(METADATA | {"fine_tuning": facts})
    assert "files of photo_mobile@3 need photo_mobile@3" in text and "at equal bytes" in text
    assert "decode each other's files" not in text


def test_a_card_of_a_preset_whose_realism_was_tuned_speaks_of_textures():
    text = make_card(METADATA | {"fine_tuning": REALISM})
    assert "## Realism fine-tuned from photo_mobile@3" in text and "by 25.0 % in the mean" in text
    assert "| 10 | 1000 | 0.200 | 0.150 | +25.0 | +20.0 | 30.00 | 29.75 | -0.30 |" in text
    assert "decode each other's files" in text and "Mean gain" not in text


def test_a_card_of_an_earlier_fine_tuning_says_what_it_knows():
    facts = {k: v for k, v in METADATA["fine_tuning"].items() if k not in ("everything", "rows")}
    text = make_card(METADATA | {"fine_tuning": facts})
    assert "Mean gain +0.250 dB" in text and "| gain |" not in text and "decode each other" not in text


def test_a_card_of_realism_speaks_of_textures():
    row = {
        "quality": 10.0,
        "bytes": 2350.2,
        "before": 0.128,
        "after": 0.119,
        "gain": 7.03,
        "least_gain": -1.2,
    }
    row |= {"psnr_before": 26.29, "psnr_after": 26.21, "least_psnr_gain": -0.31}
    facts = {"from": "photo_mobile@3", "trained": "realism", "everything": False, "photos": 72}
    facts |= {"held_out_photos": 8, "texture_gain_percent": 7.03, "least_psnr_gain_db": -0.312, "rows": [row]}
    text = make_card(METADATA | {"fine_tuning": facts})
    assert "## Realism fine-tuned from photo_mobile@3" in text and "nearer to the original's by 7.0 %" in text
    assert "| 10 | 2350 | 0.128 | 0.119 | +7.0 | -1.2 | 26.29 | 26.21 | -0.31 |" in text
    assert "least that a photo gained in PSNR is -0.31 dB" in text and "Mean gain" not in text
    assert "decode each other's files" in text
    without = make_card(METADATA | {"fine_tuning": facts | {"texture_gain_percent": "much"}})
    assert "fine-tuned" not in without


def test_what_metadata_do_not_hold_is_not_on_the_card():
    text = make_card({"name": "menu", "version": 1})
    assert text.startswith("# menu@1\n") and "tables: not stated." in text
    assert "Measured" not in text and "Fine-tuned" not in text and "parameters" not in text


VALUES = [None, True, "x", "a|b\nc", [], [1], {}, {"x": 1}, float("nan"), float("inf"), 10**400, -1]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize("facts", [METADATA["fine_tuning"], REALISM], ids=["decoder", "realism"])
def test_metadata_of_anything_make_a_card(facts, value):
    metadata = METADATA | {"fine_tuning": facts}
    texts = [make_card(metadata | {key: value}) for key in metadata]
    texts += [make_card(metadata | {"fine_tuning": facts | {key: value}}) for key in facts]
    (row,) = facts["rows"]
    changed = [[row | {key: value}] for key in row] + [[row, value]]
    texts += [make_card(metadata | {"fine_tuning": facts | {"rows": rows}}) for rows in changed]
    assert all("Weights and tables" in text and "a|b" not in text for text in texts)


@pytest.mark.parametrize("record", json.loads(registry.INDEX.read_text()), ids=lambda r: str(r["version"]))
def test_points_of_shipped_presets_are_readable(record):
    assert len(measured_points(record)) == 5
