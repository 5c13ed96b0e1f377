"""Which relations hold between fitted operators: words that are equal, with the error that the data leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple, final

import numpy as np
from scipy.stats import norm

from geodis.discovery.noise_size import jackknife_draws, size_of_draws
from geodis.discovery.transformation_family import TransformationFamily
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.statistics import check_level

Word = Sequence[Any]
ROUNDING = 1e-22  # of the squared size of an operator


class Noisy(NamedTuple):
    """A matrix with its fits without one part: `(d, d)` and `(K, d, d)`."""

    value: Array
    folds: Array

    def __matmul__(self, other: Noisy) -> Noisy:
        return Noisy(self.value @ other.value, self.folds @ other.folds)


class Distance(NamedTuple):
    """The squared distance of two noisy matrices.

    Attributes
    ----------
    squared : float
        ‖X − Y‖² less what noise adds to it; may be negative.
    error : float
        Its standard error.
    p_value : float
        Of "X and Y are the same, but for noise".
    """

    squared: float
    error: float
    p_value: float

    def ends(self, quantile: float) -> tuple[float, float]:
        """Lower and upper bound of the distance."""
        low, high = (max(self.squared + sign * quantile * self.error, 0.0) for sign in (-1.0, 1.0))
        return math.sqrt(low), math.sqrt(high)


@final
@dataclass(frozen=True, eq=False, repr=False)
class RelationTests:
    """How far pairs of words are from equal, in units of the mean distance between operators of the family.

    Parameters
    ----------
    words : tuple of (word, word)
        The relations; () is the identity.
    defects, intervals : array (R,), (R, 2)
        √(mean |Xz − Yz|² / scale²) less the noise, and simultaneous bounds at `level`.
    p_values : array (R,)
        Of "the words are equal, but for the noise of the fits": a small one says that they differ, not that they do so
        by much.
    verdicts : tuple of str
        ``"yes"``: the upper bound is below `tolerance`; ``"no"``: the lower bound is above; else ``"undecided"``.
    scale : float
        Root mean squared distance between two operators, the identity among them: the defect of unrelated ones is ~1.
    tolerance, level : float
        As given.
    """

    words: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...]
    defects: Array
    intervals: Array
    p_values: Array
    verdicts: tuple[str, ...]
    scale: float
    tolerance: float
    level: float

    @property
    def holding(self) -> tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...]:
        """The relations with verdict ``"yes"``."""
        return tuple(pair for pair, verdict in zip(self.words, self.verdicts, strict=True) if verdict == "yes")

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        counts = {name: self.verdicts.count(name) for name in ("yes", "no", "undecided")}
        return f"RelationTests({', '.join(f'{name}={n}' for name, n in counts.items())}, tolerance={self.tolerance})"


def operator_relations(
    family: TransformationFamily,
    relations: Sequence[tuple[Word, Word]],
    *,
    tolerance: float = 0.1,
    level: float = 0.95,
) -> RelationTests:
    """Test words in the operators of batches for equality: ``(("a", "b"), ("c",))`` asks whether M_a M_b = M_c.

    The distance is the mean of |Xz − Yz|² over the data, less the part that noise alone adds, with an interval from the
    fits without one part (jackknife). Equality within a tolerance is what data can show; it is claimed when the upper
    bound says so.

    Parameters
    ----------
    family : TransformationFamily
        Fitted operators.
    relations : sequence of (word, word)
        Words are sequences of batch labels; the last acts first; () is the identity.
    tolerance : float
        Largest defect that counts as a relation, a share of the mean distance between operators.
    level : float
        Simultaneous confidence of all verdicts (Bonferroni).

    Raises
    ------
    ParameterError, UnknownNameError
        For something else than a family, no relation, labels that were not fitted, a tolerance that is not positive.

    Notes
    -----
    What it does not say: ridge operators of noisy points are all a little too short, products doubly so; with many
    pairs p-values show it. `Procrustes` has no such bias.

    Examples
    --------
    >>> from geodis.discovery.map_classes import Procrustes
    >>> from geodis.discovery.shared_transformations import SharedTransformations
    >>> rng = np.random.default_rng(0)
    >>> batch = np.repeat([1, 2, 3], 100)
    >>> z, c, s = rng.normal(size=(300, 2)), np.cos(batch), np.sin(batch)
    >>> gz = np.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], axis=1) + 0.01 * rng.normal(size=(300, 2))
    >>> family = SharedTransformations(map_class=Procrustes()).fit(z, gz, batch).family_
    >>> operator_relations(family, [((1, 2), (3,)), ((1, 1), (3,)), ((1, 2), (2, 1))]).verdicts
    ('yes', 'no', 'yes')
    """
    if not isinstance(family, TransformationFamily):
        raise ParameterError("family", "a TransformationFamily", type(family).__name__)
    pairs = tuple((tuple(left), tuple(right)) for left, right in relations)
    if not pairs:
        raise ParameterError("relations", "at least one pair of words", 0)
    check_options(tolerance, level)
    operators, weight = noisy_operators(family), metric(family)
    scale = mean_distance([*operators, identity(family)], weight)
    spell = lambda word: product([operators[family.index(label)] for label in word], identity(family))  # noqa: E731
    found = [distance(spell(left), spell(right), weight) for left, right in pairs]
    quantile = float(norm.isf((1.0 - level) / 2 / len(pairs)))
    ends = np.array([d.ends(quantile) for d in found]) / scale
    return RelationTests(
        pairs,
        np.array([math.sqrt(max(d.squared, 0.0)) for d in found]) / scale,
        ends,
        np.array([d.p_value for d in found]),
        tuple(verdict(low, high, tolerance) for low, high in ends),
        scale,
        tolerance,
        level,
    )


def inverse_pairs(family: TransformationFamily, *, tolerance: float = 0.1, level: float = 0.95) -> RelationTests:
    """M_a M_b = I, for every two batches, a = b among them."""
    labels = _labels(family)
    couples = [*combinations(labels, 2), *((a, a) for a in labels)]
    return operator_relations(family, [(pair, ()) for pair in couples], tolerance=tolerance, level=level)


def commuting_pairs(family: TransformationFamily, *, tolerance: float = 0.1, level: float = 0.95) -> RelationTests:
    """M_a M_b = M_b M_a, for every two batches."""
    pairs = [((a, b), (b, a)) for a, b in combinations(_labels(family), 2)]
    return operator_relations(family, pairs, tolerance=tolerance, level=level)


# --- noisy matrices ---------------------------------------------------------------------------------------------------
def noisy_operators(family: TransformationFamily) -> list[Noisy]:
    """The operators of a family on (z, 1), with their fits without one part."""
    folds = np.swapaxes(family.fold_homogeneous, 0, 1)
    return [Noisy(value, some) for value, some in zip(family.homogeneous, folds, strict=True)]


def identity(family: TransformationFamily) -> Noisy:
    """The identity, which has no noise."""
    eye = np.eye(family.dim + 1)
    return Noisy(eye, np.broadcast_to(eye, (len(family.fold_operators), *eye.shape)))


def product(word: Sequence[Noisy], empty: Noisy) -> Noisy:
    """The product of a word; the fits without the k-th part are multiplied with one another."""
    out = empty
    for factor in word:
        out = out @ factor
    return out


def metric(family: TransformationFamily) -> Array:
    """L with ‖X L‖²_F = mean |X(z, 1)|² over the data."""
    values, axes = np.linalg.eigh(family.second_moment)
    return np.asarray(axes * np.sqrt(np.maximum(values, 0.0)))


def distance(one: Noisy, two: Noisy, weight: Array) -> Distance:
    """Squared distance less the noise; its error and p-value from the jackknife.

    With δ = X − Y and its K fits without one part, Σ = (K − 1)/K Σ_k (δ_k − δ̄)(δ_k − δ̄)ᵀ estimates the covariance of
    vec δ: E‖δ̂‖² = ‖δ‖² + tr Σ and var ‖δ̂‖² = 2 tr Σ² + 4 δᵀΣδ.
    """
    delta = ((one.value - two.value) @ weight).ravel()
    draws = jackknife_draws(((one.folds - two.folds) @ weight).reshape(len(one.folds), -1))
    raw, size = float(delta @ delta), float(np.square(one.value @ weight).sum())
    noise = size_of_draws(draws, least=ROUNDING * max(size, np.finfo(float).tiny))
    along = float(np.square(draws @ delta).sum())
    return Distance(raw - noise.mean, math.sqrt(2.0 * noise.square + 4.0 * along), noise.p_value(raw))


def mean_distance(operators: Sequence[Noisy], weight: Array) -> float:
    """Root mean square of the distances between different operators, less their noise; 1 if they are all the same."""
    values = np.stack([one.value @ weight for one in operators]).reshape(len(operators), -1)
    folds = np.stack([(one.folds - one.folds.mean(axis=0)) @ weight for one in operators])
    k = folds.shape[1]
    noise = float(np.square(folds).sum()) * (k - 1) / k / len(operators)
    spread = float(np.square(values - values.mean(axis=0)).sum()) / max(len(operators) - 1, 1)
    return math.sqrt(left) if (left := 2.0 * (spread - noise)) > 1e-20 * float(np.square(weight).sum()) else 1.0


def verdict(low: float, high: float, tolerance: float) -> str:
    """Whether an interval lies below the tolerance, above it, or across."""
    return "yes" if high < tolerance else "no" if low > tolerance else "undecided"


def check_options(tolerance: float, level: float) -> None:
    """Raise for a tolerance that is not positive or a level outside (0, 1)."""
    if not (np.isfinite(tolerance) and tolerance > 0.0):
        raise ParameterError("tolerance", "a positive number", tolerance)
    check_level(level)


def _labels(family: TransformationFamily) -> list[Any]:
    if not isinstance(family, TransformationFamily):
        raise ParameterError("family", "a TransformationFamily", type(family).__name__)
    if family.n_batches < 2:
        raise ShapeError("family", "(B, D, D) with B ≥ 2", family.operators.shape, "Relations are between batches.")
    labels: list[Any] = family.labels.tolist()
    return labels
