# SPDX-License-Identifier: Apache-2.0
"""The report: nothing from outside, no names before a click, and the numbers that were measured."""

import dataclasses
import html.parser
import re

import numpy as np
import pytest

from gan_tfc.evaluation.crops import BlindRow, blind_boxes, cropped
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.published import PublishedCurve
from gan_tfc.evaluation.report import Evaluation, report
from gan_tfc.evaluation.report_figures import Series, figure
from gan_tfc.evaluation.report_tables import bd_rates

CODECS = ("photo_mobile@1", "JPEG", "WebP")


def curve(name, factor):
    """A made-up codec whose files are `factor` of others' at equal quality."""
    return Curve(
        name=name,
        description="4:2:0 & more",
        photos=("a.png", "<b>.png"),
        quality=(10, 50, 90),
        bpp=(0.1 * factor, 0.4 * factor, 1.6 * factor),
        psnr=(26.0, 31.0, 37.0),
        encoding_time=(0.1, 0.2, 0.3),
        decoding_time=(0.01, 0.02, 0.03),
        metrics={"ms-ssim-rgb": (0.9, 0.97, 0.99), "lpips": (0.4, 0.2, 0.05), "kid": (0.1, 0.01, -0.001)},
        memory={"encode": {"before": 50.0, "peak": 70.0}, "decode": {"before": 60.0, "peak": 60.0}},
    )


