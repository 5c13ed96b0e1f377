"""Groups that move tensor fields on grids: the cube's symmetries, periodic shifts, rotations of the plane.

Items are batches `(n, channels, *grid)` of floating-point numbers, numpy or torch, on a grid of d = 2 or 3 axes.
`types` says what the channels are: ``((order, parity, channels), ...)``, for example ``((0, 1, 1), (1, 1, 1))`` for a
pressure and a velocity. A type takes channels · d^order consecutive channels, tensor after tensor, the components of
one in row-major order. Component i points along grid axis i (axis 0 = rows), places are seen from the grid's centre.
An element with matrix ρ moves the tensor at p to the place ρp and turns its components: T'(ρp) = ρ ⊗ … ⊗ ρ T(p), times
det ρ for parity −1 (a vorticity in the plane is ``(0, -1, 1)``, in space ``(1, -1, 1)``).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any, final

import numpy as np

from geodis.actions.array_action import AbstractArrayAction
from geodis.actions.resample import rotate
from geodis.actions.spectral_shift import shift_periodic
from geodis.errors import ParameterError, ShapeError
from geodis.groups import SO2, Hyperoctahedral, Translation
from geodis.groups.options import count
from geodis.linalg import Array

Types = tuple[tuple[int, int, int], ...]

LARGEST_ORDER = 6


def check_types(types: Any) -> Types:
    """`types` as a tuple of (order, parity, channels), or a named error."""
    listed = tuple(types) if isinstance(types, Iterable) and not isinstance(types, str) else ()
    if not listed:
        raise ParameterError("types", "at least one (order, parity, channels)", repr(types))
    found = []
    for entry in listed:
        if not isinstance(entry, (tuple, list)) or len(entry) != 3 or entry[1] not in (1, -1):
            raise ParameterError("types", "(order, parity, channels) with parity 1 or −1", repr(entry))
        order, channels = count(entry[0], "types: order", 0, LARGEST_ORDER), count(entry[2], "types: channels", 1)
        found.append((order, int(entry[1]), channels))
    return tuple(found)


class AbstractFieldAction(AbstractArrayAction):
    """An action on tensor fields `(n, Σ channels · d^order, *grid)`.

    Attributes
    ----------
    types : tuple of (order, parity, channels)
        What the channels are.
    dim : int
        The number d of grid axes.
    """

    what = "fields"

    def __init__(self, types: Any, dim: int) -> None:
        self.types = check_types(types)
        self.dim = count(dim, "d", 2, 3)
        self.channels = sum(channels * self.dim**order for order, _, channels in self.types)
        self.layout = f"(n, {self.channels}, {', '.join('N' * self.dim)})"

    def _check_shape(self, items: Array) -> None:
        if items.ndim != self.dim + 2 or items.shape[1] != self.channels or 0 in items.shape[2:]:
            raise ShapeError(self.what, self.layout, items.shape, f"The channels are those of types = {self.types}.")

    def _check_cube(self, items: Array) -> None:
        if len(set(items.shape[2:])) > 1:
            raise ShapeError(self.what, self.layout, items.shape, "Turned axes need equal lengths: crop or resample.")

    def _component_matrix(self, rho: Array) -> list[Array]:
        """ρ ⊗ … ⊗ ρ · det^[parity −1] for each type: `(..., d, d)` → `(..., d^order, d^order)`."""
        batch = rho.shape[:-2]
        matrices = []
        for order, parity, _ in self.types:
            power = reduce(_kronecker, [rho] * order, np.ones((*batch, 1, 1)))
            matrices.append(power if parity == 1 else power * np.linalg.det(rho)[..., None, None])
        return matrices


@final
class FieldSymmetries(AbstractFieldAction):
    """The symmetries of the square or the cube on tensor fields: pixels and components move together; exact.

    Every entry of the result is an entry of the item or its negative.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        What the channels are.
    d : int
        The number of grid axes, 2 or 3; all of the same length.

    Raises
    ------
    ParameterError
        For types or d out of range, or items that are no floats.
    ShapeError
        In `act`, for another number of channels or axes, or axes of different lengths.

    Examples
    --------
    >>> import numpy as np
    >>> action = FieldSymmetries(((1, 1, 1),), d=2)
    >>> velocity = np.zeros((1, 2, 3, 3))
    >>> velocity[0, 0, 0, 1] = 1.0  # in the first row, along the rows' axis
    >>> quarter_turn = [5.0]  # the matrix (0, −1; 1, 0)
    >>> np.argwhere(action.act(quarter_turn, velocity)[0]).tolist()  # component 1, in the first column
    [[1, 1, 0]]
    """

    def __init__(self, types: Any, d: int) -> None:
        super().__init__(types, d)
        self.group = Hyperoctahedral(self.dim)

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        self._check_cube(items)

    def _move(self, params: Array, items: Array) -> Array:
        moved = np.empty_like(items)
        elements, which = np.unique(np.rint(params[:, 0]), return_inverse=True)
        matrices = np.asarray(self.group.matrix(elements[:, None]))
        for element, rho in enumerate(matrices):
            rows = np.flatnonzero(which.reshape(-1) == element)
            moved[rows] = self._turned(rho, items[rows])
        return moved

    def _turned(self, rho: Array, items: Array) -> Array:
        origin, sign = _signed_permutation(rho)
        channel, factor = self._channels_from(rho)
        # Axis a of the result is axis origin[a] of the item, run through backwards where the sign is negative.
        turned = items.transpose(0, 1, *(origin + 2))[(slice(None), slice(None), *(slice(None, None, s) for s in sign))]
        return turned[:, channel] * factor.astype(items.dtype).reshape(-1, *(1,) * self.dim)

    def _channels_from(self, rho: Array) -> tuple[Array, Array]:
        """Which channel each channel comes from, and with which sign."""
        channels, factors, start = [], [], 0
        for (_, _, copies), matrix in zip(self.types, self._component_matrix(rho), strict=True):
            origin, sign = _signed_permutation(matrix)
            for _ in range(copies):
                channels.append(start + origin)
                factors.append(sign)
                start += len(origin)
        return np.concatenate(channels), np.concatenate(factors)

    def __repr__(self) -> str:
        return f"FieldSymmetries({self.types}, d={self.dim})"


@final
class FieldShift(AbstractFieldAction):
    """Periodic shifts of tensor fields by steps of the grid; components do not turn.

    Whole steps are exact. Fractions evaluate the trigonometric interpolant: the laws hold to rounding on grids with
    odd sides. On an even side the Nyquist component of a field breaks them, and `exact` is False.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        What the channels are.
    grid : tuple of int
        The number of grid points along each of the 2 or 3 axes: the group's period.

    Raises
    ------
    ParameterError
        For types or a grid out of range, or items that are no floats.
    ShapeError
        In `act`, for another number of channels or another grid.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> FieldShift(((0, 1, 1),), grid=(2, 3)).act([[0.0, 1.0]], field)[0, 0].tolist()
    [[2.0, 0.0, 1.0], [5.0, 3.0, 4.0]]
    """

    def __init__(self, types: Any, grid: Any) -> None:
        sides = tuple(grid) if isinstance(grid, (tuple, list, np.ndarray)) else ()
        if len(sides) not in (2, 3):
            raise ParameterError("grid", "the lengths of 2 or 3 axes", repr(grid))
        super().__init__(types, len(sides))
        self.grid = tuple(count(side, "grid", 1) for side in sides)
        self.group = Translation(self.dim, period=tuple(float(side) for side in self.grid))
        self.exact = all(side % 2 == 1 for side in self.grid)
        self.layout = f"(n, {self.channels}, {', '.join(map(str, self.grid))})"

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        if items.shape[2:] != self.grid:
            raise ShapeError(self.what, self.layout, items.shape)

    def _move(self, params: Array, items: Array) -> Array:
        return shift_periodic(items, params)

    def __repr__(self) -> str:
        return f"FieldShift({self.types}, grid={self.grid})"


@final
class FieldRotation(AbstractFieldAction):
    """Rotations of tensor fields in the plane about the grid's centre, zero outside; components turn along.

    Values between grid points are interpolated (band-limited, `geodis.actions.resample`), so that the laws hold up to
    the discretization floor: small for smooth fields that vanish outside the inscribed disc.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        What the channels are; parity changes nothing, since rotations have det 1.

    Raises
    ------
    ParameterError
        For types out of range, or items that are no floats.
    ShapeError
        In `act`, for another number of channels, or a grid that is not square.

    Examples
    --------
    >>> import numpy as np
    >>> velocity = np.zeros((1, 2, 3, 3))
    >>> velocity[0, 0, 1, 1] = 1.0  # at the centre, along the rows' axis
    >>> FieldRotation(((1, 1, 1),)).act([np.pi / 2], velocity)[0, :, 1, 1].round(12).tolist()
    [0.0, 1.0]
    """

    exact = False

    def __init__(self, types: Any) -> None:
        super().__init__(types, 2)
        self.group = SO2()

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        self._check_cube(items)

    def _move(self, params: Array, items: Array) -> Array:
        turned = rotate(items.astype(np.float64), params[:, 0])
        start = 0
        for (_, _, copies), matrix in zip(self.types, self._component_matrix(self.group.matrix(params)), strict=True):
            size = matrix.shape[-1]
            stop = start + copies * size
            block = turned[:, start:stop].reshape(len(items), copies, size, items.shape[-1] ** 2)
            turned[:, start:stop] = (matrix[:, None] @ block).reshape(turned[:, start:stop].shape)
            start = stop
        return turned

    def __repr__(self) -> str:
        return f"FieldRotation({self.types})"


def _signed_permutation(matrix: Array) -> tuple[Array, Array]:
    """For each row the column of its one nonzero entry, and that entry's sign."""
    column = np.abs(matrix).argmax(-1)
    return column, np.rint(np.take_along_axis(matrix, column[:, None], -1)[:, 0]).astype(int)


def _kronecker(a: Array, b: Array) -> Array:
    product = np.einsum("...ij,...kl->...ikjl", a, b)
    return product.reshape(*product.shape[:-4], a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1])
