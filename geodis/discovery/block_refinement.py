"""Refinement of a block frame: least off-block energy over SO(D), or over frames of unit columns.

    f(P) = Σ_b ‖off(P⁻¹ M_b P)‖²,   δf = 2 Σ_b ⟨N_bᵀF_b − F_bN_bᵀ, P⁻¹δP⟩   with N = P⁻¹MP, F = off(N)

For iid noise this is maximum likelihood of the frame given the partition. f does not change when the operators are
replaced by orthogonal combinations of them, so at most D² of them enter.
"""

from __future__ import annotations

import numpy as np
import pymanopt
from pymanopt.manifolds import Oblique, SpecialOrthogonalGroup
from pymanopt.optimizers import ConjugateGradient

from geodis.linalg import Array

ITERATIONS = 60  # from the closed-form start the leakage changes by less than 1e-6 after some 20
STOP = 1e-7  # of the energy: norm of the gradient
EXACT = 1e-24  # of the energy: nothing is left to refine

Blocks = tuple[tuple[int, ...], ...]


def refine_orthogonal(operators: Array, frame: Array, blocks: Blocks) -> Array:
    """The orthogonal Q (D, D) with the least off-block energy near `frame`."""
    if len(blocks) < 2:
        return frame
    return _descend(operators, _rotation(frame), blocks, SpecialOrthogonalGroup(len(frame)))


def refine_oblique(operators: Array, frame: Array, blocks: Blocks) -> Array:
    """The P (D, D) of unit columns with the least off-block energy of P⁻¹MP near `frame`."""
    if len(blocks) < 2:
        return frame
    start = frame / np.linalg.norm(frame, axis=0)
    refined = _descend(operators, start, blocks, Oblique(*frame.shape))
    # The inverse can hide energy by inflating columns: an oblique frame is taken only while it stays as well posed.
    return refined if np.linalg.cond(refined) <= 2.0 * np.linalg.cond(start) else start


def compressed(operators: Array) -> Array:
    """At most D² operators with the same second moments: M ↦ UM, U orthogonal over operators."""
    b, d, _ = operators.shape
    if b <= d * d:
        return operators
    return np.asarray(np.linalg.qr(operators.reshape(b, d * d), mode="r")).reshape(-1, d, d)


def off_mask(blocks: Blocks, d: int) -> Array:
    """True where two coordinates lie in different blocks (D, D)."""
    label = np.empty(d, dtype=int)
    for i, rows in enumerate(blocks):
        label[list(rows)] = i
    return np.asarray(label[:, None] != label[None, :])


def off_energy(operators: Array, frame: Array, mask: Array) -> float:
    """f(P)."""
    return float(((np.linalg.solve(frame, operators @ frame))[:, mask] ** 2).sum())


def off_gradient(operators: Array, frame: Array, mask: Array) -> Array:
    """∂f/∂P, Euclidean (D, D)."""
    moved = np.linalg.solve(frame, operators @ frame)
    off = np.where(mask, moved, 0.0)
    inner = np.einsum("bji,bjk->ik", moved, off) - np.einsum("bij,bkj->ik", off, moved)
    return np.asarray(np.linalg.solve(frame.T, 2.0 * inner))


def _descend(operators: Array, start: Array, blocks: Blocks, manifold: object) -> Array:
    mask = off_mask(blocks, len(start))
    few = compressed(operators)
    few = few / np.linalg.norm(few)
    if off_energy(few, start, mask) < EXACT:
        return start

    @pymanopt.function.numpy(manifold)
    def cost(frame: Array) -> float:
        return off_energy(few, frame, mask)

    @pymanopt.function.numpy(manifold)
    def gradient(frame: Array) -> Array:
        return off_gradient(few, frame, mask)

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(max_iterations=ITERATIONS, min_gradient_norm=STOP, verbosity=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # pymanopt divides by the last step, which may be zero
        point = np.asarray(optimizer.run(problem, initial_point=start).point)
    return point if off_energy(few, point, mask) <= off_energy(few, start, mask) else start


def _rotation(frame: Array) -> Array:
    """An orthogonal frame with determinant 1: one column changes its sign, no block does."""
    u, _, vt = np.linalg.svd(frame)
    rotation = u @ vt
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1.0
    return np.asarray(rotation)
