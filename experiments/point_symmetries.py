"""Question: how exactly does every emulator of points commute with its groups, and what do roll-outs make of rounding.

Float64, one step, relative errors (`map_equivariance_error`), rapidities up to one; root mean squares over the elements
that an item is moved by, and of every emulator the worst item: clouds with coincident and with collinear points are
among them. Beside roll-outs stands their floor: what the map makes of the last digit of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import invariant_equivariance
import numpy as np
import pendulum
import torch
import velocities
from harness import Measure

from geodis.actions import LorentzAction, OrthogonalAction, PermutationAction, RotationAction, TranslationAction
from geodis.actions.action import AbstractAction
from geodis.emulators import (
    NBodyDynamics,
    NBodyEmulator,
    PairwiseLaw,
    ScalarVectorNetwork,
    VectorResidual,
)
from geodis.groups import SO3
from geodis.linalg import Array
from geodis.metrics import MetricResult, map_equivariance_error, particle_symmetries
from geodis.simulators import star_planets

MINKOWSKI = np.diag([1.0, -1.0, -1.0, -1.0])
N_CLOUDS, N_ELEMENTS = 24, 8
ROLLED = 20  # steps of a roll-out
Found = dict[str, MetricResult]


def worst(results: Found, start: int = 0) -> float:
    """The largest error of an item, from item `start` on."""
    return max(float(np.max(result.per_item[start:])) for result in results.values() if result.per_item is not None)


def largest_floor(results: Found) -> float:
    """What rounding of the input makes of the same maps, root mean square over items, the largest."""
    return max(float(result.floor) for result in results.values() if result.floor is not None)


def equivariance(seed: int) -> dict[str, float]:
    """The largest error of every emulator, and of all; beside, what the start with two bodies in one place adds.

    Bodies that part from one place are pulled by what is left of 1/r²: that state's floor is far above the others'.
    """
    parts: dict[str, Callable[[int], Found]] = {
        "nbody": bodies,
        "residual": residual,
        "network": networks,
    }
    found = {name: make(seed) for name, make in parts.items()}
    out = {f"equivariance.{name}": worst(results) for name, results in found.items()}
    out["equivariance.invariants"] = invariant_equivariance.invariants(seed)["equivariance.invariants"]
    units = pendulum.equivariance(seed)
    out["equivariance.hamiltonian"] = max(units[key] for key in units if not key.endswith("floor"))
    out["equivariance.tracers"] = velocities.equivariance(seed)["velocities.equivariance_max"]
    apart = {f"equivariance.{name}_apart": worst(found[name], start=1) for name in ("nbody", "residual")}
    floors = {f"equivariance.{name}_floor": largest_floor(found[name]) for name in ("nbody", "residual")}
    others = [value for name, value in out.items() if name not in ("equivariance.nbody", "equivariance.residual")]
    rest = {"equivariance.max_apart": max(*apart.values(), *others)}
    return {"equivariance.max": max(out.values()), **rest, **out, **apart, **floors}


def rollouts(seed: int) -> dict[str, float]:
    """Errors of twenty steps one after the other beside their floor: chaos amplifies both alike."""
    dynamics = fitted(seed)
    x, v, m = states(seed)
    found = particle_symmetries(
        dynamics.predict, x, v, m, span=dynamics.span, n_steps=ROLLED, n_elements=N_ELEMENTS, seed=seed
    )
    out = {f"equivariance.rollout_{name.split()[0]}": result.value for name, result in found.items()}
    apart = {name: worst({name: result}, start=1) for name, result in found.items()}
    return {
        "equivariance.rollout": max(out.values()), "equivariance.rollout_floor": largest_floor(found),
        "equivariance.rollout_apart": max(apart.values()), **out,
    }  # fmt: skip


# --- the emulators ----------------------------------------------------------------------------------------------------
def states(seed: int) -> tuple[Array, Array, Array]:
    """Stars and planets, among them coincident planets and planets on one line."""
    runs = star_planets(N_CLOUDS, seed=[seed, 8])
    x = runs.positions[:, 0].copy()
    x[0, 2] = x[0, 1]
    x[1, 1:] = x[1, :1] + np.arange(1, x.shape[1])[:, None] * (x[1, 1] - x[1, 0])
    return x, runs.velocities[:, 0], runs.scalars


@cache
def fitted(seed: int) -> NBodyDynamics:
    """Gravity, found from eighty systems."""
    runs = star_planets(80, seed=[seed, 7])
    emulator = NBodyEmulator(
        PairwiseLaw(positive=["m"]), cap="none", integrator="leapfrog", substeps=100, random_state=seed
    )
    x, v = runs.positions, runs.velocities
    return emulator.fit(x[:, 0], v[:, 0], runs.scalars, x[:, 1], span=0.1).dynamics_


def bodies(seed: int) -> Found:
    """A fitted pair law."""
    dynamics = fitted(seed)
    return particle_symmetries(dynamics.predict, *states(seed), span=dynamics.span, n_elements=N_ELEMENTS, seed=seed)


def residual(seed: int) -> Found:
    """The same with a residual network of random weights that is not small."""
    dynamics = fitted(seed)
    network = VectorResidual(1, hidden=16, seed=seed)
    with torch.no_grad():
        network.size.fill_(0.3)
    both = NBodyDynamics(dynamics.law, dynamics.span, dynamics.integrator, dynamics.substeps, network)
    return particle_symmetries(both.predict, *states(seed), span=both.span, n_elements=N_ELEMENTS, seed=seed)


def clouds(seed: int, d: int) -> Array:
    """Positions, one vector and one number a point, `(n, 5, 2d + 1)`, with degenerate clouds first."""
    x = np.random.default_rng([seed, d]).normal(size=(N_CLOUDS, 5, 2 * d + 1))
    x[0, 1, :d] = x[0, 0, :d]
    x[1, :, :d] = np.arange(5)[:, None] * x[1, :1, :d]
    x[2, :, :d] = x[2, :1, :d]
    return x


def networks(seed: int) -> Found:
    """Message passing with random weights, for four groups, permutations and shifts."""
    found: Found = {}
    cases: dict[str, tuple[int, dict[str, Any], AbstractAction]] = {
        "O(2)": (2, {}, OrthogonalAction(2, 2, 1)),
        "O(3)": (3, {}, OrthogonalAction(3, 2, 1)),
        "O(5)": (5, {}, OrthogonalAction(5, 2, 1)),
        "SO(3)": (3, {"chiral": True}, RotationAction(3, 2, 1, group=SO3())),
        "Lorentz": (4, {"form": MINKOWSKI}, LorentzAction(2, 1)),
    }
    for name, (d, options, action) in cases.items():
        network = ScalarVectorNetwork(1, 1, out_vectors=2, out_scalars=1, hidden=16, seed=seed, **options).double()
        items, later = clouds(seed, d), _as_map(network, d)
        for kind, moved in ((name, action), ("permutations", PermutationAction(5))):
            found[f"{name} {kind}"] = map_equivariance_error(later, items, moved, n_elements=N_ELEMENTS, seed=seed)
        # Vectors of the output do not move with the origin; without positions there nothing may change.
        found[f"{name} shifts"] = map_equivariance_error(
            later, items, TranslationAction(d, 2, 1), invariant=True, n_elements=N_ELEMENTS, seed=seed
        )
    return found


def _as_map(network: ScalarVectorNetwork, d: int) -> Callable[[Array], Array]:
    def later(cloud: Array) -> Array:
        items = torch.from_numpy(np.asarray(cloud))
        with torch.no_grad():
            scalars, vectors = network(items[..., :d], items[..., None, d : 2 * d], items[..., 2 * d :])
        return torch.cat([vectors.flatten(2), scalars], -1).numpy()

    return later


MEASURES: dict[str, Measure] = {"equivariance.max": equivariance, "equivariance.rollout": rollouts}
