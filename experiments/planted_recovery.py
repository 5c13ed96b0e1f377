"""Question: are planted blocks found, all of them and nothing else, and how equivariant are they on unseen items.

Every case of the zoo is fitted on 200 items and scored on 60 others. Used by `core.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from geodis import Block, LatentCoordinates, LinearCoordinates, Orbits
from geodis.coordinates.energy import OrbitEnergy, orbit_energy
from geodis.groups import SO3
from geodis.simulators import PlantedCase, PlantedCode, planted_cases

N_FITTED, N_UNSEEN = 200, 60
MAX_ORDER = {"Cyclic(12)": 6}  # k = 6 is planted; the default 4 suffices elsewhere
FREQUENCY_TOLERANCE = 0.01  # of 1 + |ω|: a frequency that was found counts as the planted one this near


@dataclass(frozen=True)
class Recovery:
    """One case at one seed: energies of all blocks on unseen items, and whether exactly what was planted was found.

    Attributes
    ----------
    exact : bool
        Whether the multiplicities are the planted ones.
    moving : tuple of float
        The energy of each block that moves, as `score` defines it: 1 − L/2T, or 1 − L/I for limited designs.
    trivial : tuple of float
        1 − L/2T of each trivial block.
    skills, energies : tuple of float
        1 − L/I and 1 − L/2T of the blocks that move.
    oracle : float
        The smallest 1 − L/I of a planted block that moves, read with the true frame.
    """

    exact: bool
    moving: tuple[float, ...]
    trivial: tuple[float, ...]
    skills: tuple[float, ...]
    energies: tuple[float, ...]
    oracle: float


def recover(case: PlantedCase, seed: int) -> Recovery:
    """Fit a case on its first items, score it on the others."""
    code = case.code(seed, n_items=N_FITTED + N_UNSEEN)
    orbits = Orbits.from_arrays(code.z, code.params, code.items, case.group)
    order = MAX_ORDER.get(case.name.removesuffix(" pairs"), 4)
    est = LinearCoordinates(case.group, max_order=order).fit_orbits(orbits.select(np.arange(N_FITTED)))
    found, unseen = est.coordinates_, orbits.select(np.arange(N_FITTED, N_FITTED + N_UNSEEN))
    result = orbit_energy(unseen, found)
    moving = [i for i, block in enumerate(found.blocks) if not block.irrep.trivial]
    return Recovery(
        exact=same_multiplicities(est.spectrum_.multiplicities, case.multiplicities),
        moving=tuple(result.blocks[i] for i in moving),
        trivial=tuple(_energy(result, i) for i, block in enumerate(found.blocks) if block.irrep.trivial),
        skills=tuple(_skill(result, i) for i in moving),
        energies=tuple(_energy(result, i) for i in moving),
        oracle=oracle_skill(code, case, unseen),
    )


def _energy(result: OrbitEnergy, i: int) -> float:
    cells = result.cells[i]
    return 1.0 - cells.mean(cells.loss) / cells.mean(cells.variation)


def _skill(result: OrbitEnergy, i: int) -> float:
    cells = result.cells[i]
    return 1.0 - cells.mean(cells.loss) / cells.mean(cells.identity)


def oracle_skill(code: PlantedCode, case: PlantedCase, orbits: Orbits) -> float:
    """The smallest skill of a planted block that moves, read with the true frame: what noise leaves of it."""
    planted = [block for block in code.blocks if not block.representation.trivial]
    blocks, start = [], 0
    for block in planted:
        blocks.append(Block(block.representation, tuple(range(start, start + block.representation.dim)), 1.0, (1, 1)))
        start += block.representation.dim
    frame = np.concatenate([code.frame[:, block.columns] for block in planted], axis=1)
    nobody = np.zeros(0, dtype=np.uint64)
    true = LatentCoordinates(
        case.group, tuple(blocks), frame.T, frame, np.zeros(len(frame)), "ok", limited=True, fitted=nobody
    )
    return min(orbit_energy(orbits, true).blocks)


def same_multiplicities(found: Mapping[str, int], planted: Mapping[str, int]) -> bool:
    """Whether the same irreps were found as often as planted; continuous frequencies up to their tolerance."""
    counted = dict.fromkeys((_nearest(name, planted) for name in found), 0)
    for name, count in found.items():
        counted[_nearest(name, planted)] += count
    return counted == dict(planted)


def _nearest(name: str, planted: Iterable[str]) -> str:
    """The planted name of the same frequency up to the tolerance, or `name` itself."""
    if not name.startswith("ω="):
        return name
    frequency = float(name.removeprefix("ω="))
    for other in planted:
        if other.startswith("ω="):
            true = float(other.removeprefix("ω="))
            if abs(frequency - true) <= FREQUENCY_TOLERANCE * (1 + abs(true)):
                return other
    return name


# --- what core.py asks for --------------------------------------------------------------------------------------------
@cache
def recovered(seed: int) -> dict[str, Recovery]:
    """Every case of the zoo at this seed."""
    return {name: recover(make(), seed) for name, make in planted_cases().items()}


def energy_min(seed: int) -> float:
    """The smallest energy of a block over the designs that see the whole group (or a window of a non-compact one)."""
    return min(moving_min(seed), trivial_min(seed))


def moving_min(seed: int) -> float:
    """The same over the blocks that move."""
    return min(min(found.moving, default=0.0) for found in _cases(seed, limited=False))


def trivial_min(seed: int) -> float:
    """The same over the trivial blocks."""
    return min(min(found.trivial, default=0.0) for found in _cases(seed, limited=False))


def multiplicities_wrong(seed: int) -> float:
    """In how many cases of the zoo something else than what was planted was found."""
    return sum(not found.exact for found in recovered(seed).values())


# Near the identity little moves, so that the noise alone keeps the skill of the true frame well below 1.
def limited_skill_min(seed: int) -> float:
    """The smallest skill of a block over the designs that see the neighbourhood of the identity only."""
    return min(min(found.skills, default=0.0) for found in _cases(seed, limited=True))


def limited_oracle_min(seed: int) -> float:
    """The same of the true frame."""
    return min(found.oracle for found in _cases(seed, limited=True))


def limited_energy_min(seed: int) -> float:
    """The smallest 1 − L/2T of the found blocks on these designs."""
    return min(min(found.energies, default=0.0) for found in _cases(seed, limited=True))


def _cases(seed: int, limited: bool) -> list[Recovery]:
    return [found for name, found in recovered(seed).items() if name.endswith((" limited", " base")) == limited]


def seconds_to_fit(seed: int) -> float:
    """Seconds of the fit of the planted SO(3) code, 200 items × 24: the best of three after one to warm up."""
    code = planted_cases()["SO3"]().code(seed)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        LinearCoordinates(SO3()).fit(code.z, code.params, items=code.items)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
