"""Solids: unlimited random objects of 28 families, unions of convex cells with a pose, a hue and a light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError, UnknownNameError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.simulators.cells import PRIMITIVES, Cell
from geodis.simulators.shapes import FAMILIES

NO_CELL = -1
MAX_CELLS = 12
LIGHT = 3 * np.pi / 4  # from the upper left


@final
@dataclass(frozen=True, eq=False)
class Solids(Sequence["Solids"]):
    """n objects: the latents that actions move and that a `Renderer` turns into images.

    Frame of the camera, for all attributes: x to the right, y up, z towards the viewer. A point p of object i lies at
    poses[i] p. Indexing gives the chosen objects, a number one of them.

    Attributes
    ----------
    families : tuple of str
        The family of each object.
    kinds : ndarray (n, 12)
        Which primitive each convex cell is, −1 where an object has fewer than 12.
    cells : ndarray (n, 12, 4, 4)
        The projective map from the primitive to the object's own frame; every object lies in the unit ball.
    albedos : ndarray (n, 12)
        The share of light that a cell reflects.
    poses : ndarray (n, 3, 3)
        Rotations from the object's own frame to the camera's.
    hues : ndarray (n,)
        Angles on the hue circle [rad]: 0 is red, 2π/3 green, 4π/3 blue.
    lights : ndarray (n,)
        Azimuth of the light around the viewing direction [rad]: 0 is from the right, π/2 from above.
    """

    families: tuple[str, ...]
    kinds: Array
    cells: Array
    albedos: Array
    poses: Array
    hues: Array
    lights: Array

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, which: Any) -> Solids:
        return self.select(which)

    def __repr__(self) -> str:
        return f"Solids({len(self)} objects of {len(set(self.families))} families)"

    def select(self, indices: Any) -> Solids:
        """The objects with these numbers (or where the mask is True, or of the slice), in that order."""
        chosen = np.atleast_1d(np.arange(len(self))[indices])
        return Solids(
            tuple(self.families[i] for i in chosen), self.kinds[chosen], self.cells[chosen], self.albedos[chosen],
            self.poses[chosen], self.hues[chosen], self.lights[chosen],
        )  # fmt: skip

    def rotated(self, rotations: Any) -> Solids:
        """Poses R·poses: rotations `(n, 3, 3)` in the camera's frame."""
        matrices = to_numpy(rotations).astype(np.float64)
        if matrices.ndim != 3 or matrices.shape[1:] != (3, 3):
            raise ShapeError("rotations", "(n, 3, 3)", matrices.shape)
        if len(matrices) != len(self):
            raise LengthError(solids=len(self), rotations=len(matrices))
        check_finite(matrices, "rotations")
        gram = matrices @ matrices.swapaxes(1, 2)
        if np.abs(gram - np.eye(3)).max(initial=0) > 1e-4 or (np.linalg.det(matrices) < 0).any():
            raise ParameterError("rotations", "orthogonal matrices of determinant 1", "others")
        return replace(self, poses=matrices @ self.poses)

    def with_hues(self, hues: Any) -> Solids:
        """The same objects with other hues, `(n,)` or one for all [rad]."""
        return replace(self, hues=self._angles(hues, "hues"))

    def with_lights(self, lights: Any) -> Solids:
        """The same objects lit from other azimuths, `(n,)` or one for all [rad]."""
        return replace(self, lights=self._angles(lights, "lights"))

    def _angles(self, values: Any, what: str) -> Array:
        angles = to_numpy(values).astype(np.float64)
        if angles.shape not in ((), (len(self),)):
            raise ShapeError(what, f"() or ({len(self)},)", angles.shape)
        check_finite(angles, what)
        return np.broadcast_to(angles, (len(self),)).copy()


