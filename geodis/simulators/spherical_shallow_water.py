"""Shallow water on a rotating sphere: height and wind in spherical harmonics, with budgets that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.actions.sphere_harmonics import SphereHarmonics
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.snapshots import snapshots

TYPES = ((0, 1, 1), (1, 1, 1), (0, -1, 1))  # height, velocity, Coriolis parameter
MIN_ROWS = 8


def simulate_spherical_shallow_water(
    state: Any,
    n_times: int = 20,
    *,
    interval: float = 0.5,
    rotation: float = 1.5,
    gravity: float = 1.0,
    depth: float = 1.0,
    viscosity: float = 1e-3,
    time_step: float = 0.05,
) -> Array:
    """Snapshots (h, u) at 0, T, 2T, …: `(runs, 3, n_lat, n_lon)` → `(runs, n_times, 3, n_lat, n_lon)`.

    Solves ∂h/∂t + ∇·((H + h)u) = ν∇²h, ∂u/∂t + u·∇u + f r̂×u = −g∇h + νDu with f = 2Ω sin φ on the unit sphere, each run
    on its own; D is the Laplacian that rigid rotations do not feel. The grid is that of `SphereHarmonics`: rows from
    north to south, velocities (south, east). Transforms are those of torch-harmonics, products are dealiased, time
    steps of the classical fourth order. Mass is kept to rounding, energy by the equations without viscosity. The flow
    commutes with rotations about the axis, by whole steps of the grid to rounding, and with the mirror through the
    equator; with the east–west mirror if Ω changes its sign.

    With radius, g and H of one a day is 2π/Ω; Ω = 1.5 and a unit of time of about six hours are near the Earth's with
    H = 10 km.

    Parameters
    ----------
    state : array (runs, 3, n_lat, n_lon)
        Height above the mean depth, then velocity; degrees beyond those of `SphereHarmonics` are removed first.
    n_times : int
        Snapshots a run, the initial one included.
    interval : float
        T, the time between snapshots.
    rotation : float
        Ω.
    gravity, depth : float
        g and H: waves move with √(gH).
    viscosity : float
        ν ≥ 0.
    time_step : float
        The longest time step; an interval is cut into equal steps.

    Returns
    -------
    ndarray (runs, n_times, 3, n_lat, n_lon)
        In the dtype of `state`; solved in float64.

    Raises
    ------
    MissingExtraError
        Where torch-harmonics is not installed.
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, options outside their ranges, or a time step at which the flow blows up.

    References
    ----------
    D. L. Williamson et al., "A standard test set for numerical approximations to the shallow water equations in
    spherical geometry", Journal of Computational Physics, 1992.

    Examples
    --------
    >>> runs = simulate_spherical_shallow_water(random_spherical_shallow_water(2, 16), 3)
    >>> mass = spherical_shallow_water_budgets(runs).mass
    >>> runs.shape, bool(np.abs(mass - mass[:, :1]).max() < 1e-15)
    ((2, 3, 3, 16, 32), True)
    """
    start = _as_state(state)
    count(n_times, "n_times", 1)
    for name, value in {"interval": interval, "gravity": gravity, "depth": depth, "time_step": time_step}.items():
        positive(value, name)
    if viscosity != 0:
        positive(viscosity, "viscosity")
    n_steps = ceil(interval / time_step - 1e-9)
    sphere = SphereHarmonics(*start.shape[-2:])
    solver = _Solver(sphere, _number(rotation, "rotation"), gravity, depth, viscosity, interval / n_steps)
    z = _coefficients(sphere, torch.from_numpy(start.astype(np.float64)))
    return snapshots(
        z, solver.step, lambda z: _fields(sphere, z).numpy(), n_times, n_steps, interval=interval, dtype=start.dtype,
        advice=f"The flow blows up: choose a time_step below {time_step:g}, or a calmer start.",
    )  # fmt: skip


def random_spherical_shallow_water(
    n_runs: int,
    n_lat: int = 32,
    *,
    peak: float = 5.0,
    speed: float = 0.2,
    rotation: float = 1.5,
    gravity: float = 1.0,
    seed: int | Sequence[int] = 0,
) -> Array:
    """Balanced random states (h, u) `(n_runs, 3, n_lat, 2 n_lat)`: eddies whose pressure holds them.

    The stream function is Gaussian and isotropic, of degrees about `peak`; every run has the root mean square speed
    `speed`. The height follows from u: the divergence stays zero at the start (g∇²h = −∇·((ζ + f) r̂×u) − ∇²|u|²/2), so
    that few gravity waves leave. Its mean is zero. Run i depends on the seed and i only.

    Raises
    ------
    MissingExtraError
        Where torch-harmonics is not installed.
    ParameterError
        For counts below one, fewer than 8 rows, sizes that are not positive.

    Examples
    --------
    >>> state = random_spherical_shallow_water(2, 16, seed=1)
    >>> state.shape, np.sqrt(spherical_shallow_water_budgets(state[:, None]).speed[:, 0] ** 2).round(12).tolist()
    ((2, 3, 16, 32), [0.2, 0.2])
    """
    count(n_runs, "n_runs", 1)
    count(n_lat, "n_lat", MIN_ROWS)
    for name, value in {"peak": peak, "speed": speed, "gravity": gravity}.items():
        positive(value, name)
    sphere = SphereHarmonics(n_lat, 2 * n_lat)
    streams = np.random.default_rng(seed).spawn(n_runs)
    noise = np.stack([rng.standard_normal((sphere.degrees, sphere.degrees, 2)) for rng in streams])
    b = torch.from_numpy(noise) * _isotropic(sphere) * _profile(sphere, peak)[:, None, None]
    u = sphere.synthesized_vectors(torch.zeros_like(b), b)
    u = u * (speed / sphere.mean(u.square().sum(1)).sqrt())[:, None, None, None]
    solver = _Solver(sphere, _number(rotation, "rotation"), gravity, 1.0, 0.0, 1.0)
    return torch.cat([solver.balanced(u)[:, None], u], 1).numpy()


@dataclass(frozen=True)
class SphericalShallowWaterBudgets:
    """Means over the sphere of every snapshot, each `(runs, times)`.

    Attributes
    ----------
    mass, energy, enstrophy, spin : ndarray
        ⟨h⟩, ⟨(H + h)|u|² + g h²⟩/2, ⟨(ζ + f)²/(H + h)⟩/2 and ⟨(H + h)(u_E + Ω cos φ) cos φ⟩, the angular momentum about
        the axis: the equations keep all four.
    speed : ndarray
        √⟨|u|²⟩, which changes.
    """

    mass: Array
    energy: Array
    enstrophy: Array
    spin: Array
    speed: Array


def spherical_shallow_water_budgets(
    states: Any, *, rotation: float = 1.5, gravity: float = 1.0, depth: float = 1.0
) -> SphericalShallowWaterBudgets:
    """What the equations keep, of states `(runs, times, 3, n_lat, n_lon)`.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or a sea floor that lies dry somewhere.

    Examples
    --------
    >>> budgets = spherical_shallow_water_budgets(np.zeros((1, 2, 3, 8, 16)), rotation=3.0)
    >>> budgets.enstrophy.round(12).tolist()  # ⟨(2Ω sin φ)²⟩/2 = 2Ω²/3
    [[6.0, 6.0]]
    """
    array = to_numpy(states).astype(np.float64)
    if array.ndim != 5 or array.shape[2] != 3:
        raise ShapeError("states", "(runs, times, 3, n_lat, n_lon)", array.shape)
    check_finite(array, "states")
    if (depth + array[:, :, 0]).min() <= 0:
        raise ParameterError("states", "heights above −depth", f"{array[:, :, 0].min():g} for depth {depth:g}")
    sphere, x = SphereHarmonics(*array.shape[-2:]), torch.from_numpy(array)
    h, u = x[:, :, 0], x[:, :, 1:]
    f = torch.from_numpy(sphere.coriolis(rotation))
    vorticity = sphere.synthesized(-sphere.root[:, None, None] * sphere.analysed_vectors(u)[1])
    ring = torch.from_numpy(np.cos(sphere.latitudes))[:, None]
    square, water = u.square().sum(2), depth + h
    densities = (
        h, 0.5 * (water * square + gravity * h.square()), 0.5 * (vorticity + f).square() / water,
        water * (u[:, :, 1] + rotation * ring) * ring, square,
    )  # fmt: skip
    mass, energy, enstrophy, spin, squares = (sphere.mean(density).numpy() for density in densities)
    return SphericalShallowWaterBudgets(mass, energy, enstrophy, spin, np.sqrt(squares))


class _Solver:
    """Classical Runge–Kutta steps of coefficients (runs, 3, degrees, degrees, 2): of h, and a and b of u."""

    def __init__(
        self, sphere: SphereHarmonics, rotation: float, gravity: float, depth: float, viscosity: float, step: float
    ) -> None:
        self.sphere, self.g, self.depth, self.dt = sphere, gravity, depth, step
        self.f, self.root = torch.from_numpy(sphere.coriolis(rotation)), sphere.root[:, None, None]
        square = self.root.square()
        self.damping = viscosity * torch.stack([square, (square - 2).clamp(min=0), (square - 2).clamp(min=0)])

    def step(self, z: Tensor) -> Tensor:
        dt = self.dt
        a = self._slope(z)
        b = self._slope(z + 0.5 * dt * a)
        c = self._slope(z + 0.5 * dt * b)
        return z + dt / 6.0 * (a + 2.0 * (b + c) + self._slope(z + dt * c))

    def _slope(self, z: Tensor) -> Tensor:
        h, u = self.sphere.synthesized(z[:, 0]), self.sphere.synthesized_vectors(z[:, 1], z[:, 2])
        flux = self.sphere.analysed_vectors((self.depth + h)[:, None] * u)[0]
        # u·∇u + f r̂×u = ∇|u|²/2 + (ζ + f) r̂×u
        (along, across), kinetic = self._turned(u, z[:, 2]), self.sphere.analysed(0.5 * u.square().sum(1))
        pressure = self.root * (kinetic + self.g * z[:, 0])
        return torch.stack([self.root * flux, -along - pressure, -across], 1) - self.damping * z

    def _turned(self, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients of (ζ + f) r̂×u."""
        absolute = self.sphere.synthesized(-self.root * b) + self.f
        return self.sphere.analysed_vectors(absolute[:, None] * torch.stack([-u[:, 1], u[:, 0]], 1))

    def balanced(self, u: Tensor) -> Tensor:
        """The height of zero mean that lets a flow without divergence stay so, to first order in time."""
        along, _ = self._turned(u, self.sphere.analysed_vectors(u)[1])
        kinetic = self.sphere.analysed(0.5 * u.square().sum(1))
        c = -(along / self.root.clamp(min=1.0) + kinetic) / self.g
        return self.sphere.synthesized(c * (self.root > 0))


