"""Question: how far do emulators commute with shifts by fractions of a cell and with rotations by any angle.

Whole shifts and the eight symmetries of the square are exact by construction. Between them, products of fields alias
and filters are not round; what is measured is the error of a step (`map_equivariance_error`, relative) of a geometric
network and of a plain CNN, both trained for SECONDS on eight runs, of the equation found, and of doing nothing, which
is the floor of the action itself. Shifts act on other runs as they are; rotations on states that vanish outside a disc,
with the Coriolis parameter set to zero.
"""

from __future__ import annotations

import numpy as np
import torch
from fields_shallow_water import INTERVAL, library, network_of, rate_and_noise, trained
from shallow_water_runs import FIXED, SIDE, STATE, runs_of, training_runs

from geodis.actions import FieldRotation, FieldShift
from geodis.emulators import SparseFieldLaw
from geodis.linalg import Array
from geodis.metrics import map_equivariance_error

RUNS, SECONDS, ITEMS = 8, 40.0, 12


def fractional(seed: int) -> dict[str, float]:
    """Errors under both groups, and their floors."""
    runs, fixed = runs_of(ITEMS, [seed, 555], 2)
    states = np.concatenate([runs[:, 1], fixed], 1).astype(np.float64)
    calm = np.concatenate([states[:, :3] * _disc(), np.zeros_like(states[:, 3:])], 1)
    steps = _steps(seed)
    found = {}
    for name, step in steps.items():
        shift = map_equivariance_error(
            step, states, FieldShift(STATE + FIXED, (SIDE, SIDE)), FieldShift(STATE, (SIDE, SIDE)), seed=seed
        )
        turn = map_equivariance_error(step, calm, FieldRotation(STATE + FIXED), FieldRotation(STATE), seed=seed)
        found |= {f"fractional.{name}.shift": shift.value, f"fractional.{name}.rotation": turn.value}
    turned, back = FieldRotation(STATE), np.full((ITEMS, 1), 0.7)
    again = turned.act(-back, turned.act(back, calm[:, :3]))
    found["fractional.there_and_back"] = float(np.sqrt(np.square(again - calm[:, :3]).mean() / calm[:, :3].var()))
    return found


def _steps(seed: int) -> dict[str, object]:
    """One step of each emulator, state and Coriolis parameter → state."""
    runs, fixed = training_runs(RUNS, seed)
    law = SparseFieldLaw(library(), interval=INTERVAL, random_state=seed).fit(runs, fixed).law_
    found: dict[str, object] = {"law": lambda x: law.step(x[:, :3], x[:, 3:])}
    for name in ("net", "cnn"):
        emulator = trained(network_of(name, seed), RUNS, seed, *rate_and_noise(name, RUNS), SECONDS)
        dynamics, network = emulator.dynamics_, emulator.network.double().eval()

        def step(x: Array, dynamics=dynamics, network=network) -> Array:
            seen = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))
            with torch.no_grad():
                return dynamics.step(seen[:, None, :3], seen[:, 3:]).numpy()

        found[name] = step
    return found


def _disc() -> Array:
    """One in the middle, smoothly zero outside the inscribed disc."""
    x = np.arange(SIDE) - (SIDE - 1) / 2
    radius = np.hypot(x[:, None], x[None]) / (SIDE / 2)
    return np.clip(np.cos(np.pi / 2 * np.clip(radius / 0.8, 0, 1)), 0, 1) ** 2


MEASURES = {"fractional": fractional}
