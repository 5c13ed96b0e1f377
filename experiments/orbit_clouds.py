"""Question: is the group told from nothing but the points of an orbit, and is what is no orbit refused.

A hundred clouds of 500 points, a third each of SO(2) in R^6, T² in R^8, SO(3) in R^6; neither group nor dimension is
told. Elements are Haar, the frame a Haar orthogonal matrix, the noise in every coordinate 1 % of the root-mean-square
radius.

What is drawn has to be what a cloud can tell. SO(2): three different weights of 1, …, 4 without common divisor. T²:
four different columns (up to sign, none 0) of entries −4, …, 4 and rank 2. Every plane has an amplitude uniform in
[.5, 1.5]: a plane without amplitude shows no weight. SO(3), in turn: l=1 + l=1 through two vectors whose singular
values differ by a factor of at most 3 (parallel vectors span one copy), l=2 + l=0 through any quadrupole, and a sphere,
l=1 + 3 l=0.

A cloud counts as right if status is "ok" and the type is the true one: weights of SO(2), the lattice of T² up to
GL(2, Z) and the names and orientations of the planes, multiplicities of SO(3). Negative control: ten closed curves with
frequencies up to 4 and random vector coefficients in R^6, ten Gaussian clouds in R^4 to R^8, refused if no group is
claimed.
"""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np

from geodis.discovery.closest_representation import Candidate, rotations, torus
from geodis.discovery.orbit_representation import OrbitRepresentation
from geodis.discovery.orbit_type import OrbitType
from geodis.discovery.torus_weights import canonical_weights, distinct
from geodis.linalg import Array

N_POINTS, NOISE = 500, 0.01
N_CLOUDS, N_REFUSALS = 100, 20
LARGEST = 4
KINDS = ("so2", "t2", "so3")
SPINS = ((1, 1), (2, 0), (1, 0, 0, 0))
Cloud = tuple[Array, str, object]  # points, group, weights


def orbits(seed: int) -> dict[str, float]:
    """How many of a hundred clouds are named right, by kind, and CPU seconds a cloud."""
    right, seconds = defaultdict(list), []
    for i in range(N_CLOUDS):
        kind = KINDS[i % len(KINDS)]
        points, group, weights = cloud(kind, i // len(KINDS), np.random.default_rng([seed, i]))
        began = time.process_time()
        found = named(points)
        seconds.append(time.process_time() - began)
        right[kind].append((found.status, found.group, found.weights) == ("ok", group, weights))
    rows = {f"orbits.right_{kind}": float(np.mean(right[kind])) for kind in KINDS}
    return {
        "orbits.right_of_100": float(sum(map(sum, right.values()))),
        **rows,
        "orbits.seconds": float(np.mean(seconds)),
        "orbits.seconds_max": float(np.max(seconds)),
    }


def refusals(seed: int) -> dict[str, float]:
    """How many of twenty clouds that are no orbit are refused."""
    refused = [named(no_orbit(i, np.random.default_rng([seed, i, 1]))).group == "none" for i in range(N_REFUSALS)]
    return {"orbits.refused_noise": float(sum(refused))}


MEASURES = {"orbits": orbits, "orbits.refused": refusals}


def named(points: Array) -> OrbitRepresentation:
    """What is found, nothing told."""
    return OrbitType(max_weight=LARGEST).fit(points).representation_


# --- orbits -----------------------------------------------------------------------------------------------------------
def cloud(kind: str, turn: int, rng: np.random.Generator) -> Cloud:
    """The points of one orbit, with what it is."""
    if kind == "so2":
        return circle_cloud(rng)
    return torus_cloud(rng) if kind == "t2" else rotation_cloud(SPINS[turn % len(SPINS)], rng)


def circle_cloud(rng: np.random.Generator) -> Cloud:
    """SO(2) in R^6."""
    weights = tuple(sorted(int(w) for w in 1 + rng.choice(LARGEST, 3, replace=False)))
    return mixed(torus(np.array([weights])), amplitudes(3, rng), 6, rng), "SO(2)", weights


def torus_cloud(rng: np.random.Generator) -> Cloud:
    """T² in R^8."""
    while True:
        weights = rng.integers(-LARGEST, LARGEST + 1, (2, 4))
        if np.linalg.matrix_rank(weights) == 2 and distinct(weights):
            return mixed(torus(weights), amplitudes(4, rng), 8, rng), "T²", canonical_weights(weights)


def rotation_cloud(spins: tuple[int, ...], rng: np.random.Generator) -> Cloud:
    """SO(3) in R^6."""
    moved = tuple(degree for degree in spins if degree)
    candidate = rotations(moved)
    while True:
        point = rng.standard_normal(candidate.generators.shape[1])
        sizes = np.linalg.svd(point.reshape(2, 3), compute_uv=False) if moved == (1, 1) else np.ones(2)
        if sizes[0] <= 3 * sizes[1]:
            return mixed(candidate, point, 6, rng), "SO(3)", spins


def amplitudes(n_planes: int, rng: np.random.Generator) -> Array:
    """A point with every plane's amplitude bounded from below."""
    size, phase = rng.uniform(0.5, 1.5, n_planes), rng.uniform(0.0, 2 * np.pi, n_planes)
    return np.stack([size * np.cos(phase), size * np.sin(phase)], axis=1).ravel()


def mixed(candidate: Candidate, point: Array, d: int, rng: np.random.Generator) -> Array:
    """Haar points of an orbit in R^d, turned, with an offset of unit size in the fixed directions, and noise."""
    orbit = candidate.elements(candidate.sample(N_POINTS, rng)) @ point
    fixed = np.full((N_POINTS, d - len(point)), 1.0)
    return noisy(np.concatenate([orbit, fixed], axis=1) @ np.linalg.qr(rng.standard_normal((d, d)))[0], rng)


# --- no orbits --------------------------------------------------------------------------------------------------------
def no_orbit(i: int, rng: np.random.Generator) -> Array:
    """A closed curve for even i, a Gaussian cloud for odd i."""
    if i % 2:
        return rng.standard_normal((N_POINTS, 4 + i // 2 % 5))
    angles = np.outer(rng.uniform(0.0, 2 * np.pi, N_POINTS), np.arange(1, LARGEST + 1))
    return noisy(
        np.cos(angles) @ rng.standard_normal((LARGEST, 6)) + np.sin(angles) @ rng.standard_normal((LARGEST, 6)), rng
    )


def noisy(points: Array, rng: np.random.Generator) -> Array:
    """Points with noise in every coordinate."""
    radius = np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean())
    return points + NOISE * radius * rng.standard_normal(points.shape)


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "orbit_clouds.json", seeds=range(1))
