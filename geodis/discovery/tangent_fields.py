"""Infinitesimal motions x ↦ Ax + b, A ∈ so(r), tangent to a cloud: the null space of the form Σ|N(x)(Ax + b)|².

N(x) holds vectors normal to the cloud at x: from local principal components (Lie-PCA), or the gradients of polynomials
that vanish on it. The null space is a Lie algebra; what A moves about is the common fixed point of its elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.linalg import eigh

from geodis.discovery.vanishing_polynomials import gap_count
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

STEEPEST = 0.3  # sine of the angle from which on a field is certainly not tangent
CLOSED = 0.1  # share of the largest bracket below which one counts as none


@final
@dataclass(frozen=True, eq=False)
class TangentFields:
    """The fields x ↦ Ax + b that are tangent to a cloud.

    Attributes
    ----------
    matrices : ndarray (k, r, r)
        Skew A of unit Frobenius norm, orthogonal to each other.
    centre : ndarray (r,)
        The point where they all vanish, in the least-squares sense; the mean of the cloud where there is no field.
    angles : ndarray (r(r + 1)/2,)
        Sine of the root-mean-square angle between a field and the tangent spaces, ascending.
    """

    matrices: Array
    centre: Array
    angles: Array

    def derived(self) -> Array:
        """The span of all brackets, orthonormal: (j, r, r). It is 0 for a torus, all for so(3)."""
        k, r = self.matrices.shape[:2]
        products = np.einsum("aij,bjk->abik", self.matrices, self.matrices)
        brackets = (products - products.swapaxes(0, 1))[np.triu_indices(k, 1)].reshape(-1, r * r)
        if not len(brackets):
            return np.zeros((0, r, r))
        _, sizes, basis = np.linalg.svd(brackets, full_matrices=False)
        return np.asarray(basis[sizes > CLOSED].reshape(-1, r, r))

    def __repr__(self) -> str:
        shown = ", ".join(f"{a:.2g}" for a in self.angles[: len(self.matrices) + 1])
        return f"TangentFields({len(self.matrices)} in R^{len(self.centre)}; angles {shown}, …)"


def tangent_form(points: Array, normals: Array) -> tuple[Array, Array]:
    """The forms Σ|N(x)f(x)|²/n and Σ|f(x)|²/n on the fields f = Ax + b.

    Parameters
    ----------
    points : array (n, r)
    normals : array (n, p, r)
        Normal vectors at each point; rows that are zero weigh nothing.

    Returns
    -------
    numerator, denominator : ndarray (r(r + 1)/2, r(r + 1)/2)
        On the coefficients of E_ij − E_ji, i > j, in the order of `skew_basis`, then those of b.

    Raises
    ------
    ShapeError, FiniteError
        For normals that do not belong to the points, NaN.
    """
    x, N = real_array(points, "points", ("n", "d")), np.asarray(to_numpy(normals), dtype=np.float64)
    if N.ndim != 3 or (len(N), N.shape[2]) != x.shape:
        raise ShapeError("normals", f"({len(x)}, p, {x.shape[1]})", N.shape, "A list of normal vectors for each point.")
    check_finite(N, "normals")
    turns = np.einsum("aij,nj->nai", skew_basis(x.shape[1]), x)
    shifts = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1]))
    fields = np.concatenate([turns, shifts], axis=1)
    across = np.einsum("npi,nai->npa", N, fields, optimize=True).reshape(-1, fields.shape[1])
    along = fields.transpose(0, 2, 1).reshape(-1, fields.shape[1])
    return across.T @ across / len(x), along.T @ along / len(x)


def tangent_fields(points: Array, normals: Array, *, steepest: float = STEEPEST, noise: float = 0.01) -> TangentFields:
    """The Lie algebra of rigid motions tangent to a cloud.

    Parameters
    ----------
    points : array (n, r)
        A cloud that spans its space.
    normals : array (n, p, r)
        Normal vectors at its points, E Σ|n|² = p or less.
    steepest : float
        Largest sine of the angle between a tangent field and the tangent spaces.
    noise : float
        Angles below it are not told apart: the count of fields is where the ratio of consecutive ones is largest.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For normals that do not belong to the points, NaN, an option outside its range.

    References
    ----------
    Cahill, Mixon, Parshall, Lie PCA: density estimation for symmetric manifolds (2023); Ennes, Tinarrage, LieDetect
    (2025).

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> fields = tangent_fields(x + 5.0, x[:, None])  # a sphere about (5, 5, 5)
    >>> fields.matrices.shape, fields.centre.round(6)
    ((3, 3, 3), array([5., 5., 5.]))
    """
    if not 0.0 < steepest <= 1.0:
        raise ParameterError("steepest", "a sine between 0 and 1", steepest)
    x = real_array(points, "points", ("n", "d"))
    mean = x.mean(axis=0)
    above, below = tangent_form(x - mean, normals)
    squared, vectors = eigh(above, below)
    angles = np.sqrt(np.maximum(squared, 0.0))
    k = gap_count(angles, steepest, noise) if angles[-1] > 0 else 0
    n_turns = len(above) - x.shape[1]
    turns = np.einsum("ak,aij->kij", vectors[:n_turns, :k], skew_basis(x.shape[1]))
    centre = mean + _common_zero(turns, vectors[n_turns:, :k].T)
    return TangentFields(_orthonormal(turns), centre, angles)


def skew_basis(r: int) -> Array:
    """E_ij − E_ji for i > j: (r(r − 1)/2, r, r)."""
    rows, columns = np.tril_indices(r, -1)
    out = np.zeros((len(rows), r, r))
    out[np.arange(len(rows)), rows, columns] = 1.0
    out[np.arange(len(rows)), columns, rows] = -1.0
    return out


def _common_zero(turns: Array, shifts: Array) -> Array:
    """The c of least norm that minimises Σ|A c + b|²."""
    if not len(turns):
        return np.zeros(turns.shape[1])
    stacked = turns.reshape(-1, turns.shape[2])
    return np.asarray(np.linalg.lstsq(stacked, -shifts.ravel(), rcond=1e-3)[0])


def _orthonormal(turns: Array) -> Array:
    k, r = turns.shape[:2]
    _, _, basis = np.linalg.svd(turns.reshape(k, r * r), full_matrices=False)
    return np.asarray(basis.reshape(-1, r, r))
