"""Shallow water on a rotating periodic square: height and velocity, pseudo-spectral, with budgets that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from scipy import fft

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.snapshots import snapshots
from geodis.simulators.turbulence import Waves

LENGTH = 2 * np.pi  # of the square's side
MIN_GRID = 8
TYPES = ((0, 1, 1), (1, 1, 1), (0, -1, 1))  # height, velocity, Coriolis parameter


def simulate_shallow_water(
    state: Any,
    coriolis: Any,
    n_times: int = 20,
    *,
    interval: float = 0.25,
    gravity: float = 1.0,
    depth: float = 1.0,
    viscosity: float = 1e-3,
    time_step: float = 0.02,
) -> Array:
    """Snapshots (h, u) at 0, T, 2T, …: `(runs, 3, N, N)` → `(runs, n_times, 3, N, N)`.

    Solves ∂h/∂t + ∇·((H + h)u) = ν∇²h, ∂u/∂t + u·∇u + f ẑ×u = −g∇h + ν∇²u on a periodic square of side 2π, each run on
    its own. Component i of u points along grid axis i, (ẑ×u) = (−u₁, u₀). Products are dealiased by the 2/3 rule, time
    steps are of the classical fourth order. Mass is kept to rounding, energy by the equations without viscosity. The
    flow commutes with shifts of the grid and with all symmetries of the square, if f changes sign under reflections: it
    is a pseudoscalar.

    Parameters
    ----------
    state : array (runs, 3, N, N)
        Height above the mean depth, then velocity; what the grid cannot dealias (|k_i| ≥ N/3) is removed first.
    coriolis : float, array (runs,) or (runs, N, N)
        f: constant (an f-plane), or one value a place, such as `beta_plane`.
    n_times : int
        Snapshots a run, the initial one included.
    interval : float
        T, the time between snapshots.
    gravity, depth : float
        g and H: waves move with √(gH).
    viscosity : float
        ν ≥ 0.
    time_step : float
        The longest time step; an interval is cut into equal steps.

    Returns
    -------
    ndarray (runs, n_times, 3, N, N)
        In the dtype of `state`; solved in float64.

    Raises
    ------
    ShapeError, FiniteError, ParameterError, LengthError
        For other shapes, NaN, options outside their ranges, or a time step at which the flow blows up.

    References
    ----------
    G. K. Vallis, *Atmospheric and Oceanic Fluid Dynamics*, Cambridge University Press, 2017, chapter 3.

    Examples
    --------
    >>> runs = simulate_shallow_water(random_shallow_water(2, 16), 1.0, 3)
    >>> runs.shape, bool(np.allclose(runs[:, 0, 0].mean((1, 2)), runs[:, -1, 0].mean((1, 2)), atol=1e-15))
    ((2, 3, 3, 16, 16), True)
    """
    start = _as_state(state)
    count(n_times, "n_times", 1)
    for name, value in {"interval": interval, "gravity": gravity, "depth": depth, "time_step": time_step}.items():
        positive(value, name)
    if viscosity != 0:
        positive(viscosity, "viscosity")
    f = _as_coriolis(coriolis, start)
    n_steps = ceil(interval / time_step - 1e-9)
    solver = _Solver(f, gravity, depth, viscosity, interval / n_steps, start.shape[-1])
    spectrum = solver.kept * fft.rfft2(start.astype(np.float64))
    return snapshots(
        spectrum, solver.step, lambda s: fft.irfft2(s, s=start.shape[-2:]), n_times, n_steps, interval=interval,
        dtype=start.dtype, advice=f"The flow blows up: choose a time_step below {time_step:g}, or a calmer start.",
    )  # fmt: skip


def random_shallow_water(
    n_runs: int,
    n_grid: int = 32,
    *,
    peak: float = 3.0,
    height: float = 0.1,
    speed: float = 0.3,
    seed: int | Sequence[int] = 0,
) -> Array:
    """Gaussian random states (h, u) `(n_runs, 3, N, N)`, isotropic and homogeneous: waves and eddies.

    Height and both components of the velocity are independent white noise, smoothed to wavenumbers about `peak`; every
    run has zero mean height, and root mean squares `height` and `speed`. Run i depends on the seed and i only.

    Raises
    ------
    ParameterError
        For counts below one, a grid below 8, sizes that are not positive.

    Examples
    --------
    >>> state = random_shallow_water(2, 16, seed=1)
    >>> state.shape, np.sqrt((state[:, 0] ** 2).mean((1, 2))).round(12).tolist()
    ((2, 3, 16, 16), [0.1, 0.1])
    """
    count(n_runs, "n_runs", 1)
    count(n_grid, "n_grid", MIN_GRID)
    for name, value in {"peak": peak, "height": height, "speed": speed}.items():
        positive(value, name)
    waves = Waves.of(n_grid)
    smooth = waves.kept * np.exp(0.75 * (1.0 - waves.squared) / peak**2)
    streams = np.random.default_rng(seed).spawn(n_runs)
    noise = np.stack([rng.standard_normal((3, n_grid, n_grid)) for rng in streams])
    state = fft.irfft2(fft.rfft2(noise) * smooth, s=(n_grid, n_grid))
    state[:, :1] *= height / np.sqrt((state[:, :1] ** 2).mean((-2, -1), keepdims=True))
    state[:, 1:] *= speed / np.sqrt((state[:, 1:] ** 2).sum(1, keepdims=True).mean((-2, -1), keepdims=True))
    return state


def beta_plane(n_grid: int, mean: float = 1.0, beta: float = 0.5, axis: int = 0) -> Array:
    """A β-plane that closes on itself: f = f₀ + β sin y along one grid axis `(N, N)`, f₀ + βy near y = 0.

    Examples
    --------
    >>> beta_plane(8)[:3, 0].round(3).tolist()
    [1.0, 1.354, 1.5]
    """
    y = np.arange(count(n_grid, "n_grid", MIN_GRID)) * LENGTH / n_grid
    profile = mean + beta * np.sin(y)
    return np.broadcast_to(profile[:, None] if axis == 0 else profile[None], (n_grid, n_grid)).copy()


@dataclass(frozen=True)
class ShallowWaterBudgets:
    """What the equations keep: mean height, mean energy and mean potential enstrophy of every snapshot."""

    mass: Array
    energy: Array
    enstrophy: Array


def shallow_water_budgets(
    states: Any, coriolis: Any, *, gravity: float = 1.0, depth: float = 1.0
) -> ShallowWaterBudgets:
    """⟨h⟩, ⟨(H + h)|u|² + g h²⟩/2 and ⟨(ω + f)²/(H + h)⟩/2 of states `(runs, times, 3, N, N)`, each `(runs, times)`.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or a sea floor that lies dry somewhere.

    Examples
    --------
    >>> shallow_water_budgets(np.zeros((1, 2, 3, 8, 8)), 1.0).enstrophy.tolist()
    [[0.5, 0.5]]
    """
    array = to_numpy(states).astype(np.float64)
    if array.ndim != 5 or array.shape[2] != 3 or array.shape[3] != array.shape[4]:
        raise ShapeError("states", "(runs, times, 3, N, N)", array.shape)
    check_finite(array, "states")
    h, u = array[:, :, 0], array[:, :, 1:]
    if (depth + h).min() <= 0:
        raise ParameterError("states", "heights above −depth", f"{h.min():g} for depth {depth:g}")
    f = _as_coriolis(coriolis, array[:, 0])
    waves, spectrum = Waves.of(array.shape[-1]), fft.rfft2(u)
    vorticity = fft.irfft2(1j * (waves.k0 * spectrum[:, :, 1] - waves.k1 * spectrum[:, :, 0]), s=array.shape[-2:])
    over = (-2, -1)
    return ShallowWaterBudgets(
        h.mean(over),
        0.5 * ((depth + h) * (u**2).sum(2) + gravity * h**2).mean(over),
        0.5 * ((vorticity + f[:, None]) ** 2 / (depth + h)).mean(over),
    )


class _Solver:
    """Classical Runge–Kutta steps of the transformed (h, u₀, u₁)."""

    def __init__(
        self, coriolis: Array, gravity: float, depth: float, viscosity: float, step: float, n_grid: int
    ) -> None:
        self.f, self.g, self.depth, self.dt, self.n_grid = coriolis, gravity, depth, step, n_grid
        waves = Waves.of(n_grid)
        self.k0, self.k1, self.kept = waves.k0, waves.k1, _kept(waves)
        self.damping = viscosity * waves.squared

    def step(self, s: Array) -> Array:
        dt = self.dt
        a = self._slope(s)
        b = self._slope(s + 0.5 * dt * a)
        c = self._slope(s + 0.5 * dt * b)
        return s + dt / 6.0 * (a + 2.0 * (b + c) + self._slope(s + dt * c))

    def _slope(self, s: Array) -> Array:
        d0, d1 = 1j * self.k0, 1j * self.k1
        h, u, v = self._grid(s[:, 0]), self._grid(s[:, 1]), self._grid(s[:, 2])
        kinetic = self._spectrum(0.5 * (u * u + v * v)) + self.g * s[:, 0]
        # u·∇u + f ẑ×u = ∇|u|²/2 + (ω + f) ẑ×u, whose products conserve energy on the grid up to aliasing of triples.
        absolute = self._grid(d0 * s[:, 2] - d1 * s[:, 1]) + self.f
        out = np.empty_like(s)
        out[:, 0] = -d0 * self._spectrum((self.depth + h) * u) - d1 * self._spectrum((self.depth + h) * v)
        out[:, 1] = self._spectrum(absolute * v) - d0 * kinetic
        out[:, 2] = -self._spectrum(absolute * u) - d1 * kinetic
        return self.kept * (out - self.damping * s)

    def _grid(self, s: Array) -> Array:
        return fft.irfft2(s, s=(self.n_grid, self.n_grid))

    def _spectrum(self, x: Array) -> Array:
        return fft.rfft2(x)


def _kept(waves: Waves) -> Array:
    """What the 2/3 rule keeps, with the mean: height and velocity have one."""
    return np.asarray(waves.kept | (waves.squared == 0))


def _as_state(state: Any) -> Array:
    array = to_numpy(state)
    if array.ndim != 4 or array.shape[1] != 3 or array.shape[2] != array.shape[3] or array.shape[2] < MIN_GRID:
        raise ShapeError("state", f"(runs, 3, N, N) with N ≥ {MIN_GRID}", array.shape)
    if array.dtype.kind != "f":
        raise ParameterError("state", "floating-point numbers", array.dtype)
    check_finite(array, "state")
    return array


def _as_coriolis(coriolis: Any, state: Array) -> Array:
    """The parameter as (runs, 1, 1) or (runs, N, N)."""
    f = np.asarray(to_numpy(coriolis), dtype=np.float64)
    check_finite(f, "coriolis")
    if f.ndim == 0:
        return np.full((len(state), 1, 1), float(f))
    if f.ndim == 2 and f.shape == state.shape[-2:]:
        return np.broadcast_to(f, (len(state), *f.shape))
    if len(f) != len(state):
        raise LengthError(coriolis=len(f), state=len(state))
    if f.ndim == 1:
        return f[:, None, None]
    if f.shape != (len(state), *state.shape[-2:]):
        raise ShapeError("coriolis", f"a number, ({len(state)},), or ({len(state)}, N, N)", f.shape)
    return f
