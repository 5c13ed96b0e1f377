"""LayerScan: which layers of a network hold which irreps, as a table, a picture, JSON and one page."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from geodis.errors import UnknownNameError
from geodis.files import write_text
from geodis.reports.html import figure, page, paragraph, section, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT, VERSION = "geodis.layer_scan", 1
COLUMNS = [
    "layer", "irrep", "name", "copies", "energy", "ci_low", "ci_high", "fitted_energy", "null", "null_mean", "null_p",
    "q", "orbit_signal", "item_error", "floor", "width", "status",
]  # fmt: skip
RATE = 0.05 + 1e-12  # false discovery rate at which a layer is said to hold an irrep, up to rounding
LONG = 60  # lines from which on the terminal shows what was found only
READING = (
    "Energy: the share of the variance of an irrep's best copy that is exactly equivariant on items that the fit has "
    "not seen (for limited ranges and non-compact groups: of the change that not acting leaves); 1 is exact, 0 is "
    "chance. Copies: how many exceed the threshold on the fitted items. Null: the mean energy after one random "
    "relabelling of the elements and a new fit, or, for groups so small that relabellings are alike, with the labels "
    "of each item permuted. p: how often the null does as well. q: the least rate of false discoveries, over all "
    "layers and irreps, at which the line is one. Orbit signal: how far the group moves the layer at all. "
    "Item-specific: the error against that of predicting from other items; near 1 the code moves alike for all items. "
    "Floor: the error that the interpolation of the action alone makes. A layer may hold no more than its input held: "
    "pixels turn linearly to begin with, also in a network with random weights. Scan that one too before you say what "
    "was learned."
)


@dataclass(frozen=True, eq=False)
class LayerScan:
    """What `geodis.scan_layers` found: a row for every layer and every irrep that moves something.

    Attributes
    ----------
    rows : DataFrame
        layer; irrep; name (with the frequency of characters of R^n); copies (on the fitted items); energy of the best
        copy on unseen items, ci_low, ci_high; fitted_energy (cross-fitted on the fitted items); null ("relabelled", or
        "permuted" for the smallest groups), null_mean, null_p; q (Benjamini and Hochberg, over all rows); orbit_signal,
        floor; item_error; width (numbers that were read); status: "ok", "partial", "pose-only", "absent" (no copy),
        "degenerate", "insufficient".
    layers : tuple of str and int
        The layers as `geodis.encode` takes them, in the order of the rows.
    group : str
    n_fitted, n_unseen, n_clusters, n_elements : int
        Items found on, items measured on, clusters of these, elements an item.
    level, min_energy : float

    Examples
    --------
    >>> row = dict.fromkeys(COLUMNS, 0.5) | {"layer": "a", "irrep": "m=1", "null": "relabelled", "status": "ok"}
    >>> row |= {"copies": 1, "q": 0.01, "fitted_energy": 0.8}
    >>> scan = LayerScan(pd.DataFrame([row]), ("a",), "SO2()", 40, 20, 20, 12, 0.95, 0.5)
    >>> scan.best("m=1").layer
    'a'
    """

    rows: pd.DataFrame
    layers: tuple[str | int, ...]
    group: str
    n_fitted: int
    n_unseen: int
    n_clusters: int
    n_elements: int
    level: float
    min_energy: float

    @property
    def irreps(self) -> tuple[str, ...]:
        """The irreps, in the order of the rows."""
        return tuple(dict.fromkeys(self.rows.irrep))

    @property
    def held(self) -> pd.DataFrame:
        """The rows with a copy and q ≤ .05: of these, 5 % are false discoveries on average at most."""
        return self.rows[(self.rows.copies > 0) & (self.rows.q <= RATE)]

    def best(self, irrep: str) -> pd.Series:
        """The row of the layer that held `irrep` best on the fitted items.

        Its energy on the unseen items is then not the best of many.

        Raises
        ------
        UnknownNameError
            For an irrep that was not sought.
        """
        mine = self.rows[self.rows.irrep == irrep]
        if mine.empty:
            raise UnknownNameError("irrep", irrep, ", ".join(self.irreps))
        energies = mine.fitted_energy.where(mine.copies > 0, mine.fitted_energy - 2.0).fillna(-math.inf)
        return mine.loc[energies.idxmax()]

    @property
    def summary(self) -> str:
        """What was found, in two sentences, with the null of the clearest."""
        asked = f"{len(self.layers)} layers × {len(self.irreps)} irreps of {self.group}"
        held = self.held
        if held.empty:
            return f"Of {asked}, no layer holds an irrep that beats its null ({self._seen}).{self._untested}"
        row = held.loc[(held.fitted_energy - held.null_mean).idxmax()]
        interval = f" ({100 * self.level:g} % interval {row.ci_low:.2f} to {row.ci_high:.2f})"
        null = {
            "relabelled": "after one random relabelling of the elements and a new fit it is",
            "permuted": "with permuted labels it is",
        }.get(row.null, "its null is")
        return (
            f"Of {asked}, {len(held)} hold a copy with an energy above {self.min_energy:g} that beats its null at a "
            f"false discovery rate of {RATE:.2g}. Farthest above its null is {row['name']} in {row.layer}: "
            f"energy {row.energy:.2f}{interval * math.isfinite(row.ci_low)} on {self._seen}; "
            f"{null} {row.null_mean:.2f} on average (p = {row.null_p:.2g}, q = {row.q:.2g}).{self._untested}"
        )

    @property
    def _seen(self) -> str:
        clusters = f" in {self.n_clusters} clusters" if self.n_clusters != self.n_unseen else ""
        return f"{self.n_unseen} unseen items{clusters} × {self.n_elements} elements"

    @property
    def _untested(self) -> str:
        if (self.rows.null == "permuted").any():
            return (
                " The group is so small that its structure cannot be tested, only that the code depends on the element."
            )
        return ""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Heat map of energies, layers × irreps; see `geodis.reports.ScanDisplay`."""
        from geodis.reports.scan_display import ScanDisplay

        return ScanDisplay.from_scan(self).plot(ax).ax_

    def table(self) -> Table:
        """The rows as a rich table; of many, those with a copy."""
        shown = self.rows if len(self.rows) <= LONG else self.rows[self.rows.copies > 0]
        out = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
        interval = f"{100 * self.level:g} % interval"
        floors = ("floor",) if self.rows.floor.notna().any() else ()
        for name in (
            "layer", "irrep", "copies", "energy", interval, "null", "p", "q", "signal", *floors, "item-specific",
            "status",
        ):  # fmt: skip
            out.add_column(name, justify="left" if name in ("layer", "irrep", "status") else "right")
        before = None
        for row in shown.itertuples():
            span = f"{row.ci_low:.3f}–{row.ci_high:.3f}" if math.isfinite(row.ci_high) else "–"
            judged = (row.null_mean, row.null_p, row.q, row.orbit_signal)
            floor = (f"{row.floor:.0e}" if math.isfinite(row.floor) else "–",) if floors else ()
            out.add_row(
                "" if row.layer == before else row.layer, row.name, str(row.copies), _number(row.energy), span,
                *map(_number, judged), *floor, _number(row.item_error), row.status,
            )  # fmt: skip
            before = row.layer
        if len(shown) < len(self.rows):
            out.caption = f"{len(shown)} of {len(self.rows)} lines: those with a copy (all are in .rows)"
        return out

    def __str__(self) -> str:
        buffer = StringIO()
        console = Console(file=buffer, width=118)
        console.print(self.summary, highlight=False)
        console.print(self.table())
        return buffer.getvalue().rstrip()

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text with a version, unknown numbers as null; also written to `path` if given."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "group": self.group,
            "layers": list(self.layers),
            "n_fitted": self.n_fitted,
            "n_unseen": self.n_unseen,
            "n_clusters": self.n_clusters,
            "n_elements": self.n_elements,
            "level": self.level,
            "min_energy": self.min_energy,
            "rows": [{str(k): _plain(v) for k, v in row.items()} for row in self.rows.to_dict("records")],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return _written(text, path)

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained page; also written to `path` if given."""
        from geodis.reports.scan_display import CAPTION, ScanDisplay

        drawn = figure(ScanDisplay.from_scan(self).plot().figure_, CAPTION)
        header = [name for name in COLUMNS if name not in ("irrep", "width")]
        numbers = table(header, self.rows[header].to_numpy().tolist())
        body = paragraph(self.summary, kind="lead") + drawn
        body += section("All numbers", numbers + paragraph(READING, "How to read it.", "note"))
        return _written(page(body, f"Which layers hold which irreps of {self.group}?"), path)


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        write_text(path, text)
    return text


def _number(x: float) -> str:
    return f"{x:.3f}" if math.isfinite(x) else "–"


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int)):
        return value
    return float(value) if math.isfinite(value) else None
