"""Question: do the symmetries of the square, and shifts, act linearly in a network that forecasts turbulence.

The layer is the bottleneck: all that the forecast knows passes through its 96 numbers. Runs are simulated with seeds
that the training did not use; a third of them is not fitted. Used by `modalities.py`. By itself it prints a table with
the network's layers and two controls, one seed:

    python experiments/turbulence_latents.py [--weights FILE]

The control without training has the same architecture. Pixels are the easy case, on which both groups are linear by
definition: they show what the fit can reach, not what a network has learned.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from torch import nn

from geodis import LatentCoordinates, LinearCoordinates, Orbits, encode, sample_orbits, verify
from geodis.actions import AbstractAction, FieldShift, FieldSymmetries
from geodis.coordinates.energy import orbit_energy
from geodis.encoders import AbstractEncoder, TurbulenceNet, load_turbulence_encoder
from geodis.encoders.turbulence import GRID, WEIGHTS
from geodis.linalg import Array
from geodis.simulators import random_velocity, simulate_turbulence

LAYER = "bottleneck"
LAYERS = ("down1", "down2", "down3", LAYER, "up1")
N_RUNS, TIMES = 60, (2, 4)  # two snapshots a run; they are not independent, so that runs are the clusters
UNSEEN_FLOWS = 3  # second entry of the flows' seeds; the training has 1 and 2
UNSEEN = 1 / 3
MAX_ORDER = 2
N_NULL = 19  # relabellings, which the energy does not need
VELOCITY = ((1, 1, 1),)
WIDTH = 128  # wider layers are read in the leading principal directions of the fitted runs: the fit looks no further
ACTIONS: dict[str, tuple[AbstractAction, int]] = {
    "symmetries of the square": (FieldSymmetries(VELOCITY, d=2), 8),
    "shifts": (FieldShift(VELOCITY, (GRID, GRID)), 25),
}


def b2_energy(seed: int) -> float:
    """1 − equivariance error of all kept blocks on unseen runs, for the eight symmetries of the square."""
    return energy("symmetries of the square", encode(load_turbulence_encoder(), LAYER), seed)


def shift_energy(seed: int) -> float:
    """The same for periodic shifts, on a 5 × 5 grid with random offsets: neither whole cells nor whole strides."""
    return energy("shifts", encode(load_turbulence_encoder(), LAYER), seed)


def energy(name: str, encoder: AbstractEncoder, seed: int) -> float:
    """Of the row "all" of `verify`."""
    coordinates, test = fitted(name, encoder, seed)
    return 1 - float(verify(test, coordinates, seed=seed, n_null=N_NULL).rows.value.iloc[-1])


def fitted(name: str, encoder: AbstractEncoder, seed: int) -> tuple[LatentCoordinates, Orbits]:
    """The coordinates found in two thirds of the runs, and the orbits of the others."""
    train, test = narrowed(*orbits(name, encoder, seed).split(UNSEEN, seed=seed), seed)
    est = LinearCoordinates(train.group, max_order=MAX_ORDER, random_state=seed).fit_orbits(train)
    return est.coordinates_, test


def orbits(name: str, encoder: AbstractEncoder, seed: int) -> Orbits:
    action, n_elements = ACTIONS[name]
    flows, runs = snapshots(seed)
    return sample_orbits(encoder, flows, action, n_elements, seed, clusters=runs)


@cache
def snapshots(seed: int) -> tuple[Array, Array]:
    start = random_velocity(N_RUNS, GRID, seed=(seed, UNSEEN_FLOWS)).astype(np.float32)
    flows = simulate_turbulence(start, max(TIMES) + 1)[:, list(TIMES)]
    return flows.reshape(-1, 2, GRID, GRID), np.repeat(np.arange(N_RUNS), len(TIMES))


# --- layers and controls ----------------------------------------------------------------------------------------------
def narrowed(train: Orbits, test: Orbits, seed: int) -> tuple[Orbits, Orbits]:
    """Both in the leading principal directions of the fitted runs, if there are more than `WIDTH`."""
    if train.n_features <= WIDTH:
        return train, test
    pca = PCA(WIDTH, svd_solver="randomized", random_state=seed).fit(train.z)
    return train.map(pca.transform), test.map(pca.transform)


def pixels(batch: Array) -> Array:
    return np.asarray(batch).reshape(len(batch), -1)


def table(weights: Path, seed: int = 0) -> None:
    trained, untrained = load_turbulence_encoder(weights), TurbulenceNet(seed + 1).eval()
    cases: list[tuple[str, nn.Module | None, str]] = [("trained", trained, layer) for layer in LAYERS]
    cases += [("untrained", untrained, layer) for layer in LAYERS] + [("pixels", None, "all")]
    print(f"{'network':12}{'layer':12}" + "".join(f"{name:>26}{'coordinates':>14}" for name in ACTIONS))
    for network, module, layer in cases:
        encoder = encode(pixels) if module is None else encode(module, layer)
        line = f"{network:12}{layer:12}"
        for name in ACTIONS:
            coordinates, test = fitted(name, encoder, seed)
            rows = sum(block.irrep.dim for block in coordinates.blocks if not block.irrep.trivial)
            line += f"{orbit_energy(test, coordinates).energy:26.4f}{rows:14d}"
        print(line, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    table(parser.parse_args().weights)
