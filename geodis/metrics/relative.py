"""Relative errors √(E|error|² / T) over items, with a cluster-wise interval and a status."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geodis.linalg import Array
from geodis.metrics.result import MetricResult
from geodis.statistics import ratio_clustered_t


class Design(NamedTuple):
    """What errors are relative to: each item's share of the variance, its cluster, the rounding level of squares."""

    unit: Array
    clusters: Array
    tolerance: float
    n_elements: int

    def of(self, items: Array) -> Design:
        """The design of some of the items."""
        return self._replace(unit=self.unit[items], clusters=self.clusters[items])


def squares(x: Array) -> Array:
    """|x|² of the rows: (n, d) → (n,)."""
    return np.einsum("na,na->n", x, x)


def relative_error(name: str, errors: Array, baselines: dict[str, Array], design: Design, level: float) -> MetricResult:
    """√(Σ errors / Σ unit) over items: 0 if exact, √2 for codes that are unrelated and vary as much.

    Parameters
    ----------
    name : str
        The metric.
    errors : ndarray (n,)
        Mean squared error of each item.
    baselines : dict of str to ndarray (n,)
        The same of other predictions; NaN where there is none.
    design : Design
        Of the same n items.
    level : float
        Confidence level.

    Examples
    --------
    >>> design = Design(np.ones(4), np.arange(4), 0.0, 2)
    >>> relative_error("error", np.full(4, 0.25), {}, design, 0.95).value
    0.5
    """
    n, total = len(errors), float(design.unit.sum())
    if n == 0 or not total > design.tolerance * n:
        why = "no pair of this kind" if n == 0 else "the code does not vary"
        return MetricResult(
            name, math.nan, (math.nan, math.nan), "none", level, n, design.n_elements,
            status="insufficient" if n == 0 else "degenerate", notes=(why,),
        )  # fmt: skip
    _, index = np.unique(design.clusters, return_inverse=True)
    interval = ratio_clustered_t(np.bincount(index, errors), np.bincount(index, design.unit), level=level)
    enough = math.isfinite(interval.low)
    ends = (math.sqrt(max(interval.low, 0.0)), math.sqrt(max(interval.high, 0.0))) if enough else (math.nan, math.nan)
    shares = {key: math.sqrt(float(x.sum()) / total) for key, x in baselines.items() if np.isfinite(x).all()}
    return MetricResult(
        name, math.sqrt(float(errors.sum()) / total), ends, "item-clustered t, root of a ratio", level, n,
        design.n_elements, {"chance": math.sqrt(2.0), **shares}, floor=math.sqrt(design.tolerance * n / total),
        status="ok" if enough else "insufficient", notes=() if enough else ("one item says nothing of others",),
        per_item=np.sqrt(errors * n / total),
    )  # fmt: skip
