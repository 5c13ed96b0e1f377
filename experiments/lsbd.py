"""Question: is the FFT form of D_LSBD the published number, and how much faster than the published search is it.

`searched` is written from the formula (ICML 2022; thesis 4.16-4.19): every combination of frequencies in {−K, …, K}^k,
each with its own centering, principal components, whitening and rotation of all rows. Used by `verification.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

import numpy as np

from geodis.linalg import Array
from geodis.metrics import d_lsbd_paper

SIDE, K = 48, 10
SMALL, SMALL_K = 12, 3  # of the 20 inputs that the two forms are compared on
REPEATS = 5


def speedup(seed: int) -> float:
    """Seconds of the search over seconds of `d_lsbd_paper` on the same 48² grid, K = 10, a noisy torus in R⁴."""
    angles = grid(SIDE)
    z = torus(angles) + 0.1 * np.random.default_rng(seed).normal(size=(SIDE**2, 4))
    return _seconds(searched, z, angles, 1) / _seconds(d_lsbd_paper, z, angles, REPEATS)


def largest_difference(seed: int) -> float:
    """The largest |FFT form − search| over 20 inputs on a 12² grid, K = 3."""
    angles = grid(SMALL)
    return max(abs(d_lsbd_paper(z, angles, SMALL_K) - searched(z, angles, SMALL_K)) for z in inputs(angles, seed))


# --- the search, from the formula -------------------------------------------------------------------------------------
def searched(z: Array, angles: Array, largest: int) -> float:
    """Smallest over k ∈ {−K, …, K}^m of the mean over factors of D_j(k_j); rows in the order of a full grid."""
    m = angles.shape[1]
    sides = [len(np.unique(np.round(column, 9))) for column in angles.T]
    on_grid = z.reshape(*sides, -1)
    candidates = product(range(-largest, largest + 1), repeat=m)
    return min(float(np.mean([_dispersion(on_grid, angles, j, k[j]) for j in range(m)])) for k in candidates)


def _dispersion(on_grid: Array, angles: Array, factor: int, k: int) -> float:
    """Mean squared distance from their mean of the whitened codes turned back by kθ_j."""
    own = (on_grid - on_grid.mean(axis=factor, keepdims=True)).reshape(len(angles), -1)
    centered = own - own.mean(axis=0)
    _, s, vt = np.linalg.svd(centered, full_matrices=False)
    variances = s[:2] ** 2 / (len(own) - 1)
    white = centered @ vt[:2].T / np.sqrt(2 * variances)
    cos, sin = np.cos(k * angles[:, factor]), np.sin(k * angles[:, factor])
    turned = np.stack([cos * white[:, 0] + sin * white[:, 1], cos * white[:, 1] - sin * white[:, 0]], axis=1)
    return float(((turned - turned.mean(axis=0)) ** 2).sum(axis=1).mean())


# --- inputs -----------------------------------------------------------------------------------------------------------
def grid(side: int) -> Array:
    """Two angles on a full grid `(side², 2)`."""
    steps = 2 * np.pi * np.arange(side) / side
    return np.stack([a.ravel() for a in np.meshgrid(steps, steps, indexing="ij")], axis=1)


def torus(angles: Array, frequency: int = 1) -> Array:
    """(cos kθ_1, sin kθ_1, cos kθ_2, …) `(N, 2k)`."""
    planes = [f(frequency * angle) for angle in angles.T for f in (np.cos, np.sin)]
    return np.stack(planes, axis=1)


def tensor(angles: Array) -> Array:
    """The tensor product of the two circles, (cos θ cos φ, cos θ sin φ, sin θ cos φ, sin θ sin φ)."""
    (a, b), c, s = angles.T, np.cos, np.sin
    return np.stack([c(a) * c(b), c(a) * s(b), s(a) * c(b), s(a) * s(b)], axis=1)


def superposed(angles: Array) -> Array:
    """Both circles in one plane: (cos θ + cos φ, sin θ + sin φ)."""
    return np.stack([np.cos(angles).sum(axis=1), np.sin(angles).sum(axis=1)], axis=1)


def warped(angles: Array, a: float) -> Array:
    """The torus with θ + a sin θ as its first angle."""
    bent = angles.copy()
    bent[:, 0] += a * np.sin(angles[:, 0])
    return torus(bent)


def inputs(angles: Array, seed: int) -> list[Array]:
    """20 codes: exact, embedded, warped, noisy, mixed, those that deceive the formula, and noise."""
    rng = np.random.default_rng(seed)
    flat = torus(angles)

    def noisy(z: Array, sigma: float) -> Array:
        return z + sigma * rng.normal(size=z.shape)

    frame = np.linalg.qr(rng.normal(size=(16, 4)))[0]
    return [
        flat, flat @ frame.T, torus(angles, 2), torus(angles, 3),
        *(warped(angles, a) for a in (0.1, 0.2, 0.5, 1.0, 2.0)),
        noisy(flat, 0.05), noisy(flat, 0.3), noisy(flat @ frame.T, 0.3),
        superposed(angles), noisy(superposed(angles), 0.2),
        flat * [10.0, 1.0, 10.0, 1.0], flat @ rng.normal(size=(4, 4)), flat * [1.0, 1.0, 1e-3, 1e-3],
        np.concatenate([flat, 0.5 * tensor(angles)], axis=1), np.concatenate([flat, 0.9 * torus(angles, 2)], axis=1),
        rng.normal(size=(len(angles), 5)),
    ]  # fmt: skip


def _seconds(measure: Callable[[Array, Array, int], float], z: Array, angles: Array, repeats: int) -> float:
    """The best of a few runs."""
    measure(torus(grid(SMALL)), grid(SMALL), 1)
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        measure(z, angles, K)
        best = min(best, time.perf_counter() - start)
    return float(best)
