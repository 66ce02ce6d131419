# SPDX-License-Identifier: Apache-2.0
"""Tables of the report."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from gan_tfc.errors import GanTfcError
from gan_tfc.evaluation.bd_rate import bd_rate, common_interval
from gan_tfc.evaluation.curves import Curve
from gan_tfc.evaluation.ms_ssim import decibels

#: Metrics that a BD-rate is told of: name in files -> heading, unit, and the quality that grows with rate.
BD_METRICS = {
    "psnr-rgb": ("PSNR", "dB", lambda value: value),
    "ms-ssim-rgb": ("MS-SSIM", "dB", decibels),
    "lpips": ("LPIPS", "", lambda value: -value),
    "structure": ("Structure", "", lambda value: -value),
}

#: Columns of the table at equal size: name in files -> heading, digits, and whether more is better.
MATCHED_METRICS = {
    "bpp": ("bpp", 3, None),
    "psnr-rgb": ("PSNR, dB", 2, True),
    "ms-ssim-rgb": ("MS-SSIM", 4, True),
    "lpips": ("LPIPS", 4, False),
    "structure": ("Structure", 4, False),
    "fid": ("FID", 2, False),
    "kid": ("KID", 5, False),
}

#: Rate in whose neighbourhood the codecs' times are told.
SPEED_BPP = 0.5


def bd_rates(ours: Sequence[Curve], rivals: Sequence[Curve]) -> list[dict]:
    """A record for each pair of codec and rival, as JSON.

    Returns:
        Dicts of "codec", "anchor" and, for each metric that both have, "rate" in percent with the
        interval "over" of the quality that it is about, or the reason "error" that there is none.
    """
    records = []
    for curve in ours:
        for anchor in rivals:
            record = {"codec": curve.name, "anchor": anchor.name}
            for metric, (_, _, quality) in BD_METRICS.items():
                if curve.values(metric) and anchor.values(metric):
                    lists = [[quality(value) for value in c.values(metric)] for c in (anchor, curve)]
                    record[metric] = _bd(anchor.bpp, lists[0], curve.bpp, lists[1])
            records.append(record)
    return records


def _bd(anchor_rates, anchor_qualities, rates, qualities):
    try:
        rate = bd_rate(anchor_rates, anchor_qualities, rates, qualities)
        return {"rate": round(rate, 2), "over": list(common_interval(anchor_qualities, qualities))}
    except GanTfcError as error:
        return {"error": str(error)}


def bd_table(records: Sequence[Mapping]) -> str:
    """BD-rates as HTML; negative is smaller files."""
    shown = {key: head for key, head in BD_METRICS.items() if any(key in record for record in records)}
    head = "".join(f"<th>at equal {name}</th>" for name, _, _ in shown.values())
    rows = "".join(
        f"<tr><td>{escape(record['codec'])}</td><td>{escape(record['anchor'])}</td>"
        + "".join(_bd_cell(record.get(key), unit) for key, (_, unit, _) in shown.items())
        + "</tr>"
        for record in records
    )
    return _table(f"<th>files of</th><th>against</th>{head}", rows)


def _bd_cell(found, unit):
    if not found or "error" in found:
        reason = escape(found["error"]) if found else "not measured"
        return f'<td class="number" title="{reason}">–</td>'
    low, high = sorted(abs(value) for value in found["over"])
    better = "better" if found["rate"] < 0 else "worse"
    interval = f"{low:.3g} to {high:.3g} {unit}".strip()
    return f'<td class="number {better}">{_signed(found["rate"])} %<br><small>{interval}</small></td>'


def _signed(value):
    return f"{value:+.1f}".replace("-", "−")


def matched_table(rows: Sequence[Mapping]) -> str:
    """Codecs at equal size as HTML, the best of each column in bold, of those that kept to the size.

    Args:
        rows: Records of `gan_tfc.evaluation.matching.Row`.
    """
    shown = {key: head for key, head in MATCHED_METRICS.items() if all(key in row for row in rows)}
    fair = [row for row in rows if not row["too_large"]] or rows
    best = {
        key: (max if more else min)(row[key] for row in fair)
        for key, (_, _, more) in shown.items()
        if more is not None
    }
    body = ""
    for row in rows:
        note = f" <small>{row['too_large']} larger</small>" if row["too_large"] else ""
        cells = "".join(
            f'<td class="number{" best" if row in fair and row[key] == best.get(key) else ""}">'
            f"{row[key]:.{digits}f}</td>"
            for key, (_, digits, _) in shown.items()
        )
        body += f"<tr><td>{escape(row['name'])}{note}</td>{cells}</tr>"
    arrows = {None: "", True: " ↑", False: " ↓"}
    head = "".join(f"<th>{name}{arrows[more]}</th>" for name, _, more in shown.values())
    return _table(f"<th></th>{head}", body)


def speed_table(curves: Sequence[Curve]) -> str:
    """Milliseconds a photo and MiB, each codec at its setting nearest to `SPEED_BPP`."""
    body = ""
    for curve in curves:
        k = int(np.argmin(np.abs(np.log(np.divide(curve.bpp, SPEED_BPP)))))
        cells = [f"{curve.bpp[k]:.2f}"]
        cells += [f"{1000 * times[k]:.0f}" for times in (curve.encoding_time, curve.decoding_time)]
        cells += [_memory(curve.memory.get(direction)) for direction in ("encode", "decode")]
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        body += f"<tr><td>{escape(curve.name)}</td>{numbers}</tr>"
    head = "<th></th><th>at bpp</th><th>encode, ms</th><th>decode, ms</th>"
    return _table(f"{head}<th>memory to encode, MiB</th><th>to decode, MiB</th>", body)


def _memory(peak):
    if not peak:
        return "–"
    return f"{peak['peak']:.0f}<br><small>{peak['peak'] - peak['before']:+.0f} in the call</small>"


def settings_table(rows: Sequence[tuple[str, str]]) -> str:
    """What and how, as HTML."""
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f'<table class="settings"><tbody>{body}</tbody></table>'


def _table(head, body):
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
