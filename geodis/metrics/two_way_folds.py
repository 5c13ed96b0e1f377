"""Ridge regression in which what is predicted shares neither item nor element with what was fitted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geodis.linalg import Array
from geodis.metrics.best_linear import RIDGES
from geodis.threads import one_blas_thread


class TwoWayFolds(NamedTuple):
    """The fold of each row's item and of its element, (N,) each; every fold has rows."""

    items: Array
    elements: Array


class _Grams(NamedTuple):
    """Σ xxᵀ and Σ xyᵀ of the rows of each (item fold, element fold)."""

    xx: Array
    xy: Array

    def without(self, item_fold: int, element_fold: int) -> _Sums:
        """Of the rows that share neither."""
        kept = np.ones(self.xx.shape[:2], dtype=bool)
        kept[item_fold], kept[:, element_fold] = False, False
        return _Sums(self.xx[kept].sum(axis=0), self.xy[kept].sum(axis=0))

    def among(self, item_fold: int, element_fold: int) -> _Sums:
        """Of the rows of that item fold whose elements are of another fold."""
        kept = np.arange(self.xx.shape[1]) != element_fold
        return _Sums(self.xx[item_fold, kept].sum(axis=0), self.xy[item_fold, kept].sum(axis=0))


class _Sums(NamedTuple):
    xx: Array
    xy: Array

    def less(self, other: _Sums) -> _Sums:
        return _Sums(self.xx - other.xx, self.xy - other.xy)

    def ridge(self, alpha: float) -> Array:
        """The coefficients (q + 1, r); the intercept is the last row and free."""
        q = len(self.xx) - 1
        mean = self.xx[-1, :q] / max(self.xx[-1, -1], 1.0)
        spread = float(np.trace(self.xx[:q, :q])) - float(self.xx[-1, -1] * mean @ mean)
        penalty = np.full(q + 1, alpha * max(spread, 0.0) / q + 1e-300)
        penalty[-1] = 0.0
        normal = self.xx + np.diag(penalty)
        try:
            return np.asarray(np.linalg.solve(normal, self.xy))
        except np.linalg.LinAlgError:  # dead features without a ridge
            return np.asarray(np.linalg.pinv(normal, hermitian=True) @ self.xy)

    def error(self, coefficients: Array) -> float:
        """Σ|y − Bᵀx|² less Σ|y|²."""
        return float((coefficients * (self.xx @ coefficients - 2.0 * self.xy)).sum())


@one_blas_thread
def held_out_predictions(x: Array, y: Array, folds: TwoWayFolds) -> tuple[Array, Array]:
    """Predictions of y (N, r) from x (N, q), and from nothing (the mean), by rows that share no fold with a row.

    The ridge is chosen on one more fold of items that is left out. Gram matrices are additive over folds, so that the
    rows are read once.
    """
    rows = np.concatenate([x - x.mean(axis=0), np.ones((len(x), 1))], axis=1)
    a, b = int(folds.items.max()) + 1, int(folds.elements.max()) + 1
    cells = [[np.flatnonzero((folds.items == i) & (folds.elements == j)) for j in range(b)] for i in range(a)]
    grams = _Grams(
        np.array([[rows[c].T @ rows[c] for c in line] for line in cells]),
        np.array([[rows[c].T @ y[c] for c in line] for line in cells]),
    )
    predicted, constant = np.empty_like(y), np.empty_like(y)
    for i in range(a):
        for j in range(b):
            train = grams.without(i, j)
            coefficients = train.ridge(_chosen(grams, train, i, j))
            predicted[cells[i][j]] = rows[cells[i][j]] @ coefficients
            constant[cells[i][j]] = train.xy[-1] / max(train.xx[-1, -1], 1.0)
    return predicted, constant


def _chosen(grams: _Grams, train: _Sums, item_fold: int, element_fold: int) -> float:
    """The ridge that predicts the next fold of items best."""
    if len(grams.xx) < 3:
        return RIDGES[2]
    next_fold = grams.among((item_fold + 1) % len(grams.xx), element_fold)
    rest = train.less(next_fold)
    return RIDGES[int(np.argmin([next_fold.error(rest.ridge(alpha)) for alpha in RIDGES]))]
