"""What a field has to fulfil at every point to be a symmetry: linear conditions R_i θ = 0, with the size D_i θ.

|R_i θ|² is how much the field violates it there, |D_i θ|² how fast it is. Sums of RᵀR and DᵀD over points are
all that a null space needs; rows are built in pieces, so that memory stays small for many fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from geodis.discovery.vector_fields import AbstractVectorFields
from geodis.linalg import Array

ENTRIES = 4_000_000  # numbers of a piece of rows: 32 MB


class Values(NamedTuple):
    """Of fields (columns) at points (rows): violation |Rθ|², size |Dθ|², and what the noise alone adds to |Rθ|²."""

    violation: Array
    size: Array
    noise: Array | None


class AbstractConditions(ABC):
    """Linear conditions on the coefficients of fields, point by point."""

    @property
    @abstractmethod
    def n_points(self) -> int:
        """Number of points n."""

    @property
    @abstractmethod
    def n_unknown(self) -> int:
        """p, the length of θ."""

    @property
    @abstractmethod
    def n_equations(self) -> int:
        """Rows of R_i with content."""

    @abstractmethod
    def rows(self, index: Array) -> tuple[Array, Array]:
        """R_i `(m, q, p)` and D_i `(m, s, p)` at some points."""

    @abstractmethod
    def values(self, index: Array, coefficients: Array) -> Values:
        """Violation and size of every row θ of `(k, p)` at some points."""

    def grams(self, index: Array) -> tuple[Array, Array]:
        """Σ RᵀR and Σ DᵀD over some points, (p, p) each."""
        violation = np.zeros((self.n_unknown, self.n_unknown))
        size = np.zeros_like(violation)
        for piece in pieces(index, self.row_entries):
            r, d = (part.reshape(-1, self.n_unknown) for part in self.rows(piece))
            violation += r.T @ r
            size += d.T @ d
        return violation, size

    @property
    @abstractmethod
    def row_entries(self) -> int:
        """Numbers in R_i and D_i of one point."""


@final
@dataclass(frozen=True, eq=False)
class RowConditions(AbstractConditions):
    """Rows r of every point with r·X(x) = 0 for a symmetry X: normals of the data, gradients of a function.

    Attributes
    ----------
    fields : AbstractVectorFields
        The family.
    points : array (n, d)
        Where.
    normals : array (n, q, d)
        The rows.
    weights : array (n,)
        The largest |r·X| of a field of unit speed.
    noise : array (n, q, d), optional
        Rows that stand for the noise of `normals`.
    """

    fields: AbstractVectorFields
    points: Array
    normals: Array
    weights: Array
    noise: Array | None = None

    @property
    def n_points(self) -> int:
        """Number of points n."""
        return len(self.points)

    @property
    def n_unknown(self) -> int:
        """Number of unknown coefficients p."""
        return self.fields.n_fields

    @property
    def n_equations(self) -> int:
        """Rows with content."""
        return int((np.abs(self.normals).max(axis=2) > 0).sum())

    @property
    def row_entries(self) -> int:
        """Numbers in R_i and D_i of one point."""
        return (self.normals.shape[1] + self.fields.dim) * self.n_unknown

    def rows(self, index: Array) -> tuple[Array, Array]:
        """R_i = rᵢᵀX(x_i) and D_i = w_i X(x_i)."""
        x, d = self.points[index], self.fields.dim
        unit = self.weights[index, None, None] * np.eye(d)
        return self.fields.contract(x, self.normals[index]), self.fields.contract(x, unit)

    def values(self, index: Array, coefficients: Array) -> Values:
        """Violation and size of every row θ of `(k, p)` at some points."""
        found = [self._values(piece, coefficients) for piece in pieces(index, len(coefficients) * self.fields.dim)]
        noise = None if self.noise is None else np.concatenate([v.noise for v in found])
        return Values(np.concatenate([v.violation for v in found]), np.concatenate([v.size for v in found]), noise)

    def _values(self, index: Array, coefficients: Array) -> Values:
        speed = np.swapaxes(self.fields.velocities(self.points[index], coefficients), 1, 2)  # (m, d, k)
        size = self.weights[index, None] ** 2 * _energy(speed)
        noise = None if self.noise is None else _energy(self.noise[index] @ speed)
        return Values(_energy(self.normals[index] @ speed), size, noise)


@final
@dataclass(frozen=True, eq=False)
class MapConditions(AbstractConditions):
    """A map F carries the field X to the field Y: DF(x) X(x) = Y(F(x)).

    With `output` another family, θ = (coefficients of X, coefficients of Y); without it Y is X itself, as for a step of
    a simulator.

    Attributes
    ----------
    fields, output : AbstractVectorFields
        The families of X and of Y.
    points, images, slopes : array (n, d), (n, q), (n, q, d)
        x, F(x), DF(x).
    """

    fields: AbstractVectorFields
    points: Array
    images: Array
    slopes: Array
    output: AbstractVectorFields | None = None

    @property
    def n_points(self) -> int:
        """Number of points n."""
        return len(self.points)

    @property
    def n_unknown(self) -> int:
        """p, or p + p'."""
        return self.fields.n_fields + (self.output.n_fields if self.output is not None else 0)

    @property
    def n_equations(self) -> int:
        """Rows with content."""
        return self.images.size

    @property
    def row_entries(self) -> int:
        """Numbers in R_i and D_i of one point."""
        return (2 * self.images.shape[1] + self.fields.dim) * self.n_unknown

    def rows(self, index: Array) -> tuple[Array, Array]:
        """R_i = DF X − Y∘F, D_i = (|DF| X; Y∘F)."""
        moved, arrived, scaled = self._parts(index)
        if self.output is None:
            return moved - arrived, np.concatenate([scaled, arrived], axis=1)
        zero = np.zeros((len(moved), scaled.shape[1], arrived.shape[2]))
        below = np.concatenate([np.zeros((*arrived.shape[:2], scaled.shape[2])), arrived], axis=2)
        size = np.concatenate([np.concatenate([scaled, zero], axis=2), below], axis=1)
        return np.concatenate([moved, -arrived], axis=2), size

    def values(self, index: Array, coefficients: Array) -> Values:
        """Violation and size of every row θ of `(k, p)` at some points."""
        found = []
        for piece in pieces(index, self.row_entries):
            r, d = self.rows(piece)
            found.append((_energy(r @ coefficients.T), _energy(d @ coefficients.T)))
        return Values(np.concatenate([v for v, _ in found]), np.concatenate([s for _, s in found]), None)

    def _parts(self, index: Array) -> tuple[Array, Array, Array]:
        """DF X, Y∘F and |DF| X, as rows on the coefficients of X or Y."""
        x, slope, image = self.points[index], self.slopes[index], self.images[index]
        to = self.fields if self.output is None else self.output
        eye = np.broadcast_to(np.eye(to.dim), (len(x), to.dim, to.dim))
        steepness = np.linalg.norm(slope, axis=(1, 2))[:, None, None] / np.sqrt(slope.shape[1])
        scaled = self.fields.contract(x, steepness * np.eye(self.fields.dim))
        return self.fields.contract(x, slope), to.contract(image, eye), scaled


def pieces(index: Array, entries: int) -> list[Array]:
    """`index` cut so that a piece has about `ENTRIES` numbers at `entries` a point."""
    return np.array_split(index, max(1, min(len(index), -(-len(index) * entries // ENTRIES))))


def _energy(x: Array) -> Array:
    """Σ over the middle axis of x² for x (m, q, k): (m, k)."""
    return np.asarray(np.einsum("mqk,mqk->mk", x, x))
