"""Factor scores as plain formulas of an importance matrix (parts, factors), whatever it was measured with."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

from geodis.linalg import Array


def importance_gap(matrix: Array, capacity: Array) -> float:
    """Mean over factors of (largest − second largest importance)/capacity: MIG and SAP.

    Examples
    --------
    >>> importance_gap(np.array([[0.5, 0.0], [0.25, 1.0]]), np.array([1.0, 2.0]))
    0.375
    """
    ordered = np.sort(np.vstack([matrix, np.zeros(matrix.shape[1])]), axis=0)
    return float(np.mean((ordered[-1] - ordered[-2]) / capacity))


def disentanglement(matrix: Array) -> float:
    """Σ_i w_i (1 − H(R_i·/ΣR_i·)/log K), w_i the part's share of all importance: D of DCI; NaN for one factor.

    Examples
    --------
    >>> disentanglement(np.eye(2)), disentanglement(np.ones((2, 2)))
    (1.0, 0.0)
    """
    return _concentration(matrix)


def completeness(matrix: Array) -> float:
    """The same of the columns: C of DCI, 1 where each factor lives in one part; NaN for one part.

    Examples
    --------
    >>> completeness(np.array([[0.5, 0.0], [0.5, 0.0], [0.0, 0.5], [0.0, 0.5]]))
    0.5
    """
    return _concentration(matrix.T)


def modularity_of(matrix: Array) -> float:
    """Mean over parts of 1 − Σ_{k≠k*} R_ik²/(R_ik*²(K − 1)), 0 for parts that say nothing; NaN for one factor.

    Examples
    --------
    >>> modularity_of(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    0.3333333333333333
    """
    n_factors = matrix.shape[1]
    if n_factors < 2:
        return math.nan
    squares = matrix**2
    largest = squares.max(axis=1)
    rest = squares.sum(axis=1) - largest
    says = largest > 0.0
    return float(np.where(says, 1.0 - rest / np.where(says, largest * (n_factors - 1), 1.0), 0.0).mean())


def matched_mean(matrix: Array) -> float:
    """Mean over factors of the importance of the part matched to it, one part a factor, best in all: MCC of |corr|.

    Factors that are left without a part count as 0.

    Examples
    --------
    >>> matched_mean(np.array([[0.9, 0.8], [0.7, 0.0]]))
    0.75
    """
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return float(matrix[rows, columns].sum()) / matrix.shape[1]


def _concentration(matrix: Array) -> float:
    """Rows weighted by their sum: 1 − entropy over log of the number of columns; 0 where there is no importance."""
    width = matrix.shape[1]
    if width < 2:
        return math.nan
    total = float(matrix.sum())
    if not total > 0.0:
        return 0.0
    sums = matrix.sum(axis=1, keepdims=True)
    p = matrix / np.where(sums > 0.0, sums, 1.0)
    entropy = -(p * np.log(np.where(p > 0.0, p, 1.0))).sum(axis=1)
    return float(((1.0 - entropy / math.log(width)) * sums[:, 0]).sum() / total)
