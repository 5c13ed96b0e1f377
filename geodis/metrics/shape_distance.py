"""How far two codes of the same rows are apart when rotations, reflections, offset and scale do not count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import LengthError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.jackknife import grouped_jackknife
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import code_rows, narrow, row_items, shuffled_rows, variance
from geodis.statistics import check_level, permutation_p


def procrustes_shape_distance(
    x: Any, y: Any, *, items: Any = None, n_draws: int = 19, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Angle arccos(‖XᵀY‖_* / ‖X‖‖Y‖) of centred codes in rad: 0 if y is a scaled rotation of x, at most π/2.

    A true metric on codes up to orthogonal maps, offset and scale: symmetric, and no detour is shorter. The narrower
    code is filled up with zeros.

    Parameters
    ----------
    x : array (n, p)
        Codes by one encoder.
    y : array (n, q)
        Codes of the same rows by the other.
    items : array (n,), optional
        What is drawn independently; each row by default.
    n_draws : int
        Shuffles of the items behind the baseline ``chance`` and `p_value`.
    level : float
        Confidence level of the interval.
    seed : int
        Seed of shuffles and interval.

    Returns
    -------
    MetricResult
        Lower is more alike. The alignment is fitted on the rows that are compared: with as many features as rows even
        independent codes come near, and ``chance`` says how near. The interval is that of the distance on as
        many rows, which is a little less than on endless ones. Status ``degenerate`` for a code without variation.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For codes that do not fit together, NaN, options out of range.

    References
    ----------
    Williams, Kunz, Kornblith, Linderman, "Generalized Shape Metrics on Neural Representations", NeurIPS 2021,
    arXiv:2110.14739.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> turned = x @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 5.0
    >>> procrustes_shape_distance(x, turned).value < 1e-12
    True
    """
    check_level(level)
    n_draws = count(n_draws, "n_draws", 1)
    first, rounding_x = code_rows(x, "x")
    second, rounding_y = code_rows(y, "y")
    if len(first) != len(second):
        raise LengthError(x=len(first), y=len(second))
    index = row_items(items, len(first))
    n_items = int(index.max()) + 1
    constant = variance(first) <= rounding_x or variance(second) <= rounding_y
    if n_items < 3 or constant:
        status: Status = "degenerate" if constant else "insufficient"
        why = "a code without variation" if constant else "fewer than 3 items"
        return MetricResult(
            "procrustes_shape_distance", math.nan, (math.nan, math.nan), "none", level, n_items,
            int(np.bincount(index).max()), status=status, notes=(why,),
        )  # fmt: skip
    first, second = narrow(first), narrow(second)
    value, rng = shape_angle(first, second), np.random.default_rng(seed)
    null = np.array([shape_angle(first, second[shuffled_rows(index, rng)]) for _ in range(n_draws)])
    interval = grouped_jackknife(lambda rows: shape_angle(first[rows], second[rows]), value, index, level, seed)
    chance = float(null.mean())
    return MetricResult(
        "procrustes_shape_distance", value, (max(interval.low, 0.0), min(interval.high, math.pi / 2)), interval.method,
        level, n_items, int(np.bincount(index).max()), {"chance": chance}, floor=_floor(first, rounding_x),
        skill=1.0 - value / chance if chance > 0.0 else None, p_value=permutation_p(-value, -null),
    )  # fmt: skip


def shape_angle(x: Any, y: Any) -> float:
    """The least angle between XQ and Y over orthogonal Q, as points of the sphere of centred codes of norm 1.

    Parameters
    ----------
    x, y : array (n, p), (n, q)
        Codes of the same rows.

    Examples
    --------
    >>> round(shape_angle([[1.0], [0.0], [-1.0]], [[1.0], [-2.0], [1.0]]), 9)  # uncorrelated: π/2
    1.570796327
    """
    a, b = _sphere(np.asarray(x, dtype=np.float64)), _sphere(np.asarray(y, dtype=np.float64))
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(c, ((0, 0), (0, width - c.shape[1]))) for c in (a, b))
    u, _, vt = np.linalg.svd(a.T @ b)
    # 2 arcsin(‖XQ − Y‖/2) keeps its digits near 0, where arccos loses half of them.
    return 2.0 * math.asin(min(1.0, float(np.linalg.norm(a @ (u @ vt) - b)) / 2.0))


def _sphere(rows: Array) -> Array:
    centred = rows - rows.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred))


def _floor(rows: Array, rounding: float) -> float:
    """The angle that rounding of the codes makes."""
    return math.sqrt(rounding / variance(rows))
