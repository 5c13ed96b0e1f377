"""Explicitness: how well a linear classifier reads every level of a factor off the code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.block_importance import BlockImportance, item_folds
from geodis.metrics.factor_evaluation import (
    FactorCodes,
    degenerate,
    factor_codes,
    jackknife_interval,
    left_out,
    skill,
)
from geodis.metrics.importance import BINS, factor_levels
from geodis.metrics.result import MetricResult
from geodis.statistics import check_level

GROUPS = 20  # of items, left out in turn for the interval
FOLDS = 3  # few, so that every level is in every fold


def explicitness(
    z: Any,
    factors: Any,
    *,
    blocks: BlockImportance | None = None,
    n_bins: int = BINS,
    items: Any = None,
    level: float = 0.95,
) -> MetricResult:
    """Mean over factors and their levels of the one-against-the-rest ROC-AUC of a logistic regression on unseen items.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z : array (n, d)
        Codes.
    factors : array (n, k)
        Known factors, numbers; one column each. More than 64 distinct values, or than half of the rows, are put into
        `n_bins` equal bins.
    blocks : BlockImportance, optional
        Reads each factor off one block instead of the whole code: the block whose AUC is best on the fitted items.
    n_bins : int
        Levels of continuous factors.
    items : array (n,), optional
        What is drawn independently; each row by default.
    level : float
        Confidence level of the jackknife interval over items, for the classifiers that were fitted.

    Returns
    -------
    MetricResult
        Higher is better; chance is .5, and `skill` is 0 there. As published, the AUC is of all coordinates together,
        and says nothing of disentanglement. Status ``degenerate`` (NaN) for codes that do not vary.

    Raises
    ------
    GeodisError
        As `mutual_information_gap`.

    References
    ----------
    Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic loss", NeurIPS 2018,
    arXiv:1802.05312.

    Examples
    --------
    >>> from geodis.metrics import circle_embedding
    >>> theta = 2 * np.pi * np.random.default_rng(0).integers(0, 6, (300, 1)) / 6
    >>> explicitness(circle_embedding(theta), theta).value
    1.0
    """
    name = "explicitness"
    check_level(level)
    data = factor_codes(z, factors, items, name)
    n_bins = count(n_bins, f"{name}: n_bins", 2)
    parts = (np.arange(data.z.shape[1]),) if blocks is None else blocks.parts(data.z.shape[1])
    if data.still:
        return degenerate(name, data, level)
    levels = [factor_levels(column, n_bins, 64) for column in data.factors.T]
    folds = item_folds(data.items, FOLDS)
    if folds.max() == 0:
        return MetricResult(
            name, math.nan, (math.nan, math.nan), "none", level, data.n_items, data.n_rows, lower_is_better=False,
            status="insufficient", notes=("one item: nothing is unseen",),
        )  # fmt: skip
    scores = [_held_out_scores(data, y, parts, folds) for y in levels]

    def value_of(keep: Array) -> float:
        pairs = zip(scores, levels, strict=True)
        return float(np.mean([_mean_auc(s[keep], y[keep], folds[keep]) for s, y in pairs]))

    value = value_of(np.ones(len(data.z), dtype=bool))
    draws = np.array([value_of(keep) for keep in left_out(data, GROUPS)])
    return MetricResult(
        name, value, jackknife_interval(value, draws, level), "jackknife over items", level, data.n_items, data.n_rows,
        {"chance": 0.5}, skill=skill(value, 0.5), lower_is_better=False, status="ok",
    )  # fmt: skip


def auc(score: Array, positive: Array) -> float:
    """P(score of a positive > score of a negative) + half the ties; NaN without both kinds.

    Examples
    --------
    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    n = int(positive.sum())
    m = len(positive) - n
    if n == 0 or m == 0:
        return math.nan
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))


def _held_out_scores(data: FactorCodes, y: Array, parts: tuple[Array, ...], folds: Array) -> Array:
    """Probability of each level, for each row by a classifier that has not seen its item: (n, levels)."""
    found = np.zeros((len(y), int(y.max()) + 1))
    for fold in np.unique(folds):
        seen = folds != fold
        best, chosen = -1.0, found[~seen]
        for part in parts:
            x = data.z[:, part]
            scale = x[seen].std(axis=0)
            # A coordinate that does not vary among the fitted items stays out.
            alive = scale > 1e-12 * (1.0 + np.abs(x[seen]).max(axis=0))
            known = np.unique(y[seen])
            if not alive.any() or len(known) < 2:
                continue
            unit = (x[:, alive] - x[seen][:, alive].mean(axis=0)) / scale[alive]
            fitted = LogisticRegression(max_iter=1000).fit(unit[seen], y[seen])
            own = np.zeros((len(y), found.shape[1]))
            own[:, fitted.classes_] = fitted.predict_proba(unit)
            quality = 0.0 if len(parts) == 1 else _mean_auc(own[seen], y[seen], np.zeros(int(seen.sum()), dtype=int))
            if quality > best:
                best, chosen = quality, own[~seen]
        found[~seen] = chosen
    return found


def _mean_auc(scores: Array, y: Array, folds: Array) -> float:
    """Mean over levels and folds: probabilities of different classifiers are not compared."""
    values = [
        auc(scores[folds == fold, kind], y[folds == fold] == kind)
        for fold in np.unique(folds)
        for kind in range(scores.shape[1])
    ]
    known = [v for v in values if math.isfinite(v)]
    return float(np.mean(known)) if known else math.nan
