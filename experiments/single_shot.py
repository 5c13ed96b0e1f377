"""Question: how far does message passing get in one shot, with no law and no integrator, at equal CPU time.

Charged five-body task (3 000 / 2 000 / 2 000 trajectories, 1 000 steps ahead). Every network gets the same data,
batches, optimizer, schedule and CPU seconds of one core. Baselines learn at the rate and with the weight decay that
validation preferred in runs of a tenth of that time; ours with those that it preferred after a fifth. The weights with
the best validation error are tested. The baselines run at one seed.

Inductive bias of ours: O(3), permutations, translations, Galilei boosts, and a centre of mass that moves freely.
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
from geodis.simulators import charged_particles

SECONDS = 600.0
RATES, DECAYS = (3e-3, 6e-3), (1e-6, 1e-1)
# Of ours, chosen among eight by validation errors after two minutes: what wins after one overfits after ten.
SIZES, SETTING = {"hidden": 48, "channels": 12, "layers": 6}, (6e-3, 1e-1)
BATCH = 100
CACHE = Path(__file__).parent / ".cache"  # of test errors: three runs of ours share the runs of the baselines
TRIMMED = 0.01  # of the largest errors are left out of the trimmed mean

Rows = tuple[Tensor, ...]  # positions, velocities, charges, later positions


class SingleShot(nn.Module):
    """x ↦ x + v + a vector of `ScalarVectorNetwork` in the frame of the mean velocity; charges are scalars."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.network = ScalarVectorNetwork(1, 1, out_vectors=1, seed=seed, **SIZES)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """Positions `(batch, n, 3)`."""
        drift = v.mean(1, keepdim=True)
        bent = self.network(x, (v - drift)[:, :, None], charges)[1][:, :, 0]
        return x + v + bent - bent.mean(1, keepdim=True)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "ours": SingleShot, "egnn": lambda seed: Egnn(), "gnn": lambda seed: GraphNetwork()
}  # fmt: skip


def against_egnn(seed: int) -> dict[str, float]:
    """Ours, and its ratio to the EGNN of seed 0."""
    found = {f"singleshot.{name}": value for name, value in summary(tested("ours", seed)).items()}
    return found | against("egnn", seed)


def against(name: str, seed: int) -> dict[str, float]:
    """A baseline at seed 0, and the ratio of ours to it."""
    other = summary(tested(name, 0))
    ratio = summary(tested("ours", seed))["mse"] / other["mse"]
    return {f"singleshot.{name}_{what}": value for what, value in other.items()} | {f"singleshot.ratio_{name}": ratio}


def summary(errors: Array) -> dict[str, float]:
    """Mean squared error of the test runs, its standard error, median and trimmed mean."""
    kept = np.sort(errors)[: round(len(errors) * (1 - TRIMMED))]
    return {
        "mse": float(errors.mean()),
        "se": float(errors.std(ddof=1) / np.sqrt(len(errors))),
        "median": float(np.median(errors)),
        "trimmed": float(kept.mean()),
    }


def tested(name: str, seed: int) -> Array:
    """Squared errors of the test runs (2 000,), from the cache if such a run has been made."""
    path = CACHE / f"single_shot_{name}_{seed}_{SECONDS:g}.npy"
    if not path.exists():
        network = trained(name, best_setting(name), SECONDS, seed)[0]
        CACHE.mkdir(exist_ok=True)
        errors = squared(network, data()["test"])
        write_atomically(path, lambda temporary: _save(temporary, errors))
    return np.load(path)


def _save(name: str, errors: Array) -> None:
    with open(name, "wb") as file:  # np.save adds a suffix to names, not to files
        np.save(file, errors)


@cache
def best_setting(name: str) -> tuple[float, float]:
    """Learning rate and weight decay; of a baseline those that validation prefers after a tenth of the time."""
    if name == "ours":
        return SETTING
    scores = {setting: trained(name, setting, SECONDS / 10, 0)[1] for setting in product(RATES, DECAYS)}
    return min(scores, key=lambda setting: scores[setting])


def trained(name: str, setting: tuple[float, float], seconds: float, seed: int) -> tuple[nn.Module, float]:
    """The network with the best validation error, and that error."""
    torch.manual_seed(seed)
    network, rows, held = NETWORKS[name](seed), data()["train"], data()["valid"]

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
    """The benchmark's splits in single precision."""
    out: dict[str, Any] = {}
    for split, n in (("train", 3_000), ("valid", 2_000), ("test", 2_000)):
        runs = charged_particles(split, n)
        arrays = (runs.positions[:, 0], runs.velocities[:, 0], runs.scalars, runs.positions[:, 1])
        out[split] = tuple(torch.from_numpy(np.asarray(x)).float() for x in arrays)
    return out


MEASURES: dict[str, Measure] = {
    "singleshot.ratio_egnn": against_egnn,
    "singleshot.ratio_gnn": partial(against, "gnn"),
}
FEWER = {"singleshot.ratio_gnn": (0,)}
