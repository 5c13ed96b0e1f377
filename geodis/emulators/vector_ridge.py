"""Vectors as fixed combinations of equivariant vector features: one ridge solve, chosen on boxes left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.threads import one_blas_thread

RIDGES = tuple(10.0**p for p in range(-8, 1))  # shares of the mean square of a feature
FOLDS = 4
ALONE = 1e-2  # the ridge where a single box leaves none to choose on


class Weights(NamedTuple):
    """Of features, and how they came about.

    Attributes
    ----------
    values : ndarray (F,)
        One number a feature: a combination of vectors with fixed scalars is as equivariant as they are.
    ridge : float
        The chosen ridge, a share of each feature's mean square.
    held_out : float
        Unexplained share of the vectors' squares in the folds left out, at that ridge; NaN where none was.
    """

    values: Array
    ridge: float
    held_out: float


@one_blas_thread
def vector_weights(
    features: Iterable[Array], vectors: Iterable[Array], ridges: Sequence[float] = RIDGES, alone: float = ALONE
) -> Weights:
    """Weights w of Σ|Σ_a w_a F_a − v|² + ridge, the ridge chosen on items left out: `(n, d, F)`, `(n, d)` an item.

    Features are divided by their root mean squares first. Items are dealt into at most four folds; only the folds'
    moments are kept, so that any number of items fits into memory.

    Parameters
    ----------
    features, vectors : iterables of arrays
        Of each item (box): features `(n, d, F)` and true vectors `(n, d)`.
    ridges : sequence of float
        Candidates, shares of the features' mean squares.
    alone : float
        The ridge of a single item.

    Raises
    ------
    LengthError, DesignError
        For items of different lengths, or none.

    Examples
    --------
    >>> f = np.random.default_rng(0).standard_normal((5, 40, 3, 2))
    >>> vector_weights(f, f @ [2.0, -1.0]).values.round(6).tolist()
    [2.0, -1.0]
    """
    moments: list[tuple[Array, Array, float, int]] = []
    for i, (f, v) in enumerate(zip(features, vectors, strict=True)):
        if f.shape[:-1] != v.shape:
            raise LengthError(features=len(f), vectors=len(v))
        rows, target = f.reshape(-1, f.shape[-1]), v.reshape(-1)
        new = rows.T @ rows, rows.T @ target, float(target @ target), len(target)
        if i < FOLDS:
            moments.append(new)
        else:
            g, b, y, n = moments[i % FOLDS]
            moments[i % FOLDS] = g + new[0], b + new[1], y + new[2], n + new[3]
    if not moments:
        raise DesignError("Weights of features: expected at least one item to fit, got none.")
    gram = np.sum([m[0] for m in moments], axis=0)
    cross = np.sum([m[1] for m in moments], axis=0)
    n_rows = sum(m[3] for m in moments)
    scale = np.sqrt(np.diag(gram) / n_rows)
    scale[scale == 0] = 1.0
    chosen, left = alone, np.nan
    if len(moments) > 1:
        errors = np.sum([_errors_without(m, gram, cross, n_rows, scale, ridges) for m in moments], axis=0)
        best = int(np.argmin(errors))
        chosen, left = ridges[best], float(errors[best] / max(sum(m[2] for m in moments), 1e-300))
    return Weights(_solved(gram, cross, n_rows, scale, [chosen])[0], chosen, left)


def _errors_without(
    fold: tuple[Array, Array, float, int], gram: Array, cross: Array, n: int, scale: Array, ridges: Sequence[float]
) -> Array:
    """Squared errors in a fold of the weights that the others give, one a ridge."""
    g, b, y, m = fold
    w = _solved(gram - g, cross - b, n - m, scale, ridges)
    return y - 2 * w @ b + np.einsum("rf,fg,rg->r", w, g, w, optimize=True)


def _solved(gram: Array, cross: Array, n: int, scale: Array, ridges: Sequence[float]) -> Array:
    """Weights `(len(ridges), F)` by one eigendecomposition for all ridges."""
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale) / n)
    inside = vectors.T @ (cross / scale / n)
    damped = np.maximum(values, 0.0) + np.asarray(ridges)[:, None]
    return (inside / damped) @ vectors.T / scale


class AbstractTracerEstimator(BaseEstimator, ABC):
    """Vectors that tracers in a periodic box carry, from their positions: `fit`, `predict`, `score`."""

    box: float
    verbose: bool

    @abstractmethod
    def fit(self, positions: Any, vectors: Any) -> Self:
        """Learn from boxes `(boxes, n, 3)` of positions and of vectors."""

    @abstractmethod
    def predict(self, positions: Any) -> Array:
        """Vectors `(boxes, n, 3)` at positions `(boxes, n, 3)`."""

    def score(self, positions: Any, vectors: Any) -> float:
        """R² = 1 − Σ|v − v̂|² / Σ|v − v̄|² over all tracers of all boxes."""
        return explained(vectors, self.predict(positions))


class AbstractFeatureRidge(AbstractTracerEstimator):
    """An estimator whose features do not depend on what was fitted: a subclass computes those of one box."""

    weights_: Array
    ridge_: float
    held_out_: float

    @abstractmethod
    def _features(self, positions: Array) -> Array:
        """Of one box: `(n, 3)` → `(n, 3, F)`."""

    def fit(self, positions: Any, vectors: Any) -> Self:
        """Closed-form weights from boxes `(boxes, n, 3)` of positions and of vectors."""
        x, v = as_tracers(positions, self.box), as_vectors(vectors, positions)
        rows = (self._features(p) for p in tqdm(x, desc=type(self).__name__, disable=not self.verbose))
        found = vector_weights(rows, v)
        self.weights_, self.ridge_, self.held_out_ = found
        return self

    def predict(self, positions: Any) -> Array:
        """Vectors `(boxes, n, 3)` at positions `(boxes, n, 3)`."""
        check_is_fitted(self, "weights_")
        return np.stack([self._features(p) @ self.weights_ for p in as_tracers(positions, self.box)])


def explained(true: Any, predicted: Any) -> float:
    """R² of vectors `(..., 3)`: 1 − Σ|v − v̂|² / Σ|v − v̄|², v̄ the mean of all.

    Raises
    ------
    ShapeError, FiniteError
        For different shapes, or NaN.

    Examples
    --------
    >>> v = np.eye(3)
    >>> explained(v, v), round(explained(v, np.zeros((3, 3))), 6)
    (1.0, -0.5)
    """
    v, w = (np.asarray(to_numpy(x), dtype=np.float64) for x in (true, predicted))
    if v.shape != w.shape:
        raise ShapeError("predicted", f"{v.shape} as the true vectors", w.shape)
    check_finite(v, "true vectors")
    check_finite(w, "predicted vectors")
    return float(1 - ((v - w) ** 2).sum() / ((v - v.mean(axis=tuple(range(v.ndim - 1)))) ** 2).sum())


# --- reading what users give ------------------------------------------------------------------------------------------
def as_tracers(positions: Any, box: float) -> Array:
    """Positions `(boxes, n, 3)` in float64, or the named error."""
    if isinstance(box, bool) or not isinstance(box, (int, float, np.integer, np.floating)) or not 0 < box < np.inf:
        raise ParameterError("box", "a positive length", repr(box))
    return _finite(positions, "positions")


def as_vectors(vectors: Any, positions: Any) -> Array:
    """Vectors of the same shape as the positions, or the named error."""
    v, shape = _finite(vectors, "vectors"), to_numpy(positions).shape
    if v.shape != shape:
        raise ShapeError("vectors", f"{shape}, one a position", v.shape)
    return v


def _finite(x: Any, what: str) -> Array:
    array = np.asarray(to_numpy(x), dtype=np.float64)
    if array.ndim != 3 or array.shape[-1] != 3 or 0 in array.shape:
        raise ShapeError(what, "(boxes, n, 3), nothing empty", array.shape)
    check_finite(array, what)
    return array
