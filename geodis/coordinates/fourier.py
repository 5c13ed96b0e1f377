"""Matrix Fourier coefficients of orbits: M_i(ρ) = mean_j ρ(g_ij)⁻¹ ⊗ z_ijᵀ, for all irreps in one product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geodis.groups import Representation
from geodis.linalg import Array, to_tensor


def half_dim(rep: Representation) -> int:
    """The dimension h in which the eigenproblem is solved: d, or d/2 over C for complex type."""
    return rep.dim // 2 if rep.half is not None else rep.dim


def half_matrices(rep: Representation, params: Array) -> Array:
    """ρ(g), or the complex π(g) for complex type: `(..., p) → (..., h, h)`."""
    if rep.half is None:
        return np.asarray(rep(params))
    return rep.half(to_tensor(params)).numpy()


def analysis_weights(reps: Sequence[Representation], params: Array) -> Array:
    """The real rows that turn an orbit into its coefficients: params `(n, m, p)` → `(n, R, m)`, 1/m included.

    Each irrep of real arithmetic has h² rows ρ(g)⁻¹[c, a]; one of complex type h² real and h² imaginary rows.
    """
    n, m = params.shape[:2]
    rows = []
    for rep in reps:
        inverse = half_matrices(rep, params).reshape(n, m, -1, half_dim(rep)).swapaxes(-1, -2).reshape(n, m, -1)
        rows.extend([inverse.real, -inverse.imag] if rep.half is not None else [inverse])
    return np.ascontiguousarray(np.concatenate(rows, axis=-1).swapaxes(1, 2)) / m


def split_coefficients(reps: Sequence[Representation], coefficients: Array) -> list[Array]:
    """Cut `(n, R, E)` rows into one array `(n·h, h·E)` an irrep, complex for complex type: the stacked M_i."""
    n, _, width = coefficients.shape
    pieces, start = [], 0
    for rep in reps:
        h = half_dim(rep)
        block = coefficients[:, start : start + h * h]
        start += h * h
        if rep.half is not None:
            block = block + 1j * coefficients[:, start : start + h * h]
            start += h * h
        pieces.append(block.reshape(n * h, h * width))
    return pieces


def gram(x: Array) -> Array:
    """XᴴX; for complex X by real products, which BLAS does in half the multiplications."""
    if x.dtype.kind != "c":
        return x.T @ x
    a, b = np.ascontiguousarray(x.real), np.ascontiguousarray(x.imag)
    cross = a.T @ b
    return (a.T @ a + b.T @ b) + 1j * (cross - cross.T)
