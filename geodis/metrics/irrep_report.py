"""IrrepEnergy: what an orbit is made of, factor by factor, as numbers and a printed table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from geodis.metrics.result import MetricResult, Status


@dataclass(frozen=True)
class FactorEnergy:
    """What one factor of the group does alone.

    Attributes
    ----------
    factor : str
        The group.
    irrep : str
        The irrep with the most energy; empty where nothing moves.
    share : float
        The factor's part of all single-factor energy.
    energy : float
        The leading irrep's part of this factor's energy.
    isotropy : float
        s_d/s_1 of the leading coefficients, averaged over items: 1 where the irrep acts orthogonally.
    directions : int
        Directions of the embedding that hold 90 % of the leading energy, in whole copies.
    """

    factor: str
    irrep: str
    share: float
    energy: float
    isotropy: float
    directions: int


@dataclass(frozen=True, eq=False)
class IrrepEnergy:
    """What `irrep_energy` found. Shares are of the variance of an item's orbit, averaged over items.

    Attributes
    ----------
    group : str
    n_items, n_elements : int
        Items, and elements an item (the largest number).
    lsbd_energy : float
        Energy in the leading irreps: 1 for a linear code with one irrep a factor. The headline.
    score : float
        lsbd_energy · (1 − overlap) · isotropy, 0 where a factor is absent: 1 only for linear disentangled codes.
    interaction, off_irrep, isotropy, overlap : float
        What can be wrong, see the module; `off_irrep` is a share of the single-factor energy.
    overlap_chance : float
        The overlap of random directions.
    unresolved : float
        Off the grid, the share that the functions looked at do not explain (noise, higher orders).
    factors : tuple of FactorEnergy
    powers : dict of str to float
        Share of each irrep of one factor.
    intervals : dict of str to (float, float)
        For the six measures, by jackknife over clusters of items; NaN with one.
    level : float
    null_mean, null_p : float
        `lsbd_energy` with the elements permuted within items: chance, by its choice of irreps above 0.
    status : {"ok", "degenerate", "insufficient", "partial"}
        ``degenerate``: nothing moves; ``insufficient``: one item; ``partial``: a factor is absent.
    notes : tuple of str
    """

    group: str
    n_items: int
    n_elements: int
    lsbd_energy: float
    score: float
    interaction: float
    off_irrep: float
    isotropy: float
    overlap: float
    overlap_chance: float
    unresolved: float
    factors: tuple[FactorEnergy, ...]
    powers: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    level: float
    null_mean: float
    null_p: float
    status: Status
    notes: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> MetricResult:
        """`lsbd_energy` as a `MetricResult`."""
        return MetricResult(
            "lsbd_energy", self.lsbd_energy, self.intervals["lsbd_energy"], "jackknife over items", self.level,
            self.n_items, self.n_elements, {"relabelled": self.null_mean}, lower_is_better=False, status=self.status,
            notes=self.notes, p_value=None if math.isnan(self.null_p) else self.null_p,
        )  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """One row a factor."""
        return pd.DataFrame([vars(f) for f in self.factors])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists that `json.dumps` takes; NaN becomes None."""
        out = {name: value for name, value in vars(self).items() if name not in ("factors", "intervals", "notes")}
        out = {name: _plain(value) for name, value in out.items()}
        out["intervals"] = {name: [_plain(end) for end in ends] for name, ends in self.intervals.items()}
        out["factors"] = [{name: _plain(value) for name, value in vars(f).items()} for f in self.factors]
        return {**out, "notes": list(self.notes)}

    def __str__(self) -> str:
        buffer = StringIO()
        console = Console(file=buffer, width=118)
        low, high = self.intervals["lsbd_energy"]
        span = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else ""
        null = f"; elements permuted {self.null_mean:.3f}" if math.isfinite(self.null_mean) else ""
        console.print(
            f"lsbd_energy {self.lsbd_energy:.3f}{span}, score {self.score:.3f} ({self.group}, {self.n_items} items × "
            f"{self.n_elements} elements{null}; {self.status})",
            highlight=False,
        )
        console.print(
            f"interaction {self.interaction:.3f}, off-irrep {self.off_irrep:.3f}, isotropy {self.isotropy:.3f}, "
            f"overlap {self.overlap:.3f} (chance {self.overlap_chance:.3f}), unresolved {self.unresolved:.3f}",
            highlight=False,
        )
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("factor", "irrep", "share", "energy", "isotropy", "directions"):
            table.add_column(name, justify="left" if name in ("factor", "irrep") else "right")
        for f in self.factors:
            numbers = (f"{f.share:.3f}", f"{f.energy:.3f}", f"{f.isotropy:.3f}", str(f.directions))
            table.add_row(f.factor, f.irrep or "–", *numbers)
        console.print(table)
        return buffer.getvalue().rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
