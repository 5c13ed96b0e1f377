"""What a probe still finds of a concept after it was erased linearly from a code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geodis.errors import LengthError, MissingExtraError, ParameterError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.block_importance import item_folds
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_embeddings, as_items
from geodis.statistics import check_level, clustered_t, permutation_p

Eraser = Callable[[Array], Array]  # codes (n, d) → codes from which the concept is gone

DIRECTION = 1e-9  # correlations below it are rounding, and are not erased


@dataclass(frozen=True, eq=False)
class ErasureResidual:
    """What is left of a concept.

    Attributes
    ----------
    probe : MetricResult
        Balanced accuracy of a probe on erased codes that neither the eraser nor the probe has seen.
    covariance : float
        Largest |Cov(r(x), y)| of the codes that the eraser was fitted on, in standard deviations of x and y: rounding.
    unseen_covariance : float
        The same of codes that it was not fitted on.
    """

    probe: MetricResult
    covariance: float
    unseen_covariance: float

    def __str__(self) -> str:
        """The probe's line, and the covariances."""
        return f"{self.probe}\ncovariance {self.covariance:.2g} fitted, {self.unseen_covariance:.2g} unseen"


def concept_erasure_residual(
    z: Any,
    concept: Any,
    *,
    probe: Any = None,
    items: Any = None,
    n_null: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> ErasureResidual:
    """What a probe finds of a concept on unseen items after LEACE, r(x) = x − W⁺PW(x − μ), has erased it linearly.

    W is the inverse root of Cov(x) and P projects on the columns of W Cov(x, y), y the concept's levels one by one: of
    all affine maps after which no linear predictor beats a constant, r moves x least. It guards against linear
    predictors alone, and only for the items that it was fitted on.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z : array (n, d)
        Codes.
    concept : array (n,)
        The concept's level for each code (any labels).
    probe : sklearn classifier, optional
        A logistic regression of standardised codes by default. A nonlinear one tells what linear erasure leaves.
    items : array (n,), optional
        What is drawn independently; each row by default. Half of the items fit the eraser; the probe is fitted and
        judged on the others, in three folds; then the halves change places.
    n_null : int
        Draws of concepts dealt to other rows of the probed half: their mean is ``chance``.
    level : float
        Confidence level of the interval over items.
    seed : int
        Seed of the draws.

    Returns
    -------
    ErasureResidual
        Lower is better. Baselines of the probe: ``before`` erasure and ``chance``; `skill` is 1 where erasure brings
        the probe from ``before`` to chance, 0 where it changes nothing. Status ``degenerate`` (NaN) for codes that do
        not vary and for a concept that the probe does not find before either: nothing is tested.

    Raises
    ------
    MissingExtraError
        When concept-erasure is not installed (extra ``erasure``).
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, a concept of one level, a probe that is no estimator.

    References
    ----------
    Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff and Biderman, "LEACE: Perfect linear concept erasure in closed
    form", NeurIPS 2023, arXiv:2306.03819.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> concept = rng.integers(0, 2, 400)
    >>> found = concept_erasure_residual(rng.normal(size=(400, 3)) + 2.0 * concept[:, None], concept, n_null=3)
    >>> found.covariance < 1e-10, found.probe.baselines["before"] > 0.9, abs(found.probe.value - 0.5) < 0.1
    (True, True, True)
    """
    name = "concept_erasure_residual"
    check_level(level)
    count(n_null, f"{name}: n_null", 1)
    chosen = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)) if probe is None else probe
    if not isinstance(chosen, BaseEstimator):
        raise ParameterError(f"{name}: probe", "a scikit-learn classifier", repr(probe))
    rows, labels = as_embeddings(z), as_items(concept)
    groups = np.arange(len(rows)) if items is None else as_items(items)
    if not len(rows) == len(labels) == len(groups):
        raise LengthError(z=len(rows), concept=len(labels), items=len(groups))
    kinds, y = np.unique(labels, return_inverse=True)
    if len(kinds) < 2:
        raise ParameterError(f"{name}: concept", "at least two levels", "one")
    x, n_items = rows.astype(np.float64), len(np.unique(groups))
    if not float(x.var(axis=0).sum()) > rounding(rows):
        return _unknown("the codes do not vary", "degenerate", len(kinds), n_items, level)
    halves = item_folds(groups, 2)
    if n_items < 6 or any(len(np.unique(y[halves == h])) < len(kinds) for h in (0, 1)):
        return _unknown("too few items for two halves with every level", "insufficient", len(kinds), n_items, level)
    return _residual(x, y, groups, halves, chosen, n_null, level, seed)


