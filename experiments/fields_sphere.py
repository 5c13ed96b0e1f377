"""Question: does an emulator that commutes with rotations of the sphere forecast shallow water better than a CNN.

Four simulations of balanced eddies on a rotating sphere (32 × 64, Gauss–Legendre), one step of T = .5 (about three
hours where Ω and H are the Earth's). Every network trains for the same CPU seconds by the same `FieldEmulator`, with
the same noise. The plain CNN is circular in longitude, has zeros beyond the poles, sees the Coriolis parameter and the
metric cos²φ as channels, and takes, at every horizon, that of its widths and learning rates which is best on
simulations held out for it; ours has no such choice. Errors are means over the sphere on other simulations, relative to
the square of the truth, averaged over height and wind. A run that leaves every bound counts as LARGEST, so that its
ratio is an upper bound. A part of `fields.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from geodis.actions import SphereHarmonics
from geodis.emulators import FieldEmulator, SphereResNet
from geodis.loop import Plan
from geodis.simulators import random_spherical_shallow_water, simulate_spherical_shallow_water

GRID, INTERVAL, ROTATION, PEAK, N_TIMES = (32, 64), 0.5, 1.5, 4.0, 31
SIMULATIONS, VALIDATION, TEST = 4, 2, 8
HORIZONS = (1, 5, 20)
SECONDS = 60.0  # CPU, for every training
LARGEST = 1e6
STATE, CORIOLIS, METRIC = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),), ((0, 1, 1),)
PLAIN = ((16, 6e-3), (24, 3e-3), (24, 6e-3))  # width, learning rate


class PlainCNN(nn.Module):
    """A residual CNN on the map of latitude and longitude."""

    def __init__(self, channels_in: int, channels_out: int, width: int, blocks: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(channels_in, width, 3), nn.Conv2d(width, channels_out, 3)
        self.pairs = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(width, width, 3), nn.Conv2d(width, width, 3)]) for _ in range(blocks)
        )

    def forward(self, field: Tensor) -> Tensor:
        """Fields on the map → fields on the map."""
        x = self.first(_padded(field))
        for one, two in self.pairs:
            x = x + two(_padded(functional.gelu(one(_padded(functional.gelu(x))))))
        return self.last(_padded(x))


def _padded(field: Tensor) -> Tensor:
    return functional.pad(functional.pad(field, (1, 1, 0, 0), "circular"), (0, 0, 1, 1))


@cache
def _sphere() -> SphereHarmonics:
    return SphereHarmonics(*GRID)


def simulations(n: int, seed: tuple[int, int]) -> np.ndarray:
    """Runs (n, times, 3, lat, lon) in single precision."""
    start = random_spherical_shallow_water(n, GRID[0], peak=PEAK, rotation=ROTATION, seed=seed)
    return simulate_spherical_shallow_water(start, N_TIMES, interval=INTERVAL, rotation=ROTATION).astype(np.float32)


def fixed(n: int, metric: bool) -> np.ndarray:
    """The Coriolis parameter, and the metric for a network that does not know it."""
    ring = np.repeat(np.cos(_sphere().latitudes)[:, None] ** 2, GRID[1], 1)
    channels = np.stack([_sphere().coriolis(ROTATION), ring][: 1 + metric]).astype(np.float32)
    return np.repeat(channels[None], n, 0)


def fit(network: nn.Module, runs: np.ndarray, learning_rate: float, seed: int, *, metric: bool) -> FieldEmulator:
    """The same training for every network: batches of four, inputs with noise of a fifth of a step's spread."""
    plan = Plan(max_steps=10**6, max_seconds=SECONDS, learning_rate=learning_rate, evaluate_every=10**6, patience=None)
    types = CORIOLIS + METRIC if metric else CORIOLIS
    emulator = FieldEmulator(
        network, STATE, types, noise=0.2, plan=plan, batch_size=4, validation_size=0.0, random_state=seed
    )
    return emulator.fit(runs, fixed(len(runs), metric))


def error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Relative mean squared error over the sphere, averaged over height and wind."""
    weights = _sphere().weights[:, None]

    def square(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            parts = (x.astype(np.float64) ** 2 * weights).mean((0, -1)).sum(-1)
        return np.array([parts[0], parts[1:].sum()])

    found = float((square(predicted - true) / square(true)).mean())
    return min(found, LARGEST) if np.isfinite(found) else LARGEST


def errors(emulator: FieldEmulator, runs: np.ndarray, *, metric: bool) -> dict[int, float]:
    """The error at every horizon, from the first snapshot of every run."""
    out = emulator.rollout(runs[:, :1], max(HORIZONS), fixed(len(runs), metric))
    return {k: error(out[:, k], runs[:, k]) for k in HORIZONS}


def zonal_error(emulator: FieldEmulator, state: np.ndarray) -> dict[str, float]:
    """|F(shifted x) − shifted F(x)| over |F(x)|, both largest, over all whole steps of longitude, in float64."""
    steps = range(GRID[1])
    turned = np.stack([np.roll(state.astype(np.float64), k, -1) for k in steps])
    simulated = simulate_spherical_shallow_water(turned, 2, interval=INTERVAL, rotation=ROTATION)[:, 1]
    emulator.network.double()
    f = torch.from_numpy(fixed(len(turned), metric=False).astype(np.float64))
    with torch.no_grad():
        emulated = emulator.dynamics_.step(torch.from_numpy(turned)[:, None], f).numpy()
    emulator.network.float()
    found = {}
    for name, after in {"simulator": simulated, "emulator": emulated}.items():
        back = np.stack([np.roll(x, -k, -1) for k, x in zip(steps, after, strict=True)])
        found[name] = float(np.abs(back - back[0]).max() / np.abs(back[0]).max())
    return found


def sphere(seed: int) -> dict[str, float]:
    """All rows of the sphere at one seed: data, networks and batches follow it."""
    train, held, test = (simulations(n, (20 + seed, part)) for part, n in enumerate((SIMULATIONS, VALIDATION, TEST)))
    network = SphereResNet(STATE + CORIOLIS, STATE, 4, 3, n_lat=GRID[0], n_lon=GRID[1], conserve=True, seed=seed)
    ours = fit(network, train, 1e-2, seed, metric=False)
    found, plain = errors(ours, test, metric=False), []
    for width, rate in PLAIN:
        torch.manual_seed(seed)
        emulator = fit(PlainCNN(5, 3, width), train, rate, seed, metric=True)
        plain.append((errors(emulator, held, metric=True), errors(emulator, test, metric=True)))
    rows = {f"sphere.{name}_zonal_error": e for name, e in zonal_error(ours, test[0, 0]).items()}
    rows["sphere.zonal_error"] = max(rows.values())
    for k in HORIZONS:
        cnn, still = min(plain, key=lambda pair: pair[0][k])[1][k], error(test[:, 0], test[:, k])
        rows |= {
            f"sphere.step{k}": found[k], f"sphere.cnn{k}": cnn, f"sphere.persistence{k}": still,
            f"sphere.ratio_cnn{k}": found[k] / cnn, f"sphere.ratio_persistence{k}": found[k] / still,
        }  # fmt: skip
    return rows


MEASURES = {"sphere": sphere}