def upright(rng: np.random.Generator) -> Array:
    """A rotation about the vertical by a random angle `(3, 3)`: the object stands, with a random heading."""
    angle = rng.uniform(-np.pi, np.pi)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def tumbled(rng: np.random.Generator) -> Array:
    """A rotation of space, uniformly at random `(3, 3)`: the object floats in any orientation."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def solid_objects(
    n: int,
    seed: int = 0,
    *,
    orientation: Callable[[np.random.Generator], Array] = upright,
    families: Sequence[str] | None = None,
) -> Solids:
    """Random objects: shape, base pose and hue of object i depend on (seed, i) only, so n + 1 objects begin with n.

    Families take turns, so that they are balanced. An object has 5 to 12 convex cells whose proportions are continuous
    random numbers. It is centred and scaled to the unit ball. No object is mapped to itself by a rotation other than
    the identity, so that its pose can be told; most shapes have a mirror symmetry.

    Parameters
    ----------
    n : int
        Number of objects.
    seed : int
        Seed of all of them.
    orientation : callable
        Generator → base pose `(3, 3)`: `upright` (random heading) or `tumbled` (any orientation).
    families : sequence of str, optional
        Which families to draw from; all 28 by default.

    Returns
    -------
    Solids

    Raises
    ------
    ParameterError, UnknownNameError
        For a negative number of objects or a family that does not exist.

    Examples
    --------
    >>> solids = solid_objects(40, seed=1)
    >>> solids, solids.families[:3], solids[np.array([3, 4])]
    (Solids(40 objects of 28 families), ('chair', 'armchair', 'mug'), Solids(2 objects of 2 families))
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ParameterError("n", "a positive integer", n)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ParameterError("seed", "an integer ≥ 0", seed)
    names = tuple(FAMILIES) if families is None else tuple(families)
    for name in names:
        if name not in FAMILIES:
            raise UnknownNameError("family of solids", name, ", ".join(FAMILIES))
    if not names:
        raise ParameterError("families", "at least one family", "none")
    chosen = tuple(names[i % len(names)] for i in range(n))
    streams = [np.random.default_rng([seed, i]).spawn(4) for i in range(n)]
    parts = [painted(normalised(FAMILIES[name](s[0])), s[3]) for name, s in zip(chosen, streams, strict=True)]
    return assembled(
        chosen,
        parts,
        np.stack([orientation(s[1]) for s in streams]),
        np.array([s[2].uniform(-np.pi, np.pi) for s in streams]),
    )


def assembled(families: Sequence[str], parts: Sequence[Sequence[Cell]], poses: Array, hues: Array) -> Solids:
    """Lists of cells, padded to one length."""
    n, width = len(parts), MAX_CELLS
    kinds = np.full((n, width), NO_CELL)
    cells = np.tile(np.eye(4), (n, width, 1, 1))
    albedos = np.zeros((n, width))
    for i, own in enumerate(parts):
        kinds[i, : len(own)] = [cell.kind for cell in own]
        cells[i, : len(own)] = [cell.matrix for cell in own]
        albedos[i, : len(own)] = [cell.albedo for cell in own]
    return Solids(tuple(families), kinds, cells, albedos, poses, hues, np.full(n, LIGHT))


def joined(items: Any) -> Solids:
    """Solids as they are; a sequence of them, as `sample_orbits` makes out of items, as one."""
    if isinstance(items, Solids):
        return items
    parts = list(items) if isinstance(items, (list, tuple)) else []
    if not parts or not all(isinstance(part, Solids) for part in parts):
        raise ParameterError("items", "Solids", type(items).__name__, "Make some with `solid_objects(n)`.")
    names = ("kinds", "cells", "albedos", "poses", "hues", "lights")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Solids(tuple(name for part in parts for name in part.families), **arrays)


def painted(cells: Sequence[Cell], rng: np.random.Generator) -> list[Cell]:
    """The cells in random shades of their own."""
    return [replace(cell, albedo=min(1.0, cell.albedo * rng.uniform(0.75, 1.15))) for cell in cells]


def surface_points(cells: Sequence[Cell]) -> Array:
    """Points on the surfaces of the cells `(k, 3)`."""
    points = []
    for cell in cells:
        own = PRIMITIVES[cell.kind].points
        moved = own @ cell.matrix[:, :3].T + cell.matrix[:, 3]
        points.append(moved[:, :3] / moved[:, 3:])
    return np.concatenate(points)


def normalised(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, moved and scaled so that their bounding ball is the unit ball."""
    points = surface_points(cells)
    centre = (points.min(0) + points.max(0)) / 2
    for step in range(2, 40):  # Badoiu & Clarkson (2003): steps towards the farthest point, of length 1/k
        centre = centre + (points[((points - centre) ** 2).sum(1).argmax()] - centre) / step
    radius = 1.02 * np.sqrt(((points - centre) ** 2).sum(1).max())  # the points miss a little of round surfaces
    frame = np.eye(4)
    frame[:3] = np.concatenate([np.eye(3), -centre[:, None]], 1) / radius
    return [replace(cell, matrix=frame @ cell.matrix) for cell in cells]