@pytest.fixture
def evaluation(photo):
    rows = []
    for k, box in enumerate(blind_boxes(photo, 2, 64, 48)):
        crop = cropped(photo, box)
        crops = [(name, crop // (i + 2), 1000 + i) for i, name in enumerate(CODECS)]
        rows.append(BlindRow(f"photo-{k}.png", box, crop, crops).shuffled())
    names = ("too_large", "bpp", "psnr-rgb", "lpips")
    matched = [dict(zip(names, row, strict=True)) for row in ((0, 0.24, 30.2, 0.1), (2, 0.31, 28.1, 0.3))]
    return Evaluation(
        folder="kodak",
        ours=[curve(CODECS[0], 0.5)],
        rivals=[curve("JPEG", 1.0), curve("WebP", 0.75)],
        matched={0.24: [row | {"name": name} for row, name in zip(matched, CODECS, strict=False)]},
        blind=rows,
        published=[
            PublishedCurve("x/y", "", "learned", "", {"psnr-rgb": ((0.1, 1.0), (27.0, 36.0))}),
            PublishedCurve("hific/kodak", "HiFiC", "gan", "", {"psnr-rgb": ((0.2, 0.5), (27.5, 31.7))}),
        ],
        settings=[("Command", "gan-tfc eval kodak")],
        notes=["Without JPEG XL: it is not installed."],
    )


class Page(html.parser.HTMLParser):
    """Elements with their attributes, all text, and whether every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


@pytest.fixture
def page(evaluation):
    return Page(report(evaluation))


def test_page_fetches_nothing(evaluation, page):
    text = report(evaluation)
    assert not re.findall(r"https?://|@import|url\((?!#)|<link|<iframe|fetch\(|XMLHttp", text)
    for tag, attributes in page.elements:
        assert tag != "script" or "src" not in attributes
        assert tag != "img" or attributes["src"].startswith("data:image/webp;base64,")


def test_elements_are_closed_and_names_are_escaped(page):
    assert page.open == []
    assert "4:2:0 & more" in report_text(page) or "gan-tfc eval kodak" in report_text(page)
    assert ("b", {}) not in [e for e in page.elements if e[1]]


def report_text(page):
    return " ".join(page.text)


def test_page_says_the_bd_rates_of_its_curves(evaluation, page):
    records = {record["anchor"]: record for record in bd_rates(evaluation.ours, evaluation.rivals)}
    # Half the bytes of JPEG and two thirds of those of WebP at every quality; two digits are kept.
    assert records["JPEG"]["psnr-rgb"]["rate"] == records["JPEG"]["lpips"]["rate"] == -50
    assert records["WebP"]["psnr-rgb"]["rate"] == pytest.approx(-100 / 3, abs=0.005)
    text = report_text(page)
    assert "50.0 % smaller" in text and "−33.3 %" in text


def test_curve_that_does_not_grow_with_rate_has_a_reason_instead_of_a_number(evaluation):
    flat = dataclasses.replace(evaluation.rivals[0], metrics={"lpips": (0.4, 0.1, 0.2)})
    (record,) = bd_rates(evaluation.ours, [flat])
    assert "grow with the rate" in record["lpips"]["error"]
    evaluation.rivals = [flat]
    assert "grow with the rate" in report(evaluation)


def test_names_of_codecs_are_not_seen_before_a_click_or_the_key(page):
    choices = [attributes for _, attributes in page.elements if attributes.get("class") == "choice"]
    assert len(choices) == 2 * len(CODECS)
    assert {choice["data-codec"] for choice in choices} == set(CODECS)
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == 2 * (1 + len(CODECS)) and all(image["alt"] == "" for image in images)
    details = [attributes for tag, attributes in page.elements if tag == "details"]
    assert details == [{}]  # closed: no attribute "open"


def test_blind_order_differs_between_photos_and_is_the_same_again():
    crops = [(name, np.zeros((2, 2, 3), np.uint8), 1) for name in CODECS]

    def order(photo, given):
        row = BlindRow(photo, (0, 0, 2, 2), crops[0][1], given).shuffled()
        return tuple(name for name, _, _ in row.crops)

    orders = [order(f"{k}.png", crops) for k in range(60)]
    assert orders == [order(f"{k}.png", crops[::-1]) for k in range(60)]
    counts = [orders.count(each) for each in set(orders)]
    assert len(counts) == 6 and max(counts) < 20  # of 10 each; a fair shuffle passes 999 in 1000


def test_boxes_lie_in_the_picture_and_do_not_overlap(photo):
    boxes = blind_boxes(photo, 5, 64, 48)
    assert len(boxes) == 5
    seen = np.zeros(photo.shape[:2], int)
    for box in boxes:
        assert cropped(photo, box).shape == (48, 64, 3)
        cropped(seen, box)[:] += 1
    assert seen.max() == 1
    assert blind_boxes(photo[:30, :40], 5) == [(0, 0, 40, 30)]


def test_notes_and_what_a_codec_cannot_write_are_said(page):
    text = report_text(page)
    assert "Without JPEG XL: it is not installed." in text
    assert "2 larger" in text
    assert "+20 in the call" in text  # MiB: 70 at the peak, 50 before


def test_published_curves_are_drawn_and_only_some_are_named(page):
    classes = [attributes.get("class") for tag, attributes in page.elements if tag == "polyline"]
    assert classes.count("line others") == 1 and classes.count("line named") == 1
    assert "HiFiC" in report_text(page)


# --- figures -------------------------------------------------------------------------------------


def labels(svg):
    return [float(y) for y in re.findall(r'<text class="label[^>]* y="([\d.]+)"', svg)]


def test_labels_of_lines_that_end_together_do_not_touch():
    series = [Series(f"codec {k}", (0.1, 1.0), (20.0, 30 + k / 100), "jpeg") for k in range(8)]
    heights = sorted(labels(figure(series, "PSNR", "x")))
    assert len(heights) == 8
    assert min(np.diff(heights)) > 13  # of 13.5, less the rounding to a tenth


def test_points_lie_where_the_axes_say():
    svg = figure([Series("a", (0.1, 0.2, 0.4), (20.0, 30.0, 40.0), "jpeg")], "PSNR", "x")
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle[^>]* cx="([\d.]+)" cy="([\d.]+)"', svg)]
    (x0, y0), (x1, y1), (x2, y2) = dots
    # Equal factors of rate and equal steps of quality are equally long; rounded to tenths.
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2) and x1 > x0
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2) and y1 < y0


def test_values_that_have_no_logarithm_are_left_out():
    line = Series("a", (0.1, 0.2, 0.4), (0.1, 0.01, -0.001), "jpeg")
    assert figure([line], "KID", "x", logarithmic=True).count("<circle") == 2
    assert "fewer than two points" in figure([Series("a", (1,), (1,), "jpeg")], "PSNR", "x")
