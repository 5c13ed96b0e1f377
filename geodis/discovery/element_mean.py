"""The Fréchet mean of several estimates of one group element, weighted by how sure each of them is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.stats import chi2, norm

from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups import SO3, AbstractGroup
from geodis.linalg import Array, check_finite, to_numpy
from geodis.orbits import as_params

ITERATIONS = 200
SMALL = 1e-12
WIDE = np.pi / 2  # beyond this distance from the mean, a compact group may have another mean
DISAGREE = 1e-3  # p-value of the scatter of estimates with known precision


@final
@dataclass(frozen=True, eq=False)
class MeanElement:
    """m with Σ w_i log(g_i m⁻¹) = 0, the Fréchet mean, and how sure it is.

    Attributes
    ----------
    group : AbstractGroup
    params : ndarray (q,)
    covariance : ndarray (k, k)
        Of ξ, m̂ = exp(ξ)m: (ΣJ_i)⁻¹ for precisions J_i, else from the scatter of the estimates; NaN for one estimate.
    spread : float
        Root mean square distance of the estimates from the mean.
    n : int
    status : {"ok", "insufficient", "undecided", "disagree"}
        ``insufficient`` for one estimate without a precision, ``undecided`` when estimates lie so far apart that the
        mean need not be unique, ``disagree`` when they scatter more than their precisions allow.
    """

    group: AbstractGroup
    params: Array
    covariance: Array
    spread: float
    n: int
    status: str

    def interval(self, level: float = 0.95) -> Array:
        """Half widths of the intervals of ξ `(k,)`."""
        if not 0.0 < level < 1.0:
            raise ParameterError("level", "a level between 0 and 1", level)
        return np.asarray(norm.isf((1.0 - level) / 2.0) * np.sqrt(np.diag(self.covariance)))

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.4g}" for value in self.params)
        return f"MeanElement({self.group!r}: ({values}) of {self.n}, spread {self.spread:.2g}; status {self.status})"


def mean_element(params: Any, group: AbstractGroup, weights: Any = None) -> MeanElement:
    """The Fréchet mean of elements `(N, q)`: m ← exp(Σ w_i log(g_i m⁻¹)) m from the medoid.

    For bi-invariant metrics (compact groups) it minimizes Σ w_i d(g_i, m)²; for others it is the group-exponential
    barycenter, which commutes with left and right translations.

    Parameters
    ----------
    params : array (N, q)
    group : AbstractGroup
        With a Lie algebra.
    weights : array (N,) or (N, k, k), optional
        Weights, or precisions (the `information` of an `ElementEstimate`) of ξ_i, g_i = exp(ξ_i)g.

    Raises
    ------
    ParameterError, ShapeError, FiniteError, LengthError
    DesignError
        For precisions that together leave a direction free.

    References
    ----------
    Pennec, Arsigny (2013), "Exponential barycenters of the canonical Cartan connection and invariant means on Lie
    groups".

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> np.abs(mean_element([[3.0], [-3.0]], SO2()).params).round(4).tolist()
    [3.1416]
    """
    elements, given = _read(params, group, weights)
    precisions = _precisions(given, len(elements), group.tangent_dim)
    total = precisions.sum(axis=0)
    if np.linalg.cond(total) > 1e12:
        raise DesignError(
            "mean_element: expected weights that tell every direction of the algebra, some are left free."
        )
    mean = elements[_medoid(elements, group)]
    for _ in range(ITERATIONS):
        xi = _logs(elements, mean, group)
        step = np.linalg.solve(total, np.einsum("nij,nj->i", precisions, xi))
        mean = np.asarray(group.compose(group.exp(step[None]), mean[None]))[0]
        if np.linalg.norm(step) < SMALL:
            break
    xi = _logs(elements, mean, group)
    return _result(group, mean, xi, precisions, total, given.ndim == 3)


def geomstats_mean(params: Any, weights: Any = None) -> MeanElement:
    """The mean of rotations of space by geomstats' Riemannian gradient descent: a check of `mean_element`, slower.

    Parameters
    ----------
    params : array (N, 3)
        Rotation vectors.
    weights : array (N,), optional
    """
    elements, given = _read(params, SO3(), weights)
    if given.ndim != 1:
        raise ShapeError("weights", f"({len(elements)},)", given.shape)
    with _state_kept():
        from geomstats.geometry.special_orthogonal import SpecialOrthogonal
        from geomstats.learning.frechet_mean import FrechetMean

        found = FrechetMean(SpecialOrthogonal(n=3, point_type="vector"))
        found.set(max_iter=ITERATIONS, epsilon=1e-12)
        mean = np.asarray(found.fit(elements, weights=given).estimate_).reshape(3)
    precisions = _precisions(given, len(elements), 3)
    return _result(SO3(), mean, _logs(elements, mean, SO3()), precisions, precisions.sum(axis=0), False)


def _read(params: Any, group: AbstractGroup, weights: Any) -> tuple[Array, Array]:
    if not isinstance(group, AbstractGroup) or not group.tangent_dim:
        raise ParameterError("group", "a group with a Lie algebra, such as SO3()", repr(group))
    elements = as_params(params, group)
    group.check(elements)
    if not len(elements):
        raise ShapeError("params", f"(N, {group.n_params}), N at least 1", elements.shape)
    given = np.ones(len(elements)) if weights is None else to_numpy(weights).astype(np.float64)
    check_finite(given, "weights")
    k = group.tangent_dim
    if given.shape not in ((len(elements),), (len(elements), k, k)):
        if given.ndim in (1, 3) and len(given) != len(elements):
            raise LengthError(params=len(elements), weights=len(given))
        raise ShapeError("weights", f"({len(elements)},) or ({len(elements)}, {k}, {k})", given.shape)
    if given.ndim == 1 and ((given < 0).any() or given.sum() <= 0):
        raise ParameterError("weights", "weights ≥ 0, not all zero", given.tolist())
    return elements, given


def _precisions(given: Array, n: int, k: int) -> Array:
    return given if given.ndim == 3 else np.broadcast_to(np.eye(k), (n, k, k)) * given[:, None, None]


def _logs(elements: Array, mean: Array, group: AbstractGroup) -> Array:
    """ξ_i with g_i = exp(ξ_i)m."""
    return np.asarray(group.log(group.compose(elements, group.inverse(mean[None]))))


def _medoid(elements: Array, group: AbstractGroup) -> int:
    """The element that is nearest to the others, of at most 64 that are tried."""
    tried = range(0, len(elements), max(1, len(elements) // 64))
    return min(tried, key=lambda i: float((_logs(elements, elements[i], group) ** 2).sum()))


def _result(
    group: AbstractGroup, mean: Array, xi: Array, precisions: Array, total: Array, precise: bool
) -> MeanElement:
    n, k = xi.shape
    inverse = np.linalg.inv(total)
    if precise:
        covariance = inverse
    else:
        # Sandwich: the scatter of the estimates, whatever the weights; n/(n − 1) for the mean that was fitted.
        pulls = np.einsum("nij,nj->ni", precisions, xi)
        covariance = inverse @ (pulls.T @ pulls) @ inverse * n / (n - 1) if n > 1 else np.full((k, k), np.nan)
    distance = np.linalg.norm(xi, axis=1)
    scatter = float(np.einsum("ni,nij,nj->", xi, precisions, xi))
    if n == 1 and not precise:
        status = "insufficient"
    elif group.compact and distance.max() > WIDE:
        status = "undecided"
    elif precise and n > 1 and chi2.sf(scatter, (n - 1) * k) < DISAGREE:
        status = "disagree"
    else:
        status = "ok"
    return MeanElement(group, mean, covariance, float(np.sqrt(np.mean(distance**2))), n, status)


@contextmanager
def _state_kept() -> Iterator[None]:
    """Undo what importing geomstats does: it configures the root logger."""
    import logging

    root = logging.getLogger("root").root
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
