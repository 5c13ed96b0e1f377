"""Buoyant flow on a periodic square: Boussinesq's equations, pseudo-spectral, with gravity as a vector that turns."""

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

MIN_GRID = 8
TYPES = ((0, 1, 1), (1, 1, 1), (1, 1, 1))  # buoyancy, velocity, gravity


def simulate_buoyant_flow(
    state: Any,
    gravity: Any,
    n_times: int = 20,
    *,
    interval: float = 0.5,
    stratification: float = 0.0,
    viscosity: float = 5e-3,
    diffusivity: float = 5e-3,
    time_step: float = 0.05,
) -> Array:
    """Snapshots (b, u) at 0, T, 2T, …: `(runs, 3, N, N)` → `(runs, n_times, 3, N, N)`.

    Solves ∂u/∂t + ω ẑ×u = −∇p − b g + ν∇²u, ∂b/∂t + ∇·(b u) = S g·u + κ∇²b, ∇·u = 0 on a periodic square of side 2π,
    each run on its own: fluid of buoyancy b > 0 rises against the gravity vector g. The curl of the first equation is
    that of the vorticity ω, which is made by gradients of b across g; the pressure is removed by projection, and the
    mean flow is kept. Products are dealiased by the 2/3 rule, time steps are of the classical fourth order. The flow
    commutes with shifts and with all symmetries of the square, if gravity turns with the grid.

    Parameters
    ----------
    state : array (runs, 3, N, N)
        Buoyancy, then velocity along both grid axes; its divergence and wavenumbers |k_i| ≥ N/3 are removed first.
    gravity : array (2,) or (runs, 2)
        g along both grid axes; zero is allowed.
    n_times : int
        Snapshots a run, the initial one included.
    interval : float
        T, the time between snapshots.
    stratification : float
        S: for S > 0 fluid at rest is lighter above, and waves run in it with frequencies up to |g|√S; S < 0 overturns.
    viscosity, diffusivity : float
        ν and κ, both ≥ 0.
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
    G. K. Vallis, *Atmospheric and Oceanic Fluid Dynamics*, Cambridge University Press, 2017, chapter 2.

    Examples
    --------
    >>> runs = simulate_buoyant_flow(random_buoyant_flow(2, 16), [1.0, 0.0], 3)
    >>> b = buoyant_budgets(runs, [1.0, 0.0])
    >>> runs.shape, bool((np.diff(b.variance, axis=1) < 0).all())
    ((2, 3, 3, 16, 16), True)
    """
    start = _as_state(state)
    count(n_times, "n_times", 1)
    positive(interval, "interval")
    positive(time_step, "time_step")
    for name, value in {"viscosity": viscosity, "diffusivity": diffusivity}.items():
        if value != 0:
            positive(value, name)
    g = _as_gravity(gravity, len(start))
    n_steps = ceil(interval / time_step - 1e-9)
    solver = _Solver(
        g, _number(stratification, "stratification"), viscosity, diffusivity, interval / n_steps, start.shape[-1]
    )
    spectrum = solver.projected(solver.kept * fft.rfft2(start.astype(np.float64)))
    return snapshots(
        spectrum, solver.step, lambda s: fft.irfft2(s, s=start.shape[-2:]), n_times, n_steps, interval=interval,
        dtype=start.dtype, advice=f"The flow blows up: choose a time_step below {time_step:g}, or a calmer start.",
    )  # fmt: skip


def random_buoyant_flow(
    n_runs: int,
    n_grid: int = 32,
    *,
    peak: float = 3.0,
    buoyancy: float = 0.5,
    speed: float = 0.3,
    seed: int | Sequence[int] = 0,
) -> Array:
    """Gaussian random states (b, u) `(n_runs, 3, N, N)`, isotropic and homogeneous, u without divergence.

    Buoyancy and stream function are independent white noise, smoothed to wavenumbers about `peak`; every run has zero
    means and the root mean squares `buoyancy` and `speed`. Run i depends on the seed and i only.

    Raises
    ------
    ParameterError
        For counts below one, a grid below 8, sizes that are not positive.

    Examples
    --------
    >>> state = random_buoyant_flow(2, 16, seed=1)
    >>> state.shape, np.sqrt((state[:, 1:] ** 2).sum(1).mean((1, 2))).round(12).tolist()
    ((2, 3, 16, 16), [0.3, 0.3])
    """
    count(n_runs, "n_runs", 1)
    count(n_grid, "n_grid", MIN_GRID)
    for name, value in {"peak": peak, "buoyancy": buoyancy, "speed": speed}.items():
        positive(value, name)
    waves = Waves.of(n_grid)
    smooth = waves.kept * np.exp(0.75 * (1.0 - waves.squared) / peak**2)
    streams = np.random.default_rng(seed).spawn(n_runs)
    noise = fft.rfft2(np.stack([rng.standard_normal((2, n_grid, n_grid)) for rng in streams])) * smooth
    b, u = fft.irfft2(noise[:, :1], s=(n_grid, n_grid)), waves.velocity(noise[:, 1] * waves.squared)
    b *= buoyancy / np.sqrt((b**2).mean((-2, -1), keepdims=True))
    u *= speed / np.sqrt((u**2).sum(1, keepdims=True).mean((-2, -1), keepdims=True))
    return np.concatenate([b, u], 1)


