"""Charged particles in space, the n-body benchmark of equivariant networks: its random stream and its dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.particle_trajectories import ParticleTrajectories

SPLITS = {"train": (0, 10_000), "valid": (10_000, 2_000), "test": (12_000, 2_000)}  # (first, number) in the stream
N_BODIES, DIM, SPEED = 5, 3, 0.5
BOX = 5.0  # initial positions beyond are reflected, as the benchmark does; later ones are not
TIME_STEP, EVERY, N_FRAMES = 1e-3, 100, 49
LARGEST_FORCE = 100.0  # of each component
CHUNK = 256  # runs advanced together: their arrays stay in the processor's cache


class ChargedStart(NamedTuple):
    """Initial states: charges `(n, 5)`, positions and velocities `(n, 5, 3)`."""

    charges: Array
    positions: Array
    velocities: Array


def charged_particles(
    split: str = "train",
    n: int = 3_000,
    *,
    frames: Sequence[int] = (30, 40),
    seed: int = 43,
    verbose: bool = False,
) -> ParticleTrajectories:
    r"""The first `n` runs of a split of the charged 5-body benchmark, in its own random stream.

    Five particles of unit mass and charge ±1 in space. One step, of length dt = 10⁻³, is::

        v_i ← v_i + dt · clamp(Σ_j q_i q_j (x_i − x_j)/|x_i − x_j|³, −100, 100),  x_i ← x_i + dt · v_i,

    the clamp acting on every component: close encounters therefore *depend on the axes*, and the data commute exactly
    with signed permutations of them only, with other rotations up to encounters closer than about 0.1. Frame c is the
    state after 100 (c + 1) steps; the usual task maps frame 30 to the positions of frame 40. The stream is that of
    `numpy.random.RandomState(seed)`, 10 000 training runs, 2 000 for validation, 2 000 for the test, one after the
    other [1]_; runs that are not asked for are drawn and not simulated. No global random state is read or set.

    About one run in twenty is so chaotic that another rounding changes its frames visibly (the error of x + v on the
    test set, .11, moves by 4 %); here every operation is fixed, so that plain loops give the same bits.

    Parameters
    ----------
    split : {"train", "valid", "test"}
        Which part of the stream.
    n : int
        How many runs; the usual training set are the first 3 000.
    frames : sequence of int
        Increasing frame numbers in 0 … 48.
    seed : int
        Of the stream; the benchmark has 43.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    ParticleTrajectories
        Positions and velocities (n, frames, 5, 3), scalars (n, 5, 1): the charges.

    Raises
    ------
    ParameterError
        For an unknown split, more runs than it has, or frames that are not increasing in 0 … 48.

    References
    ----------
    .. [1] V. G. Satorras, E. Hoogeboom, M. Welling, *E(n) Equivariant Graph Neural Networks*, ICML 2021,
       arXiv:2102.09844; protocol of its task "nbody small".

    Examples
    --------
    >>> runs = charged_particles("train", 2, frames=(0, 1))
    >>> runs
    ParticleTrajectories(2 runs, 2 times, 5 bodies in R^3, scalars: charge)
    >>> runs.scalars[0, :, 0].tolist()
    [-1.0, 1.0, -1.0, -1.0, -1.0]
    """
    if split not in SPLITS:
        raise ParameterError("split", f"one of {', '.join(SPLITS)}", repr(split))
    first, most = SPLITS[split]
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= most:
        raise ParameterError("n", f"an integer in 1 … {most} for {split}", repr(n))
    return simulate_charged(charged_starts(first, int(n), seed), frames, verbose=verbose)


def charged_starts(first: int, n: int, seed: int = 43) -> ChargedStart:
    """Runs `first` … `first + n − 1` of the benchmark's random stream, before the first step.

    A run takes from the stream, in this order: 5 charges, 15 coordinates, 15 velocity components (then every velocity
    is scaled to length ½), and 2 · 49 · 15 normal numbers of a measurement noise that the benchmark multiplies by zero.

    Examples
    --------
    >>> start = charged_starts(10_000, 3)
    >>> start.positions.shape, np.linalg.norm(start.velocities, axis=-1).round(12).tolist()[0]
    ((3, 5, 3), [0.5, 0.5, 0.5, 0.5, 0.5])
    """
    stream = np.random.RandomState(seed)
    charges, positions, velocities = np.empty((n, N_BODIES)), np.empty((n, N_BODIES, DIM)), np.empty((n, N_BODIES, DIM))
    for run in range(first + n):
        q = stream.choice(np.array([-1.0, 0.0, 1.0]), size=(N_BODIES, 1), p=[0.5, 0.0, 0.5])
        x, v = stream.randn(DIM, N_BODIES), stream.randn(DIM, N_BODIES)
        stream.randn(2 * N_FRAMES * DIM * N_BODIES)
        if run >= first:
            v = v * SPEED / np.sqrt((v**2).sum(axis=0))
            x, v = _reflected(x, v)
            charges[run - first], positions[run - first], velocities[run - first] = q[:, 0], x.T, v.T
    return ChargedStart(charges, positions, velocities)


def simulate_charged(start: Any, frames: Sequence[int] = (30, 40), *, verbose: bool = False) -> ParticleTrajectories:
    """The benchmark's dynamics from any initial states `(charges (n, b), positions, velocities (n, b, 3))`.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, or frames that are not increasing in 0 … 48.
    """
    charges, x, v = (np.asarray(to_numpy(a), dtype=np.float64) for a in start)
    if x.ndim != 3 or x.shape != v.shape or charges.shape != x.shape[:2] or 0 in x.shape:
        raise ShapeError(
            "start", "charges (n, b), positions (n, b, d), velocities alike", f"{charges.shape}, {x.shape}"
        )
    for name, a in (("charges", charges), ("positions", x), ("velocities", v)):
        check_finite(a, name)
    wanted = _frames(frames)
    out = np.empty((2, len(x), len(wanted), *x.shape[1:]))
    steps = EVERY * (wanted[-1] + 1)
    with tqdm(total=len(x) * steps, desc="charged particles", unit_scale=True, disable=not verbose) as bar:
        for low in range(0, len(x), CHUNK):
            part = slice(low, min(len(x), low + CHUNK))
            out[:, part] = _advance(charges[part], x[part], v[part], wanted)
            bar.update((part.stop - low) * steps)
    times = TIME_STEP * EVERY * (np.array(wanted) + 1.0)
    return ParticleTrajectories(out[0], out[1], charges[..., None], times, ("charge",))


def _advance(charges: Array, x: Array, v: Array, frames: list[int]) -> Array:
    """States `(2, runs, frames, bodies, d)`; inside, arrays are (d, bodies or pairs, runs): long contiguous rows."""
    pairs = np.array(list(combinations(range(x.shape[1]), 2)))
    first, second = pairs[:, 0], pairs[:, 1]
    product = np.ascontiguousarray((charges[:, first] * charges[:, second]).T)
    x, v = (np.ascontiguousarray(a.transpose(2, 1, 0)) for a in (x, v))
    forces = np.zeros((x.shape[0], x.shape[1], *x.shape[1:]))
    saved = []
    for step in range(1, EVERY * (frames[-1] + 1) + 1):
        v += TIME_STEP * np.clip(_force(product, x, first, second, forces), -LARGEST_FORCE, LARGEST_FORCE)
        x += TIME_STEP * v
        if step % EVERY == 0 and step // EVERY - 1 in frames:
            saved.append(np.stack([x.transpose(2, 1, 0), v.transpose(2, 1, 0)]))
    return np.stack(saved, axis=2)


def _force(product: Array, x: Array, first: Array, second: Array, forces: Array) -> Array:
    """Forces (d, bodies, runs); `forces` (d, bodies, bodies, runs) is memory to work in, zero on the diagonal.

    About a run in twenty is chaotic enough for the last bit of a distance to show in the data. Hence squared distances
    as |a|² + |b|² − 2a·b, as the benchmark has them, every sum in the order of the indices and no fused or reordered
    operation (a matrix product might): plain loops over IEEE numbers give the same bits on any machine.
    """
    xi, xj = x[:, first], x[:, second]
    norms = (x * x).sum(axis=0)
    squared = norms[first] + norms[second] - 2.0 * (xi * xj).sum(axis=0)
    pull = (xi - xj) * (product / (squared * np.sqrt(squared)))
    forces[:, first, second], forces[:, second, first] = pull, -pull
    return forces.sum(axis=2)


def _reflected(x: Array, v: Array) -> tuple[Array, Array]:
    """Initial positions beyond the box come back into it, with the velocity that points inwards."""
    v = np.where(x > BOX, -np.abs(v), np.where(x < -BOX, np.abs(v), v))
    return np.where(x > BOX, 2 * BOX - x, np.where(x < -BOX, -2 * BOX - x, x)), v


def _frames(frames: Sequence[int]) -> list[int]:
    whole = [f for f in frames if isinstance(f, (int, np.integer)) and not isinstance(f, bool) and 0 <= f < N_FRAMES]
    if not whole or len(whole) != len(list(frames)) or any(b <= a for a, b in pairwise(whole)):
        raise ParameterError("frames", f"increasing integers in 0 … {N_FRAMES - 1}", repr(frames))
    return [int(f) for f in whole]
