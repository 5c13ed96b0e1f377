"""Question: are the generators and the name of a group found from pairs of which only batches of one element are known.

Six algebras act on R^32 by several copies of their representations and some trivial directions, behind a random linear
mix: SO(2)³ (five planes each, frequencies 1 and 2), SO(3) (five l=1, three l=2), SE(2) (ten positions and five vectors
of the plane, so that the action on R^32 is affine), SO(1,3) (seven four-vectors), Sp(4) (seven R⁴) and the Heisenberg
group (ten R³). 200 batches of 100 pairs share one element each, the exponential of a random direction of the algebra
(in its usual basis) of length .3 to 1; points are normal before the mix. The mix is U diag(s) Vᵀ with random rotations
and s log-uniform in [1/2, 2]: condition number at most 4. To gz noise is added whose standard deviation is 5 % of the
root mean square displacement of a coordinate; z is exact.

The angle is the largest principal angle to the planted span, in the coordinates of the embedding, as
`geodis.metrics.generator_span_angle` has it. Harder cases: s log-uniform over a factor of 30, a Gaussian matrix as the
mix (condition number ~100), and noise on both sides of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from harness import run
from scipy.linalg import block_diag, expm

from geodis.discovery.discovered_algebra import DiscoveredAlgebra
from geodis.discovery.unknown_algebra import UnknownAlgebra
from geodis.groups import SE, SO2, SO3, Lorentz, Representation
from geodis.groups.group import AbstractGroup
from geodis.linalg import Array
from geodis.metrics import generator_span_angle, latent_generator

RESULTS = Path(__file__).parent / "results"
DIM, N_BATCHES, N_PAIRS, NOISE = 32, 200, 100, 0.05
SHORTEST, LONGEST = 0.3, 1.0  # elements, in the usual basis of the algebra
NAMES = {
    "so2^3": "abelian(3)",
    "so3": "so(3)",
    "se2": "se(2)",
    "so13": "so(1,3)",
    "sp4": "sp(4)",
    "heisenberg": "heisenberg(3)",
}
DATA_SEEDS = range(3)
COUNTS = (50, 100, 200, 400)


class Planted(NamedTuple):
    """Pairs in batches, and the generators behind them on (z, 1) or z."""

    z: Array
    gz: Array
    batches: Array
    generators: Array


Mix = Callable[[np.random.Generator], Array]


def spread_mix(factor: float) -> Mix:
    """U diag(s) Vᵀ with s log-uniform over a factor."""

    def mix(rng: np.random.Generator) -> Array:
        left, right = (np.linalg.qr(rng.normal(size=(DIM, DIM)))[0] for _ in range(2))
        return np.asarray(left * np.exp(rng.uniform(-0.5, 0.5, DIM) * np.log(factor)) @ right.T)

    return mix


def gaussian_mix(rng: np.random.Generator) -> Array:
    """Independent normal entries."""
    return rng.normal(size=(DIM, DIM)) / np.sqrt(DIM)


EASY = spread_mix(4.0)
MIXES: dict[str, Mix] = {"spread30": spread_mix(30.0), "gaussian": gaussian_mix}


def planted(
    name: str, seed: int, *, n_batches: int = N_BATCHES, n_pairs: int = N_PAIRS, noise: float = NOISE,
    source_noise: float = 0.0, mix: Mix = EASY,
) -> Planted:  # fmt: skip
    """The world of one algebra; `source_noise` is the variance of noise on z over that on gz."""
    rng = np.random.default_rng([seed, list(NAMES).index(name), 7])
    inner = algebra(name)
    p = inner.shape[1]
    A = np.eye(p)
    A[:DIM, :DIM] = mix(rng)
    generators = A @ inner @ np.linalg.inv(A)
    t = rng.normal(size=(n_batches, len(inner)))
    t *= rng.uniform(SHORTEST, LONGEST, (n_batches, 1)) / np.linalg.norm(t, axis=1, keepdims=True)
    z = rng.normal(size=(n_batches, n_pairs, DIM)) @ A[:DIM, :DIM].T
    moved = expm(np.tensordot(t, generators, axes=1)) @ np.swapaxes(_homogeneous(z, p), 1, 2)
    gz = np.swapaxes(moved, 1, 2)[..., :DIM]
    sd = noise * float(np.sqrt(np.square(gz - z).mean()))
    gz = gz + sd * rng.normal(size=gz.shape)
    z = z + np.sqrt(source_noise) * sd * rng.normal(size=z.shape)
    return Planted(z.reshape(-1, DIM), gz.reshape(-1, DIM), np.repeat(np.arange(n_batches), n_pairs), generators)


def algebra(name: str) -> Array:
    """The generators before the mix (k, 32, 32), or (k, 33, 33) for the affine action of SE(2)."""
    return {"so2^3": _so2_cubed, "so3": _so3, "se2": _se2, "so13": _so13, "sp4": _sp4, "heisenberg": _heisenberg}[
        name
    ]()


def discovered(world: Planted, **options: float) -> DiscoveredAlgebra:
    """What the estimator finds."""
    return UnknownAlgebra(**options).fit(world.z, world.gz, batches=world.batches).algebra_


def angle(found: DiscoveredAlgebra, world: Planted) -> float:
    """The largest principal angle to the planted span [rad]; π/2 for another number of generators or coordinates."""
    p = world.generators.shape[1]
    if found.n_generators == 0 or found.generators.shape[1] != p:
        return float(np.pi / 2)
    moved = np.eye(p)
    moved[:DIM, DIM:] = -found.centre[:, None] if p > DIM else moved[:DIM, DIM:]
    return float(generator_span_angle(found.generators, moved @ world.generators @ np.linalg.inv(moved)).value)


# --- measures ---------------------------------------------------------------------------------------------------------
def named(seed: int) -> dict[str, float]:
    """All six algebras at three data seeds: how many are named right, the largest angles, the held-out errors."""
    worlds = [(name, planted(name, 10 * seed + data)) for name in NAMES for data in DATA_SEEDS]
    found = [(name, discovered(world), world) for name, world in worlds]
    angles = {name: max(angle(f, w) for n, f, w in found if n == name) for name in NAMES}
    inside = [f.angle_interval[0] <= angle(f, w) <= f.angle_interval[1] for _, f, w in found]
    return {
        "algebra.named_right": float(sum(f.name == NAMES[n] for n, f, _ in found)),
        "algebra.decided": float(sum(f.status == "ok" for _, f, _ in found)),
        "algebra.span_angle_max": max(angles.values()),
        **{f"algebra.span_angle_{name}": value for name, value in angles.items()},
        "algebra.interval_covers": float(np.mean(inside)),
        "algebra.held_out": max(f.held_out.model for _, f, _ in found),
        "algebra.held_out_free": max(f.held_out.free for _, f, _ in found),
    }


def by_count(seed: int) -> dict[str, float]:
    """The largest angle over the six algebras for more and more batches."""
    return {
        f"algebra.span_angle_{n}_batches": max(
            angle(discovered(world), world) for world in (planted(name, seed, n_batches=n) for name in NAMES)
        )
        for n in COUNTS
    }


def without_orbit(seed: int) -> dict[str, float]:
    """The largest angle over the six algebras when generators do not share coordinates through their commutant."""
    worlds = [planted(name, seed) for name in NAMES]
    found = [UnknownAlgebra(shared_coordinates=False).fit(w.z, w.gz, batches=w.batches).algebra_ for w in worlds]
    return {"algebra.span_angle_free": max(angle(f, w) for f, w in zip(found, worlds, strict=True))}


def harder(seed: int) -> dict[str, float]:
    """Ill-conditioned mixes, and noise on both sides, told to the estimator and not told: angles and names."""
    out: dict[str, float] = {}
    for label, mix in MIXES.items():
        out |= _summary(label, [(n, planted(n, seed, mix=mix)) for n in NAMES])
    both = [(n, planted(n, seed, source_noise=1.0)) for n in NAMES]
    return out | _summary("both_noisy", both, source_noise=1.0) | _summary("both_noisy_untold", both)


MEASURES = {
    "algebra.named": named, "algebra.by_count": by_count, "algebra.free": without_orbit, "algebra.harder": harder,
}  # fmt: skip


def _summary(label: str, worlds: list[tuple[str, Planted]], **options: float) -> dict[str, float]:
    found = [(name, discovered(world, **options), world) for name, world in worlds]
    return {
        f"algebra.span_angle_{label}": max(angle(f, w) for _, f, w in found),
        f"algebra.named_right_{label}": float(sum(f.name == NAMES[n] for n, f, _ in found)),
    }


# --- the algebras -----------------------------------------------------------------------------------------------------
def _generators(group: AbstractGroup, rep: Representation) -> Array:
    return np.stack([latent_generator(rep, group, axis) for axis in np.eye(group.tangent_dim)])


def _filled(*blocks: Array) -> Array:
    """A direct sum of representations (k, d_i, d_i), filled up to 32 rows with trivial ones."""
    rest = DIM - sum(block.shape[1] for block in blocks)
    return np.stack([block_diag(*parts, np.zeros((rest, rest))) for parts in zip(*blocks, strict=True)])


def _so2_cubed() -> Array:
    group = SO2()
    planes = [_generators(group, group.irrep(f"m={m}"))[0] for m in (1, 1, 1, 2, 2)]
    one = block_diag(*planes)
    return _filled(np.stack([block_diag(*[one * (i == factor) for i in range(3)]) for factor in range(3)]))


def _so3() -> Array:
    group = SO3()
    return _filled(*[_generators(group, group.irrep(f"l={order}")) for order in (1, 1, 1, 1, 1, 2, 2, 2)])


def _se2() -> Array:
    group = SE(2)
    plane = np.asarray(group.matrix(group.exp(np.eye(3) * 1e-6)) - np.eye(3)) / 1e-6  # (3, 3, 3): only to read J and e
    linear, shift = np.round(plane[:, :2, :2], 5), np.round(plane[:, :2, 2], 5)
    top = _filled(*[linear] * 15)
    column = np.concatenate([np.tile(shift, 10), np.zeros((3, DIM - 20))], axis=1)
    out = np.zeros((3, DIM + 1, DIM + 1))
    out[:, :DIM, :DIM], out[:, :DIM, DIM] = top, column
    return out


def _so13() -> Array:
    group = Lorentz()
    return _filled(*[_generators(group, group.irrep("vector"))] * 7)


def _sp4() -> Array:
    omega = np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(2))
    forms = [np.outer(a, b) + np.outer(b, a) for i, a in enumerate(np.eye(4)) for b in np.eye(4)[i:]]
    return _filled(*[np.stack([omega @ form / np.linalg.norm(form) for form in forms])] * 7)


def _heisenberg() -> Array:
    inner = np.zeros((3, 3, 3))
    inner[0, 0, 1] = inner[1, 1, 2] = inner[2, 0, 2] = 1.0
    return _filled(*[inner] * 10)


def _homogeneous(z: Array, p: int) -> Array:
    return z if p == DIM else np.concatenate([z, np.ones((*z.shape[:-1], 1))], axis=-1)


if __name__ == "__main__":
    run(MEASURES, results=RESULTS / "unknown_algebra.json", seeds=(0,))
