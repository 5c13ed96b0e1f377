"""Maximum likelihood of g from a pair of codes, by Gauss–Newton on the group, the clean code eliminated.

    c₀ = a + n₀,   c₁ = ρ(g)a + t(g) + n₁,   n₀ ~ N(0, Σ₀), n₁ ~ N(0, Σ₁)

For given g the best a is linear in the codes; what is left is the residual r = c₁ − ρ(g)c₀ − t(g) with covariance
V = Σ₁ + ρΣ₀ρᵀ, and χ²(g) = rᵀV⁻¹r. With b̂ = c₁ − Σ₁V⁻¹r, the estimate of the moved code, and G its derivatives along
the algebra, ∂χ²/∂ξ = −2GᵀV⁻¹r exactly (g ↦ exp(ξ)g), and GᵀV⁻¹G is the Fisher information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geodis.coordinates import Block
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array

ITERATIONS = 60
SMALL = 1e-11  # a step below it is rounding
FLAT = 1e-9  # a fall of χ² below it is no evidence of anything
JITTER = 1e-15
DAMPING = 1e-3


class PairState(NamedTuple):
    """χ² `(N,)`, its downhill direction GᵀV⁻¹r `(N, k)`, the information `(N, k, k)`, the moved code b̂ `(N, p)`."""

    chi2: Array
    slope: Array
    information: Array
    moved: Array


@dataclass(frozen=True, eq=False)
class PairModel:
    """How codes of some blocks move, and the noise of both ends.

    Attributes
    ----------
    group : AbstractGroup
    reps : tuple of Representation
        Of the blocks that are not trivial.
    before, after : ndarray (p, p)
        Σ₀, Σ₁.
    generators : ndarray (k, p, p)
        dρ along the algebra.
    drifts : ndarray (k, p)
        Derivatives of t at the identity.
    """

    group: AbstractGroup
    reps: tuple[Representation, ...]
    before: Array
    after: Array
    generators: Array
    drifts: Array

    def move(self, params: Array) -> tuple[Array, Array]:
        """ρ(g) `(N, p, p)` and t(g) `(N, p)`."""
        n, size = len(params), sum(rep.dim for rep in self.reps)
        matrices, shifts, start = np.zeros((n, size, size)), np.zeros((n, size)), 0
        g = torch.from_numpy(np.ascontiguousarray(params))
        for rep in self.reps:
            cols = slice(start, start + rep.dim)
            matrices[:, cols, cols] = rep.matrices(g).numpy()
            if rep.cocycle is not None:
                shifts[:, cols] = rep.cocycle(g).numpy()
            start += rep.dim
        return matrices, shifts

    def state(self, c0: Array, c1: Array, params: Array) -> PairState:
        """Everything that a step needs, at elements `(N, q)`."""
        rho, shift = self.move(params)
        residual = c1 - np.einsum("nij,nj->ni", rho, c0) - shift
        variance = self.variance(rho)
        white = np.linalg.solve(variance, residual[..., None])[..., 0]
        moved = c1 - white @ self.after
        tangents = self.tangents(moved)
        return PairState(
            np.einsum("ni,ni->n", residual, white),
            np.einsum("nki,ni->nk", tangents, white),
            tangents @ np.linalg.solve(variance, np.swapaxes(tangents, 1, 2)),
            moved,
        )

    def variance(self, rho: Array) -> Array:
        """V = Σ₁ + ρΣ₀ρᵀ `(N, p, p)`, never singular to rounding: a trial step may stretch codes beyond all measure."""
        variance = self.after + rho @ self.before @ np.swapaxes(rho, 1, 2)
        floor = JITTER * np.trace(variance, axis1=1, axis2=2)
        return np.asarray(variance + floor[:, None, None] * np.eye(len(self.after)))

    def tangents(self, moved: Array) -> Array:
        """d/dξ of exp(ξ)·b at ξ = 0: moved codes `(N, p)` → `(N, k, p)`."""
        k, p = self.drifts.shape
        return np.asarray((moved @ self.generators.reshape(k * p, p).T).reshape(len(moved), k, p) + self.drifts)


def pair_model(group: AbstractGroup, blocks: Sequence[Block], before: Array, after: Array) -> PairModel:
    """The model of the blocks that are not trivial, covariances `(p, p)` being theirs."""
    reps = tuple(block.irrep for block in blocks)
    generators = np.zeros((group.tangent_dim, len(before), len(before)))
    drifts = np.zeros((group.tangent_dim, len(before)))
    start = 0
    for rep in reps:
        cols = slice(start, start + rep.dim)
        generators[:, cols, cols] = np.moveaxis(_derivative(rep.matrices, group), -1, 0)
        if rep.cocycle is not None:
            drifts[:, cols] = np.moveaxis(_derivative(rep.cocycle, group), -1, 0)
        start += rep.dim
    return PairModel(group, reps, before, after, generators, drifts)


def refine(
    model: PairModel, c0: Array, c1: Array, start: Array, iterations: int = ITERATIONS
) -> tuple[Array, PairState]:
    """Descend on χ² from `start` (N, q), each pair with a damping of its own: the elements and their state."""
    params, state = start.copy(), model.state(c0, c1, start)
    k = model.group.tangent_dim
    if k == 0:
        return params, state
    damping = np.full(len(params), DAMPING)
    active = np.arange(len(params))
    for _ in range(iterations):
        step = _step(state, damping, active)
        trial = model.group.compose(model.group.exp(step), params[active])
        inside = model.group.contains(trial)  # of GL(n), a path may run into a singular matrix
        trial[~inside] = params[active][~inside]
        tried = model.state(c0[active], c1[active], trial)
        fall = state.chi2[active] - tried.chi2
        better = inside & (fall >= 0.0)
        rows = active[better]
        params[rows] = trial[better]
        for held, new in zip(state, tried, strict=True):
            held[rows] = new[better]
        damping[active] = np.clip(np.where(better, damping[active] / 10, damping[active] * 10), 1e-12, 1e8)
        done = (np.linalg.norm(step, axis=1) < SMALL) | (better & (fall < FLAT)) | (damping[active] >= 1e8)
        active = active[~done]
        if not len(active):
            break
    return params, state


def _step(state: PairState, damping: Array, rows: Array) -> Array:
    """(J + μ diag)⁻¹ slope, the damping relative to the mean information."""
    information = state.information[rows]
    k = information.shape[-1]
    scale = np.trace(information, axis1=1, axis2=2) / k + 1e-300
    damped = information + (damping[rows] * scale)[:, None, None] * np.eye(k)
    step = np.linalg.solve(damped, state.slope[rows][..., None])[..., 0]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, 2.0 / np.maximum(length, 1e-300)))


def _derivative(function: Callable[[Tensor], Tensor], group: AbstractGroup) -> Array:
    """d/dξ f(exp(ξ)) at 0, the last axis along ξ."""

    def along(xi: Tensor) -> Tensor:
        return function(group.exp(xi[None]))[0]

    zero = torch.zeros(group.tangent_dim, dtype=torch.float64)
    if group.tangent_dim == 0:
        return np.zeros((*along(zero).shape, 0))
    return np.asarray(torch.autograd.functional.jacobian(along, zero).numpy())
