"""Maximum likelihood of generators and elements, M_b ≈ exp(Σ_k t_bk L_k), by Gauss-Newton on moments.

With X_b = Σ_k t_bk L_k, the defect D_b = M_b exp(−X_b) − I is linear in the noise of M_b: no logarithm bends it. It
is the operator from exp(X_b) x to what is left of gz. One step solves the weighted bilinear problem

    min Σ_b ‖Σ^{-1/2} (Y_b − Σ_k t_bk L_k) S_b^{1/2}‖²,   Y_b = X_b + dexp⁻¹(D_b),   S_b = exp(X_b) (Σ x xᵀ) exp(X_b)ᵀ,

whose two halves, L for given t and t for given L, are linear: the rows of L decouple, since all share one noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.linalg import expm

from geodis.discovery.batch_operators import BatchOperators, completed
from geodis.discovery.generator_span import Whitening, leading
from geodis.linalg import Array

STEPS = 12
SWEEPS = 2  # of the bilinear problem, each step
CONVERGED = 1e-7  # change of the elements, in standard deviations of one batch's noise


@final
@dataclass(frozen=True, eq=False, repr=False)
class SpanFit:
    """Generators and elements at a fit.

    Parameters
    ----------
    rows : array (k, D, p)
        Upper rows of the generators.
    elements : array (B, k)
        Coefficients t.
    logarithms : array (B, D, p)
        Y_b: what the rows were fitted to, noise included.
    defects : array (B, D, p)
        D_b.
    design : array (B, p, p)
        S_b.
    """

    rows: Array
    elements: Array
    logarithms: Array
    defects: Array
    design: Array

    @property
    def operators(self) -> Array:
        """exp(Σ_k t_bk L_k) (B, p, p)."""
        return exponentials(self.rows, self.elements)


def exponentials(rows: Array, elements: Array) -> Array:
    """exp(Σ_k t_k L_k): rows (k, D, p), elements (..., k) → (..., p, p)."""
    return np.asarray(expm(completed(np.tensordot(elements, rows, axes=1))))


def maximize(operators: BatchOperators, whiten: Whitening, logarithms: Array, k: int) -> SpanFit:
    """The k generators that fit best, from the leading directions of the logarithms (B, D, p).

    Examples
    --------
    >>> from geodis.discovery.batch_moments import BatchMoments
    >>> from geodis.discovery.batch_operators import fit_operators
    >>> rng, J = np.random.default_rng(0), np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> z, t = rng.normal(size=(5, 30, 2)), rng.uniform(-2, 2, size=(5, 1))
    >>> gz = np.einsum("bij,bnj->bni", exponentials(J, t), z) + 0.01 * rng.normal(size=z.shape)
    >>> moments = BatchMoments.of(z.reshape(-1, 2), gz.reshape(-1, 2), np.repeat(range(5), 30))
    >>> M = fit_operators(moments, affine=False)
    >>> fit = maximize(M, Whitening.of(M), t[:, :, None] * J, 1)
    >>> (fit.rows[0] / fit.rows[0, 1, 0]).round(2).tolist()
    [[0.0, -1.0], [1.0, -0.0]]
    """
    directions, elements = leading(whiten(logarithms), k)
    return descended(operators, whiten, whiten.back(directions), elements)


def descended(operators: BatchOperators, whiten: Whitening, rows: Array, elements: Array) -> SpanFit:
    """Gauss-Newton steps from generators (k, D, p) and elements (B, k)."""
    fit = linearized(operators, rows, elements)
    for _ in range(STEPS):
        for _ in range(SWEEPS):
            rows = solve_rows(fit, elements)
            rows, elements = _gauged(rows, elements, whiten)
            moved = solve_elements(fit, rows, whiten.left)
            change, elements = float(np.abs(moved - elements).max()), moved
        fit = linearized(operators, rows, elements)
        if change < CONVERGED:
            break
    return fit


def elements_of(operators: BatchOperators, whiten: Whitening, rows: Array, start: Array) -> SpanFit:
    """The best elements of each batch for given generators, from `start` (B, k)."""
    fit = linearized(operators, rows, start)
    for _ in range(STEPS):
        elements = solve_elements(fit, rows, whiten.left)
        change = float(np.abs(elements - fit.elements).max())
        fit = linearized(operators, rows, elements)
        if change < CONVERGED:
            break
    return fit


def linearized(operators: BatchOperators, rows: Array, elements: Array) -> SpanFit:
    """The problem around generators and elements: defects, logarithms one step on, designs."""
    X = np.tensordot(elements, rows, axes=1)
    full = completed(X)
    forth, d = expm(full), rows.shape[1]
    defects = operators.operators @ expm(-full) - np.eye(*rows.shape[1:])
    step = inverse_dexp(full, completed(defects))[:, :d]
    return SpanFit(rows, elements, X + step, defects, forth @ operators.gram @ np.swapaxes(forth, 1, 2))


def inverse_dexp(X: Array, D: Array) -> Array:
    """Y with exp(X + Y) ≈ (I + D) exp(X) to first order: D − ½[X, D] + [X, [X, D]]/12 − ad⁴/720 + ad⁶/30240."""

    def ad(Y: Array) -> Array:
        return np.asarray(X @ Y - Y @ X)

    one = ad(D)
    two = ad(one)
    four = ad(ad(two))
    return np.asarray(D - one / 2 + two / 12 - four / 720 + ad(ad(four)) / 30240)


def solve_rows(fit: SpanFit, elements: Array, weights: Array | None = None) -> Array:
    """The best generators (k, D, p) for given elements; `weights` (B,) count batches, as a bootstrap does."""
    k, (_, d, p) = elements.shape[1], fit.logarithms.shape
    scaled = elements if weights is None else elements * weights[:, None]
    normal = np.einsum("bk,bl,bij->kilj", scaled, elements, fit.design, optimize=True).reshape(k * p, k * p)
    right = np.einsum("bk,bij->ikj", scaled, fit.logarithms @ fit.design, optimize=True).reshape(d, k * p)
    ridge = 1e-13 * np.trace(normal) / (k * p) * np.eye(k * p)
    return np.ascontiguousarray(np.swapaxes(np.linalg.solve(normal + ridge, right.T).T.reshape(d, k, p), 0, 1))


def solve_rows_within(
    fit: SpanFit, elements: Array, left: Array, algebra: Array, weights: Array | None = None
) -> Array:
    """The best generators (k, D, p) in the span of `algebra` (m, D, p), for given elements and noise root `left`."""
    k, m = elements.shape[1], len(algebra)
    scaled = elements if weights is None else elements * weights[:, None]
    white = left @ algebra
    weight = np.einsum("bk,bl,bij->klij", scaled, elements, fit.design, optimize=True)
    flat = white.reshape(m, -1)
    pushed = (white @ weight[:, :, None]).reshape(k, k, m, -1) @ flat.T  # (k, l, m, m)
    normal = pushed.transpose(0, 2, 1, 3).reshape(k * m, k * m)
    target = np.einsum("bk,bij->kij", scaled, left @ fit.logarithms @ fit.design, optimize=True)
    right = (target.reshape(k, -1) @ flat.T).reshape(k * m)
    ridge = 1e-13 * np.trace(normal) / (k * m) * np.eye(k * m)
    return np.tensordot(np.linalg.solve(normal + ridge, right).reshape(k, m), algebra, axes=1)


def solve_elements(fit: SpanFit, rows: Array, left: Array) -> Array:
    """The best elements (B, k) for given generators, with the noise's inverse root `left`."""
    white = left @ rows
    moved = np.einsum("kij,bjl->bkil", white, fit.design, optimize=True)
    normal = np.einsum("bkij,lij->bkl", moved, white, optimize=True)
    right = np.einsum("bkij,bij->bk", moved, left @ fit.logarithms, optimize=True)
    ridge = 1e-13 * np.einsum("bkk->b", normal)[:, None, None] * np.eye(len(rows))
    return np.asarray(np.linalg.solve(normal + ridge, right[..., None])[..., 0])


def in_basis(fit: SpanFit, basis: Array) -> SpanFit:
    """The same fit with its elements in another basis (k, D, p) of the same span."""
    change = np.linalg.lstsq(basis.reshape(len(basis), -1).T, fit.rows.reshape(len(basis), -1).T, rcond=None)[0]
    return replace(fit, rows=basis, elements=fit.elements @ change.T)


def _gauged(rows: Array, elements: Array, whiten: Whitening) -> tuple[Array, Array]:
    """The same products with generators that are orthonormal for the noise."""
    q, r = np.linalg.qr(whiten(rows).T)
    return whiten.back(q.T), elements @ r.T
