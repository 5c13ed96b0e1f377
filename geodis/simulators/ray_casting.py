"""Where rays enter convex cells, without a loop over images, cells or rays.

In screen coordinates h = (u, v, 1, s), u and v on the image and s the nearness, a camera is a projective map of
space: s is the inverse depth for a perspective camera, the height towards the viewer for an orthographic one. Half-
spaces stay half-spaces, so that at every pixel a plane bounds s by an *affine* function of (u, v), from above where it
faces the viewer and from below where it does not; a quadric bounds s by the two roots of a quadratic equation whose
discriminant is a quadratic polynomial in (u, v). A cell is hit where its least upper bound is at least its greatest
lower bound, and is entered at the least upper bound.

Cells are traced on the rectangles that they cover, in groups of one primitive and one size of rectangle: all bounds of
a group are one product of matrices, coefficients × monomials in (u, v).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from geodis.linalg import Array
from geodis.simulators.cells import PRIMITIVES, Primitive

SAMPLES = 2**14  # of cells at a time: arrays of 64 kB stay in the cache and are not given back to the system
BIG = np.float32(1e9)
EDGE_ON = 1e-6
SHARES = np.array([3, 4, 6, 8, 12, 16, 24, 32, 48, 64]) / 64  # sides of rectangles, of the image's side


@dataclass(frozen=True, eq=False)
class Scene:
    """Images to be traced: cells, where they stand, and from where light comes.

    Attributes
    ----------
    kinds : ndarray (n, C)
        The primitive of each cell; −1 for none.
    cells : ndarray (n, C, 4, 4)
        Primitive → object.
    albedos : ndarray (n, C)
        Share of light reflected.
    poses : ndarray (n, 3, 3)
        Object → camera frame, rotations.
    lights : ndarray (n, 3, 3)
        Orthonormal rows; the first points towards the light.
    """

    kinds: Array
    cells: Array
    albedos: Array
    poses: Array
    lights: Array


@dataclass(frozen=True, eq=False)
class Patches:
    """k cells of one primitive, each on a rectangle of `side` rows and columns of samples.

    Attributes
    ----------
    image, row, column : ndarray (k,)
        Where each rectangle lies.
    turns : ndarray (t + 1,)
        No two rectangles from turns[i] to turns[i + 1] are of the same image.
    entry, exit : ndarray (k, rows · columns)
        Nearness at which the ray enters and leaves the cell; it misses the cell where entry < exit.
    cosine : ndarray (k, rows · columns)
        Of the angle between the light and the normal where the ray enters.
    albedo : ndarray (k, 1)
        Share of light reflected.
    """

    side: tuple[int, int]
    image: Array
    row: Array
    column: Array
    turns: Array
    entry: Array
    exit: Array
    cosine: Array
    albedo: Array

    def stacked(self, values: Array) -> Array:
        """`(k, rows · columns)` → `(k, rows, columns)`."""
        return values.reshape(len(values), *self.side)

    def windows(self, images: Array) -> Array:
        """All rectangles of this size in images `(n, h, w)`: a view, indexed by (image, row, column)."""
        return sliding_window_view(images, self.side, axis=(1, 2), writeable=True)  # type: ignore[call-overload]

    def without_repeats(self) -> Iterator[tuple[slice, tuple[Array, Array, Array]]]:
        """Parts of the patches in which every image comes once at most, with their places for `windows`."""
        for start, stop in pairwise(self.turns):
            rows = slice(start, stop)
            yield rows, (self.image[rows], self.row[rows], self.column[rows])


def patches(scene: Scene, camera: Array, n_samples: int) -> Iterator[Patches]:
    """Every cell on its rectangle, traced: `camera` maps space to (u, v, 1, s), the image is n × n samples."""
    sides = np.unique(np.ceil(SHARES * n_samples).astype(int))
    poses = np.zeros((len(scene.poses), 4, 4))
    poses[:, :3, :3], poses[:, 3, 3] = scene.poses, 1
    for kind, primitive in enumerate(PRIMITIVES):
        image, cell = np.nonzero(scene.kinds == kind)
        if not len(image):
            continue
        shape, pose = scene.cells[image, cell], poses[image]
        corner, size = rectangles(camera @ pose @ shape, primitive, sides, n_samples)
        key = size[:, 0] * (n_samples + 1) + size[:, 1]
        turn = _turns(key, image)
        order = np.lexsort((turn, key))
        traced = _traced(primitive, shape, pose, camera, scene.lights[image])
        edges = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
        for start, stop in pairwise(edges):
            side = int(size[order[start], 0]), int(size[order[start], 1])
            step = max(1, SAMPLES // (side[0] * side[1]))
            for i in range(start, stop, step):
                rows = order[i : min(i + step, stop)]
                centre = (2 * corner[rows] + np.array(side)) / n_samples - 1
                entry, leave, cosine = traced.on(rows, side, centre * [-1, 1], 2 / n_samples)
                yield Patches(
                    side, image[rows], corner[rows, 0], corner[rows, 1],
                    np.append(np.flatnonzero(np.diff(turn[rows], prepend=-1)), len(rows)),
                    entry, leave, cosine, scene.albedos[image, cell][rows, None].astype(np.float32),
                )  # fmt: skip


def rectangles(to_screen: Array, primitive: Primitive, sides: Array, n_samples: int) -> tuple[Array, Array]:
    """Rectangles of samples that contain cells: maps `(k, 4, 4)` → first row and column `(k, 2)`, sides `(k, 2)`.

    A dual form D of a point, disc or ball becomes M D Mᵀ on the screen; lines u = x touch it where
    D₃₃x² − 2D₁₃x + D₁₁ = 0.
    """
    screen = to_screen[:, None, :3] @ primitive.hull @ to_screen[:, None, :3].swapaxes(-1, -2)
    weight = screen[..., 2, 2]
    middle = np.stack([-screen[..., 1, 2], screen[..., 0, 2]], -1) / weight[..., None]  # rows run down, v up
    extent = np.stack([screen[..., 1, 1], screen[..., 0, 0]], -1) / weight[..., None]
    reach = np.sqrt(np.maximum(middle**2 - extent, 0))
    low, high = (middle - reach).min(1), (middle + reach).max(1)
    first = np.clip(np.ceil((low + 1) * n_samples / 2 - 0.5).astype(int), 0, n_samples - 1)
    last = np.clip(np.floor((high + 1) * n_samples / 2 - 0.5).astype(int), 0, n_samples - 1)
    size = sides[np.searchsorted(sides, np.maximum(last - first + 1, 1))]
    return np.minimum(first, n_samples - size), size


def _turns(key: Array, image: Array) -> Array:
    """How many cells of the same key and image come before."""
    order = np.lexsort((image, key))
    new = np.diff(key[order], prepend=-1).astype(bool) | np.diff(image[order], prepend=-1).astype(bool)
    place = np.arange(len(key))
    turn = np.empty(len(key), dtype=int)
    turn[order] = place - np.maximum.accumulate(np.where(new, place, 0))
    return turn


@dataclass(frozen=True, eq=False)
class _Traced:
    """Coefficients of the bounds of k cells of one primitive, in (u, v, 1, s)."""

    signs: Array  # (4,) the quadric's diagonal, zeros for none
    planes: Array  # (k, p, 4) covectors, those that face the viewer first
    n_front: Array  # (k,)
    cosines: Array  # (k, p)
    rows: Array  # (k, 4, 4) (u, v, 1, s) → primitive
    normals: Array  # (k, 3, 4) (u, v, 1, s) → gradient of the quadric, its component along the light first

    def on(self, which: Array, side: tuple[int, int], centre: Array, step: float) -> tuple[Array, Array, Array]:
        """Entry, exit and cosine `(k, rows · columns)` on rectangles around centres (v, u) `(k, 2)`."""
        v, u = ((np.arange(n) - (n - 1) / 2) * step for n in side)
        v, u = np.repeat(-v, side[1]), np.tile(u, side[0])
        affine = np.stack([u, v, np.ones_like(u)]).astype(np.float32)
        n_front = self.n_front[which]
        entry, leave, cosine = self._flat(which, centre, affine, n_front)
        if self.signs.any():
            self._curved(which, centre, np.concatenate([affine, np.stack([u * u, u * v, v * v], dtype=np.float32)]),
                         entry, leave, cosine)  # fmt: skip
        return entry, leave, cosine

    def _flat(self, which: Array, centre: Array, affine: Array, n_front: Array) -> tuple[Array, Array, Array]:
        n, p = len(which), self.planes.shape[1]
        if p == 0:
            return (
                np.full((n, affine.shape[1]), BIG), np.full((n, affine.shape[1]), -BIG),
                np.zeros((n, affine.shape[1]), np.float32),
            )  # fmt: skip
        planes = shifted(self.planes[which], centre)
        bounds = planes[..., :3] / -planes[..., 3:]
        most, least = int(n_front.max()), int(n_front.min())
        slots = np.arange(p)
        front = slots < n_front[:, None]
        upper = np.where(front[..., None], bounds, np.array([0, 0, BIG]))[:, :most]
        lower = np.where(front[..., None], np.array([0, 0, -BIG]), bounds)[:, least:]
        coefficients = np.concatenate([upper, lower], 1).swapaxes(0, 1).astype(np.float32)
        values = (coefficients.reshape(-1, 3) @ affine).reshape(len(coefficients), n, -1)
        cosines = self.cosines[which].astype(np.float32)
        if most == 0:
            entry, cosine = np.full(values.shape[1:], BIG), np.zeros(values.shape[1:], np.float32)
        else:
            entry, cosine = values[0], np.repeat(cosines[:, :1], values.shape[2], 1)
        for slot in range(1, most):
            nearer = values[slot] < entry
            np.copyto(cosine, cosines[:, slot, None], where=nearer)
            np.minimum(entry, values[slot], out=entry)
        leave = values[most] if len(values) > most else np.full(values.shape[1:], -BIG)
        for slot in range(most + 1, len(values)):
            np.maximum(leave, values[slot], out=leave)
        return entry, leave, cosine

    def _curved(self, which: Array, centre: Array, monomials: Array, entry: Array, leave: Array, cosine: Array) -> None:
        """Cut the intervals with the quadric's, in place."""
        rows = shifted(self.rows[which], centre)
        form = (rows * self.signs[:, None]).swapaxes(-1, -2) @ rows
        a, b = form[:, 3, 3], form[:, 3, :3]
        a = np.where(np.abs(a) < 1e-7, np.copysign(1e-7, a), a)[:, None]
        d = (b[:, :, None] * b[:, None, :] - a[..., None] * form[:, :3, :3]) / a[..., None] ** 2
        root = np.stack([2 * d[:, 0, 2], 2 * d[:, 1, 2], d[:, 2, 2], d[:, 0, 0], 2 * d[:, 0, 1], d[:, 1, 1]], 1)
        root = root.astype(np.float32) @ monomials
        missed = root < 0
        np.sqrt(np.maximum(root, 0, out=root), out=root)
        middle = (-b / a).astype(np.float32) @ monomials[:3]
        # Inside of an endless cone (a < 0) one of its sheets holds the cell: beyond the greater root when the viewer's
        # weight is positive, before the smaller root otherwise.
        outside, ahead = a > 0, rows[:, 3, 3, None] >= 0
        far = middle + root * np.where(outside, -1, 1).astype(np.float32)
        far -= np.where(outside | ahead, 0, BIG)
        middle += root * np.where(outside | ahead, 1, -1).astype(np.float32)
        middle += np.where(~outside & ahead, BIG, np.float32(0))
        np.copyto(far, BIG, where=missed)
        np.maximum(leave, far, out=leave)
        curved = middle < entry
        np.minimum(entry, middle, out=entry)
        np.copyto(cosine, self._slant(which, centre, monomials[:3], entry), where=curved)

    def _slant(self, which: Array, centre: Array, affine: Array, entry: Array) -> Array:
        """Cosine between the light and the curved face's normal at nearness `entry`."""
        normals = shifted(self.normals[which], centre).swapaxes(0, 1).astype(np.float32)
        parts = (normals[..., :3].reshape(-1, 3) @ affine).reshape(3, *entry.shape)
        bounded = np.clip(entry, -100, 100)
        for part, slope in zip(parts, normals[..., 3], strict=True):
            part += slope[:, None] * bounded
        along = parts[0].copy()
        parts *= parts
        length = parts[0]
        length += parts[1]
        length += parts[2]
        length += np.float32(1e-30)
        along /= np.sqrt(length, out=length)
        return along


