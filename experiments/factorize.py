"""Question: is a product of manifolds split into its factors from points alone, how well, how fast, up to what size.

Uniform points on S² × S² in R⁶ at three sizes, as in GEOMANCER's paper; S² × S³, SO(3) × S² (rotations as 3 × 3
matrices) and S² × S² × S². Neither dimensions nor the number of factors are given. The angle is GEOMANCER's aligned
score: at each point the largest principal angle between found and true tangent spaces of the factors, matched at best,
in the mean; a split that is not found counts π/2. Angles `heldout` are of points that the fit has not seen.

`speedup` is CPU time of a dense implementation written from the paper (`geomancer_dense.py`, which is told the
dimension and the number of factors) over that of the whole fit, which finds both and its own null, at 1 000 points in
one process; `speedup_sparse` is against the same with a sparse eigensolver. `max_points` is the number of points that a
fit has finished with `ok` within 16 GB, measured in a process of its own.
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np
from geomancer_dense import dense_lowest, geomancer, sparse_lowest

from geodis.discovery.factor_score import subspace_angle_score
from geodis.discovery.manifold_factors import ManifoldFactorization, ManifoldFactors
from geodis.groups import SO3
from geodis.linalg import Array

SPLIT = math.pi / 2  # [rad] of a split that was not found
N_NEW = 500  # unseen points
MOST, GIGABYTES = 50_000, 16.0
LIMIT = 3600  # seconds of the largest fit

T = TypeVar("T")
Cloud = tuple[Array, list[Array]]  # points (n, D), true tangent spaces (n, D, d_f)


def angles(seed: int, sizes: tuple[int, ...] = (1000, 2000, 5000)) -> dict[str, float]:
    """S² × S² at three sizes."""
    return {f"factorize.angle_{n}": angle(fitted(spheres(n, (2, 2), seed)[0], seed), spheres(n, (2, 2), seed)[1])
            for n in sizes}  # fmt: skip


def heldout(seed: int, n: int = 2000) -> dict[str, float]:
    """Subspaces at new points, and coordinates of new points: R² of the own and of the other sphere's position."""
    (points, _), (new, truth) = spheres(n, (2, 2), seed), spheres(N_NEW, (2, 2), seed + 500)
    result = fitted(points, seed)
    found = {"factorize.angle_heldout": subspace_angle_score(result.extend(new), truth)}
    own, other = 0.0, 0.0
    for factor in range(result.n_factors):
        coordinates = result.coordinates(factor)
        pair = [r2(coordinates.values, points[:, s], coordinates(new), new[:, s]) for s in (slice(3), slice(3, 6))]
        own, other = own + max(pair) / 2, other + min(pair) / 2
    return found | {"factorize.coordinates_r2": own, "factorize.coordinates_r2_other": other}


def others(seed: int) -> dict[str, float]:
    """Factors of unequal dimension, a group manifold, three factors, noise."""
    noisy = spheres(2000, (2, 2), seed)
    noisy = noisy[0] + 0.05 * np.random.default_rng(seed).normal(size=noisy[0].shape), noisy[1]
    clouds = {
        "s2_s3": spheres(2000, (3, 2), seed),
        "so3_s2": rotations_and_sphere(3000, seed),
        "noise": noisy,
    }
    return {f"factorize.angle_{name}": angle(fitted(points, seed), truth) for name, (points, truth) in clouds.items()}


def three(seed: int, n: int = 4000) -> float:
    """S² × S² × S²."""
    points, truth = spheres(n, (2, 2, 2), seed)
    return angle(fitted(points, seed), truth)


def honest(seed: int) -> dict[str, float]:
    """Whether what cannot be split is not: a flat torus is called flat, S⁴ irreducible (1 where right)."""
    torus, sphere = (fitted(spheres(1000, d, seed)[0], seed).status for d in ((1, 1), (4,)))
    return {"factorize.torus_flat": float(torus == "flat"), "factorize.s4_irreducible": float(sphere == "irreducible")}


def speedup(seed: int, n: int = 1000) -> dict[str, float]:
    """CPU seconds of the peer over ours, and the peer's angle."""
    points, truth = spheres(n, (2, 2), seed)
    ManifoldFactors().fit(points[:200])  # imports and first calls
    ours, _ = timed(lambda: fitted(points, seed))
    sparse, _ = timed(lambda: geomancer(points, 4, 2, sparse_lowest))
    dense, found = timed(lambda: geomancer(points, 4, 2, dense_lowest))
    return {
        "factorize.speedup": dense / ours,
        "factorize.speedup_sparse": sparse / ours,
        "factorize.seconds_1000": ours,
        "factorize.dense_angle": subspace_angle_score(found, truth),
    }


