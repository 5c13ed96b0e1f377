"""What a law leaves over, learned by networks: a residual after the integrator, a correction inside the law."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.dynamics_choice import scored
from geodis.emulators.message_passing import ScalarVectorNetwork
from geodis.emulators.nbody_dynamics import NBodyDynamics
from geodis.errors import DesignError
from geodis.loop import History, Plan, train


@final
class VectorResidual(nn.Module):
    """(x, v, scalars) ↦ (Δx, Δv) by a scalar–vector network, zero before it is trained.

    Commutes with O(d), translations and permutations, for any d, as `ScalarVectorNetwork` does; with Galilei boosts
    too inside `NBodyDynamics`, which centres velocities.

    Parameters
    ----------
    n_scalars : int
        Numbers that a body carries.
    hidden, layers, seed : int
        Of the network.

    Examples
    --------
    >>> residual = VectorResidual(1, hidden=8, layers=1)
    >>> x = torch.zeros(2, 3, 2)
    >>> [tuple(a.shape) for a in residual(x, x, torch.ones(2, 3, 1))]
    [(2, 3, 2), (2, 3, 2)]
    """

    def __init__(self, n_scalars: int, hidden: int = 32, layers: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.network = ScalarVectorNetwork(
            n_scalars, 1, out_scalars=0, out_vectors=2, hidden=hidden, layers=layers, seed=seed
        )
        self.size = nn.Parameter(torch.zeros(2))
        self.double()

    def forward(self, x: Tensor, v: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        """Arrays (batch, n, d), (batch, n, d), (batch, n, k) → two arrays (batch, n, d)."""
        own = self.size
        _, vectors = self.network(x.to(own), v.to(own)[:, :, None], scalars.to(own))
        dx, dv = (vectors * own[:, None]).to(x).unbind(-2)
        return dx, dv


@final
@dataclass(frozen=True)
class NetworkTraining:
    """The dynamics with trained networks, the course of the training, and whether validation errors fell."""

    dynamics: NBodyDynamics
    history: History
    kept: bool


def train_networks(
    dynamics: NBodyDynamics,
    samples: BodySamples,
    valid: BodySamples,
    plan: Plan,
    *,
    batch_size: int = 64,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    verbose: bool = False,
) -> NetworkTraining:
    """Train the law's correction and the residual network by gradient steps; the law's readable numbers stay.

    The loss √(1 + e²/s²) − 1 with s the root mean square error before, so that single chaotic systems do not lead.
    Networks that do not lower the validation error are dropped: the dynamics come back as they were.

    Raises
    ------
    DesignError
        Where nothing is to be trained.
    """
    law = copy.deepcopy(dynamics.law)
    law.theta.requires_grad_(False)
    modules = nn.ModuleList([m for m in (law.correction, dynamics.residual) if m is not None])
    if not len(modules):
        raise DesignError("Expected a law with a correction, or a residual network, to train; found neither.")
    trained = NBodyDynamics(law, dynamics.span, dynamics.integrator, dynamics.substeps, dynamics.residual)
    before = scored(NBodyDynamics(dynamics.law, dynamics.span, dynamics.integrator, dynamics.substeps), valid).mse
    breadth = max(before, 1e-30) ** 0.5

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed + 1_000_003 * step)
        part = samples.rows(torch.randint(samples.n, (batch_size,), generator=generator))
        x, v = trained.advance(part.x, part.v, part.scalars)
        squared = (x - part.target_x).square().sum(-1)
        if part.target_v is not None:
            squared = squared + (part.span * (v - part.target_v)).square().sum(-1)
        return ((1.0 + squared / breadth**2).sqrt() - 1.0).mean()

    history = train(
        modules,
        loss,
        plan,
        evaluate=lambda: -scored(trained, valid).mse,
        checkpoint=checkpoint,
        key={"seed": seed, "batch": batch_size, "law": repr(dynamics.law), "n": samples.n},
        verbose=verbose,
        description="networks",
    )
    after = scored(trained, valid).mse
    law.theta.requires_grad_(True)
    if after < before:
        return NetworkTraining(trained, history, True)
    plain = copy.deepcopy(dynamics.law)
    plain.correction = None
    back = NBodyDynamics(plain, dynamics.span, dynamics.integrator, dynamics.substeps)
    return NetworkTraining(back, history, False)
