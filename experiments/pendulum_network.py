"""Baselines of `pendulum.py`: networks for the Hamiltonian, with and without units, on the same equations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from pendulum_data import INTERVAL, SCALARS, STATE, Rollout, training
from torch import Tensor, nn

from geodis.emulators import UnitsEquivariant
from geodis.emulators.weak_form import integration_matrix
from geodis.linalg import Array
from geodis.loop import Plan, train
from geodis.simulators import PendulumRuns

SUBSTEPS = 8
FAR = 1e3  # m and kg m/s: where a network has lost a pendulum


class Energy(nn.Module):
    """H = monomial · MLP(standardised sinh⁻¹ of dimensionless groups), or MLP(standardised scalars) · 1 J."""

    def __init__(self, scalars: Tensor, dimensionless: bool, seed: int, width: int = 100) -> None:
        super().__init__()
        self.dimensionless = dimensionless
        features = SCALARS.system.dimensionless(scalars) if dimensionless else scalars
        self.standard = Standardised(features)
        generator = torch.Generator().manual_seed(seed)
        sizes = [features.shape[-1], width, width, width, 1]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [linear(a, b, generator), nn.SiLU()]
        mlp = nn.Sequential(self.standard, *layers[:-1])
        self.network = UnitsEquivariant(mlp, SCALARS.system, "kg m^2 s^-2") if dimensionless else mlp

    def forward(self, scalars: Tensor) -> Tensor:
        """The energy `(...)`."""
        return self.network(scalars)[..., 0]


class Standardised(nn.Module):
    """sinh⁻¹ of the features, less their mean over the training data, over their standard deviation."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        rows = torch.asinh(features.reshape(-1, features.shape[-1]))
        self.register_buffer("mean", rows.mean(0))
        self.register_buffer("deviation", rows.std(0).clamp_min(1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """`(..., n)` → the same shape."""
        return (torch.asinh(features) - self.mean) / self.deviation


def linear(a: int, b: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(a, b, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(b, a, generator=generator, dtype=torch.float64) / a**0.5)
        layer.bias.zero_()
    return layer


def field_of(energy: Energy, values: dict[str, Tensor], state: Tensor, graph: bool) -> Tensor:
    """(∂H/∂p, −∂H/∂q) of states `(..., 4, 3)`."""
    with torch.enable_grad():
        z = state if state.requires_grad else state.detach().requires_grad_()
        now = values | {name: z[..., i, :] for i, name in enumerate(STATE)}
        (slope,) = torch.autograd.grad(energy(SCALARS.of(now)).sum(), z, create_graph=graph)
    return torch.cat([slope[..., 2:, :], -slope[..., :2, :]], -2)


def trained(n: int, seed: int, dimensionless: bool, seconds: float) -> Energy:
    """Adam on the integrated equations of 80 % of the chunks; the weights that are best on the others."""
    x, times = training(n, seed)
    values = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in x.items()}
    states = torch.stack([values.pop(name) for name in STATE], 2)
    seen = values | {name: states[:, :, i] for i, name in enumerate(STATE)}
    energy = Energy(SCALARS(seen), dimensionless, seed)
    integrals = torch.from_numpy(integration_matrix(times))
    scale = torch.stack([states[:, :, :2].square().mean((1, 2, 3)), states[:, :, 2:].square().mean((1, 2, 3))], 1)
    scale = scale.sqrt().repeat_interleave(2, 1)[:, None, :, None]
    held = max(2, n // 5)

    def loss(rows: slice | Tensor, graph: bool) -> Tensor:
        some = {name: v[rows] for name, v in values.items()}
        moved = torch.einsum("js,nsvd->njvd", integrals, field_of(energy, some, states[rows], graph))
        miss = (moved - states[rows]) / scale[rows]
        return (miss - miss.mean(1, keepdim=True)).square().mean()

    def step(number: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed * 1_000_003 + number)
        return loss(torch.randperm(n - held, generator=draw)[:64] + held, True)

    plan = Plan(max_steps=100_000, max_seconds=seconds, learning_rate=3e-3, evaluate_every=50, patience=40)
    train(energy, step, plan, evaluate=lambda: -float(loss(slice(held), False)))
    return energy


def network_rollout(energy: Energy) -> Rollout:
    """Runge–Kutta steps of order 4 and length 1/40, whose error is far below the network's."""

    def rollout(runs: PendulumRuns) -> Array:
        x = {name: torch.from_numpy(np.ascontiguousarray(v[:, 0])) for name, v in runs.inputs().items()}
        z = torch.stack([x.pop(name) for name in STATE], 1)
        path, h = [z], INTERVAL / SUBSTEPS
        for _ in runs.times[1:]:
            for _ in range(SUBSTEPS):
                a = field_of(energy, x, z, False)
                b = field_of(energy, x, z + h / 2 * a, False)
                c = field_of(energy, x, z + h / 2 * b, False)
                moved = z + h / 6 * (a + 2 * b + 2 * c + field_of(energy, x, z + h * c, False))
                z = moved.nan_to_num(FAR).clamp(-FAR, FAR)
            path.append(z)
        return torch.stack(path, 1).detach().numpy()

    return rollout
