"""Isometric frames: Q ∈ St(D, p) whose coordinates c = Qᵀ(z − centre) capture the most equivariant energy.

f(Q) = Σ_b d_b λ_b with λ_b = q_bᵀSq_b/q_bᵀTq_b, maximized by Riemannian conjugate gradients on Gram statistics, started
at the polar factor of the spectral solution (theory.md §8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pymanopt
from pymanopt.manifolds import Stiefel
from pymanopt.optimizers import ConjugateGradient

from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import HaarForms, Whitening
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.latent import LatentCoordinates
from geodis.errors import DesignError
from geodis.groups import Representation
from geodis.linalg import Array

ITERATIONS = 300


@dataclass(frozen=True)
class FrameBlock:
    """One block of the objective: its columns, S (dq, dq) in real arithmetic, and T (q, q)."""

    columns: slice
    dim: int
    s: Array
    t: Array

    def energy(self, frame: Array) -> tuple[float, Array]:
        """λ_b and ∂λ_b/∂Q_b = 2(S q_b − λ_b T q_b)/(q_bᵀTq_b) for Q_b (q, d)."""
        q = frame[:, self.columns].T
        sq = (self.s @ q.reshape(-1)).reshape(q.shape)
        tq = q @ self.t
        below = float((q * tq).sum())
        value = float((q * sq).sum()) / below
        return value, (2.0 / below * (sq - value * tq)).T


def isometric_frame(oblique: LatentCoordinates, evidence: Evidence, settings: Settings) -> LatentCoordinates:
    """The isometric coordinates with the blocks of `oblique`; energies are cross-fitted again.

    Raises
    ------
    DesignError
        For actions that are not orthogonal, which no isometric frame can carry, and for limited designs.
    """
    if any(not b.irrep.orthogonal or b.irrep.cocycle is not None for b in oblique.blocks):
        raise DesignError(
            "isometric=True: expected an orthogonal action; positions and non-orthogonal representations have no exact "
            "isometric frame. Use isometric=False."
        )
    if not evidence.forms:
        raise DesignError(
            "isometric=True: expected elements spread over the group (a full orbit, a grid, Haar draws), got a limited "
            "range. Use isometric=False."
        )
    start = _in_subspace(oblique.analysis, evidence)
    stay, white = evidence.folds.without()
    frame = maximize(_blocks(oblique, evidence, stay, white), _polar(start))
    energies = _cross_fitted(oblique, evidence, start)
    q = evidence.embed(frame.T).T
    blocks = tuple(
        replace(
            block,
            energy=energy,
            isotropy=_isotropy(q[:, block.columns], evidence.cov),
            interval=(block.interval[0] + energy - block.energy, block.interval[1] + energy - block.energy),
        )
        for block, energy in zip(oblique.blocks, energies, strict=True)
    )
    return replace(oblique, blocks=blocks, analysis=q.T.copy(), synthesis=q, centre=evidence.mean)


def maximize(blocks: list[FrameBlock], start: Array) -> Array:
    """Maximize Σ d_b λ_b over St(q, p) from `start` (q, p): the frame, orthonormal to rounding."""
    q, p = start.shape
    if p == q:
        # A square frame has nowhere to move but within itself; the Stiefel retraction handles it all the same.
        pass
    manifold = Stiefel(q, p, retraction="polar")

    @pymanopt.function.numpy(manifold)
    def cost(frame: Array) -> float:
        return -sum(b.dim * b.energy(frame)[0] for b in blocks)

    @pymanopt.function.numpy(manifold)
    def gradient(frame: Array) -> Array:
        out = np.zeros_like(frame)
        for b in blocks:
            out[:, b.columns] -= b.dim * b.energy(frame)[1]
        return out

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(max_iterations=ITERATIONS, min_gradient_norm=1e-5, verbosity=0)
    return _polar(optimizer.run(problem, initial_point=start).point)


def _cross_fitted(oblique: LatentCoordinates, evidence: Evidence, start: Array) -> list[float]:
    """Energies of the blocks on folds that the frame has not seen."""
    above, below = np.zeros(len(oblique.blocks)), np.zeros(len(oblique.blocks))
    for f in evidence.folds.used:
        stay, white = evidence.folds.without(f)
        frame = maximize(_blocks(oblique, evidence, stay, white), _polar(start))
        for b, (block, forms) in enumerate(zip(oblique.blocks, _forms(oblique, evidence), strict=True)):
            w = _half_rows(block.irrep, frame[:, block.columns].T)
            solution = np.concatenate([w, -(w @ white.mean)[:, None]], axis=1)[None]
            loss, den = forms.evaluate(np.array([f]), solution)
            above[b] += loss[0]
            below[b] += den[0]
    return [float(x) for x in 1.0 - above / below]


def _blocks(oblique: LatentCoordinates, evidence: Evidence, stay: Array, white: Whitening) -> list[FrameBlock]:
    memory: dict[str, Array] = {}
    out = []
    for block, forms in zip(oblique.blocks, _forms(oblique, evidence), strict=True):
        if block.irrep.name not in memory:
            memory[block.irrep.name] = _real_form(forms.matrix(stay, white), block.irrep)
        out.append(FrameBlock(block.columns, block.irrep.dim, memory[block.irrep.name], white.cov))
    return out


def _forms(oblique: LatentCoordinates, evidence: Evidence) -> list[HaarForms]:
    by_name = {forms.rep.name: forms for forms in evidence.forms}
    return [by_name[block.irrep.name] for block in oblique.blocks]


def _real_form(s: Array, rep: Representation) -> Array:
    """The Hermitian form on vec(V) as a real form on (vec Re V, vec Im V)."""
    return np.block([[s.real, -s.imag], [s.imag, s.real]]) if rep.half is not None else s


def _half_rows(rep: Representation, rows: Array) -> Array:
    """Real rows (d, q) as (h, q), complex for complex type."""
    h = half_dim(rep)
    return rows[:h] + 1j * rows[h:] if rep.half is not None else rows


def _in_subspace(rows: Array, evidence: Evidence) -> Array:
    return rows.T if evidence.basis is None else evidence.basis.T @ rows.T


def _polar(frame: Array) -> Array:
    u, _, vt = np.linalg.svd(frame, full_matrices=False)
    return np.asarray(u @ vt)


def _isotropy(q: Array, cov: Array) -> float:
    variances = np.linalg.eigvalsh(q.T @ cov @ q)
    return float(max(variances[0], 0.0) / variances[-1]) if variances[-1] > 0 else 0.0
