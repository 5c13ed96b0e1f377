"""Fold-additive quadratic forms of one irrep: what the solver minimizes, and what held-out folds evaluate.

Rows are homogeneous, z̃ = (z − shift, 1) ∈ R^{q+1}; a solution is W̃ = [W, b] of shape (h, q+1), or its copies
(r, h, q+1). `HaarForms` holds the moments of theory.md §2; `PairForms` (in `pairs.py`) those of §5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geodis.coordinates.fourier import analysis_weights, half_dim, split_coefficients
from geodis.coordinates.moments import Moments, empty_fold
from geodis.groups import Representation
from geodis.linalg import Array
from geodis.orbits import Stack

Folded = Sequence[tuple[Stack, Array]]  # stacks of homogeneous rows with the fold of each item


@dataclass(frozen=True)
class Whitening:
    """Mean and covariance of some items, with the principal axes that numbers can be trusted on.

    Attributes
    ----------
    mean : ndarray (q,)
    cov : ndarray (q, q)
    axes : ndarray (q, r)
        Orthonormal principal axes of variance above the rank threshold.
    variances : ndarray (r,)
    """

    mean: Array
    cov: Array
    axes: Array
    variances: Array

    def matrix(self, ridge: float) -> Array:
        """(q, r) with columns axis/√(variance + ridge·mean variance)."""
        if not len(self.variances):
            return self.axes
        return self.axes / np.sqrt(self.variances + ridge * self.variances.sum() / len(self.cov))


def whitening(second: Array, n: float, floor: float) -> Whitening:
    """From Σ_i C̃_i of n items; variances below `floor` or 1e-12 of the largest are rounding, not signal."""
    moment = second / n
    mean = moment[:-1, -1]
    cov = moment[:-1, :-1] - np.outer(mean, mean)
    cov = (cov + cov.T) / 2
    variances, axes = np.linalg.eigh(cov)
    keep = variances > max(floor, 1e-12 * max(variances.max(initial=0.0), 0.0))
    return Whitening(mean, cov, axes[:, keep][:, ::-1], variances[keep][::-1])


@dataclass(frozen=True)
class HaarForms:
    """The U-statistic S and the second moment T of one orthogonal irrep, fold by fold.

    Attributes
    ----------
    rep : Representation
    kept : ndarray (K, h(q+1), h(q+1))
        Σ_i [n_i M̃ᴴM̃ − I⊗C̃]/(n_i − 1) over the fold's items.
    second : ndarray (K, q+1, q+1)
        Σ_i C̃_i.
    n, n_paired : ndarray (K,)
        Items, items with two elements or more.
    repeated : float
        The share of pairs that are one measurement twice (`Design.repeated`), which agree for free.
    """

    rep: Representation
    kept: Array
    second: Array
    n: Array
    n_paired: Array
    repeated: float = 0.0

    def matrix(self, folds: Array, white: Whitening, axes: Array | None = None) -> Array:
        """S of these folds, centred at `white.mean`: (hq, hq), or (hr, hr) seen through `axes` (q, r)."""
        h = half_dim(self.rep)
        total = self.kept[folds].sum(0) / max(self.n_paired[folds].sum(), 1.0)
        columns = np.eye(len(white.mean)) if axes is None else axes
        s = sandwich(total, np.concatenate([columns, -(white.mean @ columns)[None]]), h)
        return (s + s.conj().T) / 2

    def evaluate(self, folds: Array, solution: Array) -> tuple[Array, Array]:
        """`(L/2, T)` of held-out folds for copies (r, h, q+1), as sums over items: (r,), (r,)."""
        n, n_paired = self.n[folds].sum(), max(self.n_paired[folds].sum(), 1.0)
        den = _quadratic(self.second[folds].sum(0), solution)
        flat = solution.reshape(len(solution), math.prod(solution.shape[1:]))  # -1 would fail on no copies
        kept = np.einsum("ri,ij,rj->r", flat.conj(), self.kept[folds].sum(0), flat, optimize=True).real * n / n_paired
        return (den - kept) / (1.0 - self.repeated), den


def haar_forms(moments: Moments, repeated: float = 0.0) -> list[HaarForms]:
    """The forms of every irrep that `moments` gathered, in its principal subspace."""
    moments.finish()
    lift = None if moments.basis is None else homogeneous(moments.basis)
    second = np.stack([_compress(fold.second, lift) for fold in moments.folds])
    paired = np.stack([_compress(fold.second_paired, lift) for fold in moments.folds])
    n = np.array([fold.n for fold in moments.folds])
    n_paired = np.array([fold.n_paired for fold in moments.folds])
    forms = []
    for r, rep in enumerate(moments.reps):
        kept = np.stack(
            [_u_statistic(fold.kept[r], c, half_dim(rep)) for fold, c in zip(moments.folds, paired, strict=True)]
        )
        forms.append(HaarForms(rep, kept, second, n, n_paired, repeated))
    return forms


def haar_forms_of_rows(
    reps: Sequence[Representation], rows: Folded, n_folds: int, repeated: float = 0.0
) -> list[HaarForms]:
    """The same from homogeneous rows that are in memory (for nulls, and for the invariants of limited designs)."""
    size = rows[0][0].z.shape[-1]
    folds = [empty_fold(reps, size - 1, size - 1) for _ in range(n_folds)]
    for stack, fold_of in rows:
        n, m, _ = stack.z.shape
        pieces = split_coefficients(reps, analysis_weights(reps, stack.params) @ stack.z) if m >= 2 else None
        for f in range(n_folds):
            mine = fold_of == f
            if mine.any():
                part = None if pieces is None else [p[np.repeat(mine, len(p) // n)] for p in pieces]
                folds[f].add_rows(stack.z[mine].reshape(-1, size), m, part)
    second = np.stack([f.second for f in folds])
    n, n_paired = np.array([f.n for f in folds]), np.array([f.n_paired for f in folds])
    return [
        HaarForms(
            rep,
            np.stack([_u_statistic(f.kept[r], f.second_paired, half_dim(rep)) for f in folds]),
            second,
            n,
            n_paired,
            repeated,
        )
        for r, rep in enumerate(reps)
    ]


def sandwich(form: Array, lift: Array, h: int) -> Array:
    """(I_h ⊗ L)ᵀ F (I_h ⊗ L): form (h·q, h·q), real L (q, r) → (h·r, h·r)."""
    if form.dtype.kind == "c":
        return sandwich(form.real, lift, h) + 1j * sandwich(form.imag, lift, h)
    q, r = lift.shape
    half = (np.ascontiguousarray(form).reshape(-1, q) @ lift).reshape(h, q, h * r)
    return np.matmul(lift.T, half).reshape(h * r, h * r)


def homogeneous(basis: Array) -> Array:
    """[[U, 0], [0, 1]]: (q, q') → (q+1, q'+1)."""
    out = np.zeros((basis.shape[0] + 1, basis.shape[1] + 1))
    out[:-1, :-1] = basis
    out[-1, -1] = 1.0
    return out


def _compress(moment: Array, lift: Array | None) -> Array:
    return moment if lift is None else lift.T @ moment @ lift


def _u_statistic(kept: Array, second_paired: Array, h: int) -> Array:
    # Pairs j = k carry no information on equivariance: theory.md §2, the exact U-statistic.
    return kept - np.kron(np.eye(h), second_paired)


def _quadratic(moment: Array, solution: Array) -> Array:
    """Σ_a W̃_a C̃ W̃_aᴴ for each copy."""
    return np.einsum("rae,ef,raf->r", solution.conj(), moment, solution, optimize=True).real