@dataclass(frozen=True)
class BuoyantBudgets:
    """Means over the square of every snapshot, each `(runs, times)`, and the rates between them.

    Without viscosity and diffusion d kinetic/dt = power, d variance/dt = −S power and d mean/dt = S g·⟨u⟩: for S > 0
    kinetic + variance/S is the energy that is kept.

    Attributes
    ----------
    mean, variance : ndarray
        ⟨b⟩ and ⟨b²⟩/2.
    kinetic, enstrophy : ndarray
        ⟨|u|²⟩/2 and ⟨ω²⟩/2; the second is kept where there is no gravity.
    power : ndarray
        −⟨b g·u⟩, the work of buoyancy.
    """

    mean: Array
    variance: Array
    kinetic: Array
    enstrophy: Array
    power: Array


def buoyant_budgets(states: Any, gravity: Any) -> BuoyantBudgets:
    """Budgets of states `(runs, times, 3, N, N)` under gravity `(2,)` or `(runs, 2)`.

    Raises
    ------
    ShapeError, FiniteError, LengthError
        For other shapes, or NaN.

    Examples
    --------
    >>> buoyant_budgets(np.ones((1, 2, 3, 8, 8)), [0.5, 1.0]).power.tolist()
    [[-1.5, -1.5]]
    """
    array = to_numpy(states).astype(np.float64)
    if array.ndim != 5 or array.shape[2] != 3 or array.shape[3] != array.shape[4]:
        raise ShapeError("states", "(runs, times, 3, N, N)", array.shape)
    check_finite(array, "states")
    g, over, waves = _as_gravity(gravity, len(array)), (-2, -1), Waves.of(array.shape[-1])
    b, u, spectrum = array[:, :, 0], array[:, :, 1:], fft.rfft2(array[:, :, 1:])
    vorticity = fft.irfft2(1j * (waves.k0 * spectrum[:, :, 1] - waves.k1 * spectrum[:, :, 0]), s=array.shape[-2:])
    return BuoyantBudgets(
        b.mean(over), 0.5 * (b**2).mean(over), 0.5 * (u**2).sum(2).mean(over), 0.5 * (vorticity**2).mean(over),
        -np.einsum("rtxy,rtixy,ri->rt", b, u, g) / b[0, 0].size,
    )  # fmt: skip


class _Solver:
    """Classical Runge–Kutta steps of the transformed (b, u₀, u₁)."""

    def __init__(
        self, gravity: Array, stratification: float, viscosity: float, diffusivity: float, step: float, n_grid: int
    ) -> None:
        waves = Waves.of(n_grid)
        self.g, self.s, self.dt, self.n_grid = gravity[..., None, None], stratification, step, n_grid
        self.k = (waves.k0, waves.k1)
        self.inverse = 1.0 / np.maximum(waves.squared, 1.0)
        self.kept = waves.kept | (waves.squared == 0)
        self.damping = np.stack([diffusivity * waves.squared, *2 * [viscosity * waves.squared]])

    def step(self, s: Array) -> Array:
        dt = self.dt
        a = self._slope(s)
        b = self._slope(s + 0.5 * dt * a)
        c = self._slope(s + 0.5 * dt * b)
        return s + dt / 6.0 * (a + 2.0 * (b + c) + self._slope(s + dt * c))

    def projected(self, s: Array) -> Array:
        """The same without the divergence of u; the mean flow (k = 0) has none."""
        (k0, k1), out = self.k, s.copy()
        along = (k0 * s[:, 1] + k1 * s[:, 2]) * self.inverse
        out[:, 1] -= k0 * along
        out[:, 2] -= k1 * along
        return out

    def _slope(self, s: Array) -> Array:
        k0, k1 = self.k
        vorticity = 1j * (k0 * s[:, 2] - k1 * s[:, 1])
        b, u, v, w = fft.irfft2(np.stack([*np.moveaxis(s, 1, 0), vorticity]), s=(self.n_grid, self.n_grid))
        products = fft.rfft2(np.stack([b * u, b * v, w * v, -w * u], 1))
        out = np.empty_like(s)
        out[:, 0] = self.s * (self.g * s[:, 1:]).sum(1) - 1j * (k0 * products[:, 0] + k1 * products[:, 1])
        out[:, 1:] = products[:, 2:] - self.g * s[:, :1]
        return self.projected(self.kept * out) - self.damping * s


def _number(x: Any, name: str) -> float:
    if isinstance(x, bool) or not isinstance(x, (int, float, np.integer, np.floating)) or not np.isfinite(x):
        raise ParameterError(name, "a finite number", repr(x))
    return float(x)


def _as_gravity(gravity: Any, runs: int) -> Array:
    g = np.asarray(to_numpy(gravity), dtype=np.float64)
    if g.ndim not in (1, 2) or g.shape[-1] != 2:
        raise ShapeError("gravity", f"(2,) or ({runs}, 2)", g.shape)
    check_finite(g, "gravity")
    if g.ndim == 2 and len(g) != runs:
        raise LengthError(gravity=len(g), state=runs)
    return np.broadcast_to(g, (runs, 2))


def _as_state(state: Any) -> Array:
    array = to_numpy(state)
    if array.ndim != 4 or array.shape[1] != 3 or array.shape[2] != array.shape[3] or array.shape[2] < MIN_GRID:
        raise ShapeError("state", f"(runs, 3, N, N) with N ≥ {MIN_GRID}", array.shape)
    if array.dtype.kind != "f":
        raise ParameterError("state", "floating-point numbers", array.dtype)
    check_finite(array, "state")
    return array
