"""Convex cells, the parts of solids: projective images of five primitives inside the cube [−1, 1]³.

A cell is the image T(P) of a primitive P under a projective map T (4×4, homogeneous points, positive weights). Tapering
is projective, so one list holds boxes, prisms and pyramids, cylinders and cones, ellipsoids and domes. All five
primitives are cut out by half-spaces e·(x, y, z, 1) ≤ 0 and at most one quadric (x, y, z, 1) Q (x, y, z, 1)ᵀ ≤ 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from geodis.linalg import Array


@dataclass(frozen=True, eq=False)
class Primitive:
    """A convex subset of the cube: {h : planes·h ≤ 0, hᵀ diag(quadric) h ≤ 0} with h = (x, y, z, 1).

    Attributes
    ----------
    planes : ndarray (p, 4)
        Covectors of the half-spaces.
    quadric : ndarray (4,)
        Diagonal of the quadratic form; zeros for none.
    hull : ndarray (m, 4, 4)
        Dual forms of points, discs or balls whose convex hull contains the primitive.
    points : ndarray (k, 3)
        Points on its surface.
    """

    planes: Array
    quadric: Array
    hull: Array
    points: Array


def _corners(points: Array) -> Array:
    h = np.concatenate([points, np.ones((len(points), 1))], 1)
    return -h[:, :, None] * h[:, None, :]


def _disc(z: float) -> Array:
    h = np.array([0.0, 0.0, z, 1.0])
    return np.diag([1.0, 1.0, 0.0, 0.0]) - np.outer(h, h)


def _sphere_points() -> Array:
    n = 48
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], 1)


def _primitives() -> tuple[Primitive, ...]:
    signs = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    faces = np.array([[*(s * np.eye(3)[i]), -1.0] for i in range(3) for s in (1.0, -1.0)])
    ramp = signs[signs[:, 0] + signs[:, 2] <= 0]
    slope = np.array([[1.0, 0.0, 1.0, 0.0]])
    turn = 2 * np.pi * np.arange(16) / 16
    rims = np.array([[np.cos(a), np.sin(a), z] for z in (-1.0, 1.0) for a in turn])
    ball = np.diag([1.0, 1.0, 1.0, -1.0])[None]
    sphere, equator = _sphere_points(), rims * [1.0, 1.0, 0.0]
    floor = np.array([[0.0, 0.0, -1.0, 0.0]])
    return (
        Primitive(faces, np.zeros(4), _corners(signs), signs),
        Primitive(np.concatenate([faces[[1, 2, 3, 5]], slope]), np.zeros(4), _corners(ramp), ramp),
        Primitive(faces[4:], np.array([1.0, 1.0, 0.0, -1.0]), np.stack([_disc(-1.0), _disc(1.0)]), rims),
        Primitive(np.zeros((0, 4)), np.array([1.0, 1.0, 1.0, -1.0]), ball, sphere),
        Primitive(floor, np.array([1.0, 1.0, 1.0, -1.0]), ball, np.concatenate([sphere[:24], equator[:16]])),
    )


PRIMITIVES = _primitives()
BLOCK, WEDGE, CYLINDER, BALL, DOME = range(len(PRIMITIVES))


@dataclass(frozen=True, eq=False)
class Cell:
    """One convex part: primitive `kind` under the map `matrix` (4, 4), reflecting the share `albedo` of light."""

    kind: int
    matrix: Array
    albedo: float


def block(
    centre: ArrayLike, half: ArrayLike, frame: Array | None = None, top: float = 1.0, albedo: float = 0.9
) -> Cell:
    """A box with half-sizes `half`; the end at +z of its frame is `top` times as wide as the other."""
    return Cell(BLOCK, placed(centre, half, frame, top), albedo)


def wedge(centre: ArrayLike, half: ArrayLike, frame: Array | None = None, albedo: float = 0.9) -> Cell:
    """The half x + z ≤ 0 of a box: a ramp that falls towards +x of its frame."""
    return Cell(WEDGE, placed(centre, half, frame), albedo)


def ball(centre: ArrayLike, half: ArrayLike, frame: Array | None = None, albedo: float = 0.9) -> Cell:
    """An ellipsoid with half-axes `half`."""
    return Cell(BALL, placed(centre, half, frame), albedo)


def dome(centre: ArrayLike, half: ArrayLike, frame: Array | None = None, albedo: float = 0.9) -> Cell:
    """The half z ≥ 0 of an ellipsoid, in its frame."""
    return Cell(DOME, placed(centre, half, frame), albedo)


def rod(
    start: ArrayLike, end: ArrayLike, radius: float, top: float = 1.0, albedo: float = 0.9, flat: float = 1.0
) -> Cell:
    """A cylinder from `start` to `end`, `top` times as wide at the end; `flat` scales its second half-axis."""
    centre, half, frame = _along(start, end)
    return Cell(CYLINDER, placed(centre, [radius, radius * flat, half], frame, top), albedo)


def beam(start: ArrayLike, end: ArrayLike, width: float, depth: float, top: float = 1.0, albedo: float = 0.9) -> Cell:
    """A square-edged rod of half-sizes `width` and `depth`."""
    centre, half, frame = _along(start, end)
    return Cell(BLOCK, placed(centre, [width, depth, half], frame, top), albedo)


def placed(centre: ArrayLike, half: ArrayLike, frame: Array | None = None, top: float = 1.0) -> Array:
    """The map of the cube onto a box `(4, 4)`: taper, half-sizes, frame (columns are the box's axes), centre."""
    tau = (1 - top) / (1 + top)
    # x ↦ (1 − τ)x/(1 + τz), z ↦ (z + τ)/(1 + τz): the ends z = ±1 stay, the first keeps its width.
    taper = np.array([[1 - tau, 0, 0, 0], [0, 1 - tau, 0, 0], [0, 0, 1, tau], [0, 0, tau, 1.0]])
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if frame is None else frame) * np.asarray(half, dtype=np.float64)
    matrix[:3, 3] = centre
    return matrix @ taper


def turn(axis: int, angle: float) -> Array:
    """The rotation about a coordinate axis `(3, 3)`."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle)
    matrix[i, j] = -np.sin(angle)
    return matrix


UP = turn(0, -np.pi / 2)  # its z axis points up (+y), its x axis along +x
DOWN = turn(0, np.pi / 2)
AHEAD = turn(1, np.pi / 2)  # its z axis points along +x


def _along(start: ArrayLike, end: ArrayLike) -> tuple[Array, float, Array]:
    """Centre, half length and a frame whose z axis runs from start to end."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(b - a))
    z = (b - a) / length
    hint = np.array([0.0, 0.0, 1.0]) if abs(z[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = np.cross(hint, z)
    x /= np.linalg.norm(x)
    return (a + b) / 2, length / 2, np.stack([x, np.cross(z, x), z], 1)