def _coefficients(sphere: SphereHarmonics, state: Tensor) -> Tensor:
    return torch.stack([sphere.analysed(state[:, 0]), *sphere.analysed_vectors(state[:, 1:])], 1)


def _fields(sphere: SphereHarmonics, z: Tensor) -> Tensor:
    return torch.cat([sphere.synthesized(z[:, :1]), sphere.synthesized_vectors(z[:, 1], z[:, 2])], 1)


def _isotropic(sphere: SphereHarmonics) -> Tensor:
    """Which coefficients exist, so scaled that white noise has the same law in all rotated frames."""
    mask = torch.ones(sphere.degrees, sphere.degrees, dtype=torch.float64).tril()[..., None].repeat(1, 1, 2)
    mask[:, 1:] /= 2**0.5  # orders ±m share a wave
    mask[:, 0, 1] = 0.0
    return mask


def _profile(sphere: SphereHarmonics, peak: float) -> Tensor:
    """Amplitudes of degrees: the speed is largest about `peak`, and falls off like a Gaussian."""
    degree = torch.arange(sphere.degrees, dtype=torch.float64)
    return degree * torch.exp(0.75 * (1.0 - degree.square() / peak**2)) * (degree > 0)


def _number(x: Any, name: str) -> float:
    if isinstance(x, bool) or not isinstance(x, (int, float, np.integer, np.floating)) or not np.isfinite(x):
        raise ParameterError(name, "a finite number", repr(x))
    return float(x)


def _as_state(state: Any) -> Array:
    array = to_numpy(state)
    if array.ndim != 4 or array.shape[1] != 3 or min(array.shape[2:]) < MIN_ROWS:
        raise ShapeError("state", f"(runs, 3, n_lat, n_lon) with at least {MIN_ROWS} rows and columns", array.shape)
    if array.dtype.kind != "f":
        raise ParameterError("state", "floating-point numbers", array.dtype)
    check_finite(array, "state")
    return array
