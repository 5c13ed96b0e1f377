"""Few features out of many: orthogonal least squares, and the number of features that cross-validation asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.linalg import Array

MAX_TERMS = 40
ROUNDING = 1e-26  # of the targets' mean square: errors below are those of arithmetic, and ask for no more terms
DEPENDENT = 1e-10  # of a column's length: what is left of it when the chosen ones explain it


@final
@dataclass(frozen=True, eq=False)
class ForwardSelection:
    """Features in the order in which each, given those before, explains most of y; least squares on any first few.

    Attributes
    ----------
    chosen : tuple of int
        Columns of A.
    triangle, projections : ndarray (K, K), (K,)
        R and Qᵀy of the chosen columns.
    n_features : int
        Columns of A.
    """

    chosen: tuple[int, ...]
    triangle: Array
    projections: Array
    n_features: int

    @classmethod
    def of(cls, A: Array, y: Array, max_terms: int = MAX_TERMS) -> ForwardSelection:
        """Choose at most `max_terms` of the columns of A `(rows, features)` for y `(rows,)`."""
        left, rest = A.astype(np.float64), y.astype(np.float64)
        lengths = np.linalg.norm(A, axis=0)
        chosen: list[int] = []
        Q: list[Array] = []
        for _ in range(min(max_terms, *A.shape)):
            size = np.linalg.norm(left, axis=0)
            free = size > DEPENDENT * lengths
            free[chosen] = False
            if not free.any():
                break
            gain = np.where(free, np.abs(left.T @ rest) / np.where(free, size, 1.0), -1.0)
            best = int(np.argmax(gain))
            q = left[:, best] / size[best]
            # Once more: rounding has left a little of the columns before.
            for p in Q:
                q = q - p * (p @ q)
            q /= np.linalg.norm(q)
            left = left - q[:, None] * (q @ left)
            rest = rest - q * (q @ rest)
            chosen.append(best)
            Q.append(q)
        basis = np.array(Q).reshape(len(Q), len(y))
        return cls(tuple(chosen), np.triu(basis @ A[:, chosen]), basis @ y, A.shape[1])

    def weights(self, n_terms: int) -> Array:
        """Least squares on the first `n_terms` chosen columns, zero on the others."""
        k = min(n_terms, len(self.chosen))
        out = np.zeros(self.n_features)
        out[list(self.chosen[:k])] = np.linalg.solve(self.triangle[:k, :k], self.projections[:k])
        return out


def selection_errors(A: Array, y: Array, folds: Array, max_terms: int = MAX_TERMS) -> Array:
    """Squared errors `(max_terms + 1, N)` of A `(N, c, F)` on y `(N, c)`, each sample predicted without its fold.

    Row k is for k features, chosen without that fold too.
    """
    errors = np.zeros((max_terms + 1, len(A)))
    for fold in np.unique(folds):
        out, rest = folds == fold, folds != fold
        found = ForwardSelection.of(A[rest].reshape(-1, A.shape[-1]), y[rest].ravel(), max_terms)
        for k in range(max_terms + 1):
            errors[k, out] = ((A[out] @ found.weights(k) - y[out]) ** 2).sum(axis=1)
    return errors


def fewest(errors: Array) -> int:
    """The least number of features within one standard error of the best (Breiman et al., CART, 1984)."""
    means = errors.mean(axis=1)
    best = int(np.argmin(means))
    spread = float(errors[best].std(ddof=1)) / errors.shape[1] ** 0.5
    return int(np.argmax(means <= means[best] + spread + ROUNDING * means[0]))
