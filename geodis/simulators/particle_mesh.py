"""Structure formation by a particle mesh: gravity on a grid, leapfrog steps that are exact while growth is linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from geodis.errors import FiniteError, ParameterError
from geodis.mesh import Modes, check_grid, paint, read
from geodis.simulators.cosmology import FlatLambdaCDM
from geodis.simulators.lagrangian import Particles, gaussian_density, lagrangian_start

CUT = 8  # sharpness of the cut at the highest wavenumber


def evolve(
    particles: Particles,
    cosmology: FlatLambdaCDM | None = None,
    *,
    a: float = 1.0,
    n_steps: int = 10,
    n_mesh: int | None = None,
    verbose: bool = False,
) -> Particles:
    """The same particles at a later scale factor: comoving gravity on a mesh, kick–drift–kick in equal steps of a.

    dx/da = p/(a³E) and dp/da = F/(a²E) with F = −∇φ, ∇²φ = 3/2 Ω_m δ. Instead of these rates, kicks and drifts take
    the ones of linearly growing displacements [1]_: from a₀ to a₁

        Δp = F(a_r) · (G(a₁) − G(a₀)) / (3/2 Ω_m D(a_r)),    Δx = p(a_r) · (D(a₁) − D(a₀)) / G(a_r),    G = a³E dD/da

    so that any number of steps is exact in Zel'dovich's approximation, and the large scales of few steps are right.
    Masses are painted and forces read cloud-in-cell (deconvolved), derivatives are spectral. Total momentum is kept to
    rounding, and everything that moves the mesh onto itself commutes with a step. Differentiable; in the particles'
    dtype.

    Parameters
    ----------
    particles : Particles
        Where they are, such as `lagrangian_start` gives them.
    cosmology : FlatLambdaCDM, optional
    a : float
        The scale factor to go to, later than the particles'.
    n_steps : int
        Steps.
    n_mesh : int, optional
        Mesh points a side; twice the particles a side by default.
    verbose : bool
        Whether to show a progress bar.

    Raises
    ------
    ParameterError, FiniteError
        For an earlier scale factor, counts below one, or particles that are not finite.

    References
    ----------
    .. [1] Y. Feng, M.-Y. Chu, U. Seljak, P. McDonald, "FastPM: a new scheme for fast simulations of dark matter and
       haloes", MNRAS 463, 2016 (arXiv 1603.00476).

    Examples
    --------
    >>> from geodis.simulators.lagrangian import gaussian_density, lagrangian_start
    >>> start = lagrangian_start(gaussian_density(8, 200.0), 200.0, a=0.1)
    >>> today = evolve(start, n_steps=4)
    >>> today.a, bool(torch.allclose(today.momenta.sum(0), start.momenta.sum(0), atol=1e-9))
    (1.0, True)
    """
    universe = FlatLambdaCDM() if cosmology is None else cosmology
    n_mesh = 2 * particles.n_grid if n_mesh is None else n_mesh
    check_grid(n_mesh, particles.box)
    if isinstance(n_steps, bool) or not isinstance(n_steps, (int, np.integer)) or n_steps < 1:
        raise ParameterError("n_steps", "an integer ≥ 1", repr(n_steps))
    if not particles.a < a:
        raise ParameterError("a", f"a scale factor after the particles' {particles.a:g}", a)
    bad = int((~torch.isfinite(particles.momenta.detach())).sum())
    if bad:
        raise FiniteError("momenta", bad)
    times = np.linspace(particles.a, a, n_steps + 1)
    middle = 0.5 * (times[:-1] + times[1:])
    x, p = particles.positions, particles.momenta
    gravity = force(x, n_mesh, particles.box)
    for i in tqdm(range(n_steps), desc="particle mesh", disable=not verbose):
        p = p + gravity * _kick(universe, times[i], middle[i], times[i])
        x = x + p * _drift(universe, times[i], times[i + 1], middle[i])
        gravity = force(x, n_mesh, particles.box)
        p = p + gravity * _kick(universe, middle[i], times[i + 1], times[i + 1])
    return Particles(x, p, float(a), particles.box)


def force(positions: Tensor, n_mesh: int, box: float, smallest: float | None = None) -> Tensor:
    """−∇∇⁻²δ at particles of equal mass `(n, 3)`, their density contrast painted on a mesh: `(n, 3)` [unit of the box].

    Where the density grows linearly this is the displacement of Zel'dovich's approximation. Scales below `smallest`
    (two spacings of n particles on a lattice, or of the mesh where that is coarser) are cut out by exp(−(k/k_max)⁸):
    with them the images of the lattice would pull on the particles, and large scales grow by percents too much.
    """
    # Mesh points lie half a cell off the lattice: shares have a kink at mesh points, on which a lattice would sit.
    staggered = positions + 0.5 * box / n_mesh
    delta = paint(staggered, n_mesh, box) * (n_mesh**3 / len(positions)) - 1
    modes = Modes.of(n_mesh, box, delta)
    shortest = 2 * box / min(round(len(positions) ** (1 / 3)), n_mesh) if smallest is None else smallest
    kept = torch.exp(-((modes.squared * (shortest / (2 * np.pi)) ** 2) ** (CUT / 2))) / modes.cloud_window() ** 2
    return read(-modes.gradient(modes.inverse_laplacian(kept * modes.to_modes(delta))), staggered, box)


def simulate_boxes(
    n_boxes: int,
    n_grid: int = 32,
    box: float = 128.0,
    cosmology: FlatLambdaCDM | None = None,
    *,
    n_steps: int = 10,
    n_mesh: int | None = None,
    start: float = 0.1,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    verbose: bool = False,
) -> list[Particles]:
    """Particles today in boxes of their own: `evolve` of second-order starts from Gaussian densities.

    Box i depends on the seed and i only: more boxes with the same seed start with the same ones.

    Raises
    ------
    ParameterError
        For options outside their ranges.

    Examples
    --------
    >>> boxes = simulate_boxes(2, 8, 50.0, n_steps=3)
    >>> len(boxes), boxes[0].velocities.shape
    (2, torch.Size([512, 3]))
    """

    def one(i: int) -> Particles:
        density = gaussian_density(n_grid, box, cosmology, seed=[seed, i])
        particles = lagrangian_start(density, box, cosmology, a=start)
        cast = Particles(particles.positions.to(dtype), particles.momenta.to(dtype), start, box)
        return evolve(cast, cosmology, n_steps=n_steps, n_mesh=n_mesh)

    if isinstance(n_boxes, bool) or not isinstance(n_boxes, (int, np.integer)) or n_boxes < 1:
        raise ParameterError("n_boxes", "an integer ≥ 1", repr(n_boxes))
    return [one(i) for i in tqdm(range(n_boxes), desc="boxes", disable=not verbose)]


def _momentum_growth(universe: FlatLambdaCDM, a: Any) -> float:
    """G = a³E dD/da = a²E f D, of p."""
    return float(a**2 * universe.expansion(a) * universe.growth_rate(a) * universe.growth(a))


def _kick(universe: FlatLambdaCDM, since: float, until: float, at: float) -> float:
    grown = _momentum_growth(universe, until) - _momentum_growth(universe, since)
    # −∇∇⁻²δ is D(a_r) times the displacement in Zel'dovich's approximation: 3/2 Ω_m cancels.
    return grown / float(universe.growth(at))


def _drift(universe: FlatLambdaCDM, since: float, until: float, at: float) -> float:
    return float(universe.growth(until) - universe.growth(since)) / _momentum_growth(universe, at)
