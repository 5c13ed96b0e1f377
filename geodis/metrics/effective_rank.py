"""How many directions a code uses: the exponential of the entropy of its variances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.linalg import Array
from geodis.metrics.jackknife import grouped_jackknife
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import code_rows, row_items, variance
from geodis.statistics import check_level

DRAWS = 5  # of Gaussian codes behind the baseline


def effective_rank(z: Any, *, items: Any = None, level: float = 0.95, seed: int = 0) -> MetricResult:
    """exp(H(λ/Σλ)) of the eigenvalues λ of the covariance: k if k directions have one variance each, 1 on a line.

    A diagnosis of collapse: a code of 512 features with effective rank 3 has collapsed to three directions. What it
    says of a constant code is noise, hence status ``degenerate``.

    Parameters
    ----------
    z : array (n, d)
        Codes.
    items : array (n,), optional
        What is drawn independently, for the interval; each row by default.
    level : float
        Confidence level of the interval.
    seed : int
        Seed of the interval and of the baseline.

    Returns
    -------
    MetricResult
        Higher means more directions. The baseline ``isotropic`` is the mean over Gaussian codes of as many rows and
        features, which is less than d where rows are few. The notes hold E‖z − z̄‖²/E‖z‖².

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For something else than rows of codes, NaN, a level outside (0, 1).

    References
    ----------
    Roy, Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007 (there of singular values).

    Examples
    --------
    >>> angle = 2 * np.pi * np.arange(12) / 12
    >>> circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    >>> round(effective_rank(circle).value, 12)
    2.0
    """
    check_level(level)
    rows, tiny = code_rows(z, "z")
    index = row_items(items, len(rows))
    n_items, moving, square = int(index.max()) + 1, variance(rows), float((rows**2).sum(axis=1).mean())
    note = f"variance/mean square = {moving / square:.3g}" if square > 0.0 else "the code is zero"
    if n_items < 2 or moving <= tiny:
        status: Status = "insufficient" if n_items < 2 else "degenerate"
        return MetricResult(
            "effective_rank", math.nan, (math.nan, math.nan), "none", level, n_items, int(np.bincount(index).max()),
            lower_is_better=False, status=status, notes=(note,),
        )  # fmt: skip
    value, rng = entropy_rank(rows), np.random.default_rng(seed)
    isotropic = float(np.mean([entropy_rank(rng.normal(size=rows.shape)) for _ in range(DRAWS)]))
    few = n_items < 4
    interval = None if few else grouped_jackknife(lambda keep: entropy_rank(rows[keep]), value, index, level, seed)
    ci = (math.nan, math.nan) if interval is None else (max(interval.low, 1.0), min(interval.high, rows.shape[1]))
    return MetricResult(
        "effective_rank", value, ci, "none" if interval is None else interval.method, level, n_items,
        int(np.bincount(index).max()), {"isotropic": isotropic}, lower_is_better=False,
        status="insufficient" if few else "ok", notes=(note,),
    )  # fmt: skip


def entropy_rank(z: Any) -> float:
    """exp(−Σ p log p), p = λ/Σλ, of the covariance of rows (n, d); NaN for rows that are all the same.

    Examples
    --------
    >>> entropy_rank([[1.0, 0.0], [-1.0, 0.0]])
    1.0
    """
    rows = np.asarray(z, dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    return _perplexity(np.maximum(np.linalg.eigvalsh(gram), 0.0))


def _perplexity(values: Array) -> float:
    total = float(values.sum())
    if total == 0.0:
        return math.nan
    p = values[values > 0.0] / total
    return math.exp(-float(p @ np.log(p)))
