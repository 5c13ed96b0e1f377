"""Is the predicted code nearer to its own target than to others: reciprocal ranks and hits, ties at their expectation.

Published evaluations differ in who asks whom. C-SWM lets each *target* search all predictions; SIE lets each
*prediction* search the views of one object. The two directions give different numbers on the same codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import digamma

from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.galleries import Distance, Query, galleries_of
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import bounded_interval, item_means, row_items
from geodis.statistics import check_level


def mean_reciprocal_rank(
    predictions: Any,
    targets: Any,
    *,
    query: Query = "target",
    galleries: Any = None,
    items: Any = None,
    sources: Any = None,
    distance: Distance = "euclidean",
    level: float = 0.95,
) -> MetricResult:
    """E[1/rank] of the true code among the candidates: 1 if it is always the nearest, H_n/n at chance.

    With L candidates nearer and E as near (the true one included), E[1/rank] = (H_{L+E} − H_L)/E over random
    tie-breaking, H the harmonic numbers. A constant predictor scores exactly chance.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    predictions, targets : array (n, d)
        Row i of `predictions` should be near row i of `targets`.
    query : {"target", "prediction"}
        Who searches: each target among all predictions (C-SWM), or each prediction among all targets (SIE).
    galleries : array (n,), optional
        Rows compete within one label only (the views of one object); all n by default.
    items : array (n,), optional
        What is drawn independently, for the interval; each row by default.
    sources : array (n, d), optional
        Codes before the step: the baseline ``identity`` predicts that nothing moves.
    distance : {"euclidean", "cosine"}
        Between codes.
    level : float
        Confidence level of the item-clustered interval, for these candidates.

    Returns
    -------
    MetricResult
        Higher is better. `per_item` are the items' means. Status ``degenerate`` where predictions or targets do not
        vary within galleries: then the value is chance.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For codes that do not fit together, NaN, options out of range.

    Notes
    -----
    The code of C-SWM puts the true pair first and sorts (distance, index): ties go to the target, and a constant
    predictor scores 1. Memory does not grow with n, time as n²d.

    References
    ----------
    Kipf, van der Pol, Welling, "Contrastive Learning of Structured World Models", ICLR 2020, arXiv:1911.12247.
    Garrido, Najman, LeCun, "Self-supervised learning of Split Invariant Equivariant representations", ICML 2023,
    arXiv:2302.10283.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(400, 3))
    >>> mean_reciprocal_rank(z, z).value
    1.0
    >>> constant = mean_reciprocal_rank(np.zeros((400, 3)), z)
    >>> constant.status, round(constant.value, 6)
    ('degenerate', 0.016425)
    """
    return _scored(
        "mean_reciprocal_rank", expected_reciprocal_rank, predictions, targets, sources, query, galleries, items,
        distance, level,
    )  # fmt: skip


def hits_at_k(
    predictions: Any,
    targets: Any,
    k: int = 1,
    *,
    query: Query = "target",
    galleries: Any = None,
    items: Any = None,
    sources: Any = None,
    distance: Distance = "euclidean",
    level: float = 0.95,
) -> MetricResult:
    """P[rank ≤ k] of the true code among the candidates: 1 if it is always among the k nearest, k/n at chance.

    With L candidates nearer and E as near (the true one included), P = clip(k − L, 0, E)/E over random tie-breaking.
    Other parameters, result and errors as in `mean_reciprocal_rank`.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    predictions, targets : array (n, d)
        Row i of `predictions` should be near row i of `targets`.
    k : int
        How many candidates count as found; k ≥ n finds everything.
    query, galleries, items, sources, distance, level
        As in `mean_reciprocal_rank`.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(400, 3))
    >>> hits_at_k(z, z, 1).value, round(hits_at_k(np.ones((400, 3)), z, 1).value, 6)
    (1.0, 0.0025)
    """
    k = count(k, "k", 1)

    def hit(closer: Array, tied: Array) -> Array:
        return expected_hit(closer, tied, k)

    return _scored(f"hits_at_{k}", hit, predictions, targets, sources, query, galleries, items, distance, level)


def expected_reciprocal_rank(closer: Any, tied: Any) -> Array:
    """(H_{L+E} − H_L)/E: the mean of 1/(L + 1), …, 1/(L + E).

    Parameters
    ----------
    closer, tied : array
        L, candidates that are nearer; E ≥ 1, candidates that are as near, the true one included.

    Examples
    --------
    >>> expected_reciprocal_rank([0, 1], [1, 2]).round(6).tolist()
    [1.0, 0.416667]
    """
    low, number = np.asarray(closer, dtype=np.float64), np.asarray(tied, dtype=np.float64)
    # Where there is no tie the difference of harmonic numbers would round.
    return np.where(number == 1.0, 1.0 / (low + 1.0), (digamma(low + number + 1.0) - digamma(low + 1.0)) / number)


def expected_hit(closer: Any, tied: Any, k: int) -> Array:
    """clip(k − L, 0, E)/E: how many of the E places L + 1, …, L + E are at most k.

    Parameters
    ----------
    closer, tied : array
        L and E as in `expected_reciprocal_rank`.
    k : int
        The last place that counts.

    Examples
    --------
    >>> expected_hit([0, 1, 5], [1, 4, 1], 3).tolist()
    [1.0, 0.5, 0.0]
    """
    low, number = np.asarray(closer, dtype=np.float64), np.asarray(tied, dtype=np.float64)
    return np.clip(k - low, 0.0, number) / number


def _scored(
    name: str,
    score: Callable[[Array, Array], Array],
    predictions: Any,
    targets: Any,
    sources: Any,
    query: Query,
    galleries: Any,
    items: Any,
    distance: Distance,
    level: float,
) -> MetricResult:
    check_level(level)
    search = galleries_of(predictions, targets, query, galleries, distance)
    index = row_items(items, len(search.sizes))
    per_item = item_means(score(*search.ranks()), index)
    # All candidates tied: H_n/n and k/n.
    chance = _mean(score(np.zeros_like(search.sizes), search.sizes), index)
    value, baselines = float(per_item.mean()), {"chance": chance}
    if sources is not None:
        still = galleries_of(sources, targets, query, galleries, distance)
        baselines["identity"] = _mean(score(*still.ranks()), index)
    status: Status = "ok"
    notes: tuple[str, ...] = (f"each {query} searches {int(search.sizes.max())} candidates",)
    if search.constant:
        status, notes = "degenerate", (*notes, f"the {search.constant} do not vary: every candidate is a tie")
    if len(per_item) < 2 or int(search.sizes.max()) < 2:
        status, notes = "insufficient", (*notes, "one item, or one candidate: nothing competes")
    ci, method = bounded_interval(per_item, level)
    return MetricResult(
        name, value, ci, method, level, len(per_item), int(np.bincount(index).max()), baselines,
        skill=(value - chance) / (1.0 - chance) if chance < 1.0 else None, lower_is_better=False, status=status,
        notes=notes, per_item=per_item,
    )  # fmt: skip


def _mean(values: Array, index: Array) -> float:
    return float(item_means(values, index).mean())
