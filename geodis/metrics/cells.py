"""OrbitCells: codes and operators of orbits as float64 stacks, with the rounding level of their dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from geodis.coordinates.pair_error import canonical, pair_error_cells, variation_cells
from geodis.errors import ParameterError, ShapeError
from geodis.groups.representation import Representation
from geodis.linalg import Array, check_finite, to_numpy
from geodis.orbits import Orbits

Operator = Callable[[Any], Any]  # params (N, p) → matrices (N, d, d)


@dataclass(frozen=True, eq=False)
class OrbitCells:
    """Codes c, operators ρ and parameters of all items that have a pair, one entry for each orbit size.

    Attributes
    ----------
    codes, operators, params : list of ndarray
        Stacks (n, m, d), (n, m, d, d), (n, m, p) in float64; m ≥ 2.
    orthogonal : bool
        Whether ρᵀρ = I in every row.
    crossed : bool
        Whether all items share their elements.
    n_single : int
        Items left out because they have one element and so no pair.
    tolerance : float
        max(64 eps, 1e-10)²·E‖z‖² with the uncentred z as they came in: mean squares below are rounding.
    """

    codes: list[Array]
    operators: list[Array]
    params: list[Array]
    orthogonal: bool
    crossed: bool
    n_single: int
    tolerance: float

    @property
    def n_items(self) -> int:
        """Items that have a pair."""
        return sum(len(c) for c in self.codes)

    @property
    def n_elements(self) -> int:
        """Elements an item, the largest number."""
        return max((c.shape[1] for c in self.codes), default=1)

    def with_operators(self, operators: list[Array], orthogonal: bool) -> OrbitCells:
        """The same codes under other operators."""
        return OrbitCells(self.codes, operators, self.params, orthogonal, self.crossed, self.n_single, self.tolerance)

    def variation(self, center: bool) -> list[Array]:
        """|c − mean|² (T of theory §1), or |c|² if not centred."""
        mean = row_mean(self.codes) if center else np.zeros(self.codes[0].shape[2])
        return [variation_cells(c, mean) for c in self.codes]

    def canonical(self, center: bool) -> list[Array]:
        """U = ρ⁻¹(c − b), b the offset that makes the items most alike to themselves, or 0 if not centred."""
        if not center:
            return [canonical(c, r, None, self.orthogonal) for c, r in zip(self.codes, self.operators, strict=True)]
        return self.offset_fit(self.inverses)[1]

    def pair_errors(self, center: bool) -> list[Array]:
        """mean_{j≠k} |ρ_k(u_k − u_j)|² of each row: L of theory §1."""
        us = self.canonical(center)
        return [pair_error_cells(u, r, self.orthogonal) for u, r in zip(us, self.operators, strict=True)]

    @cached_property
    def inverses(self) -> list[Array]:
        """ρ⁻¹ of each row."""
        if self.orthogonal:
            return [np.swapaxes(r, -1, -2) for r in self.operators]
        try:
            return [np.linalg.inv(r) for r in self.operators]
        except np.linalg.LinAlgError:
            raise ParameterError("rho", "invertible matrices", "a singular one") from None

    @cached_property
    def _centred(self) -> list[Array]:
        mean = row_mean(self.codes)
        return [c - mean for c in self.codes]

    @cached_property
    def _offset_solver(self) -> Array:
        """Pseudo-inverse of Σ (A − Ā)ᵀ(A − Ā), A = ρ⁻¹; the same for every relabelling of a stack."""
        d = self.codes[0].shape[2]
        normal, scale = np.zeros((d, d)), 0.0
        for inverse in self.inverses:
            varying = (inverse - inverse.mean(axis=1, keepdims=True)) / np.sqrt(inverse.shape[1])
            normal += np.einsum("nmab,nmac->bc", varying, varying)
            scale += float(np.einsum("nmab,nmab->", inverse, inverse)) / inverse.shape[1] / d
        values, vectors = np.linalg.eigh(normal)
        # Directions that ρ does not move have no offset to find (and none is seen by differences).
        seen = values > 1e-10 * scale
        return (vectors[:, seen] / values[seen]) @ vectors[:, seen].T

    def offset_fit(self, inverses: list[Array]) -> tuple[Array, list[Array]]:
        """The offset b minimizing Σ|u_ij − ū_i|² (beyond the row mean), and u = ρ⁻¹(c − b).

        On a full orbit of a fixed-point-free ρ, b is the mean of the rows. Elsewhere the mean is wrong (pairs (e, g) of
        upright items take an exact code to an error of .3, theory §2) and this offset is not.
        """
        raw = [np.einsum("nmab,nmb->nma", a, c) for a, c in zip(inverses, self._centred, strict=True)]
        target = np.zeros(self.codes[0].shape[2])
        for a, u in zip(inverses, raw, strict=True):
            within = (u - u.mean(axis=1, keepdims=True)) / u.shape[1]
            # Σ_j (A_j − Ā)ᵀ(u_j − ū) = Σ_j A_jᵀ(u_j − ū), as the second factor sums to zero.
            target += np.einsum("nmab,nma->b", a, within)
        b = self._offset_solver @ target
        return b, [u - a @ b for a, u in zip(inverses, raw, strict=True)]


def orbit_cells(orbits: Orbits, rho: Operator | None) -> OrbitCells:
    """Codes and operators of `orbits`, checked; ρ = I if None.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than Orbits, matrices that do not act on the codes, or NaN in them.
    """
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "an Orbits (Orbits.from_arrays(z, params, items, group))", type(orbits).__name__)
    if rho is not None and not callable(rho):
        raise ParameterError("rho", "a callable params (N, p) → matrices (N, d, d)", type(rho).__name__)
    check_finite(orbits.z, "embeddings z")
    codes, operators, params, single, orthogonal = [], [], [], 0, True
    for stack in orbits.stacks():
        if stack.z.shape[1] < 2:
            single += len(stack.z)
            continue
        c = stack.z.astype(np.float64)
        matrices, isometric = _matrices(rho, stack.params, c.shape)
        codes.append(c)
        operators.append(matrices)
        params.append(stack.params)
        orthogonal = orthogonal and isometric
    return OrbitCells(codes, operators, params, orthogonal, orbits.crossed, single, rounding(orbits.z))


def rounding(z: Array) -> float:
    """max(64 eps, 1e-10)²·E‖z‖²: the mean square below which a variation of z is rounding."""
    unit = max(64.0 * float(np.finfo(z.dtype).eps), 1e-10)
    square = float(np.einsum("nd,nd->", z, z, dtype=np.float64)) / max(1, len(z))
    return unit**2 * square


def row_mean(stacks: list[Array]) -> Array:
    """The mean over items of each item's mean, (d,)."""
    return np.concatenate([c.mean(axis=1) for c in stacks]).mean(axis=0)