def largest(seed: int, n: int = MOST) -> dict[str, float]:
    """A fit of many points in a process of its own; 0 points where it fails or takes more memory than allowed."""
    code = f"import factorize; factorize.report_largest({n}, {seed})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, cwd=Path(__file__).parent
        )
        right, gigabytes, seconds, error = map(float, done.stdout.split()[-4:])
    except (ValueError, subprocess.TimeoutExpired):
        return {"factorize.max_points": 0.0}
    return {
        "factorize.max_points": float(n) if right and gigabytes <= GIGABYTES else 0.0,
        "factorize.max_gigabytes": gigabytes,
        "factorize.max_cpu_seconds": seconds,
        "factorize.max_angle": error,
    }


def report_largest(n: int, seed: int) -> None:
    """What the child process prints: whether the fit is ok, peak gigabytes, CPU seconds, the angle."""
    points, truth = spheres(n, (2, 2), seed)
    seconds, result = timed(lambda: fitted(points, seed))
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(float(result.status == "ok"), gigabytes, seconds, angle(result, truth))


MEASURES = {
    "factorize.angles": angles, "factorize.heldout": heldout, "factorize.others": others,
    "factorize.angle_s2_s2_s2": three, "factorize.honest": honest, "factorize.speedups": speedup,
    "factorize.largest": largest,
}  # fmt: skip
FEWER = {"factorize.angle_s2_s2_s2": (0,), "factorize.speedups": (0,), "factorize.largest": (0,)}


# --- clouds -----------------------------------------------------------------------------------------------------------
def spheres(n: int, dimensions: tuple[int, ...], seed: int) -> Cloud:
    """Uniform points on a product of unit spheres."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, d + 1)) for d in dimensions]
    parts = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in parts]
    return np.hstack(parts), embedded([np.linalg.svd(x[:, :, None])[0][:, :, 1:] for x in parts])


def rotations_and_sphere(n: int, seed: int) -> Cloud:
    """Uniform rotations as matrices, over √2 so that a turn by a small angle moves by that angle; and a sphere."""
    group, (sphere, tangents) = SO3(), spheres(n, (2,), seed)
    turns = np.asarray(group.matrix(group.sample(n, np.random.default_rng([seed, 1]))))
    generators = np.zeros((3, 3, 3))
    for axis, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
        generators[axis, b, a], generators[axis, a, b] = 1.0, -1.0
    velocities = np.einsum("xab,nbc->nacx", generators, turns).reshape(n, 9, 3) / np.sqrt(2)
    return np.hstack([turns.reshape(n, 9) / np.sqrt(2), sphere]), embedded([velocities, tangents[0]])


def embedded(bases: list[Array]) -> list[Array]:
    """Tangent bases of the factors as directions of the product's space."""
    ends = list(accumulate(basis.shape[1] for basis in bases))
    wide = [np.zeros((len(basis), ends[-1], basis.shape[2])) for basis in bases]
    for room, basis, end in zip(wide, bases, ends, strict=True):
        room[:, end - basis.shape[1] : end] = basis
    return wide


# --- measuring --------------------------------------------------------------------------------------------------------
def fitted(points: Array, seed: int) -> ManifoldFactorization:
    return ManifoldFactors(random_state=seed).fit(points).factorization_


def angle(result: ManifoldFactorization, truth: list[Array]) -> float:
    """The aligned score; a result that is not `ok` has found nothing."""
    return subspace_angle_score(result.subspaces, truth) if result.status == "ok" else SPLIT


def r2(codes: Array, targets: Array, new_codes: Array, new_targets: Array) -> float:
    """R² of targets from codes by the best linear map, fitted on some points and scored on others."""
    rows = [np.column_stack([c, np.ones(len(c))]) for c in (codes, new_codes)]
    errors = rows[1] @ np.linalg.lstsq(rows[0], targets, rcond=None)[0] - new_targets
    return float(1 - (errors**2).sum() / ((new_targets - new_targets.mean(axis=0)) ** 2).sum())


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    out = work()
    return time.process_time() - start, out


if __name__ == "__main__":
    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "factorize.json", seeds=range(3), fewer=FEWER)