def leace(x: Any, y: Any) -> Eraser:
    """The LEACE eraser r of concept columns y (n, k) from codes x (n, d), fitted by the package concept-erasure.

    Without its shrinkage and its cap of the variance, so that the covariance with y vanishes to rounding.

    Raises
    ------
    MissingExtraError
        When concept-erasure is not installed (extra ``erasure``).

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> erased = leace(x, x[:, :1])(x)
    >>> bool(np.abs(erased[:, 0] - erased[:, 0].mean()).max() < 1e-10), bool(np.abs(erased[:, 1]).max() > 1.0)
    (True, True)
    """
    try:
        from concept_erasure import LeaceFitter
    except ImportError as error:
        raise MissingExtraError("concept-erasure", "erasure") from error
    # Its thresholds are absolute: codes and concepts of other units would be erased half, or not at all.
    size = max(float(np.sqrt(x.var(axis=0).mean())), np.finfo(float).tiny)
    mean = x.mean(axis=0)
    scale = y.std(axis=0)
    unit = (y - y.mean(axis=0)) / np.where(scale > 0.0, scale, 1.0)
    options = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": DIRECTION, "dtype": torch.float64}
    fitter = LeaceFitter(x.shape[1], y.shape[1], **options)
    fitter.update(torch.from_numpy((x - mean) / size), torch.from_numpy(unit))
    eraser = fitter.eraser

    def erase(codes: Array) -> Array:
        return np.asarray(eraser(torch.from_numpy((codes - mean) / size)).numpy()) * size + mean

    return erase


def standard_covariance(x: Array, y: Array, scale: Array) -> float:
    """Largest |Cov(x, y)| over columns, in units of `scale` (the columns' deviations before erasure) and of y's."""
    covariance = (x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / len(x)
    size = np.outer(np.where(scale > 0.0, scale, 1.0), np.maximum(y.std(axis=0), np.finfo(float).tiny))
    return float(np.abs(covariance / size).max())


def _residual(
    x: Array, y: Array, groups: Array, halves: Array, probe: Any, n_null: int, level: float, seed: int
) -> ErasureResidual:
    levels = np.eye(int(y.max()) + 1)[y]
    kinds = levels.shape[1]
    right, before, null = np.zeros(len(x)), np.zeros(len(x)), np.zeros(n_null)
    fitted, unseen = [], []
    scale = x.std(axis=0)
    rng = np.random.default_rng(seed)
    for half in (0, 1):
        fit, test = halves != half, halves == half
        eraser = leace(x[fit], levels[fit])
        erased = eraser(x[test])
        fitted.append(standard_covariance(eraser(x[fit]), levels[fit], scale))
        unseen.append(standard_covariance(erased, levels[test], scale))
        right[test] = _right(probe, erased, y[test], groups[test])
        before[test] = _right(probe, x[test], y[test], groups[test])
        for b in range(n_null):
            dealt = rng.permutation(y[test])
            null[b] += 0.5 * _balanced(_right(probe, erased, dealt, groups[test]), dealt, kinds)
    value, first, chance = _balanced(right, y, kinds), _balanced(before, y, kinds), float(null.mean())
    # Each level counts alike: its rows' mean, not its number of rows.
    weighted = right * len(y) / (kinds * np.bincount(y)[y])
    _, index = np.unique(groups, return_inverse=True)
    interval = clustered_t(np.bincount(index, weighted) / np.bincount(index), level)
    found_before = first > chance + 2.0 * float(null.std()) + 1e-12
    result = MetricResult(
        "concept_erasure_residual", value, (max(0.0, interval.low), min(1.0, interval.high)), interval.method, level,
        int(index.max()) + 1, int(np.bincount(index).max()), {"before": first, "chance": chance},
        skill=(first - value) / (first - chance) if found_before else None,
        status="ok" if found_before else "degenerate",
        notes=() if found_before else ("the probe does not find the concept before erasure: nothing is tested",),
        p_value=permutation_p(value, null),
    )  # fmt: skip
    return ErasureResidual(result, max(fitted), max(unseen))


def _right(probe: Any, x: Array, y: Array, groups: Array) -> Array:
    """Whether each row's level is told by a probe that was fitted on other items."""
    folds = item_folds(groups, 3)
    right = np.zeros(len(y))
    for fold in np.unique(folds):
        seen = folds != fold
        if len(np.unique(y[seen])) < 2:
            right[~seen] = y[~seen] == y[seen][0]
            continue
        right[~seen] = clone(probe).fit(x[seen], y[seen]).predict(x[~seen]) == y[~seen]
    return right


def _balanced(right: Array, y: Array, kinds: int) -> float:
    return float(np.mean([right[y == k].mean() for k in range(kinds) if (y == k).any()]))


def _unknown(why: str, status: Status, kinds: int, n_items: int, level: float) -> ErasureResidual:
    result = MetricResult(
        "concept_erasure_residual", math.nan, (math.nan, math.nan), "none", level, n_items, 1, {"chance": 1.0 / kinds},
        status=status, notes=(why,),
    )  # fmt: skip
    return ErasureResidual(result, math.nan, math.nan)
