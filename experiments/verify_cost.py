"""Question: how much does `verify` with its defaults cost beside the free ridge map that it is compared with.

1 000 items × 24 angles × 384 dimensions, float32, planted; both timed in one process on one thread. The baseline is
the best cross-fitted linear map of the *embedding*, A(h) = Σ_q φ_q(h)A_q with φ the characters up to m = 2, the ridge
chosen on inner folds: what an operator claim has to be compared with.
"""

from __future__ import annotations

import time
from functools import cache

import numpy as np

from geodis import LinearCoordinates, Orbits, verify
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.metrics import best_linear_error

ITEMS, ELEMENTS, FEATURES = 1000, 24, 384


def ratio_to_ridge_map(seed: int) -> float:
    return seconds(seed)["verify"] / seconds(seed)["ridge map"]


def verify_seconds(seed: int) -> float:
    return seconds(seed)["verify"]


@cache
def seconds(seed: int) -> dict[str, float]:
    train, test = _orbits(seed).split(0.5, seed=seed)
    coordinates = LinearCoordinates(SO2()).fit_orbits(train).coordinates_
    start = time.perf_counter()
    verify(test, coordinates, seed=seed)
    middle = time.perf_counter()
    best_linear_error(test, basis=characters, seed=seed)
    return {"verify": middle - start, "ridge map": time.perf_counter() - middle}


def characters(h: Array) -> Array:
    """1, cos h, sin h, cos 2h, sin 2h of the steps `(N, 1)`."""
    a = h[:, 0]
    return np.stack([np.ones_like(a), np.cos(a), np.sin(a), np.cos(2 * a), np.sin(2 * a)], axis=1)


def _orbits(seed: int) -> Orbits:
    """Two planes m = 1, one m = 2, eight invariants, noise; half of the items are fitted."""
    rng = np.random.default_rng(seed)
    n, group = 2 * ITEMS, SO2()
    angle = group.orbit(n, ELEMENTS, seed=seed)[..., 0]
    planes = []
    for m in (1, 1, 2):
        turned = m * angle + rng.uniform(0, 2 * np.pi, (n, 1))
        size = rng.uniform(0.5, 1.5, (n, 1))
        planes += [size * np.cos(turned), size * np.sin(turned)]
    fixed = np.repeat(rng.normal(size=(n, 1, 8)), ELEMENTS, axis=1)
    code = np.concatenate([np.stack(planes, axis=-1), fixed], axis=-1).reshape(n * ELEMENTS, -1)
    z = code @ rng.normal(size=(code.shape[1], FEATURES)) + 0.5 * rng.normal(size=(n * ELEMENTS, FEATURES))
    return Orbits.from_arrays(z.astype(np.float32), angle.reshape(-1, 1), np.repeat(np.arange(n), ELEMENTS), group)
