"""Question: how far does message passing get in one shot, with no law and no integrator, at equal CPU time.

Charged five-body task (3 000 / 2 000 / 2 000 trajectories, 1 000 steps ahead). Every network gets the same data,
batches, optimizer, schedule and CPU seconds of one core; each learns at the rate that validation preferred in a run of
a tenth of that time. The weights with the best validation error are tested. The baselines run at one seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.emulators import ScalarVectorNetwork
from geodis.loop import Plan, train

SECONDS = 600.0
RATES = (5e-4, 1e-3, 3e-3)
BATCH = 100


class SingleShot(nn.Module):
    """x ↦ x + v + a vector of `ScalarVectorNetwork`; charges are scalars."""

    def __init__(self, **sizes: Any) -> None:
        super().__init__()
        self.network = ScalarVectorNetwork(1, 1, out_vectors=1, **sizes)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """Positions `(batch, n, 3)`."""
        return x + v + self.network(x, v[:, :, None], charges)[1][:, :, 0]


def fitted(make: Callable[[], nn.Module], data: dict[str, tuple[Tensor, ...]], rate: float, seconds: float, seed: int):
    """The trained network, and its history; `data` holds (x, v, charges, target) for train and valid."""
    torch.manual_seed(seed)
    network, rows = make(), data["train"]

    def loss(step: int) -> Tensor:
        chosen = np.random.default_rng([seed, step]).choice(len(rows[0]), min(BATCH, len(rows[0])), replace=False)
        x, v, charges, target = (part[chosen] for part in rows)
        return (network(x, v, charges) - target).square().mean()

    plan = Plan(
        max_steps=10**6, max_seconds=seconds, learning_rate=rate, weight_decay=1e-6, evaluate_every=200, patience=None,
        clip=1.0,
    )  # fmt: skip
    history = train(network, loss, plan, evaluate=lambda: -errors(network, data["valid"]).mean())
    return network, history


@torch.no_grad()
def errors(network: nn.Module, rows: tuple[Tensor, ...]) -> Any:
    """Mean squared error of every trajectory."""
    x, v, charges, target = rows
    parts = [
        (network(x[i : i + 500], v[i : i + 500], charges[i : i + 500]) - target[i : i + 500]).square().mean((1, 2))
        for i in range(0, len(x), 500)
    ]
    return torch.cat(parts).numpy()
