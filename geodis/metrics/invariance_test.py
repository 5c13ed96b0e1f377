"""Whether the distribution of codes is the same after the group has moved them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups import AbstractGroup
from geodis.invariance_test import invariance_test
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_embeddings

Act = Callable[[Any, Any], Any]  # rows (N, D), params (N, p) → rows (N, D)


def distributional_invariance_test(
    z: Any, group: AbstractGroup, act: Act, *, n_draws: int = 199, seed: int = 0
) -> MetricResult:
    """Do z and g·z, g a random element of the group, have one distribution? Kernel two-sample test with exact p.

    This asks about a *distribution* (are upright and turned items equally common?), not about an encoder: a code can be
    exactly equivariant and its distribution not invariant.

    Parameters
    ----------
    z : array (n, D)
        Independent rows, one an item.
    group : AbstractGroup
        A compact group.
    act : callable
        Rows (n, D) and parameters (n, p) → moved rows, such as `LatentCoordinates.act`.
    n_draws : int
        Moved copies of the rows behind p; the smallest p is 1/(n_draws + 1).
    seed : int
        Seed of the elements.

    Returns
    -------
    MetricResult
        `value` is MMD² of the rows less its mean over the copies: about 0 where the distribution is invariant. A small
        `p_value` is evidence against invariance. Status ``degenerate`` for rows that are all the same, ``insufficient``
        for a single row; neither has a p.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For a group that is not compact, something else than a group or an action, NaN, an action that changes shapes.

    References
    ----------
    Chiu and Bloem-Reddy, "Non-parametric hypothesis tests for distributional group symmetry", 2023, arXiv:2307.15834.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> rho = SO2().irrep("m=1")
    >>> def turn(z, g):
    ...     return np.einsum("nab,nb->na", rho(g), z)
    >>> z = np.random.default_rng(0).normal(size=(80, 2))
    >>> distributional_invariance_test(z, SO2(), turn).p_value > 0.05
    True
    >>> distributional_invariance_test(z + [1.0, 0.0], SO2(), turn).p_value
    0.005
    """
    rows = as_embeddings(z).astype(np.float64)
    if not isinstance(group, AbstractGroup):
        raise ParameterError("distributional_invariance_test: group", "a group such as SO2()", type(group).__name__)
    if not group.compact:
        raise ParameterError(
            "distributional_invariance_test: group", "a compact group", repr(group), "Others have no uniform elements."
        )
    if not callable(act):
        raise ParameterError("distributional_invariance_test: act", "a callable (rows, params)", type(act).__name__)

    def move(rows: Array, rng: np.random.Generator) -> Array:
        moved = to_numpy(act(rows, group.sample(len(rows), rng)))
        if moved.shape != rows.shape:
            raise ShapeError("act(z, params)", str(rows.shape), moved.shape)
        check_finite(moved, "act(z, params)")
        return moved

    variation = float(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())
    if len(rows) < 2 or variation <= rounding(rows):
        status: Status = "insufficient" if len(rows) < 2 else "degenerate"
        return _result(math.nan, len(rows), n_draws, status, ("rows that do not vary have no distribution",), None)
    test = invariance_test(rows, move, n_draws, seed)
    notes = (f"the smallest p is {test.floor:.2g}",)
    return _result(test.observed - float(test.null.mean()), len(rows), n_draws, "ok", notes, test.p_value)


def _result(
    value: float, n: int, n_draws: int, status: Status, notes: tuple[str, ...], p_value: float | None
) -> MetricResult:
    return MetricResult(
        name="distributional_invariance_test",
        value=value,
        ci=None,
        ci_method="none",
        level=math.nan,
        n_items=n,
        n_group=n_draws,
        lower_is_better=True,
        status=status,
        notes=notes,
        p_value=p_value,
    )
