"""The causal inner product of a vocabulary's unembedding, and how well counterfactual pairs agree on one direction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import DesignError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, real_array
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import check_level, clustered_t, permutation_p

SINGULAR = 1e-12  # of the largest eigenvalue of the covariance: below it, a direction does not vary


def causal_inner_product(u: Any, v: Any, unembedding: Any) -> Array:
    """⟨u, v⟩ = uᵀ Cov(γ)⁻¹ v for the rows of u (a, d) and v (b, d): (a, b), unchanged by any γ → Aγ + t.

    Parameters
    ----------
    u, v : array (a, d), (b, d)
        Directions in the space of the unembedding.
    unembedding : array (V, d)
        One row γ for each word.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN.
    DesignError
        For an unembedding that does not vary along every direction: it has no inverse covariance.

    References
    ----------
    Park, Choe and Veitch, "The linear representation hypothesis and the geometry of large language models", ICML 2024,
    arXiv:2311.03658.

    Examples
    --------
    >>> words = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> causal_inner_product([[2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], words).round(6).tolist()
    [[1.0, 0.0]]
    """
    root = whitening(unembedding)
    d = len(root)
    a, b = (real_array(x, f"causal_inner_product: {n}", ("n", d)) for n, x in (("u", u), ("v", v)))
    return np.asarray((a @ root) @ (b @ root).T)


def causal_cosine(u: Any, v: Any, unembedding: Any) -> Array:
    """The cosines of `causal_inner_product`, (a, b); NaN for zero vectors.

    Parameters
    ----------
    u, v, unembedding
        As `causal_inner_product`.

    Raises
    ------
    GeodisError
        As `causal_inner_product`.

    Examples
    --------
    >>> words = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> causal_cosine([[1.0, 0.0]], [[3.0, 0.0], [0.0, 1.0]], words).round(6).tolist()
    [[1.0, 0.0]]
    """
    root = whitening(unembedding)
    d = len(root)
    a, b = (real_array(x, f"causal_cosine: {n}", ("n", d)) @ root for n, x in (("u", u), ("v", v)))
    size = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.where(size > 0.0, a @ b.T / np.where(size > 0.0, size, 1.0), np.nan)


def concept_direction(
    differences: Any, unembedding: Any, *, n_draws: int = 999, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Mean causal cosine of each counterfactual difference with the mean of the other differences.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    differences : array (N, d)
        γ(with the concept) − γ(without) for N pairs of words that differ in the concept alone.
    unembedding : array (V, d)
        One row for each word.
    n_draws : int
        Draws of the null that the pairs share no direction: within each pair, which word has the concept is random.
    level : float
        Confidence level of the interval over pairs.
    seed : int
        Seed of the draws.

    Returns
    -------
    MetricResult
        In [−1, 1], higher is better; `per_item` holds each pair's cosine. Baselines: ``chance``, the mean of the null;
        ``random_pairs``, the same of differences of random words. `p_value` is exact for the null. Status
        ``insufficient`` for one pair, ``degenerate`` (NaN) where no pair differs.

    Raises
    ------
    GeodisError
        As `causal_inner_product`.

    References
    ----------
    Park, Choe and Veitch, ICML 2024, arXiv:2311.03658.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> words, concept = rng.normal(size=(200, 5)), np.eye(5)[0]
    >>> found = concept_direction(concept + 0.1 * rng.normal(size=(20, 5)), words)
    >>> found.value > 0.9, found.p_value
    (True, 0.001)
    """
    check_level(level)
    count(n_draws, "concept_direction: n_draws", 1)
    words = real_array(unembedding, "concept_direction: unembedding", ("V", "d"))
    root = whitening(words)
    pairs = real_array(differences, "concept_direction: differences", ("N", len(root)))
    white = pairs @ root
    sizes = np.linalg.norm(white, axis=1)
    moved = sizes > SINGULAR * max(float(sizes.max()), float(np.linalg.norm(words @ root, axis=1).mean()))
    n = len(pairs)
    if n < 2 or not moved.any():
        status: Status = "degenerate" if not moved.any() else "insufficient"
        why = "no pair differs" if status == "degenerate" else "one pair has no others to agree with"
        return MetricResult(
            "concept_direction", math.nan, (math.nan, math.nan), "none", level, n, 1, lower_is_better=False,
            status=status, notes=(why,),
        )  # fmt: skip
    white = white[moved]
    cosines = leave_one_out_cosines(white)
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(n_draws, len(white), 1))
    null = np.array([leave_one_out_cosines(s * white).mean() for s in signs])
    random = [leave_one_out_cosines(_random_pairs(words @ root, len(white), rng)).mean() for _ in range(19)]
    value, interval = float(cosines.mean()), clustered_t(cosines, level)
    left = n - len(white)
    return MetricResult(
        "concept_direction", value, (max(-1.0, interval.low), min(1.0, interval.high)), interval.method, level, n, 1,
        {"chance": float(null.mean()), "random_pairs": float(np.mean(random))}, lower_is_better=False, status="ok",
        skill=(value - float(null.mean())) / (1.0 - float(null.mean())),
        notes=(f"{left} pairs that do not differ are left out",) if left else (), per_item=cosines,
        p_value=permutation_p(value, null),
    )  # fmt: skip


def leave_one_out_cosines(white: Array) -> Array:
    """Cosine of each row with the sum of the other rows, (n,); 0 where these cancel.

    Examples
    --------
    >>> leave_one_out_cosines(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])).round(6).tolist()
    [0.894427, 0.707107, 0.0]
    """
    others = white.sum(axis=0) - white
    size = np.linalg.norm(white, axis=1) * np.linalg.norm(others, axis=1)
    dots = (white * others).sum(axis=1)
    return np.asarray(np.where(size > 0.0, dots / np.where(size > 0.0, size, 1.0), 0.0))


def whitening(unembedding: Any) -> Array:
    """R with R Rᵀ = Cov(γ)⁻¹ (d, d), so that rows u R have the causal inner product as their dot product.

    Raises
    ------
    DesignError
        Where γ does not vary along every direction.

    Examples
    --------
    >>> words = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> np.abs(whitening(words) @ whitening(words).T).round(6).tolist()
    [[0.5, 0.0], [0.0, 2.0]]
    """
    words = real_array(unembedding, "causal inner product: unembedding", ("V", "d"))
    if len(words) < 2:
        raise ShapeError("causal inner product: unembedding", "(V, d) with V > d", words.shape)
    centred = words - words.mean(axis=0)
    _, s, vt = np.linalg.svd(centred / math.sqrt(len(words)), full_matrices=False)
    if len(s) < words.shape[1] or not s[-1] > SINGULAR * s[0]:
        raise DesignError(
            f"The causal inner product needs an unembedding that varies along all {words.shape[1]} directions; this "
            f"one of {len(words)} words has rank {int((s > SINGULAR * max(s[0], 1e-300)).sum())}. Give more words, or "
            "project on the directions that vary."
        )
    return np.asarray(vt.T / s)


def _random_pairs(white: Array, n: int, rng: np.random.Generator) -> Array:
    first = rng.integers(len(white), size=n)
    # A word is no pair with itself.
    second = (first + rng.integers(1, len(white), size=n)) % len(white)
    return np.asarray(white[first] - white[second])