def item_average(cells: list[Array]) -> float:
    """The mean over items of the mean over an item's cells; NaN without items."""
    return float(np.concatenate([c.mean(axis=1) for c in cells]).mean()) if cells else float("nan")


def _matrices(rho: Operator | None, params: Array, shape: tuple[int, ...]) -> tuple[Array, bool]:
    n, m, d = shape
    if rho is None:
        return np.broadcast_to(np.eye(d), (n, m, d, d)), True
    matrices = to_numpy(rho(params.reshape(n * m, -1)))
    if matrices.shape != (n * m, d, d):
        raise ShapeError("rho(params)", str((n * m, d, d)), matrices.shape, f"The codes have {d} columns.")
    isometric = rho.orthogonal if isinstance(rho, Representation) else is_orthogonal(matrices)
    matrices = matrices.astype(np.float64, copy=False)
    check_finite(matrices, "rho(params)")
    return matrices.reshape(n, m, d, d), isometric


def is_orthogonal(matrices: Array) -> bool:
    """Whether ρᵀρ = I up to rounding in the matrices' dtype."""
    if matrices.dtype.kind != "f":
        matrices = matrices.astype(np.float64)
    gram = np.swapaxes(matrices, -1, -2) @ matrices
    return bool(np.abs(gram - np.eye(matrices.shape[-1])).max() <= 64.0 * float(np.finfo(matrices.dtype).eps))
