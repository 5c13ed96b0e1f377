"""Derivatives of any function by central differences, extrapolated, with an estimate of what is left of the error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.errors import ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy

HALVINGS = 6  # steps h, h/2, …, h/32: the error falls below 1e-10 on smooth functions before rounding takes over


def central_derivative(path: Callable[[float], Any], step: float = 0.1, n_steps: int = HALVINGS) -> tuple[Array, Array]:
    """d/dt path(t) at t = 0, row by row, with an estimate of the error of each row.

    The quotients (path(h) − path(−h))/2h of n_steps steps, each half the one before, are extrapolated to h = 0
    (Richardson); of all extrapolations a row takes the one that differs least from those it was made of, so that
    neither a step that is too large for the function nor one that is too small for its digits counts.

    Parameters
    ----------
    path : callable
        Time t → rows `(n, ...)`.
    step : float
        The largest step h.
    n_steps : int
        How many steps are tried; path is called twice for each.

    Returns
    -------
    derivative : ndarray (n, ...)
        In float64.
    uncertainty : ndarray (n,)
        Norm of the difference between the chosen extrapolation and its neighbors.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For rows whose shape changes with t, NaN, a step or a number of steps out of range.

    References
    ----------
    Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 1982.

    Examples
    --------
    >>> derivative, uncertainty = central_derivative(lambda t: np.exp([[2.0 * t]]))
    >>> bool(abs(derivative[0, 0] - 2.0) < 1e-10), bool(uncertainty[0] < 1e-8)
    (True, True)
    """
    h, n_steps = positive(step, "step"), count(n_steps, "n_steps", 2)
    row = [_quotient(path, h)]
    best, uncertainty = row[0], np.full(len(row[0]), np.inf)
    for _ in range(n_steps - 1):
        h /= 2
        above, row = row, [_quotient(path, h)]
        for j, corner in enumerate(above, start=1):
            finer = row[-1] + (row[-1] - corner) / (4.0**j - 1.0)
            apart = np.maximum(_norms(finer - row[-1]), _norms(finer - corner))
            better = apart < uncertainty
            uncertainty = np.where(better, apart, uncertainty)
            best = np.where(better.reshape(-1, *(1,) * (best.ndim - 1)), finer, best)
            row.append(finer)
    return best, uncertainty


def _quotient(path: Callable[[float], Any], h: float) -> Array:
    ahead, behind = _rows(path(h)), _rows(path(-h))
    if ahead.shape != behind.shape or ahead.ndim == 0:
        raise ShapeError("path(t)", "the same (n, ...) for every t", (ahead.shape, behind.shape))
    return (ahead - behind) / (2 * h)


def _rows(values: Any) -> Array:
    rows = to_numpy(values).astype(np.float64)
    check_finite(rows, "path(t)")
    return rows


def _norms(x: Array) -> Array:
    return np.sqrt(np.square(x).sum(axis=tuple(range(1, x.ndim))))
