"""Momentum, angular momentum and energy of bodies: what a roll-out should keep."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def momentum(v: Tensor, inertia: Tensor) -> Tensor:
    """Σ_i μ_i v_i: velocities (..., n, d), inertia (..., n) → (..., d)."""
    return (inertia[..., None] * v).sum(-2)


def angular_momentum(x: Tensor, v: Tensor, inertia: Tensor) -> Tensor:
    """Σ_i μ_i (x_i ∧ v_i) about the origin: the d(d−1)/2 components a < b, in that order, (..., d(d−1)/2).

    In space they are (L₃, −L₂, L₁).

    Examples
    --------
    >>> x, v = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    >>> angular_momentum(x, v, torch.tensor([3.0])).tolist()
    [6.0]
    """
    planes = torch.tensor(list(combinations(range(x.shape[-1]), 2)), device=x.device, dtype=torch.long).reshape(-1, 2)
    a, b = planes[:, 0], planes[:, 1]
    wedge = x[..., a] * v[..., b] - x[..., b] * v[..., a]
    return (inertia[..., None] * wedge).sum(-2)


def kinetic_energy(v: Tensor, inertia: Tensor) -> Tensor:
    """½ Σ_i μ_i |v_i|², (...,)."""
    return 0.5 * (inertia * (v * v).sum(-1)).sum(-1)
