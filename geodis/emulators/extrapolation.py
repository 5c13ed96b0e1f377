"""Solutions of ż = f(z) by extrapolation: order 12 for smooth fields, each step checked, no tables of coefficients.

Gragg's midpoint rule with 2, 4, …, 2k substeps has an error in even powers of the step, which Aitken's and Neville's
scheme takes away one after the other (W. B. Gragg 1965; R. Bulirsch and J. Stoer 1966).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.linalg import Array, to_numpy

COLUMNS = 6  # k: substeps 2, 4, …, 12, an error of order 12
HALVINGS = 8  # at most: beyond, the field is singular there and no step is small enough

Field = Callable[[Any], Any]
Size = Callable[[Any], Any]


def solve(
    field: Field, start: Any, times: Array, size: Size, tolerance: float = 1e-10, columns: int = COLUMNS
) -> list[Any]:
    """States at all times from the first: a list of arrays or tensors of the start's shape `(n, ...)`.

    All n runs take the same steps; a step is halved until every run's error estimate is below the tolerance. The
    estimates are sizes, so that steps do not depend on directions or units where `size` does not.

    Parameters
    ----------
    field : callable
        z ↦ ż, on a batch.
    start : array or tensor (n, ...)
        z at times[0].
    times : array (T,)
        Ascending.
    size : callable
        Difference of states → its size in each run `(n,)`, in the unit that the tolerance is meant in.
    tolerance : float
        Error of a step.
    columns : int
        k: order 2k, k(k + 1) evaluations a step; fewer are cheaper where the tolerance is coarse.

    Examples
    --------
    >>> end = solve(lambda z: -z, np.array([[1.0]]), np.array([0.0, 1.0]), lambda d: np.abs(d[:, 0]))[-1]
    >>> bool(abs(end[0, 0] - np.exp(-1.0)) < 1e-12)
    True
    """
    out, pieces = [start], 1
    for k in range(len(times) - 1):
        state, pieces = _interval(field, out[-1], float(times[k + 1] - times[k]), size, tolerance, columns, pieces)
        out.append(state)
    return out


def _interval(
    field: Field, start: Any, length: float, size: Size, tolerance: float, columns: int, pieces: int
) -> tuple[Any, int]:
    """The state after an interval, and how many steps the next one should be tried with."""
    while True:
        state, worst = start, 0.0
        for _ in range(pieces):
            state, error = extrapolated_step(field, state, length / pieces, columns)
            worst = max(worst, _worst(to_numpy(size(error))))
            if worst > tolerance and pieces < 2**HALVINGS:
                break
        else:
            # Half as many steps would have an error estimate larger by about 2^(2k − 1): tried where it may do.
            return state, max(1, pieces // 2) if worst * 4.0**columns * 2 < tolerance else pieces
        pieces *= 2


def extrapolated_step(field: Field, start: Any, length: float, columns: int = COLUMNS) -> tuple[Any, Any]:
    """The state after one step, and the last correction as an estimate of its error."""
    slope = field(start)
    row: list[Any] = []
    for j in range(1, columns + 1):
        last, row = row, [_midpoints(field, start, slope, length, 2 * j)]
        for k, coarser in enumerate(last):
            ratio = (j / (j - 1 - k)) ** 2
            row.append(row[k] + (row[k] - coarser) / (ratio - 1))
    return row[-1], row[-1] - row[-2]


def _midpoints(field: Field, start: Any, slope: Any, length: float, n: int) -> Any:
    h = length / n
    before, now = start, start + h * slope
    for _ in range(n - 1):
        before, now = now, before + 2 * h * field(now)
    return now


def _worst(sizes: Array) -> float:
    """The largest error of a run; runs that have left the numbers ask for no more steps."""
    finite = sizes[np.isfinite(sizes)]
    return float(finite.max()) if len(finite) else 0.0
