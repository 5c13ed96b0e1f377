"""What is left of a one-step operator when it is applied again and again, against operators of many steps at once.

Errors are relative, √(E|c_k − Aᵏc_0|² / T) with T the variance of the codes: a frequency that is off by δ a step makes
2|sin(kδ/2)| after k steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import rounding
from geodis.metrics.generators import square_matrix
from geodis.metrics.relative import Design, relative_error, squares
from geodis.metrics.result import MetricResult
from geodis.statistics import check_level

COLUMNS = ["steps", "error", "ci_low", "ci_high", "direct", "identity", "other"]


@dataclass(frozen=True, eq=False)
class Rollout:
    """Errors of applying a one-step operator k times.

    Attributes
    ----------
    one, last : MetricResult
        Relative error after one step and after all.
    table : DataFrame
        One row a number of steps: error with ci_low and ci_high, direct (an operator for all k steps at once; NaN
        where none was given), identity (not moving), other (another item's code, rolled out as far).
    growth : float
        Exponent p of error ∝ k^p by least squares on logarithms: 1 for a frequency error while it is small; NaN where
        an error is 0.

    Examples
    --------
    >>> nothing = MetricResult("rollout_error", 0.1, None, "none", 0.95, 5, 8)
    >>> Rollout(nothing, nothing, pd.DataFrame(), 1.0).growth
    1.0
    """

    one: MetricResult
    last: MetricResult
    table: pd.DataFrame
    growth: float


def rollout_error(codes: Any, operator: Any, *, direct: Any = None, level: float = 0.95) -> Rollout:
    """Error of c_0 moved k times by a one-step operator, against the code after k steps and a direct k-step operator.

    Parameters
    ----------
    codes : array (n, K + 1, d)
        Item i after 0, 1, …, K steps.
    operator : array (d, d) or callable
        One step, as a matrix or as a function of codes (n, d).
    direct : array (K, d, d), optional
        Operators of 1, …, K steps, for example ρ(g^k) or maps that were fitted one by one.
    level : float
        Confidence level of the t intervals over items.

    Returns
    -------
    Rollout
        Status ``degenerate`` for codes without variation, ``insufficient`` for one item.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, no step, NaN.

    Examples
    --------
    >>> turn = lambda a: np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> codes = np.stack([x @ turn(0.3 * k).T for k in range(6)], axis=1)
    >>> found = rollout_error(codes - codes.mean(axis=0), turn(0.32))
    >>> found.table.error.round(3).tolist(), round(found.growth, 2)
    ([0.02, 0.04, 0.06, 0.08, 0.1], 1.0)
    """
    check_level(level)
    c = _sequences(codes)
    n, length, d = c.shape
    step, jumps = _one_step(operator, d), _jumps(direct, length - 1, d)
    unit = np.square(c - c.mean(axis=(0, 1))).sum(axis=2).mean(axis=1)
    design = Design(unit, np.arange(n), rounding(c.reshape(-1, d)), length)
    results, rolled, other = [], c[:, 0], np.roll(np.arange(n), 1)
    for k in range(1, length):
        rolled = _checked(step(rolled), (n, d))
        baselines = {"identity": squares(c[:, k] - c[:, 0])}
        if n > 1:
            baselines["other"] = squares(c[:, k] - rolled[other])
        if jumps is not None:
            baselines["direct"] = squares(c[:, k] - c[:, 0] @ jumps[k - 1].T)
        results.append(relative_error("rollout_error", squares(c[:, k] - rolled), baselines, design, level))
    table = pd.DataFrame([_row(k, result) for k, result in enumerate(results, start=1)], columns=COLUMNS)
    return Rollout(results[0], results[-1], table, _growth(table))


def _row(k: int, result: MetricResult) -> tuple[float, ...]:
    low, high = result.ci or (np.nan, np.nan)
    return (k, result.value, low, high, *(result.baselines.get(key, np.nan) for key in COLUMNS[4:]))


def _growth(table: pd.DataFrame) -> float:
    error = table.error.to_numpy(dtype=float)
    if len(error) < 2 or not (error > 0).all():
        return float("nan")
    return float(np.polyfit(np.log(table.steps.to_numpy(dtype=float)), np.log(error), 1)[0])


def _sequences(codes: Any) -> Array:
    c = to_numpy(codes)
    if c.ndim != 3 or c.shape[1] < 2 or 0 in c.shape:
        raise ShapeError("codes", "(n, K + 1, d) with K ≥ 1", c.shape, "One code before, one after every step.")
    if c.dtype.kind != "f":
        raise ParameterError("codes", "floating-point numbers", f"dtype {c.dtype}")
    check_finite(c, "codes")
    return c.astype(np.float64)


def _one_step(operator: Any, d: int) -> Callable[[Array], Any]:
    if callable(operator):
        return operator
    A = square_matrix(operator, "operator")
    if len(A) != d:
        raise ShapeError("operator", str((d, d)), A.shape)
    return lambda c: c @ A.T


def _jumps(direct: Any, n_steps: int, d: int) -> Array | None:
    if direct is None:
        return None
    return _checked(direct, (n_steps, d, d), "direct")


def _checked(values: Any, shape: tuple[int, ...], what: str = "operator(codes)") -> Array:
    array = to_numpy(values).astype(np.float64)
    if array.shape != shape:
        raise ShapeError(what, str(shape), array.shape)
    check_finite(array, what)
    return array
