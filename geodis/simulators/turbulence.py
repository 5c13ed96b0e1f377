"""Two-dimensional decaying turbulence on the periodic square: the vorticity equation, solved pseudo-spectrally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from scipy import fft

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.snapshots import snapshots

LENGTH = 2 * np.pi  # of the square's side
MIN_GRID = 4  # cells a side: below, the 2/3 rule leaves the mean flow only


def simulate_turbulence(
    velocity: Any, n_times: int = 10, *, interval: float = 1.0, viscosity: float = 0.01, time_step: float = 0.025
) -> Array:
    """Snapshots u(0), u(T), u(2T), … of freely decaying flows: `(runs, 2, N, N)` → `(runs, n_times, 2, N, N)`.

    Solves ∂ω/∂t + u·∇ω = ν∇²ω, ∇·u = 0, on a periodic square of side 2π, each run on its own. Component i of the
    velocity points along grid axis i, ω = ∂₀u₁ − ∂₁u₀. Products are dealiased by the 2/3 rule, so that without
    viscosity the equations on the grid conserve energy and enstrophy; time steps are of the classical fourth order with
    the viscous term integrated exactly [1]_. The flow commutes with everything that moves the grid onto itself.

    Parameters
    ----------
    velocity : array (runs, 2, N, N)
        Initial velocities. Their divergence and wavenumbers |k_i| ≥ N/3 are removed first; the mean flow stays.
    n_times : int
        Snapshots a run, the initial one included.
    interval : float
        T, the time between snapshots.
    viscosity : float
        ν ≥ 0.
    time_step : float
        The longest time step; an interval is cut into equal steps.

    Returns
    -------
    ndarray (runs, n_times, 2, N, N)
        In the dtype of `velocity`; solved in float64.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, options outside their ranges, or a time step at which the flow blows up.

    References
    ----------
    .. [1] C. Canuto, M. Y. Hussaini, A. Quarteroni, T. A. Zang, *Spectral Methods in Fluid Dynamics*, Springer, 1988.

    Examples
    --------
    >>> flow = simulate_turbulence(random_velocity(3, 16), 4, interval=0.5)
    >>> flow.shape, bool((flow[:, -1] ** 2).mean() < (flow[:, 0] ** 2).mean())
    ((3, 4, 2, 16, 16), True)
    """
    start = _as_velocity(velocity, (4,), "(runs, 2, N, N)")
    _whole(n_times, "n_times")
    _positive(interval, "interval")
    _positive(time_step, "time_step")
    _positive(viscosity, "viscosity", or_zero=True)
    waves = Waves.of(start.shape[-1])
    n_steps = ceil(interval / time_step - 1e-9)
    solver = _Solver(waves, waves.mean_flow(start), viscosity, interval / n_steps)
    w = waves.vorticity(start)
    return snapshots(
        w, lambda w: solver.advance(w, n_steps), lambda w: waves.velocity(w, solver.mean), n_times, 1,
        interval=interval, dtype=start.dtype, advice=f"The flow blows up: choose a time_step below {time_step:g}.",
    )  # fmt: skip


def random_velocity(
    n_runs: int, n_grid: int = 32, *, peak: float = 3.0, speed: float = 1.0, seed: int | Sequence[int] = 0
) -> Array:
    """Divergence-free Gaussian random velocities `(n_runs, 2, N, N)`, statistically isotropic and homogeneous.

    The stream function is white noise, smoothed by a Gaussian: E(k) ∝ k³ exp(−3k²/(2·peak²)), largest at k = peak.
    Every run has zero mean and root mean square speed `speed`. Run i depends on the seed and i only: more runs with
    the same seed start with the same ones.

    Parameters
    ----------
    n_runs : int
        How many velocities.
    n_grid : int
        N, cells a side.
    peak : float
        The wavenumber that carries most energy, in turns a side.
    speed : float
        Root mean square speed of every run.
    seed : int or sequence of int
        Seed of all runs, as `numpy.random.default_rng` takes it.

    Raises
    ------
    ParameterError
        For counts below one, a grid below 4, a peak or a speed that is not positive.

    Examples
    --------
    >>> u = random_velocity(5, 32, seed=1)
    >>> u.shape, np.sqrt((u**2).sum(axis=1).mean(axis=(1, 2))).round(12).tolist()
    ((5, 2, 32, 32), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    _whole(n_runs, "n_runs")
    _whole(n_grid, "n_grid", MIN_GRID)
    _positive(peak, "peak")
    _positive(speed, "speed")
    waves = Waves.of(n_grid)
    streams = np.random.default_rng(seed).spawn(n_runs)
    noise = np.stack([rng.standard_normal((n_grid, n_grid)) for rng in streams])
    # The lowest wavenumber is taken out of the exponent: a low peak would underflow otherwise.
    smooth = np.exp(0.75 * (1.0 - waves.squared) / peak**2)
    u = waves.velocity(fft.rfft2(noise) * waves.kept * waves.squared * smooth)
    return speed * u / np.sqrt((u**2).sum(axis=1).mean(axis=(-2, -1)))[:, None, None, None]


def vorticity(velocity: Any) -> Array:
    """ω = ∂₀u₁ − ∂₁u₀, spectrally: velocities `(..., 2, N, N)` → `(..., N, N)`, of wavenumbers |k_i| < N/3.

    A pseudoscalar: a reflection of the flow turns its sign.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or entries that are not real numbers.

    Examples
    --------
    >>> x = np.arange(16) * 2 * np.pi / 16
    >>> shear = np.stack([np.zeros((16, 16)), np.tile(np.sin(x)[:, None], 16)])
    >>> bool(np.allclose(vorticity(shear), np.cos(x)[:, None]))
    True
    """
    u = _as_velocity(velocity, None, "(..., 2, N, N)")
    waves = Waves.of(u.shape[-1])
    return fft.irfft2(waves.vorticity(u), s=u.shape[-2:]).astype(u.dtype)


@dataclass(frozen=True, eq=False)
class Waves:
    """The wavenumbers of an N × N grid as `rfft2` orders them, and what is done with them.

    Attributes
    ----------
    n_grid : int
        N.
    k0, k1 : ndarray (N, 1), (1, N//2 + 1)
        Wavenumbers along both axes.
    squared : ndarray (N, N//2 + 1)
        |k|².
    kept : ndarray (N, N//2 + 1) of bool
        |k_i| < N/3 (the 2/3 rule) and k ≠ 0.
    """

    n_grid: int
    k0: Array
    k1: Array
    squared: Array
    kept: Array

    @classmethod
    def of(cls, n_grid: int) -> Waves:
        """The wavenumbers of a grid with `n_grid` cells a side."""
        k0 = np.fft.fftfreq(n_grid, 1 / n_grid)[:, None]
        k1 = np.fft.rfftfreq(n_grid, 1 / n_grid)[None, :]
        squared = k0**2 + k1**2
        kept = (3 * np.abs(k0) < n_grid) & (3 * k1 < n_grid) & (squared > 0)
        return cls(n_grid, k0, k1, squared, kept)

    def velocity(self, w: Array, mean: Array | float = 0.0) -> Array:
        """Transformed vorticity `(..., N, N//2 + 1)` → velocity on the grid `(..., 2, N, N)`, plus a mean flow."""
        stream = w * (self.kept / np.maximum(self.squared, 1.0))
        u = np.stack([1j * self.k1 * stream, -1j * self.k0 * stream], axis=-3)
        return fft.irfft2(u, s=(self.n_grid, self.n_grid), overwrite_x=True) + mean

    def vorticity(self, u: Array) -> Array:
        """Velocity on the grid `(..., 2, N, N)` → transformed vorticity `(..., N, N//2 + 1)`, without what is cut."""
        transformed = fft.rfft2(u.astype(np.float64))
        return self.kept * 1j * (self.k0 * transformed[..., 1, :, :] - self.k1 * transformed[..., 0, :, :])

    def mean_flow(self, u: Array) -> Array:
        """The mean velocity `(..., 2, 1, 1)`, which nothing changes."""
        return u.astype(np.float64).mean(axis=(-2, -1), keepdims=True)


class _Solver:
    """Fourth-order Runge–Kutta steps of ŵ e^{νk²t}: viscosity is exact, advection is not stiff."""

    def __init__(self, waves: Waves, mean: Array, viscosity: float, time_step: float) -> None:
        self.waves, self.mean, self.time_step = waves, mean, time_step
        self.half = np.exp(-0.5 * viscosity * time_step * waves.squared)
        # u·∇ω = ∂₀∂₁(u₁² − u₀²) + (∂₀² − ∂₁²)u₀u₁ for a divergence-free u: two products instead of four.
        self.of_difference = waves.kept * (waves.k0 * waves.k1)
        self.of_product = waves.kept * (waves.k0**2 - waves.k1**2)

    def advance(self, w: Array, n_steps: int) -> Array:
        """The transformed vorticity `n_steps` later."""
        dt, half = self.time_step, self.half
        for _ in range(n_steps):
            decayed = half * w
            a = self.advection(w)
            b = self.advection(decayed + (0.5 * dt) * (half * a))
            c = self.advection(decayed + (0.5 * dt) * b)
            d = self.advection(half * (decayed + dt * c))
            w = half * (decayed + (dt / 6) * (half * a) + (dt / 3) * (b + c)) + (dt / 6) * d
        return w

    def advection(self, w: Array) -> Array:
        """−u·∇ω, transformed and dealiased."""
        u = self.waves.velocity(w, self.mean)
        u0, u1 = u[..., 0, :, :], u[..., 1, :, :]
        products = fft.rfft2(np.stack([u1 * u1 - u0 * u0, u0 * u1], axis=-3), overwrite_x=True)
        return self.of_difference * products[..., 0, :, :] + self.of_product * products[..., 1, :, :]


# --- reading what users give ------------------------------------------------------------------------------------------
def _as_velocity(velocity: Any, ndims: tuple[int, ...] | None, expected: str) -> Array:
    u = to_numpy(velocity)
    if u.dtype.kind in "iub":
        u = u.astype(np.float64)
    if u.dtype.kind != "f":
        raise ParameterError("velocity", "real numbers", f"dtype {u.dtype}")
    if u.ndim < 3 or (ndims is not None and u.ndim not in ndims) or u.shape[-3] != 2 or u.shape[-1] != u.shape[-2]:
        raise ShapeError("velocity", expected, u.shape)
    if 0 in u.shape or u.shape[-1] < MIN_GRID:
        raise ShapeError("velocity", f"{expected}, N ≥ {MIN_GRID} and nothing empty", u.shape)
    check_finite(u, "velocity")
    return u


def _positive(x: Any, name: str, *, or_zero: bool = False) -> None:
    known = isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool) and np.isfinite(x)
    if not known or x < 0 or (x == 0 and not or_zero):
        raise ParameterError(name, "a number ≥ 0" if or_zero else "a positive number", repr(x))


def _whole(n: Any, name: str, least: int = 1) -> None:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < least:
        raise ParameterError(name, f"an integer ≥ {least}", repr(n))
