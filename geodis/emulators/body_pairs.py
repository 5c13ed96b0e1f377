"""Pairs of bodies: differences over pairs, and sums of antisymmetric pair forces over bodies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FEW = 16  # bodies up to which one small matrix product beats gathering and adding by index


class BodyPairs(NamedTuple):
    """The n(n−1)/2 pairs i < j of n bodies; arrays are (bodies or pairs, d, batch), batch last and contiguous.

    Attributes
    ----------
    first, second : Tensor (pairs,)
        i and j.
    incidence : Tensor (n, pairs) or None
        +1 where the body is i, −1 where it is j; None for many bodies.
    """

    first: Tensor
    second: Tensor
    incidence: Tensor | None

    @classmethod
    def of(cls, n_bodies: int, like: Tensor) -> BodyPairs:
        """The pairs, on the device and in the dtype of `like`."""
        first, second = torch.triu_indices(n_bodies, n_bodies, offset=1, device=like.device)
        if n_bodies > FEW:
            return cls(first, second, None)
        bodies = torch.arange(n_bodies, device=like.device)[:, None]
        return cls(first, second, (bodies == first).to(like.dtype) - (bodies == second).to(like.dtype))

    def differences(self, x: Tensor) -> Tensor:
        """(n, d, batch) → x_i − x_j, (pairs, d, batch)."""
        if self.incidence is None:
            return x[self.first] - x[self.second]
        # Products with 0 and ±1 are exact: a difference is rounded once, as x_i − x_j is.
        return (self.incidence.T @ x.reshape(len(x), -1)).reshape(len(self.first), *x.shape[1:])

    def totals(self, forces: Tensor, n_bodies: int) -> Tensor:
        """Pair forces f_ij (pairs, d, batch) → Σ_j f_ij with f_ji = −f_ij, (n, d, batch)."""
        if self.incidence is None:
            out = forces.new_zeros(n_bodies, *forces.shape[1:])
            return out.index_add(0, self.first, forces).index_add(0, self.second, -forces)
        return (self.incidence @ forces.reshape(len(forces), -1)).reshape(n_bodies, *forces.shape[1:])
