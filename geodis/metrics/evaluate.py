"""The one place where cells become a MetricResult: ratio of means, interval by design, baselines, skill, status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from geodis.linalg import Array
from geodis.metrics.cells import OrbitCells, item_average
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import Interval, ratio_clustered_t, ratio_two_way_t

Compares = Literal["rows", "pairs", "items"]


@dataclass(frozen=True)
class Scale:
    """value = intercept + slope · ratio, kept within [low, high] where the metric cannot lie outside."""

    intercept: float = 0.0
    slope: float = 1.0
    low: float = 0.0
    high: float = math.inf

    def __call__(self, ratio: float) -> float:
        """The metric's value at a ratio of mean squares."""
        return self.intercept + self.slope * ratio

    def interval(self, interval: Interval) -> tuple[float, float]:
        """The interval of the value."""
        ends = sorted((self(interval.low), self(interval.high)))
        return max(ends[0], self.low), min(ends[1], self.high)


ERROR = Scale()
ENERGY = Scale(intercept=1.0, slope=-0.5, low=-math.inf, high=1.0)


def evaluate(
    name: str,
    data: OrbitCells,
    numerator: list[Array],
    denominator: list[Array],
    *,
    level: float,
    scale: Scale = ERROR,
    errors: dict[str, float] | None = None,
    lower_is_better: bool = True,
    vanishing: Status = "degenerate",
    varying: float = math.inf,
    compares: Compares = "rows",
    p_value: float | None = None,
    notes: tuple[str, ...] = (),
) -> MetricResult:
    """MetricResult of scale(E num / E den) over items and elements.

    Parameters
    ----------
    name : str
        The metric.
    data : OrbitCells
        What the cells were computed from.
    numerator, denominator : list of ndarray (n, m)
        Cells of each stack.
    level : float
        Confidence level: two-way interval for crossed orbits, item-clustered for nested ones.
    scale : Scale
        From ratio to value.
    errors : dict of str to float
        Mean squared errors of the baselines, in the numerator's unit.
    lower_is_better : bool
        Which way the metric points.
    vanishing : str
        The status where the denominator vanishes although the codes vary.
    varying : float
        The codes' mean square variation; at rounding level the status is ``degenerate``.
    compares : {"rows", "pairs", "items"}
        What a denominator cell compares: a row with the mean, with the item's other rows, or with other items. The
        interval must know, see `influence`.
    p_value, notes
        Passed on.
    """
    if data.n_single:
        notes = (*notes, f"{data.n_single} items with one element have no pair and are left out")
    if data.n_items < 2 or data.n_elements < 2:
        status: Status = "insufficient"
        notes = (*notes, "one item or one element says nothing of others")
    else:
        status = "ok"
    num, den = item_average(numerator), item_average(denominator)
    if varying <= data.tolerance:
        value, status = math.nan, _worse(status, "degenerate")
    elif not den > data.tolerance:
        value, status = math.nan, status if math.isnan(den) else _worse(status, vanishing)
    else:
        value = scale(num / den)
    if math.isnan(value):
        return _empty(name, data, level, lower_is_better, status, notes)
    above = [influence(c, "pairs") for c in numerator]
    below = [influence(c, compares, den) for c in denominator]
    interval, ci = _interval(data, above, below, level, scale)
    baselines = {key: scale(error / den) for key, error in (errors or {}).items()}
    if scale is ERROR:
        baselines = {"chance": 1.0, **baselines}
    return MetricResult(
        name=name,
        value=value,
        ci=ci,
        ci_method=interval.method,
        level=level,
        n_items=data.n_items,
        n_group=data.n_elements,
        baselines=baselines,
        floor=scale(data.tolerance / den),
        skill=_skill(value, baselines, lower_is_better),
        lower_is_better=lower_is_better,
        status=status,
        notes=notes,
        per_item=np.concatenate([scale.intercept + scale.slope * c.mean(axis=1) / den for c in numerator]),
        per_g=scale.intercept + scale.slope * numerator[0].mean(axis=0) / den if data.crossed else None,
        p_value=p_value,
    )


def influence(cells: Array, compares: Compares, mean: float = math.nan) -> Array:
    """How much item i at element k moves the mean: (n, m) cells with the mean of `cells`, for the interval.

    A cell that compares two elements of an item counts element k twice over all cells, as the predicted one and as the
    other: its effect is 2(e_ik − ē_i), and one that compares items likewise 2(d_ik − D) (Hájek projection; exact for
    orthogonal ρ). With the plain cells nominal 95 % intervals held the truth 92 % of the time (items) and 67-83 % (12
    random elements).
    """
    if compares == "pairs":
        return 2.0 * cells - cells.mean(axis=1, keepdims=True)
    return 2.0 * cells - mean if compares == "items" else cells


def _interval(
    data: OrbitCells, numerator: list[Array], denominator: list[Array], level: float, scale: Scale
) -> tuple[Interval, tuple[float, float]]:
    if data.crossed:
        interval = ratio_two_way_t(numerator[0], denominator[0], level)
    else:
        top = np.concatenate([c.mean(axis=1) for c in numerator])
        bottom = np.concatenate([c.mean(axis=1) for c in denominator])
        interval = ratio_clustered_t(top, bottom, level=level)
    if math.isnan(interval.low):
        return interval, (math.nan, math.nan)
    return interval, scale.interval(interval)


def _skill(value: float, baselines: dict[str, float], lower_is_better: bool) -> float | None:
    """(E_base − E_ρ)/(E_base − E_cap): None without a baseline or where the ceiling does not beat it."""
    simple = [baselines[key] for key in ("identity", "mean") if key in baselines]
    cap = baselines.get("best_linear", math.nan)
    if not simple or not math.isfinite(cap):
        return None
    base = min(simple) if lower_is_better else max(simple)
    room = base - cap if lower_is_better else cap - base
    return (base - value) / (base - cap) if room > 0.0 else None


def _worse(status: Status, other: Status) -> Status:
    return status if status == "insufficient" else other


def _empty(
    name: str, data: OrbitCells, level: float, lower_is_better: bool, status: Status, notes: tuple[str, ...]
) -> MetricResult:
    return MetricResult(
        name=name,
        value=math.nan,
        ci=(math.nan, math.nan),
        ci_method="none",
        level=level,
        n_items=data.n_items,
        n_group=data.n_elements,
        lower_is_better=lower_is_better,
        status=status,
        notes=notes,
    )
