"""What the demo finds in one domain: numbers for demo.json, a part of the page, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geodis.reports import Report

Entry = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Domain:
    """All that the demo says about one domain.

    Attributes
    ----------
    title : str
        Heading of its part of the page.
    entries : list of dict
        Its rows of demo.json, made by `entry`.
    html : str
        Its part of the page, made of `geodis.reports.page` parts.
    pictures : dict
        File name → matplotlib figure, written beside the page and closed.
    """

    title: str
    entries: list[Entry]
    html: str
    pictures: Mapping[str, Figure] = field(default_factory=dict)


class DomainMaker(Protocol):
    """Measures a domain, prints its tables on the console, and returns what is written."""

    def __call__(self, seed: int, verbose: bool, console: Console) -> Domain:
        """Measure, print, and return what is written."""


def entry(
    domain: str,
    layer: str,
    report: Report,
    row: int,
    *,
    null_mean: float = math.nan,
    null_p: float = math.nan,
    retrieval_top1: float = math.nan,
) -> Entry:
    """One row of a report as an entry of demo.json; `null_mean` is an error, what is not finite becomes null."""
    found = report.rows.iloc[row]
    numbers = {
        "energy": 1 - found.value,
        "error": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "identity_error": found.identity,
        "null_mean": null_mean,
        "null_p": null_p,
        "retrieval_top1": retrieval_top1,
    }
    return (
        {"domain": domain, "group": report.group, "layer": layer, "block": found.block}
        | {name: float(x) if math.isfinite(x) else None for name, x in numbers.items()}
        | {"status": found.status}
    )


def cell(x: float) -> str:
    """A number of a printed table."""
    return f"{x:.3f}" if math.isfinite(x) else "–"


def percent(x: float) -> str:
    """A share in words, to three digits."""
    return f"{100 * x:.3g} %" if math.isfinite(x) else "–"
