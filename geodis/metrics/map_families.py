"""Families of linear maps that are fitted to pairs of codes: orthogonal, rotations only, or any matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array


class AbstractMapFamily(ABC):
    """A set of matrices with its least-squares fit."""

    @abstractmethod
    def fit(self, source: Array, target: Array) -> Array:
        """The M (d, d) of the family that minimizes Σ|target − M source|² over centred rows (n, d)."""


@final
@dataclass(frozen=True)
class OrthogonalMap(AbstractMapFamily):
    """O(d): rotations and reflections, M = U Vᵀ of the singular value decomposition Σ target sourceᵀ = U S Vᵀ.

    References
    ----------
    Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 1966.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(9, 2))
    >>> np.allclose(OrthogonalMap().fit(z, z * [1.0, -1.0]), np.diag([1.0, -1.0]))
    True
    """

    def fit(self, source: Array, target: Array) -> Array:
        """The nearest orthogonal matrix."""
        u, _, vt = np.linalg.svd(target.T @ source)
        return np.asarray(u @ vt)


@final
@dataclass(frozen=True)
class RotationMap(AbstractMapFamily):
    """SO(d): M = U diag(1, …, 1, det UVᵀ) Vᵀ, Wahba's problem. A true reflection is charged.

    References
    ----------
    Wahba, "A least squares estimate of satellite attitude", SIAM Review 1965.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(9, 2))
    >>> round(float(np.linalg.det(RotationMap().fit(z, z * [1.0, -1.0]))), 12)
    1.0
    """

    def fit(self, source: Array, target: Array) -> Array:
        """The nearest rotation."""
        u, _, vt = np.linalg.svd(target.T @ source)
        # The least singular value is the cheapest one to give up.
        u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
        return np.asarray(u @ vt)


@final
@dataclass(frozen=True)
class LinearMap(AbstractMapFamily):
    """Any matrix, by least squares; with fewer rows than features, the one of least norm.

    Parameters
    ----------
    ridge : float
        Penalty as a fraction of the source's mean square a feature.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(9, 2))
    >>> np.allclose(LinearMap().fit(z, 3.0 * z), 3.0 * np.eye(2))
    True
    """

    ridge: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.ridge, bool) or not (np.isfinite(self.ridge) and self.ridge >= 0.0):
            raise ParameterError("LinearMap: ridge", "a finite fraction ≥ 0", self.ridge)

    def fit(self, source: Array, target: Array) -> Array:
        """The best matrix."""
        if self.ridge == 0.0:
            return np.asarray(np.linalg.lstsq(source, target, rcond=None)[0].T)
        d = source.shape[1]
        penalty = self.ridge * float((source**2).sum()) / d
        return np.asarray(np.linalg.solve(source.T @ source + penalty * np.eye(d), source.T @ target).T)
