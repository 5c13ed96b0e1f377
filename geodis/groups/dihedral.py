"""Symmetries of a regular polygon."""

from __future__ import annotations

from math import pi
from typing import final

import torch
from torch import Tensor

from geodis.groups.finite import AbstractFiniteGroup, is_integer
from geodis.groups.names import integer_in
from geodis.groups.options import count
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.rotations import rotation2


@final
class Dihedral(AbstractFiniteGroup):
    """D_n, g = r^k s^f with s r s = r⁻¹: parameters (rotation step k, flip f ∈ {0, 1}), `(..., 2)`.

    The irreps are ``A1`` (trivial), ``A2`` (s ↦ −1), for even n ``B1`` (r ↦ −1), ``B2`` (r, s ↦ −1), and ``E1, E2, …``
    of dimension 2: rotation by 2πjk/n times diag(1, −1)^f. The one-dimensional ones have order at most 1.
    Element 2k + f of the enumeration is r^k s^f.

    Parameters
    ----------
    n : int
        The number of rotations; the group has 2n elements.

    Examples
    --------
    >>> Dihedral(4).compose([[1.0, 1.0]], [[1.0, 0.0]]).tolist()
    [[0.0, 1.0]]
    """

    n_params = 2

    def __init__(self, n: int) -> None:
        self.n = count(n, "Dihedral: n", 1)
        self.order = 2 * self.n

    def __repr__(self) -> str:
        return f"Dihedral({self.n})"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """All n rotations; a flip is no cycle to be drawn."""
        return (float(self.n), None)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        (i, f), (j, h) = a.round().unbind(-1), b.round().unbind(-1)
        return torch.stack([torch.remainder(i + (1 - 2 * f) * j, self.n), torch.remainder(f + h, 2)], -1)

    def _inverse(self, a: Tensor) -> Tensor:
        k, f = a.round().unbind(-1)
        return torch.stack([torch.remainder((2 * f - 1) * k, self.n), f], -1)

    def _contains(self, g: Tensor) -> Tensor:
        flip = g[..., 1].round()
        return is_integer(g).all(-1) & ((flip == 0) | (flip == 1))

    def _matrix(self, g: Tensor) -> Tensor:
        return self._plane(g, 1)

    def _rank(self, g: Tensor) -> Tensor:
        k, f = g.round().unbind(-1)
        return (2 * torch.remainder(k, self.n) + f).long()

    def _unrank(self, index: Tensor) -> Tensor:
        return torch.stack([index // 2, index % 2], -1).to(torch.float64)

    def _plane(self, g: Tensor, j: int) -> Tensor:
        k, f = g.round().unbind(-1)
        mirror = torch.stack([torch.ones_like(f), 1 - 2 * f], -1)
        return rotation2(torch.remainder(j * k, self.n) * (2 * pi / self.n)) * mirror[..., None, :]

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        if max_order == 0:
            return (self._irrep("A1"),)
        lines = ("A1", "A2", "B1", "B2") if self.n % 2 == 0 else ("A1", "A2")
        planes = tuple(f"E{j}" for j in range(1, min(max_order, (self.n - 1) // 2) + 1))
        return tuple(self._irrep(name) for name in lines + planes)

    def _irrep(self, name: str) -> Representation:
        if name == "A1":
            return trivial_representation(name)
        if name == "A2" or (name in ("B1", "B2") and self.n % 2 == 0):
            turned, flipped = (name != "A2"), (name != "B1")
            return Representation(name, 1, lambda g: _sign(g, turned, flipped))
        j = integer_in(name, "E{}")
        if j is None or not 1 <= j <= (self.n - 1) // 2:
            raise self._unknown(name)
        return Representation(name, 2, lambda g: self._plane(g, j), order=j)


def _sign(g: Tensor, turned: bool, flipped: bool) -> Tensor:
    """(−1)^{k·turned + f·flipped}."""
    k, f = g.round().unbind(-1)
    return (1 - 2 * torch.remainder(turned * k + flipped * f, 2))[..., None, None]
