"""Groups that move point clouds: rotations and reflections, translations, Lorentz transformations, permutations.

Items are batches `(n, points, channels)` of floating-point numbers, numpy or torch. The channels of a point are
`vectors` vectors of the space one after the other (positions first, then for example velocities) and `scalars`
numbers that only permutations move, such as masses or charges. Each point x moves to ρ(g)x with ρ = `group.matrix`.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from geodis.actions.array_action import AbstractArrayAction
from geodis.errors import ParameterError, ShapeError
from geodis.groups import SO, SO2, SO3, AbstractGroup, Lorentz, O, Permutations, Translation
from geodis.groups.options import count
from geodis.linalg import Array

ORTHOGONAL = 1e-9  # what matrices of a group may miss orthogonality by


class AbstractPointAction(AbstractArrayAction):
    """An action on clouds `(n, points, vectors·dim + scalars)`; a subclass moves the vectors of every point.

    Attributes
    ----------
    dim : int
        The number of components of a vector.
    vectors : int
        The number of vectors of a point, its position first.
    scalars : int
        The number of channels that stay as they are, after the vectors.
    """

    what = "point clouds"

    def __init__(self, dim: int, vectors: int, scalars: int) -> None:
        self.dim = count(dim, "dim", 1)
        self.vectors = count(vectors, "vectors", 1)
        self.scalars = count(scalars, "scalars", 0)
        self.channels = self.dim * self.vectors + self.scalars
        self.layout = f"(n, points, {self.channels}): {self.vectors} × {self.dim} components + {self.scalars} scalars"

    def _check_shape(self, items: Array) -> None:
        if items.ndim != 3 or items.shape[-1] != self.channels:
            raise ShapeError(self.what, self.layout, items.shape, "`vectors` and `scalars` say what a point holds.")

    def _options(self) -> str:
        return f"vectors={self.vectors}, scalars={self.scalars}"


class AbstractLinearPointAction(AbstractPointAction):
    """x ↦ ρ(g)x for every vector of every point, with ρ = `group.matrix`."""

    def _move(self, params: Array, items: Array) -> Array:
        n, points, _ = items.shape
        n_components = self.dim * self.vectors
        vectors = items[..., :n_components].reshape(n, points * self.vectors, self.dim)
        moved = items.astype(np.float64)
        rho = np.asarray(self.group.matrix(params))
        moved[..., :n_components] = (vectors @ np.swapaxes(rho, -1, -2)).reshape(n, points, n_components)
        return moved


@final
class OrthogonalAction(AbstractLinearPointAction):
    """O(d) on point clouds: every vector of every point turns and mirrors about the origin.

    All vectors are polar; the mirror image of an axial one (spin, angular momentum) differs by det.

    Parameters
    ----------
    dim : int
        The dimension d of space.
    vectors, scalars : int
        What a point holds: d-vectors, then invariant numbers.
    group : AbstractGroup, optional
        A group of orthogonal d × d matrices, such as `Hyperoctahedral(d)`; `O(d)` by default.

    Raises
    ------
    ParameterError
        For options out of range, a group whose matrices are not orthogonal and d × d, or items that are no floats.
    ShapeError
        In `act`, for items with another number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = np.array([[[1.0, 2.0, 3.0]]])
    >>> OrthogonalAction(3).act([[0.0, 0.0, 0.0, 1.0]], cloud).tolist()
    [[[1.0, 2.0, -3.0]]]
    """

    def __init__(self, dim: int, vectors: int = 1, scalars: int = 0, group: AbstractGroup | None = None) -> None:
        super().__init__(dim, vectors, scalars)
        self.group = O(self.dim) if group is None else _orthogonal_group(group, self.dim)

    def __repr__(self) -> str:
        return f"OrthogonalAction({self.dim}, {self._options()}, group={self.group!r})"


@final
class RotationAction(AbstractLinearPointAction):
    """Rotations of point clouds: every vector of every point turns about the origin.

    Parameters
    ----------
    dim : int
        The dimension d of space.
    vectors, scalars : int
        What a point holds: d-vectors, then invariant numbers.
    group : AbstractGroup, optional
        A group of d × d rotation matrices; by default `SO2()`, `SO3()` or `SO(d)`.

    Raises
    ------
    ParameterError
        For options out of range, a group whose matrices are not d × d rotations, or items that are no floats.
    ShapeError
        In `act`, for items with another number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = np.array([[[1.0, 0.0, 0.0, 7.0]]])  # a position and a mass
    >>> RotationAction(3, scalars=1).act([[0.0, 0.0, np.pi / 2]], cloud).round(12).tolist()
    [[[0.0, 1.0, 0.0, 7.0]]]
    """

    def __init__(self, dim: int, vectors: int = 1, scalars: int = 0, group: AbstractGroup | None = None) -> None:
        super().__init__(count(dim, "dim", 2), vectors, scalars)
        self.group = _rotations(self.dim) if group is None else _orthogonal_group(group, self.dim, proper=True)

    def __repr__(self) -> str:
        return f"RotationAction({self.dim}, {self._options()}, group={self.group!r})"


@final
class LorentzAction(AbstractLinearPointAction):
    """Boosts and rotations of clouds of four-vectors (t, x, y, z), signature (+,−,−,−), units with c = 1.

    Parameters
    ----------
    vectors, scalars : int
        What a point holds: four-vectors (an event, an energy-momentum), then invariant numbers.
    spread : float
        The largest sampled rapidity. Rounding grows like e^{2η}.

    Raises
    ------
    ParameterError
        For options out of range, or items that are no floats.
    ShapeError
        In `act`, for items with another number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> at_rest = np.array([[[1.0, 0.0, 0.0, 0.0]]])
    >>> LorentzAction().act([[0.0, 0.0, 0.0, np.log(2.0), 0.0, 0.0]], at_rest).round(12).tolist()
    [[[1.25, 0.75, 0.0, 0.0]]]
    """

    def __init__(self, vectors: int = 1, scalars: int = 0, spread: float = 1.0) -> None:
        super().__init__(4, vectors, scalars)
        self.group = Lorentz(spread)

    def __repr__(self) -> str:
        return f"LorentzAction({self._options()}, group={self.group!r})"


@final
class TranslationAction(AbstractPointAction):
    """Shifts of point clouds: positions (the first vector of a point) move, everything else stays.

    In a periodic box positions lie in [0, L) and come back on the other side.

    Parameters
    ----------
    dim : int
        The dimension d of space.
    vectors, scalars : int
        What a point holds: its position, further d-vectors (velocities, forces), then other numbers.
    period : float or tuple of float, optional
        The sides L of the box in the unit of the positions; without it space is unbounded.
    spread : float
        Standard deviation of sampled shifts in unbounded space.

    Raises
    ------
    ParameterError
        For options out of range, items that are no floats, or positions outside of the box.
    ShapeError
        In `act`, for items with another number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = np.array([[[0.75, 0.5, -1.0, 0.0]]])  # a position and a velocity
    >>> TranslationAction(2, vectors=2, period=1.0).act([[0.5, 0.25]], cloud).tolist()
    [[[0.25, 0.75, -1.0, 0.0]]]
    """

    def __init__(self, dim: int, vectors: int = 1, scalars: int = 0, period: Any = None, spread: float = 1.0) -> None:
        super().__init__(dim, vectors, scalars)
        self.group = self._shifts = Translation(self.dim, period=period, spread=spread)

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        if self._shifts.period is None:
            return
        inside = (items[..., : self.dim] >= 0) & (items[..., : self.dim] < np.array(self._shifts.period))
        outside = int((~inside).any(-1).sum())
        if outside:
            raise ParameterError(
                self.what, f"positions in the box [0, L) with L = {self._shifts.period}", f"{outside} outside",
                "Wrap them first: np.mod(positions, L).",
            )  # fmt: skip

    def _move(self, params: Array, items: Array) -> Array:
        moved = items.astype(np.float64)
        moved[..., : self.dim] += params[:, None]
        if self._shifts.period is None:
            return moved
        sides = np.array(self._shifts.period)
        wrapped = np.mod(moved[..., : self.dim], sides)
        # Rounding, here or to the items' dtype, may reach L itself, which is the point 0.
        moved[..., : self.dim] = np.where(wrapped.astype(items.dtype) >= sides, 0.0, wrapped)
        return moved

    def __repr__(self) -> str:
        return f"TranslationAction({self.dim}, {self._options()}, group={self.group!r})"


@final
class PermutationAction(AbstractArrayAction):
    """S_n on the points of a cloud: point i becomes point g(i), with all that it holds.

    Parameters
    ----------
    points : int
        The number n of points, at most 18.

    Raises
    ------
    ParameterError
        For a number of points out of range, or items that are no floats.
    ShapeError
        In `act`, for items that are not `(n, points, channels)` with this number of points.

    Examples
    --------
    >>> import numpy as np
    >>> action, cloud = PermutationAction(3), np.array([[[10.0], [11.0], [12.0]]])
    >>> action.act(action.group.index([[1, 2, 0]]), cloud)[0, :, 0].tolist()  # point 0 becomes point 1
    [12.0, 10.0, 11.0]
    """

    what = "point clouds"

    def __init__(self, points: int) -> None:
        self.group = self._permutations = Permutations(count(points, "points", 1))
        self.points = self._permutations.n
        self.layout = f"(n, {self.points}, channels)"

    def _check_shape(self, items: Array) -> None:
        if items.ndim != 3 or items.shape[1] != self.points:
            raise ShapeError(self.what, self.layout, items.shape)

    def _move(self, params: Array, items: Array) -> Array:
        origin = np.argsort(self._permutations.images(params), -1)
        return np.take_along_axis(items, origin[..., None], 1)

    def __repr__(self) -> str:
        return f"PermutationAction({self.points})"


def _rotations(dim: int) -> AbstractGroup:
    if dim == 2:
        return SO2()
    return SO3() if dim == 3 else SO(dim)


def _orthogonal_group(group: Any, dim: int, proper: bool = False) -> AbstractGroup:
    """`group`, if its matrices are orthogonal and d × d, and of determinant 1 where `proper`."""
    expected = f"a group of {dim} × {dim} {'rotation' if proper else 'orthogonal'} matrices"
    if not isinstance(group, AbstractGroup):
        raise ParameterError("group", expected, repr(group))
    rho = np.asarray(group.matrix(group.sample(32, seed=0)))
    square = rho.shape[1:] == (dim, dim)
    if not square or np.abs(rho @ np.swapaxes(rho, -1, -2) - np.eye(dim)).max() > ORTHOGONAL:
        raise ParameterError("group", expected, repr(group))
    if proper and (np.linalg.det(rho) < 0).any():
        raise ParameterError("group", expected, repr(group), "OrthogonalAction takes groups with reflections.")
    return group
