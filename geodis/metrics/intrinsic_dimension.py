"""On a manifold of which dimension do codes lie: estimators of scikit-dimension, with an interval and a null."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from geodis.errors import MissingExtraError, ParameterError
from geodis.linalg import Array
from geodis.metrics.jackknife import grouped_jackknife
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import code_rows, row_items, variance
from geodis.statistics import check_level

FEWEST = 20  # distinct rows: below, ratios of neighbor distances say nothing


class DimensionEstimator(Protocol):
    """What scikit-dimension calls an estimator: `fit(X)` learns the number `dimension_`."""

    dimension_: float

    def fit(self, X: Array) -> Any:
        """Learn from rows (n, d)."""


def intrinsic_dimension(
    z: Any, estimator: DimensionEstimator | None = None, *, items: Any = None, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Dimension of the manifold that codes lie on, by TwoNN or any estimator of scikit-dimension: 1 on a curve.

    TwoNN reads it off the ratio of the distances to the second and the first neighbor. Noise inflates it, as neighbors
    are found at the scale of the noise: a torus with 1 % of noise in R¹⁶ reads 3.07 instead of 2.

    Parameters
    ----------
    z : array (n, d)
        Codes; rows that repeat another one count once.
    estimator : object with `fit(X)` and `dimension_`, optional
        Such as ``skdim.id.MLE()`` or ``skdim.id.lPCA()``; ``skdim.id.TwoNN()`` by default.
    items : array (n,), optional
        What is drawn independently, for the interval; each row by default.
    level : float
        Confidence level of the interval.
    seed : int
        Seed of the interval and of the baseline.

    Returns
    -------
    MetricResult
        The baseline ``gaussian`` is the estimate for Gaussian rows of the same covariance: a code that fills its
        directions and lies on no manifold. Status ``degenerate`` for a code without variation, ``insufficient`` for
        fewer than 20 distinct rows.

    Raises
    ------
    MissingExtraError
        Without an estimator, when scikit-dimension is not installed (it needs numba, hence an extra).
    ShapeError, LengthError, FiniteError, ParameterError
        For something else than rows of codes, NaN, an object that does not estimate.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio, "Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information", Scientific Reports 2017, arXiv:1803.06992.
    Bac et al., "Scikit-Dimension", Entropy 2021, arXiv:2109.02596.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> class Explained(PCA):
    ...     def fit(self, X):
    ...         super().fit(X)
    ...         self.dimension_ = float((self.explained_variance_ratio_ > 0.01).sum())
    >>> z = np.random.default_rng(0).normal(size=(100, 2)) @ np.eye(2, 8)
    >>> intrinsic_dimension(z, Explained()).value
    2.0
    """
    check_level(level)
    rows, tiny = code_rows(z, "z")
    index = row_items(items, len(rows))
    chosen = _two_nearest() if estimator is None else _checked(estimator)
    name, n_items, n_group = type(chosen).__name__, int(index.max()) + 1, int(np.bincount(index).max())
    distinct = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    repeats = len(rows) - len(distinct)
    notes = (f"estimator {name}", *((f"{repeats} rows repeat another one",) if repeats else ()))
    constant = variance(rows) <= tiny
    if constant or len(distinct) < FEWEST or n_items < 4:
        status: Status = "degenerate" if constant else "insufficient"
        return MetricResult(
            "intrinsic_dimension", math.nan, (math.nan, math.nan), "none", level, n_items, n_group,
            lower_is_better=False, status=status, notes=notes,
        )  # fmt: skip
    rows, index = rows[distinct], np.unique(index[distinct], return_inverse=True)[1]
    value = _dimension(chosen, rows)
    interval = grouped_jackknife(lambda keep: _dimension(chosen, rows[keep]), value, index, level, seed)
    centred = rows - rows.mean(axis=0)
    noise = np.random.default_rng(seed).normal(size=(len(rows), len(rows)))
    return MetricResult(
        "intrinsic_dimension", value, (max(interval.low, 0.0), interval.high), interval.method, level, n_items, n_group,
        {"gaussian": _dimension(chosen, noise @ centred / math.sqrt(len(rows)))}, lower_is_better=False, notes=notes,
    )  # fmt: skip


def _dimension(estimator: DimensionEstimator, rows: Array) -> float:
    # scikit-dimension refuses a single feature; a zero beside it changes no distance.
    estimator.fit(np.pad(rows, ((0, 0), (0, 1))) if rows.shape[1] == 1 else rows)
    return float(estimator.dimension_)


def _two_nearest() -> DimensionEstimator:
    try:
        from skdim.id import TwoNN
    except ImportError as error:
        raise MissingExtraError("scikit-dimension", "geometry") from error
    return TwoNN()


def _checked(estimator: Any) -> DimensionEstimator:
    if isinstance(estimator, type) or not callable(getattr(estimator, "fit", None)):
        raise ParameterError("estimator", "an object such as skdim.id.MLE()", repr(estimator))
    return estimator
