"""Question: do the operators that learned coordinates act by keep the laws of the group.

`DeepCoordinates` are fitted to bent codes (the irreps of the group through a random nonlinear map) of a cyclic, a
dihedral, a rotation group and a product. Of the matrices by which they act: homomorphism, inverse, identity and, of
finite orders, ρ(g)ⁿ = I; the largest over groups and laws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geodis import DeepCoordinates, metrics
from geodis.groups import SO2, SO3, AbstractGroup, Cyclic, Dihedral
from geodis.linalg import Array
from geodis.simulators import planted

GROUPS: tuple[AbstractGroup, ...] = (Cyclic(12), Dihedral(5), SO2(), SO3(), SO2() * Cyclic(3))
N_ITEMS, N_ELEMENTS, N_STEPS = 300, 12, 300


def max_defect(seed: int) -> float:
    """The largest defect of any law in any group."""
    return max(defect for group in GROUPS for defect in defects(group, seed).values())


def defects(group: AbstractGroup, seed: int) -> dict[str, float]:
    """Defects of the operators of coordinates that were fitted to bent codes of this group."""
    elements = group.orbit(N_ITEMS, N_ELEMENTS, seed=seed)
    acting = [rep for rep in group.irreps(1) if not rep.trivial][:2]
    code = planted([(rep, 2) for rep in acting], elements, n_features=16, noise=0.02, seed=seed)
    z = np.concatenate([code.z, np.tanh(2 * code.z)], axis=1)
    estimator = DeepCoordinates(
        group, n_features=16, n_content=0, max_order=1, max_steps=N_STEPS, batch_items=64, random_state=seed
    )  # fmt: skip
    coordinates = estimator.fit(z, code.params, items=code.items).coordinates_
    if not coordinates.blocks:
        return {"no block": 1.0}
    rho: Callable[[Array], Array] = coordinates.representation
    found = {
        "homomorphism": metrics.homomorphism_error(rho, group, seed=seed).value,
        "inverse": metrics.inverse_error(rho, group, seed=seed).value,
        "identity": metrics.identity_error(rho, group).value,
    }
    if group == Cyclic(12):
        step = rho(np.array([[1.0]]))[0]
        found["order"] = float(np.linalg.norm(np.linalg.matrix_power(step, 12) - np.eye(len(step))))
    return found
