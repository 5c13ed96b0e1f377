"""CrossEffects: what moved when each factor was moved, as a matrix, a table and a graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from geodis.linalg import Array
from geodis.metrics.result import Status

if TYPE_CHECKING:
    from networkx import DiGraph


@dataclass(frozen=True, eq=False)
class CrossEffects:
    """How far each target moves when one source is moved by the group, relative to the source's own movement.

    Both are measured in standard deviations of what moves, so that a code in which the target follows the source with
    amplitude a has the effect a. The source's own entry is how much of the wanted movement came about: 1 if all.

    Attributes
    ----------
    sources, targets : tuple of str
        Factors of a product group, or blocks; among the targets the invariant coordinates and the content too.
    effect, low, high : ndarray (S, T)
        Root mean square effects and their interval over clusters of items.
    null : ndarray (S, T)
        The same after no edit: embeddings re-embedded once more. 0 unless that is random.
    sham : ndarray (S, T)
        The same after displacements of equal size towards other items that leave the target's coordinates alone: what
        any edit of this size does to it.
    moves, specific : ndarray (S, T) of bool
        Whether the target moves more than after no edit, beyond rounding; and more than after the sham: the interval
        of the difference lies above 0.
    miss : ndarray (S,)
        Distance of the source from where it was sent, relative to the wanted movement.
    level : float
    n_items, n_clusters : int
    status : {"ok", "degenerate", "insufficient"}
        ``degenerate`` where a source does not move at all, ``insufficient`` for one cluster.
    notes : tuple of str
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    effect: Array
    low: Array
    high: Array
    null: Array
    sham: Array
    moves: Array
    specific: Array
    miss: Array
    level: float
    n_items: int
    n_clusters: int
    status: Status
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> pd.DataFrame:
        """One row a source and target: effect with its interval, null and sham, and whether the target moves."""
        return pd.DataFrame(
            {
                "source": np.repeat(self.sources, len(self.targets)),
                "target": list(self.targets) * len(self.sources),
                "effect": self.effect.ravel(),
                "ci_low": self.low.ravel(),
                "ci_high": self.high.ravel(),
                "null": self.null.ravel(),
                "sham": self.sham.ravel(),
                "moves": self.moves.ravel(),
                "specific": self.specific.ravel(),
            }
        )

    @property
    def leaks(self) -> pd.DataFrame:
        """The rows of other targets that move, the strongest first."""
        rows = self.rows
        return rows[rows.moves & (rows.source != rows.target)].sort_values("effect", ascending=False)

    def graph(self) -> DiGraph:
        """Sources and targets as nodes; an edge with effect, ci_low, ci_high, sham, specific where a target moves."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(dict.fromkeys((*self.sources, *self.targets)))
        for row in self.leaks.itertuples():
            names = ("effect", "ci_low", "ci_high", "sham", "specific")
            graph.add_edge(row.source, row.target, **{name: getattr(row, name) for name in names})
        return graph

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.status == "degenerate":
            return f"Nothing can be said of what else moves: {'; '.join(self.notes)}."
        leaks = self.leaks
        if not len(leaks):
            if self.status == "insufficient":
                return "One cluster of items gives no interval, so no effect is told from none."
            return "Nothing else was seen to move when one factor is moved."
        listed = [f"{r.source} moves {r.target} by {r.effect:.2g} of its own movement" for r in leaks.itertuples()]
        more = f", and {len(listed) - 3} more" if len(listed) > 3 else ""
        n_specific = int(leaks.specific.sum())
        tail = "" if n_specific == len(leaks) else f" {len(leaks) - n_specific} of them no more than any edit as large."
        return f"{len(listed)} of {self._n_others} others move: {', '.join(listed[:3])}{more}.{tail}"

    @property
    def _n_others(self) -> int:
        return sum(s != t for s in self.sources for t in self.targets)

    def __str__(self) -> str:
        buffer = StringIO()
        console = Console(file=buffer, width=118)
        console.print(f"{self.summary} ({self.n_items} items; {self.status})", highlight=False)
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("moved")
        for name in (*self.targets, "missed by"):
            table.add_column(name, justify="right")
        for i, name in enumerate(self.sources):
            cells = [
                f"{_number(self.effect[i, j])}{'*' if self.moves[i, j] and t != name else ''}"
                for j, t in enumerate(self.targets)
            ]
            table.add_row(name, *cells, _number(self.miss[i]))
        console.print(table)
        return buffer.getvalue().rstrip()


def _number(x: float) -> str:
    return "–" if not math.isfinite(x) else f"{x:.3f}"
