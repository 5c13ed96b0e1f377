"""Question: can two shifts that one signal shows at once be told apart, and made linear, without any label.

The double bump of LaLiGAN: x(a, b) = bump₁(· − a) + bump₂(· − b) on a circle of 64 points, two periodic Gaussian bumps
of different width. At each frequency of the signal the two bumps share one plane, so that no linear map separates them,
and a linear operator for a shift (a, b) of the raw signal must err. Here six principal components of the signal are
lifted (Nyström features), and `SequenceModes` see sequences that wander over the torus at constant unknown speeds, each
of its own. A quarter of the 64 × 64 positions never occurs in them: where a sequence passes one, the frame is missing.

Scored on other sequences, of which *only* frames at the unseen positions are taken. From the first half the speed is
estimated, in the second half every frame is predicted from the one before it,

    error = E|c(t + h) − ρ(h·speed) c(t)|² / E|c − c̄|²,   every plane scaled to the same variance.

Of four planes those two are scored that the fit itself holds best among the pairs whose weights are a basis.
An error near zero could be had from coordinates that hold next to nothing; hence the share of the raw signal's variance
that four nearest neighbours in the coordinates give back at unseen positions. The baselines are what a user who is told
(a, b) gets with one ridge operator for each of some shifts, fitted on seen positions, on the raw signal and on its four
leading principal components.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from geodis.coordinates import Nystroem
from geodis.discovery.rotating_planes import RotatingPlanes
from geodis.discovery.sequence_modes import SequenceModes
from geodis.linalg import Array

SIDE = 64
WIDTHS = (0.35, 0.8)  # rad
UNSEEN = 0.25
N_SEQUENCES, N_FRAMES, FASTEST = 350, 12, 12
N_TEST, N_TEST_FRAMES = 100, 64
N_DIRECTIONS, N_FEATURES, N_COMPONENTS, RIDGE = 6, 300, 130, 1e-5
N_PLANES = 4
SHIFTS = ((5, 0), (0, 7), (9, 23), (31, 12))


@dataclass(frozen=True)
class Walks:
    """Frames of sequences: positions (N, 2), the sequence and the step of each."""

    positions: Array
    sequence: Array
    step: Array


def double_bump(seed: int) -> dict[str, float]:
    """Held-out operator error, CPU seconds of the fit, and the controls."""
    hidden = np.random.default_rng([seed, 79]).random((SIDE, SIDE)) < UNSEEN
    train = walks(~hidden, N_SEQUENCES, N_FRAMES, seed)
    test = walks(hidden, N_TEST, N_TEST_FRAMES, seed + 10_000)
    start = time.process_time()
    reduced = PCA(N_DIRECTIONS).fit(signals(train.positions))
    lift = Nystroem(N_FEATURES).fit(reduced.transform(signals(train.positions)), seed=seed)
    estimator = SequenceModes(n_planes=N_PLANES, max_components=N_COMPONENTS, ridge=RIDGE, n_folds=2, random_state=seed)
    z = lift(reduced.transform(signals(train.positions)))
    modes = estimator.fit(z, sequence=train.sequence, step=train.step).modes_
    kept = faithful(modes)
    seconds = time.process_time() - start

    def coordinates(positions: Array) -> Array:
        return modes.transform(lift(reduced.transform(signals(positions))))[:, columns(kept)]

    seen, unseen = np.argwhere(~hidden), np.argwhere(hidden)
    z = lift(reduced.transform(signals(test.positions)))
    return {
        "doublebump.error": held_out_error(modes, z, test, kept),
        "doublebump.error_all_planes": held_out_error(modes, z, test, list(range(modes.n_planes))),
        "doublebump.seconds": seconds,
        "doublebump.decoded_r2": decoded(coordinates(seen), seen, coordinates(unseen), unseen),
        "doublebump.rank": float(modes.rank),
        "doublebump.planes": float(modes.n_planes),
        "doublebump.separated": separated(coordinates(test.positions), test),
        "doublebump.raw": linear_error(hidden, signals(seen), None),
        "doublebump.pca4": linear_error(hidden, signals(seen), 4),
    }


FRESH = 10  # the first of the seeds that no choice was made on


def fresh(seed: int) -> dict[str, float]:
    """The error at seeds that were not looked at when frames, planes and lift were chosen."""
    return {"doublebump.fresh_error": double_bump(FRESH + seed)["doublebump.error"]}


MEASURES = {"doublebump.error": double_bump, "doublebump.fresh_error": fresh}
FEWER = {"doublebump.fresh_error": range(5)}


def faithful(modes: RotatingPlanes) -> list[int]:
    """The planes of most cross-fitted skill whose weights are a basis: they tell every point of the torus from others.

    All planes where no such set is found (planes of weights (1, 1) and (3, −1) alone cannot tell four points apart).
    """
    sets = [
        list(chosen)
        for chosen in combinations(range(modes.n_planes), modes.weights.shape[1])
        if abs(round(float(np.linalg.det(modes.weights[list(chosen)])))) == 1
    ]
    return max(sets, key=lambda chosen: sum(modes.skills[r] for r in chosen), default=list(range(modes.n_planes)))


def columns(planes: list[int]) -> list[int]:
    """Both columns of each plane."""
    return [column for r in planes for column in (2 * r, 2 * r + 1)]


# --- data -------------------------------------------------------------------------------------------------------------
def bump(width: float) -> Array:
    """exp((cos φ − 1)/width²): a periodic Gaussian bump on the circle of 64 points."""
    return np.exp((np.cos(2 * np.pi * np.arange(SIDE) / SIDE) - 1.0) / width**2)


def signals(positions: Array) -> Array:
    """The raw signals (N, 64) at positions (N, 2)."""
    i = np.arange(SIDE)
    shifted = [bump(width)[(i - positions[:, k : k + 1]) % SIDE] for k, width in enumerate(WIDTHS)]
    return shifted[0] + shifted[1]


def walks(allowed: Array, n: int, n_frames: int, seed: int) -> Walks:
    """`n` walks from random positions at random integer speeds, without the frames at positions not allowed."""
    rng = np.random.default_rng([seed, 83])
    start, speed = rng.integers(0, SIDE, (n, 1, 2)), rng.integers(-FASTEST, FASTEST + 1, (n, 1, 2))
    at = (start + speed * np.arange(n_frames)[None, :, None]) % SIDE
    owner, step = np.nonzero(allowed[at[..., 0], at[..., 1]])
    return Walks(at[owner, step], owner, step)


# --- scores -----------------------------------------------------------------------------------------------------------
def held_out_error(modes: RotatingPlanes, z: Array, test: Walks, planes: list[int]) -> float:
    """Errors within the second halves, at the speeds of the first halves."""
    kept = columns(planes)
    c = modes.transform(z)[:, kept]
    c = c / c.std(axis=0)
    above, owners = 0.0, [np.flatnonzero(test.sequence == s) for s in np.unique(test.sequence)]
    predicted = 0
    for rows in owners:
        known = rows[: len(rows) // 2]
        later = rows[len(rows) // 2 :]
        if len(known) < 3 or len(later) < 2:
            continue
        speed = modes.speeds_of(z[known], step=test.step[known])[0]
        rho = np.stack([modes.rotation(speed, float(h))[np.ix_(kept, kept)] for h in np.diff(test.step[later])])
        above += float(((c[later[1:]] - np.einsum("tab,tb->ta", rho, c[later[:-1]])) ** 2).sum())
        predicted += len(later) - 1
    return above / (predicted * float(((c - c.mean(axis=0)) ** 2).sum(axis=1).mean()))


def decoded(seen: Array, seen_at: Array, unseen: Array, unseen_at: Array) -> float:
    """R² of the raw signal at unseen positions from its four nearest seen neighbours in the coordinates."""
    near = KNeighborsRegressor(4, weights="distance").fit(seen, signals(seen_at))
    true = signals(unseen_at)
    return float(1.0 - ((near.predict(unseen) - true) ** 2).sum() / ((true - true.mean(axis=0)) ** 2).sum())


def separated(c: Array, test: Walks) -> float:
    """How well products of the planes' phases, with integer exponents, are e^{ia} and e^{ib}: 1 for the right torus."""
    angles = np.angle(c[:, 0::2] + 1j * c[:, 1::2])
    exponents = np.array(list(product(range(-2, 3), repeat=angles.shape[1])))
    characters = np.exp(1j * angles @ exponents.T)
    true = np.exp(2j * np.pi * test.positions / SIDE)
    return float(min(np.abs(characters.conj().T @ true[:, k] / len(true)).max() for k in range(2)))


def linear_error(hidden: Array, seen: Array, n_components: int | None) -> float:
    """Relative error of one ridge operator a shift, told (a, b): fitted among seen positions, scored among unseen."""
    reduce = (lambda x: x) if n_components is None else PCA(n_components).fit(seen).transform
    every = np.argwhere(np.ones_like(hidden))
    above = below = 0.0
    for shift in SHIFTS:
        to = (every + shift) % SIDE
        x, y = reduce(signals(every)), reduce(signals(to))
        mark = hidden[every[:, 0], every[:, 1]].astype(int) + hidden[to[:, 0], to[:, 1]]
        map_of = Ridge(1e-3).fit(x[mark == 0], y[mark == 0])
        true = y[mark == 2]
        above += float(((map_of.predict(x[mark == 2]) - true) ** 2).sum())
        below += float(((true - true.mean(axis=0)) ** 2).sum())
    return above / below


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "double_bump.json", seeds=range(3))
