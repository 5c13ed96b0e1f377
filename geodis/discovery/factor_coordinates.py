"""Coordinates of one factor: smooth functions on the cloud that do not change along the other factors.

Diffusion maps give the smoothest functions u_1, …, u_K of the whole manifold; on a product many of them mix factors. A
function of factor f alone has no gradient along the others, so the combinations Σ c_k u_k with the least share of
gradient there are found as a small generalised eigenproblem, and the smoothest of them are the coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import eigsh

from geodis.discovery.neighbour_graph import nearest
from geodis.discovery.tangent_frames import CHUNK, near_weights, quadratic_fit
from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

N_FUNCTIONS = 48  # smooth functions that are combined
PURE = 0.3  # of the share of gradient along other factors that a function of random direction has


@final
@dataclass(frozen=True, eq=False)
class FactorCoordinates:
    """Coordinates of a factor, at the fitted points and, by calling, at new ones.

    Parameters
    ----------
    values : array (n, q)
        Coordinates of the fitted points, of unit variance, smoothest first.
    impurity : array (q,)
        Share of each coordinate's squared gradient that lies along other factors.
    chance : float
        That share for a function whose gradient has no preferred direction.
    """

    values: Array
    impurity: Array
    chance: float
    _points: Array
    _scale: float
    _density: Array
    _lifted: Array
    _n_near: int

    def __call__(self, points: Any) -> Array:
        """Coordinates (m, q) of new points (m, D), by Nyström's formula on the fitted ones.

        Raises
        ------
        ShapeError, ParameterError, FiniteError
            For points of another space, or NaN.
        """
        new = real_array(points, "points", ("n", self._points.shape[1]))
        distances, indices = nearest(self._points, new, self._n_near)
        weights = np.exp(-np.square(distances / self._scale) / 2) / self._density[indices]
        # Far from all fitted points every weight underflows: the nearest then stands for the place.
        weights[:, 0] += np.finfo(float).tiny
        return np.asarray(np.einsum("mk,mkq->mq", weights / weights.sum(axis=1, keepdims=True), self._lifted[indices]))

    def __repr__(self) -> str:
        shares = ", ".join(f"{share:.2f}" for share in self.impurity)
        return f"FactorCoordinates({self.values.shape[1]} components, impurity {shares}; chance {self.chance:.2f})"


def factor_coordinates(
    points: Array, subspaces: tuple[Array, ...], factor: int, n_components: int | None, n_neighbors: int, seed: int = 0
) -> FactorCoordinates:
    """Coordinates of a factor; d_f + 1 of them by default, as a sphere needs, and fewer where fewer are pure.

    Raises
    ------
    ParameterError
        For less than one component.
    """
    if n_components is not None and n_components < 1:
        raise ParameterError("n_components", "at least 1", n_components)
    d = [basis.shape[2] for basis in subspaces]
    wanted = n_components or d[factor] + 1
    chance = 1.0 - d[factor] / sum(d)
    distances, indices = (a[:, 1:] for a in nearest(points, points, n_neighbors + 1))
    scale, density, values, functions = _diffusion(distances, indices, max(N_FUNCTIONS, 4 * wanted), seed)
    combination, impurity = _pure(points, indices, subspaces, factor, functions, 1.0 - values, chance, wanted)
    found = functions @ combination
    size = np.maximum(found.std(axis=0), np.finfo(float).tiny)
    lifted = (functions / values) @ combination / size
    return FactorCoordinates(found / size, impurity, chance, points, scale, density, lifted, n_neighbors)


def _diffusion(distances: Array, indices: Array, count: int, seed: int) -> tuple[float, Array, Array, Array]:
    """Scale, density, eigenvalues and eigenfunctions of the diffusion map with the density divided out."""
    n, k = indices.shape
    scale = float(np.median(distances[:, k // 2]))
    rows = np.repeat(np.arange(n), k)
    kernel = csr_matrix((np.exp(-np.square(distances / scale) / 2).ravel(), (rows, indices.ravel())), shape=(n, n))
    kernel = kernel.maximum(kernel.T)
    density = np.asarray(kernel.sum(axis=1)).ravel()
    kernel = diags(1 / density) @ kernel @ diags(1 / density)
    root = np.sqrt(np.asarray(kernel.sum(axis=1)).ravel())
    start = np.random.default_rng(seed).normal(size=n)
    mean = csr_matrix(diags(1 / root) @ kernel @ diags(1 / root))
    values, vectors = eigsh(mean, k=min(count + 1, n - 2), which="LA", v0=start, tol=1e-5)
    order = np.argsort(-values)[1:]
    kept = order[values[order] > 0.05]  # Nyström divides by them
    return scale, density, values[kept], vectors[:, kept] / root[:, None] * np.sqrt(n)


def _pure(
    points: Array, indices: Array, subspaces: tuple[Array, ...], factor: int, functions: Array, rates: Array,
    chance: float, wanted: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Combinations (K, q) of functions without gradient along other factors, smoothest first, and their impurity."""
    own, other = _gradient_grams(points, indices, subspaces, factor, functions)
    if chance == 0.0:
        return np.eye(len(rates))[:, :wanted], np.zeros(min(wanted, len(rates)))
    total = own + other
    shares, vectors = eigh(other, total + 1e-9 * np.trace(total) / len(total) * np.eye(len(total)))
    pure = vectors[:, shares < max(PURE * chance, float(shares[0]) + 1e-12)]
    gram = functions.T @ functions / len(functions)
    _, turn = eigh(pure.T @ (gram * np.sqrt(np.outer(rates, rates))) @ pure, pure.T @ gram @ pure)
    chosen = pure @ turn[:, :wanted]
    part, whole = (np.einsum("kq,kl,lq->q", chosen, gram_, chosen) for gram_ in (other, total))
    return chosen, part / whole


def _gradient_grams(
    points: Array, indices: Array, subspaces: tuple[Array, ...], factor: int, functions: Array
) -> tuple[Array, Array]:
    """Mean products of gradients (K, K), along the factor and along the others."""
    frames = np.concatenate(subspaces, axis=2)
    labels = np.repeat(np.arange(len(subspaces)), [basis.shape[2] for basis in subspaces])
    own = other = np.zeros((functions.shape[1],) * 2)
    for s in range(0, len(points), CHUNK // 4):
        part = slice(s, s + CHUNK // 4)
        offsets = (points[indices[part]] - points[part, None]) @ frames[part]
        changes = functions[indices[part]] - functions[part, None]
        slopes = quadratic_fit(np.concatenate([offsets, changes], axis=2), near_weights(offsets), frames.shape[2])[0]
        mine, theirs = (
            slopes[:, mask].reshape(-1, functions.shape[1]) for mask in (labels == factor, labels != factor)
        )
        own, other = own + mine.T @ mine, other + theirs.T @ theirs
    return own, other
