"""One self-contained HTML page: what was asked, what was found, how sure, pictures, then tables."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geodis.reports.report import Report

STYLE = """
:root { --ink: #1d2b36; --soft: #5b6b78; --line: #dde4ea; --accent: #2a6f97; --paper: #fbfcfd; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p.lead { font-size: 1.1rem; color: var(--ink); }
p.note, figcaption, td.note { color: var(--soft); font-size: .92rem; }
figure { margin: 1.2rem 0; text-align: center; }
img { max-width: 100%; height: auto; }
.tablewrap { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th { text-align: right; color: var(--soft); font-weight: 600; padding: .35rem .5rem; }
th { border-bottom: 2px solid var(--line); }
td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child, td.text { text-align: left; white-space: normal; }
table.sentences th, table.sentences td { text-align: left; white-space: normal; }
table.sentences td:nth-child(2) { white-space: nowrap; }
tr.all td { font-weight: 600; }
details summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
code { background: #eef3f6; padding: .1em .3em; border-radius: 4px; }
"""

READING = """<p class="note">How to read it. <b>error</b>: share of a block's variance that the linear action does not
explain on items that the fit has not seen; 0 is exact, 1 is chance. <b>identity</b>: the error of not acting.
<b>null</b>: the mean error after one random relabelling of the elements and a new fit (invariant blocks: items
shuffled); <b>p</b>: how often that null does as well. A small error with a large p says that the operator is useful,
not that this group's structure is special. <b>ceiling</b>: the best free linear map for each step, cross-fitted; it
knows the mean code, so that its chance is .5. <b>item-specific</b>: the error against that of predicting from other
items; near 1 the block moves alike for all items: it holds the group element and little of the item.</p>"""


def page(body: str, title: str = "") -> str:
    """A whole self-contained document around `body`."""
    heading = html.escape(title or "Is this representation equivariant?")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{heading}</h1>{body}</main></body></html>"
    )


def section(title: str, content: str) -> str:
    """A titled part of a page."""
    return f"<h2>{html.escape(title)}</h2>{content}"


def paragraph(text: str, lead: str = "", kind: str = "") -> str:
    """Plain text as a paragraph that starts with `lead` in bold."""
    start = f"<b>{html.escape(lead)}</b> " if lead else ""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{start}{html.escape(text)}</p>"


def report_part(report: Report) -> str:
    """What was found, how sure, pictures, tables."""
    certificate = paragraph(str(report.certificate), "Certificate.") if report.certificate is not None else ""
    return paragraph(report.summary, kind="lead") + certificate + pictures(report) + tables(report)


def pictures(report: Report) -> str:
    """The planes of the blocks, and the errors beside their baselines."""
    from geodis.reports.plots import plot_errors, plot_orbits

    parts = []
    acting = [b for b in report.coordinates.blocks if not b.irrep.trivial]
    if any(b.irrep.dim >= 2 for b in acting):
        caption = "Unseen items in the plane of each block, coloured by the group element; lines join one item's orbit."
        parts.append(figure(plot_orbits(report), caption))
    if acting:
        parts.append(figure(plot_errors(report), "Errors with intervals, beside not acting, the null and the ceiling."))
    return "".join(parts)


def tables(report: Report) -> str:
    """Errors with all that stands beside them, how to read them, and details."""
    return _error_table(report) + READING + _detail_table(report)


def figure(fig: Figure, caption: str) -> str:
    """A matplotlib figure as an inline PNG."""
    import matplotlib.pyplot as plt

    buffer = BytesIO()
    fig.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    plt.close(fig)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], last: str = "", kind: str = "") -> str:
    """An HTML table of class `kind`; numbers to three decimals; `last` is the class of the last row."""
    head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
    body = []
    for i, row in enumerate(rows):
        cells = "".join(f"<td>{_cell(x)}</td>" for x in row)
        mark = f' class="{last}"' if last and i == len(rows) - 1 else ""
        body.append(f"<tr{mark}>{cells}</tr>")
    start = f'<table class="{kind}">' if kind else "<table>"
    return f'<div class="tablewrap">{start}<tr>{head}</tr>{"".join(body)}</table></div>'


def _error_table(report: Report) -> str:
    header = [
        "block",
        "error",
        f"{100 * report.level:g} % interval",
        "identity",
        "null",
        "p",
        "ceiling",
        "item-specific",
        "status",
    ]
    trivial = [b.irrep.trivial for b in report.coordinates.blocks] + [False]
    acting: list[list[Any]] = []
    invariant: list[list[Any]] = []
    for row, item_error, is_trivial in zip(report.rows.itertuples(), report.details.item_error, trivial, strict=True):
        interval = f"{_cell(row.ci_low)} – {_cell(row.ci_high)}" if math.isfinite(row.ci_high) else "–"
        beside = [row.identity, row.null_mean, row.null_p, row.ceiling, item_error]
        cells = [row.block, row.value, interval, *beside, row.status]
        (invariant if is_trivial else acting).append(cells)
    hidden = ""
    if invariant:
        hidden = f"<details><summary>{len(invariant)} invariant blocks</summary>{table(header, invariant)}</details>"
    return table(header, acting, last="all") + hidden


def _detail_table(report: Report) -> str:
    trivial = [b.irrep.trivial for b in report.coordinates.blocks] + [False]
    rows = [tuple(r)[1:] for r, t in zip(report.details.itertuples(), trivial, strict=True) if not t]
    header = ["block", "energy", "skill", "item-specific error", "orbit signal", "isotropy", "energy at the fit"]
    note = (
        '<p class="note">The item-specific error compares with other items: 1 says that up to noise the block is the '
        f"same for all items. Item identity by nearest neighbour: {_cell(report.content)} in the embedding, "
        f"{_cell(report.content_canonical)} in the coordinates.</p>"
    )
    return f"<details><summary>Details</summary>{table(header, rows, last='all')}{note}</details>"


def _cell(x: Any) -> str:
    if isinstance(x, str):
        return html.escape(x)
    if isinstance(x, (int, bool)):
        return str(x)
    return "–" if not math.isfinite(x) else f"{x:.3f}"
