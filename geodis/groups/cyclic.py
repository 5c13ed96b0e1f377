"""Rotations by whole steps: months, hours, quarter turns."""

from __future__ import annotations

from math import pi
from typing import final

import torch
from torch import Tensor

from geodis.groups.finite import AbstractFiniteGroup, is_integer
from geodis.groups.names import integer_in
from geodis.groups.options import count
from geodis.groups.representation import Representation, of_complex_type, trivial_representation
from geodis.groups.rotations import phase, rotation2


@final
class Cyclic(AbstractFiniteGroup):
    """Z/n: integer steps as floats, parameters `(..., 1)`, canonical in 0, …, n − 1.

    The irreps are ``k=0, …, k=n//2``: rotation by 2πk/n a step; for even n the last one is the sign (−1)^step.

    Parameters
    ----------
    n : int
        The number of steps in a full turn.

    Examples
    --------
    >>> months = Cyclic(12)
    >>> months.compose([[11.0]], [[3.0]]).tolist(), [rep.name for rep in months.irreps(2)]
    ([[2.0]], ['k=0', 'k=1', 'k=2'])
    """

    n_params = 1

    def __init__(self, n: int) -> None:
        self.order = count(n, "Cyclic: n", 1)

    def __repr__(self) -> str:
        return f"Cyclic({self.order})"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """All n steps."""
        return (float(self.order),)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.remainder((a + b).round(), self.order)

    def _inverse(self, a: Tensor) -> Tensor:
        return torch.remainder(-a.round(), self.order)

    def _contains(self, g: Tensor) -> Tensor:
        return is_integer(g).all(-1)

    def _matrix(self, g: Tensor) -> Tensor:
        return rotation2(self._angle(g, 1))

    def _rank(self, g: Tensor) -> Tensor:
        return torch.remainder(g[..., 0].round(), self.order).long()

    def _unrank(self, index: Tensor) -> Tensor:
        return index[..., None].to(torch.float64)

    def _angle(self, g: Tensor, k: int) -> Tensor:
        # Reduced as integers first: the angle of step 10^6 is as accurate as that of step 1.
        return torch.remainder(k * g[..., 0].round(), self.order) * (2 * pi / self.order)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        return tuple(self._irrep(f"k={k}") for k in range(min(max_order, self.order // 2) + 1))

    def _irrep(self, name: str) -> Representation:
        k = integer_in(name, "k={}")
        if k is None or not 0 <= k <= self.order // 2:
            raise self._unknown(name)
        if k == 0:
            return trivial_representation(name)
        if 2 * k == self.order:
            sign = lambda g: 1 - 2 * torch.remainder(g[..., 0].round(), 2)[..., None, None]  # noqa: E731
            return Representation(name, 1, sign, order=k)
        return of_complex_type(name, 1, lambda g: phase(self._angle(g, k))[..., None, None], order=k)
