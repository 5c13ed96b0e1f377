"""Centred kernel alignment with its bias removed: are two codes of the same rows alike up to an orthogonal map."""

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


def debiased_cka(
    x: Any, y: Any, *, items: Any = None, n_draws: int = 99, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """HSIC₁(X, Y)/√(HSIC₁(X, X) HSIC₁(Y, Y)) with linear kernels: 1 if the Gram matrices agree, 0 if independent.

    The published CKA is positive for independent codes, and near 1 where there are more features than rows: .906 for
    independent Gaussians of 1000 features on 100 rows. The unbiased HSIC has expectation 0 there.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    x : array (n, p)
        Codes of n ≥ 5 rows by one encoder.
    y : array (n, q)
        Codes of the same rows by the other.
    items : array (n,), optional
        What is drawn independently; each row by default. Rows of one item resemble each other, which the debiasing
        does not know; the baseline ``chance`` does.
    n_draws : int
        Shuffles of the items behind ``chance`` and `p_value`.
    level : float
        Confidence level of the interval.
    seed : int
        Seed of shuffles and interval.

    Returns
    -------
    MetricResult
        Higher is more alike; unchanged by orthogonal maps, offsets and scale of either code. Status ``degenerate`` for
        a code without variation.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For codes that do not fit together, NaN, options out of range.

    References
    ----------
    Song et al., "Feature selection via dependence maximization", JMLR 2012, arXiv:0705.2161.
    Kornblith et al., "Similarity of neural network representations revisited", ICML 2019, arXiv:1905.00414.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 100, 200))
    >>> abs(debiased_cka(x, y).value) < 0.1, round(debiased_cka(x, 3.0 * x + 1.0).value, 12)
    (True, 1.0)
    """
    check_level(level)
    n_draws = count(n_draws, "n_draws", 1)
    first, rounding_x = code_rows(x, "x")
    second, rounding_y = code_rows(y, "y")
    if len(first) != len(second):
        raise LengthError(x=len(first), y=len(second))
    index = row_items(items, len(first))
    n_items = int(index.max()) + 1
    constant = [name for name, rows, tiny in (("x", first, rounding_x), ("y", second, rounding_y))
                if variance(rows) <= tiny]  # fmt: skip
    if n_items < 5 or constant:
        status: Status = "degenerate" if constant else "insufficient"
        why = f"{' and '.join(constant)} without variation" if constant else "fewer than 5 items"
        return MetricResult(
            "debiased_cka", math.nan, (math.nan, math.nan), "none", level, n_items, int(np.bincount(index).max()),
            lower_is_better=False, status=status, notes=(why,),
        )  # fmt: skip
    kernels = (narrow(first), narrow(second))
    norms = unbiased_hsic(kernels[0], kernels[0]) * unbiased_hsic(kernels[1], kernels[1])
    value = unbiased_hsic(*kernels) / math.sqrt(norms)
    rng = np.random.default_rng(seed)
    null = np.array([unbiased_hsic(kernels[0], kernels[1][shuffled_rows(index, rng)]) for _ in range(n_draws)])
    null /= math.sqrt(norms)
    interval = grouped_jackknife(lambda rows: cka_of(kernels[0][rows], kernels[1][rows]), value, index, level, seed)
    return MetricResult(
        "debiased_cka", value, (interval.low, min(interval.high, 1.0)), interval.method, level, n_items,
        int(np.bincount(index).max()), {"chance": float(null.mean())}, skill=value, lower_is_better=False,
        p_value=permutation_p(value, null),
    )  # fmt: skip


def cka_of(x: Array, y: Array) -> float:
    """HSIC₁(X, Y)/√(HSIC₁(X, X) HSIC₁(Y, Y)) of rows (n, p) and (n, q)."""
    return unbiased_hsic(x, y) / math.sqrt(unbiased_hsic(x, x) * unbiased_hsic(y, y))


def unbiased_hsic(x: Any, y: Any) -> float:
    """HSIC₁ of linear kernels: [tr K̃L̃ + 1ᵀK̃1·1ᵀL̃1/((n−1)(n−2)) − 2·1ᵀK̃L̃1/(n−2)]/(n(n−3)), K̃ = XXᵀ without diagonal.

    Its expectation is ‖Cov(x, y)‖²_F, whatever n ≥ 4. Costs n·p·q, and no n × n matrix.

    Parameters
    ----------
    x, y : array (n, p), (n, q)
        Codes of the same rows.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(2000, 3))
    >>> 2.7 < unbiased_hsic(x, x) < 3.3
    True
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    # Offsets cancel in exact arithmetic, and cost digits here.
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    n = len(a)
    own_a, own_b = (a**2).sum(axis=1), (b**2).sum(axis=1)
    # Centred rows sum to 0, so that K̃1 is minus the diagonal.
    together = float(((a.T @ b) ** 2).sum()) - float(own_a @ own_b)
    sums = float(own_a.sum()) * float(own_b.sum()) / ((n - 1) * (n - 2))
    return (together + sums - 2.0 * float(own_a @ own_b) / (n - 2)) / (n * (n - 3))
