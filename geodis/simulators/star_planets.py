"""A star and its planets: the gravity benchmark of geometric algebra transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.simulators.particle_trajectories import ParticleTrajectories

STAR_MASS, PLANET_MASS, RADIUS = (1.0, 10.0), (0.01, 0.1), (0.1, 1.0)
VELOCITY_NOISE, SHIFT = 0.01, 20.0
TIME_STEP, N_STEPS = 1e-3, 100
FARTHEST = 2.0  # runs in which a body moves farther are dropped
CHUNK = 256


def star_planets(
    n: int, n_planets: int = 3, *, shift: float = 0.0, seed: int | Sequence[int] = 0, verbose: bool = False
) -> ParticleTrajectories:
    r"""`n` runs of a star with planets over 100 steps: states at the times 0 and 0.1, G = 1.

    Star mass log-uniform in (1, 10), planet masses in (0.01, 0.1), planets uniform in the ring 0.1 … 1 of a plane, each
    on its circular velocity in either direction plus noise of 0.01; bodies are permuted, the system is rotated (Haar)
    and shifted by 20·N(0, 1), and by `shift` along the first axis for the far-away variant. One step of dt = 10⁻³ is::

        v_i ← v_i + dt · Σ_j m_j (x_j − x_i)/|x_j − x_i|³,  x_i ← x_i + dt · v_i .

    Runs in which a body moves farther than 2 are dropped and replaced, as in the benchmark [1]_: its targets are those
    of this discretisation, close encounters included. The dynamics commute with O(3), translations and permutations;
    the velocities at the times 0 and 0.1 are returned too.

    Parameters
    ----------
    n : int
        How many runs.
    n_planets : int
        3, or 5 for the generalization set.
    shift : float
        Along the first axis; 200 for the far-away set.
    seed : int or sequence of int
        As `numpy.random.default_rng` takes it.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    ParticleTrajectories
        Positions and velocities (n, 2, 1 + n_planets, 3), scalars (n, 1 + n_planets, 1): the masses.

    Raises
    ------
    ParameterError
        For counts below one or a shift that is not finite.

    References
    ----------
    .. [1] J. Brehmer, P. de Haan, S. Behrends, T. Cohen, *Geometric Algebra Transformer*, NeurIPS 2023,
       arXiv:2305.18415.

    Examples
    --------
    >>> star_planets(4, seed=1)
    ParticleTrajectories(4 runs, 2 times, 4 bodies in R^3, scalars: mass)
    """
    for name, value in (("n", n), ("n_planets", n_planets)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ParameterError(name, "an integer ≥ 1", repr(value))
    if not isinstance(shift, (int, float, np.integer, np.floating)) or not np.isfinite(shift):
        raise ParameterError("shift", "a finite number", repr(shift))
    rng = np.random.default_rng(seed)
    kept: list[tuple[Array, ...]] = []
    found = 0
    with tqdm(total=int(n), desc="star and planets", disable=not verbose) as bar:
        while found < n:
            masses, x, v = _starts(rng, CHUNK, int(n_planets))
            x[..., 0] += shift
            y, w = evolve_gravity(masses, x, v)
            near = np.linalg.norm(y - x, axis=-1).max(axis=-1) <= FARTHEST
            kept.append(tuple(a[near] for a in (masses, x, v, y, w)))
            bar.update(min(int(near.sum()), int(n) - found))
            found += int(near.sum())
    masses, x, v, y, w = (np.concatenate(parts)[:n] for parts in zip(*kept, strict=True))
    times = np.array([0.0, TIME_STEP * N_STEPS])
    return ParticleTrajectories(np.stack([x, y], 1), np.stack([v, w], 1), masses[..., None], times, ("mass",))


def evolve_gravity(masses: Array, x: Array, v: Array, n_steps: int = N_STEPS) -> tuple[Array, Array]:
    """`n_steps` of the benchmark's semi-implicit Euler steps: masses `(n, b)`, states `(n, b, d)` → states."""
    x, v = x.transpose(2, 1, 0).copy(), v.transpose(2, 1, 0).copy()
    m = masses.T
    for _ in range(n_steps):
        towards = x[:, None, :] - x[:, :, None]
        squared = (towards**2).sum(axis=0)
        squared[squared < 1e-18] = 1.0  # a body and itself: the difference is zero, and so is the force
        v += TIME_STEP * (towards * (m / (squared * np.sqrt(squared)))).sum(axis=2)
        x += TIME_STEP * v
    return x.transpose(2, 1, 0), v.transpose(2, 1, 0)


def _starts(rng: Any, n: int, n_planets: int) -> tuple[Array, Array, Array]:
    """Masses (n, b), positions and velocities (n, b, 3), before the shift that is asked for."""
    star = np.exp(rng.uniform(*np.log(STAR_MASS), (n, 1)))
    masses = np.concatenate([star, np.exp(rng.uniform(*np.log(PLANET_MASS), (n, n_planets)))], axis=1)
    radius = np.sqrt(rng.uniform(RADIUS[0] ** 2, RADIUS[1] ** 2, (n, n_planets)))
    angle = rng.uniform(0.0, 2.0 * np.pi, (n, n_planets))
    speed = rng.choice([-1.0, 1.0], (n, n_planets)) * np.sqrt(star / radius)
    x, v = np.zeros((n, 1 + n_planets, 3)), np.zeros((n, 1 + n_planets, 3))
    x[:, 1:, 0], x[:, 1:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    v[:, 1:, 0], v[:, 1:, 1] = -speed * np.sin(angle), speed * np.cos(angle)
    v[:, 1:] += VELOCITY_NOISE * rng.standard_normal((n, n_planets, 3))
    order = rng.permuted(np.tile(np.arange(1 + n_planets), (n, 1)), axis=1)
    masses, x, v = (np.take_along_axis(a, order if a.ndim == 2 else order[..., None], 1) for a in (masses, x, v))
    q, r = np.linalg.qr(rng.standard_normal((n, 3, 3)))
    turn = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    turn[..., 0] *= np.sign(np.linalg.det(turn))[:, None]
    x, v = x @ turn.transpose(0, 2, 1), v @ turn.transpose(0, 2, 1)
    return masses, x + SHIFT * rng.standard_normal((n, 1, 3)), v
