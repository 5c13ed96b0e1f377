"""Lagrangian perturbation theory: Gaussian densities on a periodic box, and the particles that they displace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import check_finite, to_numpy, to_tensor
from geodis.mesh import Modes, check_grid, lattice, nearest_image
from geodis.simulators.cosmology import FlatLambdaCDM


@final
@dataclass(frozen=True, eq=False)
class Particles:
    """Particles in a periodic comoving box, in the order of the N³ lattice that they came from.

    Attributes
    ----------
    positions : tensor (N³, 3)
        Comoving [Mpc/h], not wrapped into the box.
    momenta : tensor (N³, 3)
        p = a² dx/d(H₀t) [Mpc/h].
    a : float
        The scale factor.
    box : float
        Length of the side [Mpc/h].
    """

    positions: Tensor
    momenta: Tensor
    a: float
    box: float

    @property
    def n_grid(self) -> int:
        """N, particles a side."""
        return round(len(self.positions) ** (1 / 3))

    @property
    def velocities(self) -> Tensor:
        """Peculiar velocities a dx/dt [km/s], `(N³, 3)`."""
        return self.momenta * (100.0 / self.a)

    @property
    def displacements(self) -> Tensor:
        """From each particle's lattice point to its position, `(N³, 3)` [Mpc/h]."""
        home = lattice(self.n_grid, self.box, self.positions.dtype).to(self.positions.device)
        return nearest_image(self.positions - home, self.box)


def gaussian_density(n_grid: int, box: float, cosmology: FlatLambdaCDM | None = None, *, seed: Any = 0) -> Tensor:
    """A Gaussian random density contrast today, by linear theory, `(N, N, N)`: its power spectrum is `cosmology.power`.

    White noise, filtered; zero mean. Homogeneous on the grid, and isotropic up to the grid's own directions.

    Parameters
    ----------
    n_grid : int
        N, grid points a side.
    box : float
        Length of the side [Mpc/h].
    cosmology : FlatLambdaCDM, optional
    seed : int or sequence of int
        As `numpy.random.default_rng` takes it.

    Raises
    ------
    ParameterError
        For a grid or a box that is none.

    Examples
    --------
    >>> density = gaussian_density(16, 100.0, seed=1)
    >>> density.shape, bool(density.mean().abs() < 1e-12)
    (torch.Size([16, 16, 16]), True)
    """
    check_grid(n_grid, box)
    universe = FlatLambdaCDM() if cosmology is None else cosmology
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((n_grid,) * 3))
    modes = Modes.of(n_grid, box, noise)
    power = torch.from_numpy(universe.power(np.sqrt(modes.squared.numpy())))
    return modes.to_grid(modes.to_modes(noise) * torch.sqrt(power * (n_grid / box) ** 3))


def lagrangian_start(
    density: Any, box: float, cosmology: FlatLambdaCDM | None = None, *, a: float = 0.1, order: int = 2
) -> Particles:
    """Particles on a lattice, displaced by first- or second-order perturbation theory [1]_ from a linear density.

    x = q − D₁ ∇φ₁ + D₂ ∇φ₂ with ∇²φ₁ = δ and ∇²φ₂ = Σ_{i<j} (∂ᵢᵢφ₁ ∂ⱼⱼφ₁ − (∂ᵢⱼφ₁)²); momenta are their time
    derivatives. The first order (Zel'dovich) is exact for a plane wave until its crests meet. Differentiable in the
    density.

    Parameters
    ----------
    density : array (N, N, N)
        The density contrast of today by linear theory; its mean is ignored.
    box : float
        Length of the side [Mpc/h].
    cosmology : FlatLambdaCDM, optional
    a : float
        The scale factor of the particles.
    order : int
        1 or 2.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For densities that are no cube, NaN, an order other than 1 and 2, or options outside their ranges.

    References
    ----------
    .. [1] F. R. Bouchet, S. Colombi, E. Hivon, R. Juszkiewicz, A&A 296, 1995 (arXiv astro-ph/9406013).

    Examples
    --------
    >>> start = lagrangian_start(gaussian_density(8, 100.0), 100.0, a=0.1)
    >>> start.positions.shape, bool(start.displacements.abs().max() < 100.0 / 8)
    (torch.Size([512, 3]), True)
    """
    delta = to_tensor(density)
    if delta.ndim != 3 or len(set(delta.shape)) != 1:
        raise ShapeError("density", "(N, N, N)", tuple(delta.shape))
    check_grid(len(delta), box)
    check_finite(to_numpy(delta), "density")
    if order not in (1, 2):
        raise ParameterError("order", "1 or 2", repr(order))
    universe = FlatLambdaCDM() if cosmology is None else cosmology
    modes = Modes.of(len(delta), box, delta)
    speed = a**2 * float(universe.expansion(a))  # p = a³E dx/da = a²E f D ψ
    first = _rows(-modes.gradient(modes.inverse_laplacian(modes.to_modes(delta))))
    grown = float(universe.growth(a))
    shift = grown * first
    momenta = speed * float(universe.growth_rate(a)) * grown * first
    if order == 2:
        second = _rows(modes.gradient(modes.inverse_laplacian(modes.to_modes(second_source(delta, box)))))
        grown = float(universe.second_growth(a))
        shift = shift + grown * second
        momenta = momenta + speed * float(universe.second_growth_rate(a)) * grown * second
    home = lattice(len(delta), box, delta.dtype).to(delta.device)
    return Particles(home + shift, momenta, float(a), float(box))


def second_source(density: Tensor, box: float) -> Tensor:
    """Σ_{i<j} (∂ᵢᵢφ ∂ⱼⱼφ − (∂ᵢⱼφ)²) with ∇²φ = δ: the second invariant of the tidal tensor, `(N, N, N)`."""
    modes = Modes.of(len(density), box, density)
    potential = modes.inverse_laplacian(modes.to_modes(density))
    tidal = {}
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        ki, kj = (modes.vectors[i], modes.vectors[i]) if i == j else (modes.odd[i], modes.odd[j])
        tidal[i, j] = modes.to_grid(-ki * kj * potential)
    diagonal = tidal[0, 0] * tidal[1, 1] + tidal[0, 0] * tidal[2, 2] + tidal[1, 1] * tidal[2, 2]
    return diagonal - tidal[0, 1] ** 2 - tidal[0, 2] ** 2 - tidal[1, 2] ** 2


def _rows(fields: Tensor) -> Tensor:
    """Vector fields `(3, N, N, N)` → `(N³, 3)`."""
    return fields.reshape(3, -1).T
