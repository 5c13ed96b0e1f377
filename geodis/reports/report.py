"""Report: what `verify` found, as tables in the terminal, JSON, and one HTML page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.spectrum import IsotypicSpectrum
from geodis.files import write_atomically
from geodis.orbits import Orbits
from geodis.reports.certificate import SIGNAL_FLOOR, Certificate
from geodis.reports.page import page, report_part, section

COLUMNS = [
    "block", "metric", "value", "ci_low", "ci_high", "identity", "null_mean", "null_p", "ceiling", "status",
]  # fmt: skip
DETAILS = ["block", "energy", "skill", "item_error", "orbit_signal", "isotropy", "fitted_energy", "floor"]
VERSION = 1
ROUNDING = 1e-10  # an orbit signal below it is zero
INVARIANT_SHOWN = 2  # invariant blocks that the terminal prints; all are in `rows`


@dataclass(frozen=True, eq=False)
class Report:
    """A verified claim: errors of the blocks on unseen items, with intervals, baselines, nulls and ceilings.

    Attributes
    ----------
    rows : DataFrame
        One row a block and one for all non-trivial blocks: block, metric, value, ci_low, ci_high, identity, null_mean,
        null_p, ceiling, status.
    details : DataFrame
        Beside each: energy (1 − L/2T), skill (1 − L/I), item_error (L/D_item: 1 for a code that is the same for all
        items up to noise), orbit_signal, isotropy, fitted_energy (the cross-fitted energy of the fit), floor (the error
        that the interpolation of the action makes by itself; NaN where the action is exact or nothing was measured).
    group : str
    n_items, n_clusters, n_elements : int
    level : float
    limited : bool
        Whether the error is relative to not acting.
    orbit_signal : float
        How far the group moves the embedding itself, relative to the distance of items: 0 says that it is invariant,
        NaN that it does not vary at all.
    content, content_canonical : float
        1-nearest-neighbour item identity of the embeddings and of the coordinates.
    certificate : Certificate or None
        Granted or refused, if a `delta` was asked for.
    coordinates, codes
        What was verified, and the coordinates of the orbits, for pictures.
    """

    rows: pd.DataFrame
    details: pd.DataFrame
    group: str
    n_items: int
    n_clusters: int
    n_elements: int
    level: float
    limited: bool
    orbit_signal: float
    content: float
    content_canonical: float
    certificate: Certificate | None
    coordinates: LatentCoordinates = field(repr=False)
    codes: Orbits = field(repr=False)

    @property
    def summary(self) -> str:
        """What was found, in a sentence or two."""
        total = self.rows.iloc[-1]
        acting = [b for b in self.coordinates.blocks if not b.irrep.trivial]
        seen = f"{self.n_items} unseen items × {self.n_elements} elements of {self.group}"
        if not acting:
            nothing = f"On {seen} no coordinates were found that the group moves linearly (status {total.status})."
            return nothing + self._standstill
        if total.status == "degenerate":
            return f"On {seen} no error can be told (status degenerate).{self._standstill}"
        if not math.isfinite(total.value):
            return f"On {seen} no error can be told: too few items or elements (status {total.status})."
        unit = "of the error of not acting" if self.limited else "of the variance"
        names = ", ".join(dict.fromkeys(b.irrep.name for b in acting))
        unsure = " There are too few items or elements to say how sure that is." * (total.status == "insufficient")
        return (
            f"On {seen} the group moves {len(acting)} blocks ({names}) linearly, up to an error of "
            f"{_percent(total.value)} {unit}{_interval(total, self.level)}; not acting leaves "
            f"{_percent(total.identity)}.{self._floor}{unsure or self._standstill}"
        )

    @property
    def _floor(self) -> str:
        floor = float(self.details.floor.iloc[-1])
        return f" The interpolation of the action alone makes {_percent(floor)}." if math.isfinite(floor) else ""

    @property
    def _standstill(self) -> str:
        """A warning where the embedding does not move: not moving is no equivariance."""
        if not math.isfinite(self.orbit_signal):
            return " The embedding does not vary, or there is nothing to compare."
        if self.orbit_signal > SIGNAL_FLOOR:
            return ""
        size = "zero" if self.orbit_signal < ROUNDING else f"{self.orbit_signal:.2g}"
        return f" The orbit signal is {size}: the group moves nothing here, the embedding is invariant."

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text with a version; also written to `path` if given."""
        content = {
            "format": "geodis.report",
            "version": VERSION,
            "group": self.group,
            "n_items": self.n_items,
            "n_clusters": self.n_clusters,
            "n_elements": self.n_elements,
            "level": self.level,
            "limited": self.limited,
            "orbit_signal": _plain(self.orbit_signal),
            "content": _plain(self.content),
            "content_canonical": _plain(self.content_canonical),
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
            "rows": _records(self.rows),
            "details": _records(self.details),
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        if path is not None:
            write_atomically(path, lambda temporary: _write(temporary, text))
        return text

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        spectrum: IsotypicSpectrum | None = None,
        sections: Sequence[tuple[str, str]] = (),
    ) -> str:
        """One self-contained page; also written to `path` if given.

        Parameters
        ----------
        path : path, optional
            Where to write it.
        spectrum : IsotypicSpectrum, optional
            What the fit found, drawn beside the other pictures.
        sections : sequence of (str, str)
            Further parts: a title and HTML that closes all its tags.

        Returns
        -------
        str
            The page: what was asked and found, how sure that is, pictures and tables, without scripts or references.
        """
        text = page(report_part(self, spectrum) + "".join(section(title, content) for title, content in sections))
        if path is not None:
            write_atomically(path, lambda temporary: _write(temporary, text))
        return text

    def __str__(self) -> str:
        buffer = StringIO()
        console = Console(file=buffer, width=118)
        console.print(self.summary, highlight=False)
        console.print(self.table())
        if self.certificate is not None:
            console.print(str(self.certificate), highlight=False)
        return buffer.getvalue().rstrip()

    def table(self) -> Table:
        """The rows as a rich table; of many invariant blocks only the first."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        interval = f"{100 * self.level:g} % interval"
        floors = ("floor",) if self.details.floor.notna().any() else ()
        for name in (
            "block", "error", interval, "identity", "null", "p", "ceiling", *floors, "item-specific", "status",
        ):  # fmt: skip
            table.add_column(name, justify="left" if name in ("block", "status") else "right")
        shown = 0
        trivial = [b.irrep.trivial for b in self.coordinates.blocks] + [False]
        for row, beside, invariant in zip(self.rows.itertuples(), self.details.itertuples(), trivial, strict=True):
            shown += invariant
            if invariant and shown > INVARIANT_SHOWN:
                continue
            floor = (beside.floor,) if floors else ()
            numbers = (row.identity, row.null_mean, row.null_p, row.ceiling, *floor, beside.item_error)
            table.add_row(
                row.block, _number(row.value), _span(row.ci_low, row.ci_high), *map(_number, numbers), row.status
            )
        if shown > INVARIANT_SHOWN:
            table.caption = f"{shown} invariant blocks, {shown - INVARIANT_SHOWN} not shown (see .rows)"
        return table


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in record.items()} for record in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


def _number(x: float) -> str:
    return "–" if not math.isfinite(x) else f"{x:.3f}"


def _span(low: float, high: float) -> str:
    return f"{_number(low)} – {_number(high)}" if math.isfinite(high) else "–"


def _percent(x: float) -> str:
    return "–" if not math.isfinite(x) else f"{100 * x:.3g} %"


def _interval(row: Any, level: float) -> str:
    if not math.isfinite(row.ci_high):
        return ""
    return f" ({100 * level:g} % interval {_percent(row.ci_low)} to {_percent(row.ci_high)})"
