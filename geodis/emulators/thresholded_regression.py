"""Sparse linear regression by sequential thresholding, on sums of squares that add up over parts of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geodis.linalg import Array

THRESHOLDS = tuple(np.geomspace(1e-4, 0.5, 24).tolist())
SINGULAR = 1e-12  # relative eigenvalue of a correlation matrix below which directions count as not seen


class Sums(NamedTuple):
    """AᵀA, Aᵀy and yᵀy of some rows."""

    gram: Array
    moment: Array
    square: float

    def plus(self, other: Sums) -> Sums:
        """Those of both together."""
        return Sums(self.gram + other.gram, self.moment + other.moment, self.square + other.square)

    def minus(self, other: Sums) -> Sums:
        """Those without a part."""
        return Sums(self.gram - other.gram, self.moment - other.moment, self.square - other.square)

    def error(self, c: Array) -> float:
        """|A c − y|²/|y|²."""
        return float(max(c @ self.gram @ c - 2 * c @ self.moment + self.square, 0.0) / self.square)


class Choice(NamedTuple):
    """A threshold and what was seen when it was chosen.

    Attributes
    ----------
    threshold : float
        Smallest share |c_k||A_k|/|y| that is kept.
    thresholds, errors, deviations : ndarray
        What was tried, the held-out |A c − y|²/|y|², and the standard error of its difference from the least.
    sizes : ndarray of int
        How many terms are kept of all data.
    """

    threshold: float
    thresholds: Array
    errors: Array
    deviations: Array
    sizes: Array


def zero_sums(n_terms: int) -> Sums:
    """Of no rows."""
    return Sums(np.zeros((n_terms, n_terms)), np.zeros(n_terms), 0.0)


def sum_of(parts: Sequence[Sums]) -> Sums:
    """Those of all parts together."""
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total


def thresholded(sums: Sums, threshold: float) -> Array:
    """Least squares; then again without the terms that contribute less than `threshold`·|y|, until none is left out.

    At least the largest term stays. Shares do not depend on the scale of a column.

    References
    ----------
    Brunton, Proctor, Kutz, Discovering governing equations from data by sparse identification, PNAS 113 (2016).

    Examples
    --------
    >>> A = np.random.default_rng(0).standard_normal((50, 3))
    >>> y = A @ [2.0, 0.0, -1.0]
    >>> thresholded(Sums(A.T @ A, A.T @ y, y @ y), 0.05).round(9).tolist()
    [2.0, 0.0, -1.0]
    """
    sizes = np.sqrt(np.maximum(np.diag(sums.gram), 0.0))
    kept = np.flatnonzero(sizes > 0)
    while True:
        c = np.zeros(len(sizes))
        c[kept] = least_squares(sums.gram[np.ix_(kept, kept)], sums.moment[kept])
        share = np.abs(c[kept]) * sizes[kept] / np.sqrt(sums.square)
        large = share >= min(threshold, share.max(initial=0.0))
        if large.all():
            return c
        kept = kept[large]


def least_squares(gram: Array, moment: Array) -> Array:
    """The c of least norm, in columns of unit length, with AᵀA c = Aᵀy."""
    scale = 1.0 / np.sqrt(np.diag(gram))
    values, axes = np.linalg.eigh(gram * scale[:, None] * scale)
    seen = values > SINGULAR * max(values.max(initial=0.0), 0.0)
    turned = axes[:, seen].T @ (moment * scale)
    return np.asarray(scale * (axes[:, seen] @ (turned / values[seen])))


def choose_threshold(parts: Sequence[Sums], thresholds: Sequence[float] = THRESHOLDS) -> Choice:
    """The sparsest choice whose error on held-out parts is within one standard error of the least.

    Of all thresholds that keep as many terms as the largest such one, the middle is taken: no term is then close to it.

    Parameters
    ----------
    parts : sequence of Sums
        Of disjoint rows (of other trajectories); each is held out once.
    thresholds : sequence of float
        Shares to try.

    Notes
    -----
    The standard error is that of the paired difference over parts: the same rows are hard for all models.
    """
    tried = np.sort(np.asarray(thresholds, dtype=np.float64))
    total = sum_of(parts)
    errors = np.array([[part.error(thresholded(total.minus(part), t)) for part in parts] for t in tried])
    means = errors.mean(axis=1)
    least = int(means.argmin())
    deviations = (errors - errors[least]).std(axis=1, ddof=1) / np.sqrt(len(parts))
    good = np.flatnonzero(means <= means[least] + deviations + SINGULAR)
    sizes = np.array([np.count_nonzero(thresholded(total, t)) for t in tried])
    alike = good[sizes[good] == sizes[good[-1]]]
    return Choice(float(tried[alike[len(alike) // 2]]), tried, means, deviations, sizes)
