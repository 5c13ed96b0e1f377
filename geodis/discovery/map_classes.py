"""Which linear maps a batch of pairs may share: any (ridge) or orthogonal ones (Procrustes), in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, final

import numpy as np

from geodis.discovery.batch_moments import BatchMoments
from geodis.errors import ParameterError
from geodis.linalg import Array

RANK = 1e-10  # eigenvalues of Σ z zᵀ below this share of the largest are rounding: the batch has no point there
RIDGES = (0.0, *np.geomspace(1e-6, 10.0, 15).tolist())  # fractions of the mean eigenvalue of Σ z zᵀ


class AbstractMapClass(ABC):
    """A set of linear maps with its best fit to second moments; the identity where a batch has no points."""

    @abstractmethod
    def solve(self, moments: BatchMoments) -> Array:
        """The best map of each batch `(B, D, D)`; never fails, whatever the rank of the moments."""

    @abstractmethod
    def tuned(self, folds: Sequence[BatchMoments]) -> AbstractMapClass:
        """The same class with its free constants chosen on disjoint parts of the pairs."""


@final
@dataclass(frozen=True)
class Ridge(AbstractMapClass):
    """Any matrix: M = I + (Σ gz zᵀ − Σ z zᵀ)(Σ z zᵀ + α s I)⁻¹, s the mean eigenvalue of Σ z zᵀ.

    The penalty pulls towards the identity, so directions in which a batch has no points stay where they are.

    Parameters
    ----------
    alpha : float, optional
        Strength α ≥ 0 of the penalty; None chooses the one of `RIDGES` that predicts left-out pairs best, one for all
        batches of the family.

    Notes
    -----
    Noise in the starting points z shrinks M, whatever α: by about s/(s + σ²) in a direction of variance s. `Procrustes`
    has no such bias.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(2, 4))  # two pairs in R⁴
    >>> M = Ridge(0.0).solve(BatchMoments.of(z, 2.0 * z, [0, 0]))[0]
    >>> np.allclose(z @ M.T, 2.0 * z), int(np.isclose(np.linalg.eigvals(M), 1.0).sum())
    (True, 2)
    """

    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.alpha is not None and not (np.isfinite(self.alpha) and self.alpha >= 0.0):
            raise ParameterError("Ridge: alpha", "a finite number ≥ 0, or None to choose it", self.alpha)

    def solve(self, moments: BatchMoments) -> Array:
        """The best map of each batch `(B, D, D)`."""
        alpha = 0.0 if self.alpha is None else self.alpha
        return _ridge(moments, *np.linalg.eigh(moments.zz), alpha)

    def tuned(self, folds: Sequence[BatchMoments]) -> Ridge:
        """The ridge that predicts left-out parts best, if none was given."""
        if self.alpha is not None:
            return self
        total = np.zeros(len(RIDGES))
        for k, held_out in enumerate(folds):
            rest = others(folds, k)
            values, axes = np.linalg.eigh(rest.zz)
            total += [held_out.errors(_ridge(rest, values, axes, alpha)).sum() for alpha in RIDGES]
        return Ridge(RIDGES[int(np.argmin(total))])


@final
@dataclass(frozen=True)
class Procrustes(AbstractMapClass):
    """Orthogonal matrices: M = U Vᵀ of the singular value decomposition Σ gz zᵀ = U S Vᵀ.

    Where Σ gz zᵀ has no rank, the part of V outside goes to the part of U outside by the rotation nearest to the
    identity. Reflections are allowed: a batch may share one.

    References
    ----------
    Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 1966.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(2, 4))
    >>> M = Procrustes().solve(BatchMoments.of(z, z, [0, 0]))[0]
    >>> np.allclose(M, np.eye(4))
    True
    """

    def solve(self, moments: BatchMoments) -> Array:
        """The best map of each batch `(B, D, D)`."""
        left, values, right = np.linalg.svd(moments.gz)
        out = left @ right
        size = np.sqrt(np.einsum("bii->b", moments.zz) * np.einsum("bii->b", moments.gg))
        rank = (values > RANK * np.maximum(values[:, :1], np.finfo(float).eps * size[:, None])).sum(axis=1)
        for b in np.flatnonzero(rank < moments.dim):
            r = rank[b]
            u, v = left[b][:, r:], right[b][r:]
            a, _, c = np.linalg.svd(u.T @ v.T)
            out[b] = left[b][:, :r] @ right[b][:r] + u @ a @ c @ v
        return np.asarray(out)

    def tuned(self, folds: Sequence[BatchMoments]) -> Procrustes:
        """Itself: there is nothing to choose."""
        return self


def others(folds: Sequence[BatchMoments], k: int) -> BatchMoments:
    """The sum of all parts but the k-th."""
    return reduce(add, [part for i, part in enumerate(folds) if i != k])


def ranks(zz: Array) -> Array:
    """Numerical rank (B,) of Σ z zᵀ: the dimension of the span of a batch's points."""
    values = np.linalg.eigvalsh(zz)
    return np.asarray((values > RANK * np.maximum(values[:, -1:], np.finfo(float).tiny)).sum(axis=1))


def _ridge(moments: BatchMoments, values: Array, axes: Array, alpha: Any) -> Array:
    penalty = alpha * np.maximum(values, 0.0).mean(axis=1, keepdims=True)
    alive = values > RANK * np.maximum(values[:, -1:], np.finfo(float).tiny)
    inverse = np.where(alive, 1.0 / np.where(alive, values + penalty, 1.0), 0.0)
    moved = (moments.gz - moments.zz) @ axes
    return np.asarray(np.eye(moments.dim) + (moved * inverse[:, None, :]) @ np.swapaxes(axes, 1, 2))
