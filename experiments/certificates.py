"""Question: how often does `geodis.certify` grant a claim that is false, and refuse one that is true.

Codes c_ij = R(g_j)x_i + noise on 100 items × 16 elements, crossed. The noise has a random strength for every item and
every element, so that errors of one item, and of one element, go together. The true error is known in closed form:
E|noise|²/(E|x|² + E|noise|²). Both measures run `certify` itself, from orbits to certificate.
"""

from __future__ import annotations

import numpy as np

import geodis
from geodis import Block, Certificate, LatentCoordinates, Orbits
from geodis.groups import SO2

N_ITEMS, N_ELEMENTS, REPETITIONS = 100, 16, 4000
DELTA, LEVEL = 0.2, 0.95
SPREAD = 0.5  # noise powers of items and of elements lie within 1 ± SPREAD: a standard deviation of .29 each
GROUP = SO2()


def refused_at_delta(seed: int, repetitions: int = REPETITIONS) -> float:
    """Return the share of certificates refused where the true error is δ: to be about the level."""
    return 1.0 - granted(DELTA, seed, repetitions)


def granted_at_06(seed: int, repetitions: int = REPETITIONS) -> float:
    """Return the share of certificates granted where the true error is .6 δ."""
    return granted(0.6 * DELTA, seed, repetitions)


def granted(true_error: float, seed: int, repetitions: int = REPETITIONS) -> float:
    """Return the share of `repetitions` designs with this true error whose certificate for δ is granted."""
    coordinates = plane()
    rng = np.random.default_rng([seed, round(1e6 * true_error)])
    found = [certificate(coordinates, true_error, rng) for _ in range(repetitions)]
    return sum(c.granted for c in found) / repetitions


def certificate(coordinates: LatentCoordinates, true_error: float, rng: np.random.Generator) -> Certificate:
    """Draw one design and return the certificate for δ."""
    angle = rng.uniform(0, 2 * np.pi, size=N_ELEMENTS)
    x = rng.normal(size=(N_ITEMS, 2))
    items = 1.0 + SPREAD * rng.uniform(-1, 1, size=(N_ITEMS, 1))
    elements = 1.0 + SPREAD * rng.uniform(-1, 1, size=(1, N_ELEMENTS))
    power = true_error / (1.0 - true_error) * items * elements  # of each of the two coordinates; x has power 1 in each
    turned = np.einsum("mab,nb->nma", np.asarray(GROUP.irrep("m=1")(angle[:, None])), x)
    z = turned + np.sqrt(power)[..., None] * rng.normal(size=turned.shape)
    params = np.tile(angle[:, None], (N_ITEMS, 1))
    orbits = Orbits.from_arrays(z.reshape(-1, 2), params, np.repeat(np.arange(N_ITEMS), N_ELEMENTS), GROUP)
    return geodis.certify(orbits, coordinates, DELTA, LEVEL)


def plane() -> LatentCoordinates:
    """Return the plane itself as coordinates that were fitted on nothing."""
    block = Block(GROUP.irrep("m=1"), (0, 1), 1.0, (1.0, 1.0))
    return LatentCoordinates(
        GROUP, (block,), np.eye(2), np.eye(2), np.zeros(2), "ok", False, np.zeros(0, dtype=np.uint64)
    )
