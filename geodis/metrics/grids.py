"""Regular grids on tori: which rows of an orbit stand where, so that an FFT can read their frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from geodis.groups.cyclic import Cyclic
from geodis.groups.group import AbstractGroup
from geodis.groups.product import Product
from geodis.groups.so2 import SO2
from geodis.linalg import Array

SLACK = 1e-6  # of a grid step: how far a row may stand from its place


@dataclass(frozen=True, eq=False)
class TorusGrid:
    """A full grid of n_1 × … × n_k elements, turned by any offset.

    Attributes
    ----------
    shape : tuple of int
        n_j, the number of elements of each factor.
    place : ndarray (m,)
        The flat grid index of each row.
    """

    shape: tuple[int, ...]
    place: Array

    def spread(self, z: Array) -> Array:
        """Rows `(m, D)` in their places: `(n_1, …, n_k, D)`."""
        out = np.empty_like(z)
        out[self.place] = z
        return out.reshape(*self.shape, z.shape[-1])


def factors_of(group: AbstractGroup) -> tuple[AbstractGroup, ...]:
    """The factors of a direct product; a group that is none is its only factor."""
    return group.groups if isinstance(group, Product) else (group,)


def torus_turns(group: AbstractGroup) -> Array | None:
    """What one turn of each parameter is, for products of SO2 and cyclic groups; None for other groups."""
    parts = factors_of(group)
    if not all(isinstance(g, (SO2, Cyclic)) for g in parts):
        return None
    return np.array([period for g in parts for period in g.periods], dtype=np.float64)


def torus_grid(turns: Array) -> TorusGrid | None:
    """The grid on which rows `(m, k)`, in turns, stand; None where they form no full grid with equal steps.

    Examples
    --------
    >>> torus_grid(np.array([[0.1], [0.6]])).shape, torus_grid(np.array([[0.0], [0.3]]))
    ((2,), None)
    """
    shape, place = [], np.zeros(len(turns), dtype=np.intp)
    for column in turns.T:
        t = np.mod(column - column[0], 1.0)
        n = _distinct(t)
        steps = n * t
        whole = np.rint(steps)
        if np.abs(steps - whole).max() > SLACK:
            return None
        place = place * n + np.mod(whole, n).astype(np.intp)
        shape.append(n)
    if prod(shape) != len(turns) or len(np.unique(place)) != len(turns):
        return None
    return TorusGrid(tuple(shape), place)


def _distinct(t: Array) -> int:
    """How many places on the circle of one turn are taken."""
    ordered = np.sort(t)
    gaps = np.diff(np.append(ordered, ordered[0] + 1.0))
    return max(1, int(np.count_nonzero(gaps > SLACK / len(t))))
