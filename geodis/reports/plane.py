"""Where codes of a block are drawn: its own plane, its first two principal directions, or a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.orbits import Orbits


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions in which the codes of a block are looked at, one for a block of one row.

    Attributes
    ----------
    center : ndarray (d,)
        What is subtracted: 0 where the block is drawn as it is.
    axes : ndarray (d, 2) or (1, 1)
        The directions, as columns.
    names : tuple of str
        Labels of the axes.
    """

    center: Array
    axes: Array
    names: tuple[str, ...]

    def points(self, codes: Array) -> Array:
        """Codes of the block `(N, d)` → `(N, 2)`, or `(N, 1)` for a block of one row."""
        return np.asarray((codes - self.center) @ self.axes)


def plane_of(codes: Array, block: Block) -> Plane:
    """The plane of a block with codes `(N, d)`: principal directions, with their shares of the variance, for d ≥ 3."""
    d = block.irrep.dim
    if d <= 2:
        names = ("row 1", "row 2")[:d] if d == 2 else ("code",)
        return Plane(np.zeros(d), np.eye(d), names)
    center = codes.mean(axis=0)
    _, s, vt = np.linalg.svd(codes - center, full_matrices=False)
    # A sign for each direction, so that the same codes give the same picture on every machine.
    vt = vt * np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])[:, None]
    vt = np.concatenate([vt, np.zeros((max(2 - len(vt), 0), d))])
    shares = np.append(s**2, 0.0) / max(float((s**2).sum()), 1e-300)
    names = tuple(f"principal direction {i + 1} ({100 * shares[i]:.0f} %)" for i in range(2))
    return Plane(center, vt[:2].T, names)


def checked_block(coordinates: Any, block: Any, what: str) -> Block:
    """The block of that index.

    Raises
    ------
    ParameterError
        For something else than coordinates, or no index of a block.
    """
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError(f"{what}: coordinates", "LatentCoordinates", type(coordinates).__name__)
    known = len(coordinates.blocks)
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or not 0 <= block < known:
        expected = f"an index below {known}" if known else "coordinates with a block, none was kept"
        raise ParameterError(f"{what}: block", expected, block)
    return coordinates.blocks[block]


def codes_of(coordinates: LatentCoordinates, orbits: Any, what: str) -> Orbits:
    """The orbits' codes in these coordinates.

    Raises
    ------
    ParameterError, ShapeError
        For something else than orbits, another group, or embeddings of another dimension.
    """
    if not isinstance(orbits, Orbits):
        raise ParameterError(f"{what}: orbits", "Orbits", type(orbits).__name__)
    if orbits.group != coordinates.group:
        raise ParameterError(f"{what}: orbits", f"orbits of {coordinates.group!r}", repr(orbits.group))
    if orbits.n_features != coordinates.n_features:
        raise ShapeError(f"{what}: orbits", f"embeddings of dimension {coordinates.n_features}", orbits.z.shape)
    return orbits.map(lambda z: coordinates.transform(z.astype(np.float64)))


def block_name(coordinates: LatentCoordinates, index: int) -> str:
    """The name of a block in the tables of `verify`: its irrep's, with a number from the second copy on."""
    name = coordinates.blocks[index].irrep.name
    copy = sum(b.irrep.name == name for b in coordinates.blocks[:index])
    return f"{name} #{copy + 1}" if copy else name
