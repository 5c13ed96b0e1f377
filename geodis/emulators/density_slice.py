"""A slice through a periodic box of particles: the density contrast, projected along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array, to_numpy, to_tensor
from geodis.mesh import paint
from geodis.palette import ramp

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False)
class DensitySlice:
    """Mean density over the slice's depth, in units of the box's mean.

    Attributes
    ----------
    values : ndarray (N, N)
        ρ/ρ̄ along the two axes that are left, in their order.
    box : float
        Length of the side.
    axis : int
        The axis that the slice is perpendicular to.
    """

    values: Array
    box: float
    axis: int

    def plot(self, ax: Axes | None = None, *, title: str = "") -> Axes:
        """log₁₀(ρ/ρ̄ + 0.1) as an image, in a range that does not depend on the slice: slices can be compared."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(3.6, 3.6)).subplots() if ax is None else ax
        names = [name for i, name in enumerate("xyz") if i != self.axis]
        axes.imshow(
            np.log10(self.values.T + 0.1), origin="lower", extent=(0, self.box, 0, self.box), cmap=ramp(),
            vmin=-1.0, vmax=1.3, interpolation="bicubic",
        )  # fmt: skip
        axes.set(xlabel=f"{names[0]} [Mpc/h]", ylabel=f"{names[1]} [Mpc/h]", title=title)
        return axes


def density_slice(
    positions: Any, box: float, *, axis: int = 2, start: float = 0.0, depth: float | None = None, n_grid: int = 64
) -> DensitySlice:
    """The density of particles `(n, 3)` of equal mass between `start` and `start + depth` along an axis.

    Parameters
    ----------
    positions : array (n, 3)
    box : float
        Length of the side.
    axis : int
        0, 1 or 2.
    start, depth : float
        In the unit of the box; an eighth of the box deep by default. Painted cloud-in-cell and cut at whole cells.
    n_grid : int
        Cells a side.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or options outside their ranges.

    Examples
    --------
    >>> from geodis.mesh import lattice
    >>> density_slice(lattice(8, 1.0), 1.0, n_grid=8).values.round(6).tolist()[0][:3]
    [1.0, 1.0, 1.0]
    """
    depth = box / 8 if depth is None else depth
    if axis not in (0, 1, 2):
        raise ParameterError("axis", "0, 1 or 2", repr(axis))
    if not 0 < depth <= box:
        raise ParameterError("depth", "a length above 0, at most the box", repr(depth))
    mass = to_numpy(paint(to_tensor(positions).detach().double(), n_grid, box))
    cell = box / n_grid
    layers = (round(start / cell) + np.arange(max(round(depth / cell), 1))) % n_grid
    mean = np.take(mass, layers, axis=axis).mean(axis=axis)
    return DensitySlice(mean / mass.mean(), float(box), axis)
