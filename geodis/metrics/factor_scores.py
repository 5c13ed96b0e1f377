"""MIG, SAP, modularity and MCC: of single coordinates, as published, and of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from geodis.metrics.factor_evaluation import importance_score
from geodis.metrics.importance import AbstractImportance, MutualInformation, SquaredCorrelation
from geodis.metrics.importance_scores import importance_gap, matched_mean, modularity_of
from geodis.metrics.result import MetricResult


def mutual_information_gap(
    z: Any,
    factors: Any,
    *,
    importance: AbstractImportance | None = None,
    items: Any = None,
    n_null: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """MIG, the mean over factors of (I_1 − I_2)/H: how much more the best part tells of a factor than the second best.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z : array (n, d)
        Codes.
    factors : array (n, k)
        Known factors, numbers; one column each.
    importance : AbstractImportance, optional
        `MutualInformation()` of single coordinates by default, as published; `BlockImportance(blocks, embeddings)` for
        the block form, where R² on unseen items stands for I/H.
    items : array (n,), optional
        What is drawn independently; each row by default.
    n_null : int
        Draws of factors dealt to other rows: their mean is ``chance``, which bins alone hold above 0.
    level : float
        Confidence level of the jackknife interval over items.
    seed : int
        Seed of the draws.

    Returns
    -------
    MetricResult
        In [0, 1], higher is better. Status ``degenerate`` (NaN) for codes that do not vary; ``partial`` where single
        parts hold only some of a factor that the whole code tells linearly: the exact torus in R⁴ has a MIG of .01
        as published and 1 in blocks.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, constant factors, blocks beyond the code.

    References
    ----------
    Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in variational autoencoders", NeurIPS 2018,
    arXiv:1802.04942.

    Examples
    --------
    >>> from geodis.metrics import BlockImportance, circle_embedding
    >>> angles = 2 * np.pi * np.random.default_rng(0).integers(0, 32, (2000, 2)) / 32
    >>> z = np.hstack([circle_embedding(angles[:, :1]), circle_embedding(angles[:, 1:])])
    >>> published = mutual_information_gap(z, angles)
    >>> published.value < 0.05, published.status
    (True, 'partial')
    >>> blocks = BlockImportance([[0, 1], [2, 3]], [circle_embedding, circle_embedding])
    >>> round(mutual_information_gap(z, angles, importance=blocks).value, 2)
    1.0
    """
    chosen = MutualInformation() if importance is None else importance
    return importance_score(
        "mutual_information_gap",
        z,
        factors,
        items,
        chosen,
        lambda r: importance_gap(r.matrix, r.capacity),
        n_null,
        level,
        seed,
    )


def separated_attribute_predictability(
    z: Any,
    factors: Any,
    *,
    importance: AbstractImportance | None = None,
    items: Any = None,
    n_null: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """SAP, the mean over factors of R²_1 − R²_2 of the two parts that predict the factor best.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z, factors, items, n_null, level, seed
        As `mutual_information_gap`. Factors are ordered numbers: for categories use the block form with
        `one_hot_embedding`.
    importance : AbstractImportance, optional
        `SquaredCorrelation()` of single coordinates by default; `BlockImportance(blocks, embeddings)` in blocks.

    Returns
    -------
    MetricResult
        As `mutual_information_gap`. One circle as (cos θ, sin θ) has 6/π² = .608 as published, 0 after a turn of 45°,
        and 1 as a block.

    Raises
    ------
    GeodisError
        As `mutual_information_gap`.

    References
    ----------
    Kumar, Sattigeri and Balakrishnan, "Variational inference of disentangled latent concepts from unlabeled
    observations", ICLR 2018, arXiv:1711.00848.

    Examples
    --------
    >>> from geodis.metrics import circle_embedding
    >>> theta = 2 * np.pi * np.arange(32)[:, None] / 32
    >>> round(separated_attribute_predictability(circle_embedding(theta), theta).value, 5)
    0.59875
    """
    chosen = SquaredCorrelation() if importance is None else importance
    return importance_score(
        "separated_attribute_predictability",
        z,
        factors,
        items,
        chosen,
        lambda r: importance_gap(r.matrix, r.capacity),
        n_null,
        level,
        seed,
    )


def modularity(
    z: Any,
    factors: Any,
    *,
    importance: AbstractImportance | None = None,
    items: Any = None,
    n_null: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """Modularity, the mean over parts of 1 − Σ_{k≠k*} I_k²/(I_k*²(K − 1)): 1 where each part tells of one factor.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z, factors, items, n_null, level, seed
        As `mutual_information_gap`; at least two factors.
    importance : AbstractImportance, optional
        `MutualInformation()` of single coordinates by default; `BlockImportance(blocks, embeddings)` in blocks.

    Returns
    -------
    MetricResult
        As `mutual_information_gap`; parts that tell nothing count as 0. The chance is well above 0: of two noises, one
        is the larger.

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
    >>> factors = np.random.default_rng(0).integers(0, 8, (1000, 2))
    >>> both = modularity(factors @ np.array([[1.0, 1.0], [1.0, -1.0]]), factors)
    >>> both.value < 0.1, modularity(1.0 * factors, factors).value > 0.99
    (True, True)
    """
    chosen = MutualInformation() if importance is None else importance
    return importance_score(
        "modularity", z, factors, items, chosen, lambda r: modularity_of(r.matrix), n_null, level, seed
    )


def mean_correlation_coefficient(
    z: Any,
    factors: Any,
    *,
    importance: AbstractImportance | None = None,
    items: Any = None,
    n_null: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """MCC, the mean |correlation| of factors with the parts that are matched to them, one each, by the best matching.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z, factors, items, n_null, level, seed
        As `mutual_information_gap`.
    importance : AbstractImportance, optional
        `SquaredCorrelation()` of single coordinates by default; `BlockImportance(blocks, embeddings)` in blocks, whose
        R is the multiple correlation on unseen items.

    Returns
    -------
    MetricResult
        As `mutual_information_gap`. The matching picks the best of d! orders: with few rows the chance is far above 0.

    Raises
    ------
    GeodisError
        As `mutual_information_gap`.

    References
    ----------
    Hyvärinen and Morioka, "Unsupervised feature extraction by time-contrastive learning and nonlinear ICA",
    NeurIPS 2016, arXiv:1605.06336.

    Examples
    --------
    >>> factors = np.random.default_rng(0).normal(size=(500, 3))
    >>> round(mean_correlation_coefficient(-2.0 * factors[:, [2, 0, 1]], factors).value, 6)
    1.0
    """
    chosen = SquaredCorrelation() if importance is None else importance
    return importance_score(
        "mean_correlation_coefficient",
        z,
        factors,
        items,
        chosen,
        lambda r: matched_mean(np.sqrt(r.matrix)),
        n_null,
        level,
        seed,
    )
