"""Isometric frames: Q ∈ St(D, p) whose coordinates c = Qᵀ(z − centre) capture the most equivariant energy.

f(Q) = Σ_b d_b λ_b with λ_b = q_bᵀSq_b/q_bᵀTq_b, maximized by Riemannian conjugate gradients on Gram statistics, started
at the polar factor of the spectral solution (theory.md §8).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pymanopt
from pymanopt.manifolds import Stiefel
from pymanopt.optimizers import ConjugateGradient

from geodis.coordinates.assemble import isotropy, real_rows, status_of
from geodis.coordinates.evidence import Evidence
from geodis.coordinates.forms import HaarForms, Whitening
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.heldout import HeldOutCodes
from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.spectral import solve
from geodis.errors import DesignError
from geodis.groups import Representation
from geodis.linalg import Array

ITERATIONS = 100  # more moved the held-out energy by less than .002 on the months


@dataclass(frozen=True)
class Isotypic:
    """The copies of one irrep in the objective: their columns (r·d,) in the frame, and S (d·q, d·q) as a real form."""

    columns: Array
    dim: int
    s: Array

    def energies(self, frame: Array, t_frame: Array) -> tuple[Array, Array]:
        """λ_b (r,) and ∂λ_b/∂Q_b = 2(S q_b − λ_b T q_b)/(q_bᵀTq_b) as (q, r·d), for Q (q, p) and TQ."""
        size, d = len(frame), self.dim
        q = frame[:, self.columns].T.reshape(-1, d * size)
        tq = t_frame[:, self.columns].T.reshape(-1, d * size)
        sq = q @ self.s
        below = np.einsum("ri,ri->r", q, tq)
        values = np.einsum("ri,ri->r", q, sq) / below
        gradient = 2.0 / below[:, None] * (sq - values[:, None] * tq)
        return values, gradient.reshape(-1, size).T


@dataclass(frozen=True)
class Objective:
    """f(Q) = Σ_b d_b λ_b, on Gram statistics alone."""

    parts: tuple[Isotypic, ...]
    t: Array

    def value(self, frame: Array) -> float:
        """f(Q)."""
        t_frame = self.t @ frame
        return float(sum(part.dim * part.energies(frame, t_frame)[0].sum() for part in self.parts))

    def gradient(self, frame: Array) -> Array:
        """∂f/∂Q, Euclidean."""
        t_frame, out = self.t @ frame, np.zeros_like(frame)
        for part in self.parts:
            out[:, part.columns] = part.dim * part.energies(frame, t_frame)[1]
        return out


def isometric_frame(oblique: LatentCoordinates, evidence: Evidence, ridge: float, level: float) -> LatentCoordinates:
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
    frame = maximize(_objective(oblique, evidence, *evidence.folds.without()), _in_subspace(oblique.analysis, evidence))
    judged = _cross_fitted(oblique, evidence, ridge, level)
    q = evidence.embed(frame.T).T
    blocks = tuple(
        replace(block, energy=energy, interval=interval, isotropy=isotropy(q[:, block.columns].T, evidence.cov))
        for block, (energy, interval) in zip(oblique.blocks, judged, strict=True)
    )
    return replace(
        oblique,
        blocks=blocks,
        analysis=q.T.copy(),
        synthesis=q,
        centre=evidence.mean,
        status=status_of(blocks, evidence),
    )


def maximize(objective: Objective, rows: Array) -> Array:
    """Maximize f over St(q, p) from the polar factor of `rows` (q, p): the frame, orthonormal to rounding."""
    manifold = Stiefel(*rows.shape, retraction="qr")

    @pymanopt.function.numpy(manifold)
    def cost(frame: Array) -> float:
        return -objective.value(frame)

    @pymanopt.function.numpy(manifold)
    def gradient(frame: Array) -> Array:
        return -objective.gradient(frame)

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(max_iterations=ITERATIONS, min_gradient_norm=1e-4, verbosity=0)
    return _polar(optimizer.run(problem, initial_point=_polar(rows)).point)


def _cross_fitted(
    oblique: LatentCoordinates, evidence: Evidence, ridge: float, level: float
) -> list[tuple[float, tuple[float, float]]]:
    """Energies and intervals of the blocks on folds that neither the frame nor its start has seen."""
    solutions: list[dict[int, Array]] = [{} for _ in oblique.blocks]
    above, below = np.zeros(len(oblique.blocks)), np.zeros(len(oblique.blocks))
    for f in evidence.folds.used:
        stay, white = evidence.folds.without(f)
        frame = maximize(_objective(oblique, evidence, stay, white), _rows_without(f, oblique, evidence, ridge))
        for b, (block, forms) in enumerate(zip(oblique.blocks, _forms(oblique, evidence), strict=True)):
            w = _half_rows(block.irrep, frame[:, block.columns].T)
            solutions[b][f] = np.concatenate([w, -(w @ white.mean)[:, None]], axis=1)[None]
            loss, den = forms.evaluate(np.array([f]), solutions[b][f])
            above[b] += loss[0]
            below[b] += den[0]
    judged = []
    for block, energy, solution in zip(oblique.blocks, 1.0 - above / below, solutions, strict=True):
        held = HeldOutCodes.of(block.irrep, solution, evidence.rows, evidence.crossed, evidence.design.repeated)
        interval, shift = held.interval(0, level), float(energy - held.energies()[0])
        judged.append((float(energy), (interval.low + shift, interval.high + shift)))
    return judged


def _rows_without(fold: int, oblique: LatentCoordinates, evidence: Evidence, ridge: float) -> Array:
    """The spectral solution (q, p) of the other folds, with the blocks of `oblique`."""
    stay, white = evidence.folds.without(fold)
    counts = Counter(block.irrep.name for block in oblique.blocks)
    copies = {
        forms.rep.name: iter(solve(forms, stay, white, ridge, counts[forms.rep.name]).solution[..., :-1])
        for forms in evidence.forms
        if forms.rep.name in counts
    }
    return np.concatenate([real_rows(b.irrep, next(copies[b.irrep.name])) for b in oblique.blocks]).T


def _objective(oblique: LatentCoordinates, evidence: Evidence, stay: Array, white: Whitening) -> Objective:
    columns: dict[str, list[int]] = {}
    for block in oblique.blocks:
        columns.setdefault(block.irrep.name, []).extend(block.rows)
    parts = tuple(
        Isotypic(np.array(columns[forms.rep.name]), forms.rep.dim, _real_form(forms.matrix(stay, white), forms.rep))
        for forms in evidence.forms
        if forms.rep.name in columns
    )
    return Objective(parts, white.cov)


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
