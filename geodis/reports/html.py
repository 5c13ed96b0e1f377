"""Parts of a self-contained HTML page: no scripts, nothing from outside, readable in light, dark, narrow and print."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 7.2  # inches from which on a picture is scrolled on a phone, not shrunk
DPI = 110  # of pictures: sharp enough on a phone, small enough for a mail
MIN_SECTIONS = 3  # from which on a page has a table of contents

STYLE = """
:root { color-scheme: light dark; --ink: #1d2b36; --soft: #5b6b78; --line: #dde4ea; --accent: #0b6196;
  --paper: #fbfcfd; --tint: #eef3f6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaef; --soft: #a3b1bd; --line: #35424d; --accent: #7cc0ee;
  --paper: #14191e; --tint: #222b33; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .8rem; }
h2 { font-size: 1.25rem; margin: 1.9rem 0 .4rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, li { max-width: 46rem; }
p.lead { font-size: 1.15rem; }
p.note, figcaption, td.note { color: var(--soft); font-size: .92rem; }
ul.facts { padding-left: 1.1rem; }
ul.facts li { margin: .35rem 0; }
nav { margin: 1rem 0; padding: .6rem 1rem; background: var(--tint); border-radius: 8px; font-size: .95rem; }
nav ol { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.4rem; }
a { color: var(--accent); }
figure { margin: 1.2rem 0; text-align: center; }
img { max-width: 100%; height: auto; background: #fff; padding: .5rem; border-radius: 8px; }
.tablewrap { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th { text-align: right; color: var(--soft); font-weight: 600; padding: .35rem .5rem; vertical-align: bottom; }
th { border-bottom: 2px solid var(--line); }
td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child, td.text { text-align: left; }
td:first-child { max-width: 18rem; white-space: normal; overflow-wrap: anywhere; min-width: 5.5rem; }
table.sentences th, table.sentences td { text-align: left; white-space: normal; }
table.sentences td:nth-child(2) { white-space: nowrap; }
tr.all td { font-weight: 600; }
details summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
code { background: var(--tint); padding: .1em .3em; border-radius: 4px; }
@media (max-width: 34rem) { main { padding: 1.2rem .9rem 3rem; } h1 { font-size: 1.35rem; }
  p.lead { font-size: 1.05rem; } div.wide { overflow-x: auto; } div.wide img { max-width: none; width: 44rem; } }
@media print { body { background: #fff; color: #000; font-size: 11pt; } main { max-width: none; padding: 0; }
  nav { display: none; } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""


def page(body: str, title: str = "") -> str:
    """A whole self-contained document around `body`, with a table of contents when it has several sections."""
    heading = html.escape(title or "Is this representation equivariant?")
    content, contents = _numbered(body)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{heading}</h1>{contents}{content}</main></body></html>"
    )


def section(title: str, content: str) -> str:
    """A titled part of a page."""
    return f"<h2>{html.escape(title)}</h2>{content}"


def paragraph(text: str, lead: str = "", kind: str = "") -> str:
    """Plain text as a paragraph that starts with `lead` in bold."""
    start = f"<b>{html.escape(lead)}</b> " if lead else ""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{start}{html.escape(text)}</p>"


def facts(entries: Sequence[tuple[str, str]]) -> str:
    """A list of plain texts, each after its name in bold."""
    items = "".join(f"<li><b>{html.escape(name)}</b> {html.escape(text)}</li>" for name, text in entries)
    return f'<ul class="facts">{items}</ul>'


def figure(fig: Figure, caption: str, alt: str = "") -> str:
    """A matplotlib figure as an inline PNG, closed afterwards; `alt` says what is seen (the caption by default)."""
    import matplotlib.pyplot as plt

    buffer = BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
    plt.close(fig)
    data = base64.b64encode(buffer.getvalue()).decode()
    wide = ' class="wide"' if fig.get_figwidth() > WIDE else ""
    return (
        f'<figure><div{wide}><img alt="{html.escape(alt or caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], last: str = "", kind: str = "") -> str:
    """An HTML table of class `kind`; numbers to three decimals; `last` is the class of the last row."""
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in header)
    body = []
    for i, row in enumerate(rows):
        cells = "".join(f"<td>{html.escape(cell(x))}</td>" for x in row)
        mark = f' class="{last}"' if last and i == len(rows) - 1 else ""
        body.append(f"<tr{mark}>{cells}</tr>")
    start = f'<table class="{kind}">' if kind else "<table>"
    return f'<div class="tablewrap">{start}<tr>{head}</tr>{"".join(body)}</table></div>'


def cell(x: Any) -> str:
    """A cell's text: numbers to three decimals, smaller ones to one digit and a power of ten."""
    if isinstance(x, (str, int)):
        return str(x)
    if not math.isfinite(x):
        return "–"
    return f"{x:.3f}" if x == 0 or abs(x) >= 5e-4 else f"{x:.0e}"


def _numbered(body: str) -> tuple[str, str]:
    """The body with an anchor at each section, and the list of sections."""
    titles = re.findall(r"<h2>(.*?)</h2>", body)
    if len(titles) < MIN_SECTIONS:
        return body, ""
    for i in range(len(titles)):
        body = body.replace("<h2>", f'<h2 id="part-{i + 1}">', 1)
    links = "".join(f'<li><a href="#part-{i + 1}">{title}</a></li>' for i, title in enumerate(titles))
    return body, f'<nav aria-label="Contents"><ol>{links}</ol></nav>'
