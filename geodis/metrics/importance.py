"""How much each part of a code says about each factor: what every factor score is a formula of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.groups.options import count
from geodis.linalg import Array

BINS = 20  # as published


@dataclass(frozen=True, eq=False)
class Importance:
    """What parts say about factors.

    Attributes
    ----------
    matrix : ndarray (parts, factors)
        At least 0.
    capacity : ndarray (factors,)
        What a part that says everything would have: the factor's entropy for mutual information, else 1.
    """

    matrix: Array
    capacity: Array


class AbstractImportance(ABC):
    """A way to measure importance; `n_resamples` is how often its cost allows a measurement to be repeated."""

    n_resamples = 20

    @abstractmethod
    def parts(self, d: int) -> tuple[Array, ...]:
        """The coordinates of each part of a code of d coordinates."""

    @abstractmethod
    def measure(self, z: Array, factors: Array, items: Array) -> Importance:
        """The importance of the parts of codes (n, d) for factors (n, k); rows of one item are not independent."""


class AbstractPredictiveImportance(AbstractImportance):
    """An importance that comes from predictors, which can be judged on rows that they have not seen."""

    @abstractmethod
    def informativeness(self, z: Array, factors: Array, items: Array) -> Array:
        """How well the whole code predicts each factor on unseen items, at most 1: (k,)."""


def single_coordinates(d: int) -> tuple[Array, ...]:
    """Every coordinate a part of its own: the axis-aligned form."""
    return tuple(np.array([i]) for i in range(d))


@final
class MutualInformation(AbstractImportance):
    """Mutual information [nats] of each coordinate, in equal bins over its range, with each factor.

    Parameters
    ----------
    n_bins : int
        Bins of a coordinate, 20 as published.
    n_levels : int
        Factors with more distinct values than that, or than half of the rows, are put into `n_bins` equal bins, too;
        others keep their levels.

    Notes
    -----
    The plug-in estimate is too large by about (n_bins − 1)(levels − 1)/(2n): scores print the same of permuted factors.

    Examples
    --------
    >>> z = np.arange(8.0)[:, None]
    >>> MutualInformation(n_bins=2).measure(z, z > 3.5, np.arange(8)).matrix.round(4).tolist()
    [[0.6931]]
    """

    def __init__(self, n_bins: int = BINS, n_levels: int = 64) -> None:
        self.n_bins = count(n_bins, "MutualInformation: n_bins", 2)
        self.n_levels = count(n_levels, "MutualInformation: n_levels", 2)

    def parts(self, d: int) -> tuple[Array, ...]:
        """Single coordinates."""
        return single_coordinates(d)

    def measure(self, z: Array, factors: Array, items: Array) -> Importance:
        """Mutual information, with the factors' entropies as capacity."""
        codes = [equal_bins(column, self.n_bins) for column in z.T]
        levels = [factor_levels(column, self.n_bins, self.n_levels) for column in factors.T]
        matrix = np.array([[mutual_information(code, level) for level in levels] for code in codes])
        return Importance(matrix, np.array([mutual_information(level, level) for level in levels]))


@final
class SquaredCorrelation(AbstractImportance):
    """R² of each coordinate and each factor: Cov²/(Var·Var), 0 for what does not vary.

    Examples
    --------
    >>> z = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> SquaredCorrelation().measure(z, z[:, :1], np.arange(3)).matrix.round(6).tolist()
    [[1.0], [0.0]]
    """

    def parts(self, d: int) -> tuple[Array, ...]:
        """Single coordinates."""
        return single_coordinates(d)

    def measure(self, z: Array, factors: Array, items: Array) -> Importance:
        """Squared correlations; a part that says everything has 1."""
        return Importance(squared_correlations(z, factors), np.ones(factors.shape[1]))


# --- plain formulas ---------------------------------------------------------------------------------------------------
def equal_bins(x: Array, n_bins: int) -> Array:
    """The index of each x (n,) among equal bins from the smallest to the largest; all 0 for a constant."""
    low, high = float(x.min()), float(x.max())
    if not high > low:
        return np.zeros(len(x), dtype=np.int64)
    edges = np.linspace(low, high, n_bins + 1)
    return np.asarray(np.searchsorted(edges[1:-1], x, side="right"))


def factor_levels(factor: Array, n_bins: int, n_levels: int) -> Array:
    """A factor's distinct values as 0, 1, …; `n_bins` equal bins where they exceed `n_levels` or half of the rows."""
    known, index = np.unique(factor, return_inverse=True)
    return index if len(known) <= min(n_levels, len(factor) // 2) else equal_bins(factor, n_bins)


def mutual_information(a: Array, b: Array) -> float:
    """Σ p(a, b) log(p(a, b)/p(a)p(b)) [nats] of two columns of levels 0, 1, …; the entropy for a = b."""
    height, width = int(a.max()) + 1, int(b.max()) + 1
    joint = np.bincount(a * width + b, minlength=height * width).reshape(height, width) / len(a)
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0.0
    return max(0.0, float((joint[seen] * np.log(joint[seen] / product[seen])).sum()))


def squared_correlations(z: Array, factors: Array) -> Array:
    """Cov²/(Var·Var) of every column of (n, d) with every column of (n, k): (d, k)."""
    a, b = (_unit_columns(x) for x in (z, factors))
    return np.asarray(np.minimum((a.T @ b) ** 2, 1.0))


def _unit_columns(x: Array) -> Array:
    centred = x - x.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    # Rounding of the mean leaves a constant column with 1e-16 of itself, in a direction of its own.
    alive = size > 1e-13 * np.linalg.norm(x, axis=0)
    return np.asarray(np.where(alive, centred / np.where(alive, size, 1.0), 0.0))
