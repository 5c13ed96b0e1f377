"""Steerability: how much a behaviour rises with the strength of a steering vector, item by item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geodis.errors import LengthError, ParameterError
from geodis.linalg import Array, real_array
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import check_level, clustered_t

STILL = 1e-12  # of the propensities' size: a spread below it is rounding


@dataclass(frozen=True, eq=False)
class Steerability:
    """Slopes of items, and how many of them fall.

    Attributes
    ----------
    slope : MetricResult
        Mean slope over items; `per_item` holds each.
    negative : MetricResult
        Share of items that are steered the wrong way, which the mean hides.
    """

    slope: MetricResult
    negative: MetricResult

    def __str__(self) -> str:
        """Two lines."""
        return f"{self.slope}\n{self.negative}"


def steerability_slope(propensity: Any, multipliers: Any, *, level: float = 0.95) -> Steerability:
    """Mean over items of the least-squares slope of a propensity against the multiplier, and the share that falls.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    propensity : array (n, M)
        For each item and multiplier, how much the behaviour is shown (a difference of logits, say).
    multipliers : array (M,)
        Strengths of the steering vector, at least two different ones.
    level : float
        Confidence level of the intervals over items.

    Returns
    -------
    Steerability
        The chance of the slope is 0 (multipliers dealt to other columns), that of the share ½. Status ``degenerate``
        (NaN) where no propensity changes; an item that does not change has slope 0 and does not fall.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, equal multipliers.

    References
    ----------
    Tan, Chanin, Lynch, Paige, Kanoulas, Garriga-Alonso and Kirk, "Analyzing the generalization and reliability of
    steering vectors", NeurIPS 2024, arXiv:2407.12404.

    Examples
    --------
    >>> found = steerability_slope([[-1.0, 0.0, 1.0], [2.0, 4.0, 6.0], [1.0, 0.0, -1.0]], [-1, 0, 1])
    >>> round(found.slope.value, 6), round(found.negative.value, 6)
    (0.666667, 0.333333)
    """
    check_level(level)
    y = real_array(propensity, "steerability_slope: propensity", ("n", "M"))
    x = real_array(multipliers, "steerability_slope: multipliers", ("M",))
    if y.shape[1] != len(x):
        raise LengthError(propensity_columns=y.shape[1], multipliers=len(x))
    if not np.ptp(x) > 0.0:
        raise ParameterError("steerability_slope: multipliers", "at least two different ones", x.tolist())
    n, size = len(y), float(np.abs(y).max())
    if not np.ptp(y, axis=1).max() > STILL * size:
        return Steerability(*(_unknown(name, n, len(x), level) for name in ("steerability_slope", "negative_slopes")))
    slopes = np.where(np.ptp(y, axis=1) > STILL * size, least_squares_slopes(y, x), 0.0)
    status: Status = "ok" if n > 1 else "insufficient"
    mean, falls = clustered_t(slopes, level), clustered_t((slopes < 0.0).astype(np.float64), level)
    low, high = (max(0.0, falls.low), min(1.0, falls.high)) if math.isfinite(falls.low) else (math.nan, math.nan)
    share = float((slopes < 0.0).mean())
    return Steerability(
        MetricResult(
            "steerability_slope", float(slopes.mean()), (mean.low, mean.high), mean.method, level, n, len(x),
            {"chance": 0.0}, lower_is_better=False, status=status, per_item=slopes,
            notes=(f"{share:.3f} of the items have a negative slope",),
        ),
        MetricResult(
            "negative_slopes", share, (low, high), falls.method, level, n, len(x), {"chance": 0.5}, status=status,
            per_item=(slopes < 0.0).astype(np.float64),
        ),
    )  # fmt: skip


def least_squares_slopes(y: Array, x: Array) -> Array:
    """Σ(x − x̄)y/Σ(x − x̄)² of each row of y (n, M): (n,).

    Examples
    --------
    >>> least_squares_slopes(np.array([[1.0, 3.0]]), np.array([0.0, 1.0])).tolist()
    [2.0]
    """
    centred = x - x.mean()
    return np.asarray((y - y.mean(axis=1, keepdims=True)) @ centred / (centred @ centred))


def _unknown(name: str, n: int, m: int, level: float) -> MetricResult:
    return MetricResult(
        name, math.nan, (math.nan, math.nan), "none", level, n, m, lower_is_better=name == "negative_slopes",
        status="degenerate", notes=("no propensity changes with the multiplier",),
    )  # fmt: skip
