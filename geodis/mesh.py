"""Particles on periodic grids: cloud-in-cell painting and reading, and Fourier space of a cubic box. A leaf."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError

CORNERS = tuple(product((0, 1), repeat=3))


def paint(positions: Tensor, n_grid: int, box: float, weights: Tensor | None = None) -> Tensor:
    """Masses at positions `(n, 3)` shared among the eight nearest grid points: `(N, N, N)`, whose sum is all mass.

    Cloud in cell [1]_: a particle at distance d < h from a grid point along an axis gives it the share 1 − d/h, with
    h = box/N and grid point i at i·h. Periodic, and differentiable in positions and weights.

    Parameters
    ----------
    positions : tensor (n, 3)
        Comoving positions, in the unit of `box`; positions outside of it come back on the other side.
    n_grid : int
        N.
    box : float
        Length of the box's side.
    weights : tensor (n,), optional
        Masses; one each by default.

    Raises
    ------
    ShapeError, FiniteError, LengthError, ParameterError
        For positions that are not `(n, 3)`, NaN, another number of weights, a grid or a box that is not positive.

    References
    ----------
    .. [1] R. W. Hockney, J. W. Eastwood, *Computer Simulation Using Particles*, 1988.

    Examples
    --------
    >>> mass = paint(torch.tensor([[0.25, 0.0, 0.0]]), 4, 4.0)
    >>> mass[:2, 0, 0].tolist(), float(mass.sum())
    ([0.75, 0.25], 1.0)
    """
    check_positions(positions, n_grid, box)
    mass = torch.ones(len(positions), dtype=positions.dtype, device=positions.device) if weights is None else weights
    if mass.shape != positions.shape[:1]:
        raise LengthError(positions=len(positions), weights=mass.numel())
    grid = torch.zeros(n_grid**3, dtype=positions.dtype, device=positions.device)
    for index, share in _clouds(positions, n_grid, box):
        grid = grid.index_add(0, index, share * mass)
    return grid.view(n_grid, n_grid, n_grid)


def read(fields: Tensor, positions: Tensor, box: float) -> Tensor:
    """Fields `(c, N, N, N)` at positions `(n, 3)`, by the weights that paint them: `(n, c)`.

    The transpose of `paint`, so that forces that are odd in k neither pull a particle itself nor change the total
    momentum.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or a box that is not positive.

    Examples
    --------
    >>> ramp = torch.arange(4.0)[:, None, None].expand(1, 4, 4, 4)
    >>> read(ramp, torch.tensor([[1.25, 0.0, 2.0]]), 4.0).tolist()
    [[1.25]]
    """
    if fields.ndim != 4 or len(set(fields.shape[1:])) != 1:
        raise ShapeError("fields", "(c, N, N, N)", tuple(fields.shape))
    check_positions(positions, fields.shape[-1], box)
    flat = fields.reshape(len(fields), -1).T.contiguous()
    out = torch.zeros((len(positions), len(fields)), dtype=fields.dtype, device=fields.device)
    for index, share in _clouds(positions, fields.shape[-1], box):
        out = out + share[:, None] * flat[index]
    return out


def lattice(n_grid: int, box: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """The points i·box/N of a cubic lattice, `(N³, 3)`, in the order of a flattened grid."""
    axis = torch.arange(n_grid, dtype=dtype) * (box / n_grid)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def nearest_image(differences: Tensor, box: float) -> Tensor:
    """Differences of positions, each component brought into [−box/2, box/2]."""
    return differences - box * torch.round(differences / box)


@dataclass(frozen=True, eq=False)
class Modes:
    """The wavevectors of an N³ grid as `rfftn` orders them, [1/unit of the box].

    Attributes
    ----------
    n_grid : int
        N.
    unit : float
        2π/box.
    vectors : tuple of three tensors
        Components of k, `(N, 1, 1)`, `(1, N, 1)`, `(1, 1, N//2 + 1)`, for even powers of k.
    odd : tuple of three tensors
        The same with 0 at the Nyquist frequency, for odd powers: a derivative of a real grid has none there.
    squared : tensor (N, N, N//2 + 1)
        |k|².
    """

    n_grid: int
    unit: float
    vectors: tuple[Tensor, Tensor, Tensor]
    odd: tuple[Tensor, Tensor, Tensor]
    squared: Tensor

    @classmethod
    def of(cls, n_grid: int, box: float, like: Tensor) -> Modes:
        """Those of a grid with `n_grid` points a side in a box, in the dtype and on the device of `like`."""
        unit = 2 * np.pi / box
        options = {"dtype": like.dtype, "device": like.device}
        full = torch.fft.fftfreq(n_grid, 1 / n_grid, **options) * unit
        half = torch.fft.rfftfreq(n_grid, 1 / n_grid, **options) * unit
        vectors = full[:, None, None], full[None, :, None], half[None, None, :]
        highest = unit * n_grid / 2 * (1 - 1e-6)
        odd = tuple(torch.where(k.abs() < highest, k, torch.zeros_like(k)) for k in vectors)
        squared = vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2
        return cls(n_grid, unit, vectors, (odd[0], odd[1], odd[2]), squared)

    def to_modes(self, fields: Tensor) -> Tensor:
        """Fields `(..., N, N, N)` → their transforms `(..., N, N, N//2 + 1)`."""
        return torch.fft.rfftn(fields, dim=(-3, -2, -1))

    def to_grid(self, modes: Tensor) -> Tensor:
        """Transforms back to fields."""
        return torch.fft.irfftn(modes, s=(self.n_grid,) * 3, dim=(-3, -2, -1))

    def cloud_window(self) -> Tensor:
        """What painting cloud-in-cell multiplies a density's transform by: Π sinc²(kᵢh/2)."""
        sides = [torch.sinc(k / (self.unit * self.n_grid)) ** 2 for k in self.vectors]
        return sides[0] * sides[1] * sides[2]

    def inverse_laplacian(self, modes: Tensor) -> Tensor:
        """∇⁻² of transforms: −1/k², and 0 for the mean."""
        away = self.squared > 0
        return modes * torch.where(away, -1 / torch.where(away, self.squared, 1.0), 0.0)

    def gradient(self, modes: Tensor) -> Tensor:
        """∇ of a transform `(..., N, N, N//2 + 1)` as fields `(..., 3, N, N, N)`."""
        return self.to_grid(torch.stack([1j * k * modes for k in self.odd], dim=-4))


def check_positions(positions: Tensor, n_grid: int, box: float) -> None:
    """Raise the named error for positions, a grid or a box that cannot be painted."""
    if positions.ndim != 2 or positions.shape[-1] != 3:
        raise ShapeError("positions", "(n, 3)", tuple(positions.shape))
    check_grid(n_grid, box)
    bad = int((~torch.isfinite(positions.detach())).sum())
    if bad:
        raise FiniteError("positions", bad)


def check_grid(n_grid: int, box: float) -> None:
    """Raise `ParameterError` for a grid or a box that is none."""
    if isinstance(n_grid, bool) or not isinstance(n_grid, (int, np.integer)) or n_grid < 2:
        raise ParameterError("n_grid", "an integer ≥ 2", repr(n_grid))
    if not isinstance(box, (int, float, np.integer, np.floating)) or not np.isfinite(box) or box <= 0:
        raise ParameterError("box", "a positive length", repr(box))


def _clouds(positions: Tensor, n_grid: int, box: float) -> list[tuple[Tensor, Tensor]]:
    """(flat index, share) of each of the eight grid points around every position."""
    scaled = positions * (n_grid / box)
    below = torch.floor(scaled.detach())
    upper = scaled - below
    shares = (1 - upper, upper)
    cells = below.to(torch.int64).remainder(n_grid), (below.to(torch.int64) + 1).remainder(n_grid)
    out = []
    for i, j, k in CORNERS:
        index = (cells[i][:, 0] * n_grid + cells[j][:, 1]) * n_grid + cells[k][:, 2]
        out.append((index, shares[i][:, 0] * shares[j][:, 1] * shares[k][:, 2]))
    return out
