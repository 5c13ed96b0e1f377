"""Question: how exactly do invariants, equivariant bases, frames and fitted polynomial laws commute with their groups.

Relative errors of `geodis.metrics.map_equivariance_error`, the largest over the clouds: 40 generic ones, and as many
each with coincident, collinear, coplanar and vanishing points; eight elements a cloud, rapidities up to one. Beside the
largest stands the rounding floor: what the last digit of the input does to the output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.actions import LorentzAction, OrthogonalAction, PermutationAction, RotationAction
from geodis.actions.action import AbstractAction
from geodis.emulators import (
    LightweightInvariants,
    Minkowski,
    PolynomialFit,
    equivariant_basis,
    fundamental_invariants,
)
from geodis.groups import SO, SO3, Lorentz, O
from geodis.linalg import Array
from geodis.metrics import map_equivariance_error
from geodis.simulators import elastic_scattering, o5_regression, random_bodies, random_scattering

N_CLOUDS, N_ELEMENTS = 40, 8

Case = tuple[Callable[[Array], Any], Array, AbstractAction, bool]


def clouds(points: int, dim: int, seed: int) -> Array:
    """Generic and degenerate point sets `(200, points, dim)`."""
    rng = np.random.default_rng([seed, points, dim])
    generic, same, line, plane, none = rng.standard_normal((5, N_CLOUDS, points, dim))
    same = np.repeat(same[:, :1], points, axis=1)
    line = np.arange(points)[:, None] * line[:, :1]
    plane = plane[..., :2] @ plane[:, :2]
    none[:, 1:] = 0.0
    return np.concatenate([generic, same, line, plane, none])


def cases(seed: int) -> dict[str, Case]:
    """Name → function, items, action, whether the output is to stay as it is."""
    events, bodies, pairs = (
        random_scattering(300, seed=seed),
        random_bodies(300, seed=seed),
        o5_regression(600, seed=seed),
    )
    shell = elastic_scattering(300, seed=seed)
    amplitude = PolynomialFit(Minkowski(4), degree=4).fit(events.momenta, events.amplitude).law_
    physical = (
        PolynomialFit(Minkowski(4), degree=8, variables="logarithms")
        .fit(shell.momenta[:, :3], np.log(shell.amplitude))
        .law_
    )
    function = PolynomialFit(O(5), degree=8, variables="lengths").fit(pairs.vectors, pairs.target).law_
    inertia = PolynomialFit(O(3), order=2, degree=3, interchangeable=[range(5)])
    law = inertia.fit(bodies.positions, bodies.inertia, point_scalars=bodies.masses).law_
    five = clouds(5, 3, seed)

    def moment(r: Array) -> Array:
        """I applied to the first position: a vector."""
        return np.einsum("nab,nb->na", law(r, point_scalars=np.ones(r.shape[:2])), r[:, 0])[:, None]

    def pooled(r: Array) -> Array:
        return LightweightInvariants(3).power_sums(r)

    def light(r: Array) -> Array:
        return LightweightInvariants(3)(r).points.reshape(len(r), -1)

    momenta = clouds(4, 4, seed) / 4
    return {
        "so5": (lambda v: fundamental_invariants(v, SO(5)), clouds(6, 5, seed), RotationAction(5), True),
        "lorentz": (lambda v: fundamental_invariants(v, Lorentz()), clouds(5, 4, seed), LorentzAction(), True),
        "cross": (lambda v: equivariant_basis(v, SO3()), five, RotationAction(3), False),
        "cross4": (lambda v: equivariant_basis(v, Lorentz()), clouds(4, 4, seed), LorentzAction(), False),
        "lightweight": (light, five, OrthogonalAction(3), True),
        "lightweight_order": (pooled, five, PermutationAction(5), True),
        "scattering_law": (amplitude, momenta, LorentzAction(), True),
        "on_shell_law": (physical, shell.momenta[:, :3], LorentzAction(), True),
        "o5_law": (function, clouds(2, 5, seed) / 2, OrthogonalAction(5), True),
        "inertia_law": (moment, five, OrthogonalAction(3), False),
        "inertia_law_order": (
            lambda r: law(r, point_scalars=np.ones(r.shape[:2])), five, PermutationAction(5), True,
        ),
    }  # fmt: skip


def invariants(seed: int) -> dict[str, float]:
    """The largest error of each, the largest of all, and the floor beside."""
    out, floors = {}, []
    for name, (function, items, action, stays) in cases(seed).items():
        found = map_equivariance_error(function, items, action, invariant=stays, n_elements=N_ELEMENTS, seed=seed)
        out[f"equivariance.{name}"] = float(found.per_item.max())
        floors.append(float(found.floor))
    return {"equivariance.invariants": max(out.values()), "equivariance.invariants_floor": max(floors)} | out


MEASURES = {"equivariance.invariants": invariants}

if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "invariant_equivariance.json", seeds=range(3))
