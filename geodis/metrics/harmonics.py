"""Which irreps the orbits of items are made of: Peter–Weyl coefficients, by FFT on grids, by least squares elsewhere.

For an orbit z: G → R^D the coefficients of an irrep ρ of dimension d and type t are √(d/t) ∫ z ρ_ab, and the sum of
their squares is the energy of z in ρ; over all irreps but the trivial one that is the variance of the orbit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from geodis.errors import DesignError
from geodis.groups.cyclic import Cyclic
from geodis.groups.group import AbstractGroup
from geodis.groups.representation import Representation
from geodis.linalg import Array
from geodis.metrics.grids import TorusGrid, factors_of, torus_grid, torus_turns

LARGEST_ORDER = 4  # off the grid, where more elements than functions are needed
OVERSAMPLED = 2  # elements a function


@dataclass(frozen=True, eq=False)
class Harmonics:
    """Energies of the orbits of n items, sorted by what moves them.

    Attributes
    ----------
    variance : ndarray (n,)
        Of each orbit, noise included.
    axis : ndarray (n, k)
        Energy of all functions of one factor's element alone.
    resolved : ndarray (n,)
        Energy of all functions that were looked at.
    powers : list of dict of str to ndarray (n,)
        Energy of each irrep of one factor, factor by factor.
    coefficients : dict of str to ndarray (n, D, r)
        Their coefficients; squares sum to the energies.
    dims : dict of str to int
        Real dimensions of the irreps.
    """

    variance: Array
    axis: Array
    resolved: Array
    powers: list[dict[str, Array]]
    coefficients: dict[str, Array] = field(repr=False)
    dims: dict[str, int]


@dataclass(frozen=True, eq=False)
class GridHarmonics:
    """Orbits on a full grid of a torus: every frequency is seen, by FFT."""

    group: AbstractGroup
    grids: tuple[TorusGrid, ...]

    def __call__(self, z: Array) -> Harmonics:
        """`(n, m, D)` → energies."""
        shape = self.grids[0].shape
        centred = z - z.mean(axis=1, keepdims=True)
        spread = np.take_along_axis(centred, self._rows[..., None], axis=1).reshape(len(z), *shape, -1)
        axes = tuple(range(1, 1 + len(shape)))
        powers: list[dict[str, Array]] = []
        coefficients: dict[str, Array] = {}
        dims: dict[str, int] = {}
        axis = np.zeros((len(z), len(shape)))
        for j, n in enumerate(shape):
            others = tuple(a for a in axes if a != j + 1)
            hat = np.fft.rfft(spread.mean(axis=others), axis=1) / n
            own: dict[str, Array] = {}
            for k in range(1, n // 2 + 1):
                name = _character_name(self.group, j, k)
                both = np.stack([hat[:, k].real, hat[:, k].imag], axis=-1)
                # (−1)^j at half the elements is real: one row, and no conjugate.
                rows = both[..., :1] if 2 * k == n else np.sqrt(2.0) * both
                own[name] = (rows**2).sum(axis=(1, 2))
                coefficients[name], dims[name] = rows, rows.shape[-1]
            powers.append(own)
            axis[:, j] = sum(own.values()) if own else 0.0
        variance = np.einsum("nmd,nmd->n", centred, centred) / z.shape[1]
        return Harmonics(variance, axis, variance, powers, coefficients, dims)

    @cached_property
    def _rows(self) -> Array:
        """The row that stands at each place, item by item `(n, m)`."""
        return np.argsort([grid.place for grid in self.grids], axis=1)


@dataclass(frozen=True, eq=False)
class FittedHarmonics:
    """Orbits at any elements: least squares on the matrix entries of irreps up to an order."""

    irreps: tuple[Representation, ...]
    n_factors: int
    analysis: Array  # (n or 1, Q, m): pseudo-inverse of the functions' values
    values: Array  # (n or 1, m, Q)
    n_functions: int

    def __call__(self, z: Array) -> Harmonics:
        """`(n, m, D)` → energies."""
        fitted = self.analysis @ z
        m = z.shape[1]
        left = ((z - self.values @ fitted) ** 2).sum(axis=(1, 2)) / max(m - self.n_functions, 1)
        powers: list[dict[str, Array]] = [{} for _ in range(self.n_factors)]
        coefficients, dims = {}, {}
        axis, resolved = np.zeros((len(z), self.n_factors)), np.zeros(len(z))
        start = 0
        for rep in self.irreps:
            stop = start + rep.dim**2
            part = fitted[:, start:stop]
            start = stop
            energy = (part**2).sum(axis=(1, 2))
            if rep.trivial:
                continue
            resolved += energy
            if len(rep.factors) == 1:
                powers[rep.factors[0]][rep.name] = energy
                coefficients[rep.name], dims[rep.name] = np.swapaxes(part, 1, 2), rep.dim
                axis[:, rep.factors[0]] += energy
        return Harmonics(resolved + left, axis, resolved, powers, coefficients, dims)


def transform_of(group: AbstractGroup, params: Array, max_order: int | None) -> GridHarmonics | FittedHarmonics:
    """How to read the orbits seen at `params (n, m, p)`.

    Raises
    ------
    DesignError
        For a group that is not compact, or fewer elements than the functions need.
    """
    if not group.compact:
        raise DesignError(f"Irrep energies need a compact group, got {group!r}: its functions have no total energy.")
    return _on_grid(group, params) or _fitted(group, params, max_order)


def _on_grid(group: AbstractGroup, params: Array) -> GridHarmonics | None:
    turns = torus_turns(group)
    if turns is None:
        return None
    grids: list[TorusGrid] = []
    for rows in params / turns:
        grid = torus_grid(rows)
        if grid is None or (grids and grid.shape != grids[0].shape):
            return None
        grids.append(grid)
    orders = [g.order for g in factors_of(group)]
    # A part of a cyclic group is the grid of a subgroup, whose characters have other names.
    if any(order not in (None, n) for order, n in zip(orders, grids[0].shape, strict=True)):
        return None
    return GridHarmonics(group, tuple(grids))


def _fitted(group: AbstractGroup, params: Array, max_order: int | None) -> FittedHarmonics:
    m = params.shape[1]
    irreps = _irreps(group, m, max_order)
    shared = params[:1] if (params == params[:1]).all() else params
    flat = shared.reshape(-1, params.shape[-1])
    entries = [np.sqrt(rep.dim / rep.commutant_dim) * np.asarray(rep(flat)).reshape(len(flat), -1) for rep in irreps]
    values = np.concatenate(entries, axis=1).reshape(len(shared), m, -1)
    count = sum(rep.dim**2 // rep.commutant_dim for rep in irreps)
    rank = int(np.linalg.matrix_rank(values, rtol=1e-8).min())
    if rank < count:
        raise DesignError(
            f"These {m} elements of {group!r} tell {rank} of {count} functions apart. "
            "Sample more elements an item, or lower max_order."
        )
    return FittedHarmonics(irreps, len(factors_of(group)), np.linalg.pinv(values, rcond=1e-8), values, count)


def _irreps(group: AbstractGroup, m: int, max_order: int | None) -> tuple[Representation, ...]:
    """All irreps of a finite group that is seen whole; else up to the largest order that the elements can tell."""
    if max_order is not None:
        return group.irreps(max_order)
    if group.order is not None and m >= group.order:
        return group.irreps(group.order)
    best: tuple[Representation, ...] = ()
    needed = 0
    for order in range(1, LARGEST_ORDER + 1):
        irreps = group.irreps(order)
        needed = OVERSAMPLED * sum(rep.dim**2 // rep.commutant_dim for rep in irreps)
        if needed > m:
            break
        best = irreps
    if not best:
        raise DesignError(
            f"{m} elements an item are too few to read irreps of {group!r} by least squares: order 1 needs {needed}. "
            "Sample more elements, or a full grid."
        )
    return best


def _character_name(group: AbstractGroup, factor: int, k: int) -> str:
    parts = factors_of(group)
    letter = ["k" if isinstance(g, Cyclic) else "m" for g in parts]
    return "⊗".join(f"{letter[j]}={k if j == factor else 0}" for j in range(len(parts)))
