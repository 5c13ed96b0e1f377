"""Generators as one conjugate of fixed ones, L_k = S A_k S⁻¹ with A_k in the double commutant: S by maximum likelihood.

All generators share the unknown coordinates S, so that k of them fix it k-fold. A step S ← exp(X) S is the linear
weighted problem of `generator_likelihood` in X, along L_k + [X, L_k]: p² unknowns instead of k D p. What commutes with
all generators moves nothing and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np
from scipy.linalg import expm

from geodis.discovery.batch_operators import BatchOperators, completed
from geodis.discovery.commutant import Commutant, commutant, double_commutant
from geodis.discovery.generator_likelihood import SpanFit, elements_of, solve_rows_within
from geodis.discovery.generator_span import Whitening, orthonormal
from geodis.linalg import Array

IDLE = 1e-10  # curvature below this share of the largest is none


@final
@dataclass(frozen=True, eq=False, repr=False)
class OrbitFit:
    """A fit whose generators lie in one conjugate of their double commutant.

    Parameters
    ----------
    fit : SpanFit
        The fit.
    first, second : Commutant
        The commutant, and the double commutant, in coordinates where the points are white.
    algebra : array (m, D, p)
        Upper rows of a basis of the double commutant, in the data's coordinates.
    problem : Conjugation or None
        The problem whose solution the fit is, at the fit: for the bootstrap. None where nothing was found.
    """

    fit: SpanFit
    first: Commutant
    second: Commutant
    algebra: Array
    problem: Conjugation | None

    @property
    def found(self) -> bool:
        """Whether both commutants show a clear gap; else `fit` is what was given."""
        return self.second.status == "ok"


def on_orbit(operators: BatchOperators, whiten: Whitening, fit: SpanFit, noise: float) -> OrbitFit:
    """Project onto the double commutant, then take one step to the conjugate that fits best.

    A second step moved the angle by less than a twentieth of it, where tried.

    Parameters
    ----------
    operators, whiten
        The data.
    fit : SpanFit
        Generators by maximum likelihood.
    noise : float
        Error of their span [rad].
    """
    d, inverse = fit.rows.shape[1], np.linalg.inv(whiten.right)
    white = orthonormal(inverse @ completed(fit.rows) @ whiten.right)
    first = commutant(white, noise=noise)
    second = double_commutant(first, at_least=len(white))
    algebra = whiten.right @ second.basis @ inverse
    if second.status != "ok":
        return OrbitFit(fit, first, second, algebra[:, :d], None)
    rows = solve_rows_within(fit, fit.elements, whiten.left, algebra[:, :d])
    fit = elements_of(operators, whiten, rows, fit.elements)
    problem = Conjugation.of(fit, whiten, first.dim)
    S = expm(problem.solve())
    back = np.linalg.inv(S)
    algebra, full = S @ algebra @ back, S @ completed(fit.rows) @ back
    fit = elements_of(operators, whiten, full[:, :d], fit.elements)
    return OrbitFit(fit, first, second, algebra[:, :d], replace(problem, fit=fit))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Conjugation:
    """The problem min over X of Σ_b ‖Σ^{-1/2}(Y_b − Σ_k t_bk (L_k + [X, L_k])) S_b^{1/2}‖², solved for any weights.

    Parameters
    ----------
    fit : SpanFit
        Where X = 0.
    precision : array (p, p)
        Σ⁻¹, zero in the row that has no noise.
    values, vectors : array (q,), (p², q)
        Of its quadratic form, without the directions that move nothing.
    """

    fit: SpanFit
    precision: Array
    values: Array
    vectors: Array

    @classmethod
    def of(cls, fit: SpanFit, whiten: Whitening, n_idle: int) -> Self:
        """The problem at a fit whose generators have a commutant of dimension `n_idle`."""
        L, t, (d, p) = completed(fit.rows), fit.elements, fit.rows.shape[1:]
        precision = np.zeros((p, p))
        precision[:d, :d] = whiten.left.T @ whiten.left
        moments = np.einsum("bk,bl,bij->klij", t, t, fit.design, optimize=True)
        values, vectors = np.linalg.eigh(_normal(L, moments, precision))
        kept = (np.arange(p * p) >= n_idle) & (values > IDLE * values[-1])
        return cls(fit, precision, values[kept], vectors[:, kept])

    def solve(self, weights: Array | None = None) -> Array:
        """X (p, p), with batches counted `weights` (B,) times in the gradient."""
        fit, L = self.fit, completed(self.fit.rows)
        t = fit.elements if weights is None else fit.elements * weights[:, None]
        left = completed(fit.logarithms - np.tensordot(fit.elements, fit.rows, axes=1)) @ fit.design
        pull = self.precision @ np.einsum("bk,bij->kij", t, left, optimize=True)
        target = np.einsum("kab,kcb->ac", pull, L) - np.einsum("kba,kbc->ac", L, pull)
        return np.asarray((self.vectors @ (self.vectors.T @ target.ravel() / self.values)).reshape(target.shape))


def _normal(L: Array, moments: Array, precision: Array) -> Array:
    """The quadratic form of X ↦ Σ_b ‖Σ^{-1/2} Σ_k t_bk [X, L_k] S_b^{1/2}‖² on row-major vectors (p², p²)."""
    k, p, _ = L.shape
    both = np.einsum("iab,ijbc,jdc->ad", L, moments, L, optimize=True)
    one = np.einsum("iab,ijbc->jac", L, moments, optimize=True)  # Σ_i L_i T_ij
    inner = np.einsum("iba,bc,jcd->ijad", L, precision, L, optimize=True)
    cross = _kron_sum(precision @ L, one)
    total = np.kron(precision, both) - cross - cross.T
    total += _kron_sum(inner.reshape(k * k, p, p), moments.reshape(k * k, p, p))
    return np.asarray((total + total.T) / 2)


def _kron_sum(one: Array, two: Array) -> Array:
    """Σ_i one_i ⊗ two_i, as one product."""
    n, p, _ = one.shape
    flat = one.reshape(n, -1).T @ two.reshape(n, -1)
    return flat.reshape(p, p, p, p).transpose(0, 2, 1, 3).reshape(p * p, p * p)