def _traced(primitive: Primitive, shape: Array, pose: Array, camera: Array, lights: Array) -> _Traced:
    """The bounds of cells under maps primitive → object → camera frame → screen."""
    rows = np.linalg.inv(shape) @ pose.swapaxes(-1, -2)  # camera frame → primitive
    seen = rows @ np.linalg.inv(camera)
    faces = primitive.planes @ rows
    normal = faces[..., :3] / np.linalg.norm(faces[..., :3], axis=-1, keepdims=True)
    cosines = (normal * lights[:, None, 0]).sum(-1)
    planes = primitive.planes @ seen
    steep = EDGE_ON * np.linalg.norm(planes, axis=-1)
    # A plane seen edge-on bounds (u, v) and not s: as a steep one that faces away it does so, and is never entered.
    planes[..., 3] = np.where(np.abs(planes[..., 3]) < steep, -steep, planes[..., 3])
    order = np.argsort(planes[..., 3] <= 0, axis=1, kind="stable")
    planes, cosines = np.take_along_axis(planes, order[..., None], 1), np.take_along_axis(cosines, order, 1)
    gradient = (rows[..., :3] * primitive.quadric[:, None]).swapaxes(-1, -2) @ seen
    normals = lights @ gradient
    return _Traced(primitive.quadric, planes, (planes[..., 3] > 0).sum(1), cosines, seen, normals)


def shifted(covectors: Array, centre: Array) -> Array:
    """Functions of (u, v, 1, s) as functions of (u − u₀, v − v₀, 1, s): `(k, p, 4)` and (v₀, u₀) `(k, 2)`."""
    moved = covectors.copy()
    moved[..., 2] += covectors[..., 0] * centre[:, None, 1] + covectors[..., 1] * centre[:, None, 0]
    return moved
