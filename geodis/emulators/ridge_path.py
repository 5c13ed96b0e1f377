"""Least squares for all ridges from one singular value decomposition, and the ridge that cross-validation prefers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from geodis.linalg import Array

# Of the largest singular value squared. Zero is the pseudo-inverse: exact laws are found exactly.
RIDGES = (0.0, *(10.0**k for k in range(-16, 2)))


@final
@dataclass(frozen=True, eq=False)
class RidgePath:
    """argmin |y − Aw|² + ρσ₁²|w|² for any ρ, σ₁ the largest singular value of A; the shortest minimiser for ρ = 0."""

    left: Array  # Uᵀy
    sizes: Array
    right: Array

    @classmethod
    def of(cls, A: Array, y: Array) -> RidgePath:
        """Decompose A `(rows, features)` for targets y `(rows,)`."""
        # The small triangle has the singular values of the tall matrix; both steps are backward stable.
        Q, R = np.linalg.qr(A) if len(A) > A.shape[1] else (None, A)
        U, sizes, Vt = np.linalg.svd(R, full_matrices=False)
        return cls(U.T @ (y if Q is None else Q.T @ y), sizes, Vt)

    @property
    def rank(self) -> int:
        """How many directions of the features the rows determine."""
        return int((self.sizes > self._cut).sum())

    @property
    def _cut(self) -> float:
        return float(np.finfo(float).eps * max(self.right.shape) * self.sizes.max(initial=0.0))

    def weights(self, ridge: float) -> Array:
        """The minimiser for this ρ."""
        kept = self.sizes > self._cut
        s = self.sizes[kept]
        strength = s / (s**2 + ridge * self.sizes.max(initial=0.0) ** 2)
        return self.right[kept].T @ (strength * self.left[kept])


class CrossValidated(NamedTuple):
    """Squared errors of left-out samples `(ridges, samples)`, summed over the components of a target."""

    ridges: tuple[float, ...]
    errors: Array

    @property
    def best(self) -> int:
        """The place of the least mean error."""
        return int(np.argmin(self.errors.mean(axis=1)))


def cross_validated(A: Array, y: Array, folds: Array, ridges: Sequence[float]) -> CrossValidated:
    """Errors of A `(N, c, F)` on targets y `(N, c)`, each sample predicted without its fold `(N,)`."""
    errors = np.zeros((len(ridges), len(A)))
    for fold in np.unique(folds):
        out, rest = folds == fold, folds != fold
        path = RidgePath.of(A[rest].reshape(-1, A.shape[-1]), y[rest].ravel())
        for i, ridge in enumerate(ridges):
            errors[i, out] = ((A[out] @ path.weights(ridge) - y[out]) ** 2).sum(axis=1)
    return CrossValidated(tuple(ridges), errors)
