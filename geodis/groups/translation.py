"""Shifts on a line, a circle, a space or a torus."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import pi
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.family import ContinuousFamily
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.names import listed, numbers_in
from geodis.groups.options import count, positive
from geodis.groups.relabel import permute_cells
from geodis.groups.representation import Representation, of_complex_type, trivial_representation
from geodis.groups.rotations import phase
from geodis.linalg import Array

WINDOW_CELLS = 8


@final
class Translation(AbstractGroup):
    """Shifts t of R^dim, or of a torus when `period` is given: parameters `(..., dim)` in the coordinates' unit.

    Torus: canonical in [0, L), Haar measure uniform, irreps ``k=1`` or ``k=(1,0)``, the characters e^{2πi k·t/L} up to
    sign with |k|_∞ ≤ max_order. R^dim: samples are normal with standard deviation `spread`, ``trivial`` is the only
    irrep listed, ``ω=1.3`` is the character e^{iω·t}, ``position`` (``position[a]`` in more dimensions) is c ↦ c + t_a.

    Parameters
    ----------
    dim : int
        The number of coordinates.
    period : float, tuple of float or None
        The period of each coordinate (one number for all), None on R^dim.
    spread : float
        Standard deviation of sampled shifts on R^dim.

    Examples
    --------
    >>> Translation(2, period=(1.0, 2.0)).compose([[0.75, 0.5]], [[0.5, 0.5]]).tolist()
    [[0.25, 1.0]]
    >>> Translation(1).irrep("ω=1.3").type
    'complex'
    """

    def __init__(self, dim: int, period: Any = None, spread: float = 1.0) -> None:
        self.n_params = self.tangent_dim = self.dim = count(dim, "Translation: dim", 1)
        self.spread = positive(spread, "Translation: spread")
        self.period = None if period is None else _periods(period, self.dim)
        self.compact = self.period is not None

    def __repr__(self) -> str:
        period = "" if self.period is None else f", period={self.period if self.dim > 1 else self.period[0]}"
        spread = "" if self.spread == 1.0 else f", spread={self.spread}"
        return f"Translation({self.dim}{period}{spread})"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """The lengths of the torus."""
        return (None,) * self.dim if self.period is None else self.period

    def _identity(self) -> Tensor:
        return torch.zeros(self.dim, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return self._canonical(a + b)

    def _inverse(self, a: Tensor) -> Tensor:
        return self._canonical(-a)

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        if self.period is None:
            out = torch.eye(self.dim + 1, dtype=g.dtype, device=g.device).repeat(*g.shape[:-1], 1, 1)
            out[..., : self.dim, self.dim] = g
            return out
        angle = g * (2 * pi / self._lengths(g))
        cosine, sine = torch.diag_embed(torch.cos(angle)), torch.diag_embed(torch.sin(angle))
        return torch.cat([torch.cat([cosine, -sine], -1), torch.cat([sine, cosine], -1)], -2)

    def _exp(self, a: Tensor) -> Tensor:
        return self._canonical(a)

    def _log(self, g: Tensor) -> Tensor:
        if self.period is None:
            return g
        length = self._lengths(g)
        return g - length * torch.ceil(g / length - 0.5).detach()

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        if self.period is None:
            return self.spread * rng.standard_normal((n, self.dim))
        return rng.uniform(size=(n, self.dim)) * self.period

    def _orbit(self, rng: np.random.Generator, n_items: int, n_elements: int) -> Array:
        side = round(n_elements ** (1 / self.dim))
        if self.period is None or side**self.dim != n_elements or (self.dim > 1 and side < 3):
            return super()._orbit(rng, n_items, n_elements)
        grid = np.array(list(product(range(side), repeat=self.dim))) / side
        return (grid + rng.uniform(size=(n_items, 1, self.dim))) % 1.0 * self.period

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        if self.period is None:
            return (trivial_representation("trivial"),)
        frequencies = product(range(-max_order, max_order + 1), repeat=self.dim)
        half = [k for k in frequencies if _leading(k) >= 0]
        half.sort(key=lambda k: (max(map(abs, k)), sum(map(abs, k)), [-x for x in k]))
        return tuple(self._torus_character(k) for k in half)

    def _irrep(self, name: str) -> Representation:
        if self.period is None:
            return self._line_representation(name)
        k = numbers_in(name, "k")
        if k is None or len(k) != self.dim or any(x % 1 for x in k) or _leading(k) < 0:
            raise self._unknown(name)
        return self._torus_character(tuple(int(x) for x in k))

    def _line_representation(self, name: str) -> Representation:
        for rep in (trivial_representation("trivial"), *self._affine()):
            if rep.name == name:
                return rep
        frequency = numbers_in(name, "ω", "w")
        if frequency is None or len(frequency) != self.dim or not any(frequency):
            raise self._unknown(name)
        return self._line_character(frequency)

    def _torus_character(self, k: tuple[int, ...]) -> Representation:
        name = f"k={listed(k)}"
        if not any(k):
            return trivial_representation(name)
        order = max(map(abs, k))
        return _character(name, lambda g: 2 * pi * torch.tensor(k).to(g) / self._lengths(g), order)

    def _line_character(self, frequency: Any) -> Representation:
        values = np.broadcast_to(np.asarray(frequency, dtype=np.float64), (self.dim,))
        rounded = tuple(float(f"{x:.6g}") for x in values)
        return _character(f"ω={listed(rounded)}", lambda g: torch.tensor(rounded).to(g), 1)

    def _affine(self) -> tuple[Representation, ...]:
        if self.period is not None:
            return ()
        return tuple(_position("position" if self.dim == 1 else f"position[{a}]", a) for a in range(self.dim))

    def continuous_family(self) -> ContinuousFamily | None:
        """The characters e^{iω·t} of R^dim, ω ↦ ``ω=…``; None on a torus."""
        if self.period is not None:
            return None
        return ContinuousFamily(self.dim, lambda frequency: self._guarded(self._line_character(frequency)))

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        if self.period is not None:
            length, cells = np.array(self.period), 12 if self.dim == 1 else 4
            order = rng.permutation(cells**self.dim)
            return lambda g: permute_cells(order, np.mod(g, length), np.zeros(self.dim), length / cells)
        return permute_window(rng, params)

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        if self.period is None:
            return super()._quadrature(degree)
        grid = np.array(list(product(range(degree + 1), repeat=self.dim))) / (degree + 1)
        return grid * self.period, np.full(len(grid), 1 / len(grid))

    def _canonical(self, g: Tensor) -> Tensor:
        if self.period is None:
            return g
        length = self._lengths(g)
        return g - length * torch.floor(g / length).detach()

    def _lengths(self, g: Tensor) -> Tensor:
        return torch.tensor(self.period, dtype=g.dtype, device=g.device)


def permute_window(rng: np.random.Generator, params: Array) -> Relabelling | None:
    """The window [min, max] of the first coordinate cut into 8 equal cells, permuted; None for an empty window."""
    if not len(params) or np.ptp(params[:, 0]) == 0:
        return None
    low, width = params[:, :1].min(0), np.ptp(params[:, :1], 0) / WINDOW_CELLS
    order = rng.permutation(WINDOW_CELLS)

    def relabel(g: Array) -> Array:
        return np.concatenate([permute_cells(order, g[..., :1], low, width), g[..., 1:]], -1)

    return relabel


def _character(name: str, frequency: Callable[[Tensor], Tensor], order: int) -> Representation:
    return of_complex_type(name, 1, lambda g: phase((frequency(g) * g).sum(-1))[..., None, None], order=order)


def _position(name: str, axis: int) -> Representation:
    return Representation(
        name, 1, lambda g: g.new_ones((*g.shape[:-1], 1, 1)), cocycle=lambda g: g[..., axis : axis + 1], order=1
    )


def _leading(k: tuple[float, ...]) -> float:
    """The first nonzero entry, 0 if there is none."""
    return next((x for x in k if x), 0)


def _periods(period: Any, dim: int) -> tuple[float, ...]:
    values = tuple(period) if isinstance(period, (tuple, list, np.ndarray)) else (period,) * dim
    if len(values) != dim:
        raise ParameterError("Translation: period", f"one number or {dim} of them", period)
    return tuple(positive(x, "Translation: period") for x in values)
