"""Rotations of the plane."""

from __future__ import annotations

from math import pi
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.names import integer_in
from geodis.groups.relabel import permute_cells
from geodis.groups.representation import Representation, of_complex_type, trivial_representation
from geodis.groups.rotations import phase, rotation2, wrap
from geodis.linalg import Array

ARCS = 12


def circle_character(name: str, m: int) -> Representation:
    """π(θ) = e^{imθ}: rotation by mθ acting on (Re c, Im c)."""
    return of_complex_type(name, 1, lambda g: phase(m * g[..., 0])[..., None, None], order=m)


def permute_arcs(rng: np.random.Generator, angle: Array) -> Array:
    """κf ↦ π(κ)f on the circle cut into 12 arcs, π drawn: angles `(..., 1)` → `(..., 1)` in (−π, π]."""
    turned = np.mod(angle, 2 * pi)
    moved = permute_cells(rng.permutation(ARCS), turned, np.zeros(1), np.full(1, 2 * pi / ARCS))
    return wrap(torch.as_tensor(moved)).numpy()


@final
class SO2(AbstractGroup):
    """Rotations of the plane by an angle θ [rad]: parameters `(..., 1)`, canonical in (−π, π].

    The irreps are ``m=0, 1, 2, …``: rotation by mθ.

    Examples
    --------
    >>> SO2().compose([[3.0]], [[1.0]]).round(4).tolist()
    [[-2.2832]]
    """

    n_params = 1
    tangent_dim = 1

    def __repr__(self) -> str:
        return "SO2()"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """A full turn."""
        return (2 * pi,)

    def _identity(self) -> Tensor:
        return torch.zeros(1, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return wrap(a + b)

    def _inverse(self, a: Tensor) -> Tensor:
        return wrap(-a)

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        return rotation2(g[..., 0])

    def _exp(self, a: Tensor) -> Tensor:
        return wrap(a)

    def _log(self, g: Tensor) -> Tensor:
        return wrap(g)

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        return rng.uniform(-pi, pi, (n, 1))

    def _orbit(self, rng: np.random.Generator, n_items: int, n_elements: int) -> Array:
        grid = 2 * pi * np.arange(n_elements) / n_elements + rng.uniform(0, 2 * pi, (n_items, 1))
        return wrap(torch.as_tensor(grid)).numpy()[..., None]

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        return tuple(self._irrep(f"m={m}") for m in range(max_order + 1))

    def _irrep(self, name: str) -> Representation:
        m = integer_in(name, "m={}")
        if m is None or m < 0:
            raise self._unknown(name)
        return circle_character(name, m) if m else trivial_representation(name)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling:
        seed = int(rng.integers(2**63))
        return lambda g: permute_arcs(np.random.default_rng(seed), np.asarray(g, dtype=np.float64))

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        n = degree + 1
        return 2 * pi * np.arange(n)[:, None] / n, np.full(n, 1 / n)
