"""DCI: disentanglement, completeness and informativeness of a code, of single coordinates or of blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geodis.linalg import Array
from geodis.metrics.factor_evaluation import (
    FactorCodes,
    check_options,
    checked_importance,
    degenerate,
    factor_codes,
    importance_result,
    jackknife_interval,
    left_out,
    measurements,
    permuted,
    skill,
)
from geodis.metrics.importance import AbstractPredictiveImportance
from geodis.metrics.importance_scores import completeness, disentanglement
from geodis.metrics.result import MetricResult
from geodis.metrics.tree_importance import TreeImportance


@dataclass(frozen=True, eq=False)
class DCI:
    """The three scores of one importance matrix.

    Attributes
    ----------
    disentanglement : MetricResult
        1 where every part is important for one factor only.
    completeness : MetricResult
        1 where one part alone is important for each factor.
    informativeness : MetricResult
        How well the whole code predicts the factors on unseen items.
    importance : ndarray (parts, factors) or None
        What the first two are formulas of; None for codes that do not vary.
    """

    disentanglement: MetricResult
    completeness: MetricResult
    informativeness: MetricResult
    importance: Array | None = field(repr=False)

    def __str__(self) -> str:
        """Three lines."""
        return "\n".join(map(str, (self.disentanglement, self.completeness, self.informativeness)))


def dci(
    z: Any,
    factors: Any,
    *,
    importance: AbstractPredictiveImportance | None = None,
    items: Any = None,
    n_null: int = 3,
    level: float = 0.95,
    seed: int = 0,
) -> DCI:
    """D = Σ_i w_i (1 − H(R_i)/log K), C = Σ_k w_k (1 − H(R^k)/log parts) of importances R; what the code predicts.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z : array (n, d)
        Codes.
    factors : array (n, k)
        Known factors, numbers; one column each.
    importance : AbstractPredictiveImportance, optional
        `TreeImportance()` of single coordinates by default, as published; `BlockImportance(blocks, embeddings)` for
        the block form, where R is R² on unseen items. Trees take seconds for a thousand rows, blocks a fraction of one.
    items : array (n,), optional
        What is drawn independently; each row by default.
    n_null : int
        Draws of factors dealt to other rows, whose mean is ``chance``; trees are fitted anew for each.
    level : float
        Confidence level of the jackknife intervals over items, which trees are too slow for.
    seed : int
        Seed of the draws.

    Returns
    -------
    DCI
        Each in [0, 1], higher is better; statuses as in `mutual_information_gap`. Informativeness is the accuracy of
        the trees' levels, or R² in blocks.

    Raises
    ------
    GeodisError
        As `mutual_information_gap`; ParameterError for an importance without predictors.

    References
    ----------
    Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", ICLR 2018,
    openreview By-7dz-AZ.

    Examples
    --------
    >>> from geodis.metrics import BlockImportance, circle_embedding
    >>> angles = 2 * np.pi * np.random.default_rng(0).integers(0, 8, (400, 2)) / 8
    >>> z = np.hstack([circle_embedding(angles[:, :1]), circle_embedding(angles[:, 1:])])
    >>> found = dci(z, angles, importance=BlockImportance([[0, 1], [2, 3]], [circle_embedding, circle_embedding]))
    >>> round(found.completeness.value, 1), round(found.informativeness.value, 6)
    (1.0, 1.0)
    """
    chosen = TreeImportance() if importance is None else importance
    checked_importance(chosen, AbstractPredictiveImportance, "dci")
    data = factor_codes(z, factors, items, "dci")
    check_options("dci", n_null, level)
    chosen.parts(data.z.shape[1])
    names = ("dci disentanglement", "dci completeness", "dci informativeness")
    if data.still:
        d, c, i = (degenerate(name, data, level) for name in names)
        return DCI(d, c, i, None)
    measured = measurements(chosen, data, n_null, seed)
    d = importance_result(names[0], data, chosen, measured, lambda r: disentanglement(r.matrix), level)
    c = importance_result(names[1], data, chosen, measured, lambda r: completeness(r.matrix), level)
    return DCI(d, c, _informativeness(data, chosen, n_null, level, seed), measured.observed.matrix)


def _informativeness(
    data: FactorCodes, importance: AbstractPredictiveImportance, n_null: int, level: float, seed: int
) -> MetricResult:
    def score(z: Array, factors: Array, items: Array) -> float:
        # Worse than the mean is no information.
        return float(np.maximum(importance.informativeness(z, factors, items), 0.0).mean())

    value = score(data.z, data.factors, data.items)
    chance = float(np.mean([score(data.z, permuted(data, seed, b), data.items) for b in range(n_null)]))
    kept = left_out(data, importance.n_resamples)
    draws = np.array([score(data.z[keep], data.factors[keep], data.items[keep]) for keep in kept])
    known = bool(np.isfinite(value))
    return MetricResult(
        "dci informativeness", value, jackknife_interval(value, draws, level),
        "jackknife over items" if len(draws) else "none", level, data.n_items, data.n_rows, {"chance": chance},
        skill=skill(value, chance), lower_is_better=False, status="ok" if known else "insufficient",
        notes=() if known else ("one item: nothing is unseen",),
    )  # fmt: skip
