"""Question: how far does message passing get in one shot, with no law and no integrator, at equal CPU time.

Charged five-body task (3 000 / 2 000 / 2 000 trajectories, 1 000 steps ahead). Every network gets the same data,
batches, optimizer, schedule and CPU seconds of one core. Baselines learn at the rate and with the weight decay that
validation preferred in runs of a tenth of that time; ours with those that it preferred after a fifth. The weights with
the best validation error are tested. The baselines run at one seed.

A run that is played backwards is a run: from (x₁, −v₁) to x₀. All networks learn from both ways; in the rows that end
in `.forward`, of one seed, all learn from the given way alone.

Inductive bias of ours: O(3), permutations, translations, Galilei boosts, a centre of mass that moves freely, and that
changing the sign of all charges changes nothing. The EGNN knows neither of boosts nor of the centre of mass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Measure
from point_networks import Egnn, GraphNetwork
from torch import Tensor, nn

from geodis.emulators import ScalarVectorNetwork
from geodis.files import write_atomically
from geodis.linalg import Array
from geodis.loop import Plan, train
from geodis.simulators import ParticleTrajectories, charged_particles

SECONDS = 600.0
RATES, DECAYS = (3e-3, 6e-3), (1e-6, 1e-1)
# Of ours, chosen among eight by validation errors after two minutes: what wins after one overfits after ten.
SIZES: dict[str, Any] = {"hidden": 48, "channels": 12, "layers": 6}
SETTING = (6e-3, 1e-1)
BATCH = 100
CACHE = Path(__file__).parent / ".cache"  # of test errors: three runs of ours share the runs of the baselines
TRIMMED = 0.01  # of the largest errors are left out of the trimmed mean

Rows = tuple[Tensor, ...]  # positions, velocities, charges, later positions


class SingleShot(nn.Module):
    """x ↦ x + v + a vector of `ScalarVectorNetwork` in the frame of the mean velocity; charges enter as products."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.network = ScalarVectorNetwork(0, 1, out_vectors=1, n_pair_scalars=1, seed=seed, **SIZES)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """Positions `(batch, n, 3)`."""
        drift = v.mean(1, keepdim=True)
        bent = self.network(x, (v - drift)[:, :, None], pairs=products(charges))[1][:, :, 0]
        return x + v + bent - bent.mean(1, keepdim=True)


def products(charges: Tensor) -> Tensor:
    """q_i q_j: `(batch, n, 1)` → `(batch, n, n, 1)`."""
    return charges[:, :, None] * charges[:, None]


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "ours": SingleShot, "egnn": lambda seed: Egnn(), "gnn": lambda seed: GraphNetwork()
}  # fmt: skip


def against_egnn(seed: int, way: str = "both") -> dict[str, float]:
    """Ours, and its ratio to the EGNN of seed 0."""
    return named(summary(tested("ours", seed, way)), "", way) | against("egnn", seed, way)


def against(name: str, seed: int, way: str = "both") -> dict[str, float]:
    """A baseline at seed 0, and the ratio of ours to it."""
    other = summary(tested(name, 0, way))
    ratio = summary(tested("ours", seed, way))["mse"] / other["mse"]
    return named(other, f"{name}_", way) | named({f"ratio_{name}": ratio}, "", way)


def named(values: dict[str, float], prefix: str, way: str) -> dict[str, float]:
    """Keys of the rows."""
    end = "" if way == "both" else f".{way}"
    return {f"singleshot.{prefix}{what}{end}": value for what, value in values.items()}


def summary(errors: Array) -> dict[str, float]:
    """Mean squared error of the test runs, its standard error, median and trimmed mean."""
    kept = np.sort(errors)[: round(len(errors) * (1 - TRIMMED))]
    return {
        "mse": float(errors.mean()),
        "se": float(errors.std(ddof=1) / np.sqrt(len(errors))),
        "median": float(np.median(errors)),
        "trimmed": float(kept.mean()),
    }


def tested(name: str, seed: int, way: str) -> Array:
    """Squared errors of the test runs (2 000,), from the cache if such a run has been made."""
    path = CACHE / f"single_shot_{name}_{way}_{seed}_{SECONDS:g}.npy"
    if not path.exists():
        network = trained(name, best_setting(name, way), SECONDS, seed, way)[0]
        CACHE.mkdir(exist_ok=True)
        errors = squared(network, data()["test"])
        write_atomically(path, lambda temporary: _save(temporary, errors))
    return np.load(path)


def _save(name: str, errors: Array) -> None:
    with open(name, "wb") as file:  # np.save adds a suffix to names, not to files
        np.save(file, errors)


@cache
def best_setting(name: str, way: str) -> tuple[float, float]:
    """Learning rate and weight decay; of a baseline those that validation prefers after a tenth of the time."""
    if name == "ours":
        return SETTING
    scores = {setting: trained(name, setting, SECONDS / 10, 0, way)[1] for setting in product(RATES, DECAYS)}
    return min(scores, key=lambda setting: scores[setting])


def trained(name: str, setting: tuple[float, float], seconds: float, seed: int, way: str) -> tuple[nn.Module, float]:
    """The network with the best validation error, and that error."""
    torch.manual_seed(seed)
    network, rows, held = NETWORKS[name](seed), data()[way], data()["valid"]

    def loss(step: int) -> Tensor:
        chosen = np.random.default_rng([seed, step]).choice(len(rows[0]), BATCH, replace=False)
        x, v, charges, target = (part[chosen] for part in rows)
        return (network(x, v, charges) - target).square().mean()

    plan = Plan(
        max_steps=10**6, max_seconds=seconds, learning_rate=setting[0], weight_decay=setting[1], evaluate_every=200,
        patience=None, clip=1.0,
    )  # fmt: skip
    train(network, loss, plan, evaluate=lambda: -float(squared(network, held).mean()))
    return network, float(squared(network, held).mean())


@torch.no_grad()
def squared(network: nn.Module, rows: Rows) -> Array:
    """Mean squared error of every run."""
    parts = [
        (network(*(part[i : i + 500] for part in rows[:3])) - rows[3][i : i + 500]).square().mean((1, 2))
        for i in range(0, len(rows[0]), 500)
    ]
    return torch.cat(parts).numpy().astype(np.float64)


@cache
def data() -> dict[str, Rows]:
    """The benchmark's splits in single precision: to learn from `forward` or `both` ways, `valid` and `test`."""
    runs = {split: charged_particles(split, n) for split, n in (("train", 3_000), ("valid", 2_000), ("test", 2_000))}
    out = {split: forward(given) for split, given in runs.items()}
    out["forward"] = out.pop("train")
    out["both"] = tuple(torch.cat(pair) for pair in zip(out["forward"], backward(runs["train"]), strict=True))
    return out


def forward(runs: ParticleTrajectories) -> Rows:
    """From the first states to the last positions."""
    return _single(runs.positions[:, 0], runs.velocities[:, 0], runs.scalars, runs.positions[:, 1])


def backward(runs: ParticleTrajectories) -> Rows:
    """From the last states, velocities turned around, to the first positions."""
    return _single(runs.positions[:, 1], -runs.velocities[:, 1], runs.scalars, runs.positions[:, 0])


def _single(*parts: Array) -> Rows:
    return tuple(torch.from_numpy(np.asarray(x)).float() for x in parts)


MEASURES: dict[str, Measure] = {
    "singleshot.ratio_egnn": against_egnn,
    "singleshot.ratio_gnn": partial(against, "gnn"),
    "singleshot.ratio_egnn.forward": partial(against_egnn, way="forward"),
    "singleshot.ratio_gnn.forward": partial(against, "gnn", way="forward"),
}
FEWER = {key: (0,) for key in MEASURES if key != "singleshot.ratio_egnn"}
