"""Vector fields on the lattice that particles came from: filtered, attracted where they are, weighed by local shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from geodis.mesh import Modes, lattice, nearest_image, paint, read

# In lattice spacings.
FILTERS = (0.5, 1.0, 2.0, 4.0)
PULLS = (0.375, 0.75, 1.5, 2.5)
SOURCES = (0.0, 0.75)
EMPTY = 0.03  # mean densities below which a density counts as this one


@final
@dataclass(frozen=True, eq=False)
class LatticeVectors:
    """A periodic lattice of N³ particles in a box, and what commutes with everything that moves it onto itself.

    Vector fields are `(3, N³)`, in the order of the flattened lattice.

    Attributes
    ----------
    modes : Modes
        Of the lattice.
    home : tensor (N³, 3)
        Its points.
    box : float
        Length of the side.
    """

    modes: Modes
    home: Tensor
    box: float

    @classmethod
    def of(cls, n_grid: int, box: float, dtype: torch.dtype = torch.float64) -> LatticeVectors:
        """The lattice of `n_grid`³ particles."""
        home = lattice(n_grid, box, dtype)
        return cls(Modes.of(n_grid, box, home), home, box)

    def displacement(self, positions: Tensor) -> Tensor:
        """From the lattice to positions `(N³, 3)`."""
        return nearest_image(positions - self.home, self.box).T

    def filtered(self, field: Tensor, radius: float) -> Tensor:
        """Smoothed on the lattice by a Gaussian of so many spacings."""
        damping = torch.exp(-0.5 * self.modes.squared * (radius * self.box / self.modes.n_grid) ** 2)
        return self.modes.to_grid(self._transform(field) * damping).reshape(len(field), -1)

    def linear(self, fields: Sequence[Tensor]) -> list[Tensor]:
        """Fields as they are and smoothed: combinations are isotropic transfer functions."""
        return [smooth for f in fields for smooth in (f, *(self.filtered(f, radius) for radius in FILTERS))]

    def nonlinear(self, positions: Tensor, fields: Sequence[Tensor]) -> list[Tensor]:
        """Gravity at positions, what is sharp in the fields, both times densities and shapes, gravity of shapes."""
        pulls, densities = self._gravity(positions)
        contrasts = [torch.log(rho.clamp(min=EMPTY)) for rho in densities[:3]]
        sharp = [f - self.filtered(f, FILTERS[1]) for f in fields]
        vectors = [*pulls, *sharp, fields[0] - self.filtered(fields[0], FILTERS[2])]
        scalars = [*contrasts, contrasts[0] ** 2, contrasts[1] ** 2]
        products = [v * s for s in scalars for v in vectors]
        shapes = [g for f in fields for g in self._shapes(f, [*sharp, *pulls[:2]])]
        smooth = [self.filtered(v, FILTERS[1]) for v in (*vectors, *products[: 3 * len(vectors)])]
        return [*pulls, *products, *shapes, *smooth]

    def _gravity(self, positions: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """−∇∇⁻²ρ and ρ/ρ̄ where the particles are, smoothed by each radius."""
        n_mesh = 2 * self.modes.n_grid
        staggered = positions + 0.5 * self.box / n_mesh
        rho = paint(staggered, n_mesh, self.box) * (n_mesh**3 / len(positions))
        mesh = Modes.of(n_mesh, self.box, rho)
        density = mesh.to_modes(rho) / mesh.cloud_window() ** 2
        grids = []
        for radius in PULLS:
            smooth = density * torch.exp(-0.5 * mesh.squared * (radius * self.box / self.modes.n_grid) ** 2)
            grids += [-mesh.gradient(mesh.inverse_laplacian(smooth)), mesh.to_grid(smooth)[None]]
        at = read(torch.cat(grids), staggered, self.box).T.contiguous()
        return [at[i : i + 3] for i in range(0, len(at), 4)], [at[i] for i in range(3, len(at), 4)]

    def _shapes(self, field: Tensor, vectors: Sequence[Tensor]) -> list[Tensor]:
        """∇∇⁻² of invariants of ∂ᵢfⱼ (trace², square, determinant, collapse beyond a crossing), and ∂f on vectors."""
        n = self.modes.n_grid
        transform = self._transform(field)
        strain = torch.stack([self.modes.to_grid(1j * k * transform) for k in self.modes.odd], 1).reshape(3, 3, -1)
        trace = strain[0, 0] + strain[1, 1] + strain[2, 2]
        square = (strain * strain.transpose(0, 1)).sum((0, 1))
        determinant = torch.linalg.det(strain.permute(2, 0, 1))
        out = []
        for source in (trace**2, square, determinant, torch.relu(-trace - 1)):
            for radius in SOURCES:
                smooth = self.filtered(source[None], radius).reshape(n, n, n)
                potential = self.modes.inverse_laplacian(self.modes.to_modes(smooth))
                out.append(self.modes.gradient(potential).reshape(3, -1))
        return [*out, *(torch.einsum("ijn,jn->in", strain, v) for v in vectors)]

    def _transform(self, field: Tensor) -> Tensor:
        return self.modes.to_modes(field.reshape(len(field), *(self.modes.n_grid,) * 3))
