"""Reaction and diffusion on a periodic square: the Gray–Scott model, diffusion exact, with its budget of mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from scipy import fft

from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.snapshots import snapshots
from geodis.simulators.turbulence import Waves

MIN_GRID = 8
TYPES = ((0, 1, 2),)  # food and catalyst


def simulate_gray_scott(
    state: Any,
    n_times: int = 20,
    *,
    interval: float = 50.0,
    feed: float = 0.037,
    kill: float = 0.06,
    diffusion: tuple[float, float] = (2e-5, 1e-5),
    length: float = 1.0,
    time_step: float = 2.0,
) -> Array:
    """Snapshots (a, b) at 0, T, 2T, …: `(runs, 2, N, N)` → `(runs, n_times, 2, N, N)`.

    Solves ∂a/∂t = D_a∇²a − ab² + F(1 − a), ∂b/∂t = D_b∇²b + ab² − (F + k)b on a periodic square: the catalyst b eats
    the food a, which is fed everywhere. Time steps are of the classical fourth order, diffusion is integrated exactly.
    The reaction is taken pixel by pixel, so that mass only comes and goes as F and k let it. The patterns commute with
    shifts of the grid and with all symmetries of the square.

    Parameters
    ----------
    state : array (runs, 2, N, N)
        Concentrations a and b.
    n_times : int
        Snapshots a run, the initial one included.
    interval : float
        T, the time between snapshots.
    feed, kill : float
        F and k, both ≥ 0.
    diffusion : pair of float
        D_a and D_b.
    length : float
        The square's side. Patterns have details of size √(D_b/(F + k)), about 0.01: a few grid steps should fit.
    time_step : float
        The longest time step; an interval is cut into equal steps.

    Returns
    -------
    ndarray (runs, n_times, 2, N, N)
        In the dtype of `state`; solved in float64.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, options outside their ranges, or a time step at which the reaction blows up.

    References
    ----------
    J. E. Pearson, "Complex patterns in a simple system", Science, 1993, arXiv:patt-sol/9304003.

    Examples
    --------
    >>> runs = simulate_gray_scott(random_gray_scott(2, 16), 3, feed=0.0, kill=0.0)
    >>> total = gray_scott_budgets(runs, feed=0.0, kill=0.0).total
    >>> runs.shape, bool(np.abs(total - total[:, :1]).max() < 1e-14)
    ((2, 3, 2, 16, 16), True)
    """
    start = _as_state(state)
    count(n_times, "n_times", 1)
    for name, value in {"interval": interval, "length": length, "time_step": time_step}.items():
        positive(value, name)
    rates = (_rate(feed, "feed"), _rate(kill, "kill"))
    if len(diffusion) != 2:
        raise ParameterError("diffusion", "two numbers ≥ 0", repr(diffusion))
    n_steps = ceil(interval / time_step - 1e-9)
    squared = Waves.of(start.shape[-1]).squared * (2 * np.pi / length) ** 2
    decay = np.stack([_rate(d, "diffusion") * squared for d in diffusion])
    x, half = start.astype(np.float64), np.exp(-0.5 * interval / n_steps * decay)
    return snapshots(
        x, lambda x: _step(x, interval / n_steps, half, *rates), lambda x: x, n_times, n_steps, interval=interval,
        dtype=start.dtype, advice=f"The reaction blows up: choose a time_step below {time_step:g}.",
    )  # fmt: skip


def random_gray_scott(
    n_runs: int,
    n_grid: int = 64,
    *,
    spots: int = 6,
    radius: float = 0.06,
    length: float = 1.0,
    seed: int | Sequence[int] = 0,
) -> Array:
    """Food everywhere but in round spots of catalyst at random places `(n_runs, 2, N, N)`.

    a = 1 − g/2 and b = g/4 with g = min(1, Σ exp(−r²/(2R²))), r measured around the periodic square. Run i depends on
    the seed and i only.

    Raises
    ------
    ParameterError
        For counts below one, a grid below 8, sizes that are not positive.

    Examples
    --------
    >>> state = random_gray_scott(2, 16, seed=1)
    >>> state.shape, bool(state.min() >= 0), bool(state.max() <= 1)
    ((2, 2, 16, 16), True, True)
    """
    count(n_runs, "n_runs", 1)
    count(n_grid, "n_grid", MIN_GRID)
    count(spots, "spots", 1)
    positive(radius, "radius")
    positive(length, "length")
    streams = np.random.default_rng(seed).spawn(n_runs)
    centres = np.stack([rng.uniform(0, length, (spots, 2)) for rng in streams])
    x = np.arange(n_grid) * length / n_grid
    apart = np.abs(x - centres[..., None])  # (runs, spots, 2, N)
    bells = np.exp(-0.5 * (np.minimum(apart, length - apart) / radius) ** 2)
    g = np.minimum(1.0, np.einsum("rsx,rsy->rxy", bells[:, :, 0], bells[:, :, 1]))
    return np.stack([1 - g / 2, g / 4], 1)


@dataclass(frozen=True)
class GrayScottBudgets:
    """Where mass is and comes from, each `(runs, times)`.

    Attributes
    ----------
    food, catalyst, total : ndarray
        ⟨a⟩, ⟨b⟩ and their sum.
    supply : ndarray
        F(1 − ⟨a⟩) − (F + k)⟨b⟩: the rate at which the sum grows, whatever the pattern.
    """

    food: Array
    catalyst: Array
    total: Array
    supply: Array


def gray_scott_budgets(states: Any, *, feed: float = 0.037, kill: float = 0.06) -> GrayScottBudgets:
    """Budgets of mass of states `(runs, times, 2, N, N)`.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, rates below zero.

    Examples
    --------
    >>> gray_scott_budgets(np.ones((1, 2, 2, 8, 8)), feed=0.5, kill=0.25).supply.tolist()
    [[-0.75, -0.75]]
    """
    array = to_numpy(states).astype(np.float64)
    if array.ndim != 5 or array.shape[2] != 2 or array.shape[3] != array.shape[4]:
        raise ShapeError("states", "(runs, times, 2, N, N)", array.shape)
    check_finite(array, "states")
    f, k = _rate(feed, "feed"), _rate(kill, "kill")
    food, catalyst = np.moveaxis(array.mean((-2, -1)), 2, 0)
    return GrayScottBudgets(food, catalyst, food + catalyst, f * (1 - food) - (f + k) * catalyst)


def _step(x: Array, dt: float, half: Array, feed: float, kill: float) -> Array:
    """One Runge–Kutta step of x e^{decay t}: the reaction is not stiff, and diffusion is exact."""
    s, s_a = _diffused(x, half), _diffused(_reaction(x, feed, kill), half)
    s_b = _reaction(s + 0.5 * dt * s_a, feed, kill)
    s_c = _reaction(s + 0.5 * dt * s_b, feed, kill)
    end = _reaction(_diffused(s + dt * s_c, half), feed, kill)
    return _diffused(s + dt / 6 * s_a + dt / 3 * (s_b + s_c), half) + dt / 6 * end


def _diffused(x: Array, factor: Array) -> Array:
    return fft.irfft2(factor * fft.rfft2(x), s=x.shape[-2:])


def _reaction(x: Array, feed: float, kill: float) -> Array:
    a, b = x[:, 0], x[:, 1]
    eaten = a * b * b
    return np.stack([feed * (1 - a) - eaten, eaten - (feed + kill) * b], 1)


def _rate(x: Any, name: str) -> float:
    number = isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)
    if not number or not 0 <= x < np.inf:
        raise ParameterError(name, "a finite number ≥ 0", repr(x))
    return float(x)


def _as_state(state: Any) -> Array:
    array = to_numpy(state)
    if array.ndim != 4 or array.shape[1] != 2 or array.shape[2] != array.shape[3] or array.shape[2] < MIN_GRID:
        raise ShapeError("state", f"(runs, 2, N, N) with N ≥ {MIN_GRID}", array.shape)
    if array.dtype.kind != "f":
        raise ParameterError("state", "floating-point numbers", array.dtype)
    check_finite(array, "state")
    return array
