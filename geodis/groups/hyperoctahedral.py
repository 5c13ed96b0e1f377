"""Symmetries of the cube in any dimension: axes permuted and flipped."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import factorial
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.groups.finite import AbstractFiniteGroup, is_integer
from geodis.groups.options import count
from geodis.groups.permutations import images_of_rank, of_index, partition_name, rank_of_images, tabulated
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.young import Partition, dimension, partitions, permutation_matrices, sign_changes
from geodis.linalg import Array, to_numpy

Pair = tuple[Partition, Partition]


@final
class Hyperoctahedral(AbstractFiniteGroup):
    """B_d, the signed permutation matrices e_j ↦ ε_{p(j)} e_{p(j)}: parameters `(..., 1)`, an index.

    Index = 2^d · (lexicographic rank of p) + Σ_i 2^i [ε_i = −1]. The irreps are named by pairs of partitions:
    ``([d],[])`` trivial, ``([d-1],[1])`` the signed permutation matrix itself. The order of an irrep is d minus the
    first row of the first partition; `irreps(max_order)` lists those of order ≤ max_order.

    Parameters
    ----------
    d : int
        The dimension, at most 14 (a float holds the index).

    Examples
    --------
    >>> B = Hyperoctahedral(2)
    >>> B.irrep("([1],[1])")([[5.0]]).tolist()
    [[[0.0, -1.0], [1.0, 0.0]]]
    """

    n_params = 1

    def __init__(self, d: int) -> None:
        self.d = count(d, "Hyperoctahedral: d", 1, 14)
        self.order = factorial(self.d) * 2**self.d

    def __repr__(self) -> str:
        return f"Hyperoctahedral({self.d})"

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        (p, s), (q, t) = _split(to_numpy(self._rank(a)), self.d), _split(to_numpy(self._rank(b)), self.d)
        # D(s)P(p) D(t)P(q) = D(s · t∘p⁻¹) P(p∘q), signs as bits that add modulo 2.
        bits = (s + np.take_along_axis(t, np.argsort(p, -1), -1)) % 2
        return self._parameters(np.take_along_axis(p, q, -1), bits).to(a)

    def _inverse(self, a: Tensor) -> Tensor:
        p, s = _split(to_numpy(self._rank(a)), self.d)
        return self._parameters(np.argsort(p, -1), np.take_along_axis(s, p, -1)).to(a)

    def _contains(self, g: Tensor) -> Tensor:
        index = g[..., 0].round()
        return is_integer(g).all(-1) & (index >= 0) & (index < self.order)

    def _matrix(self, g: Tensor) -> Tensor:
        p, s = _split(to_numpy(self._rank(g)), self.d)
        return torch.as_tensor(np.swapaxes(np.eye(self.d)[p], -1, -2) * (1.0 - 2 * s[..., None])).to(g)

    def _rank(self, g: Tensor) -> Tensor:
        return g[..., 0].detach().round().long()

    def _unrank(self, index: Tensor) -> Tensor:
        return index[..., None].to(torch.float64)

    def _parameters(self, images: Array, bits: Array) -> Tensor:
        index = rank_of_images(images) * 2**self.d + (bits << np.arange(self.d)).sum(-1)
        return torch.as_tensor(index[..., None].astype(np.float64))

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        pairs = sorted(_bipartitions(self.d), key=self._order_of)
        return tuple(self._of_pair(pair) for pair in pairs if self._order_of(pair) <= max_order)

    def _irrep(self, name: str) -> Representation:
        for pair in _bipartitions(self.d):
            if _name(pair) == name:
                return self._of_pair(pair)
        raise self._unknown(name)

    def _order_of(self, pair: Pair) -> int:
        return self.d - (pair[0][0] if pair[0] else 0)

    def _of_pair(self, pair: Pair) -> Representation:
        if pair == ((self.d,), ()):
            return trivial_representation(_name(pair))
        return of_index(_name(pair), dimension(pair), self._order_of(pair), self._rank, _young_table(self.d, pair))


@lru_cache(maxsize=512)
def _young_table(d: int, pair: Pair) -> Callable[[Array], Array]:
    def matrices(index: Array) -> Array:
        images, bits = _split(index, d)
        signs = np.where(bits[..., None] == 1, sign_changes(pair), 1.0).prod(-2)
        return signs[..., None] * permutation_matrices(pair, images) + 0.0  # no negative zeros

    return tabulated(factorial(d) * 2**d, matrices)


def _split(index: Array, d: int) -> tuple[Array, Array]:
    """Images of the permutation `(..., d)` and sign bits `(..., d)`."""
    rank, mask = np.divmod(np.asarray(index, dtype=np.int64), 2**d)
    return images_of_rank(rank, d), (mask[..., None] >> np.arange(d)) & 1


def _bipartitions(d: int) -> tuple[Pair, ...]:
    return tuple((a, b) for k in range(d, -1, -1) for a in partitions(k) for b in partitions(d - k))


def _name(pair: Pair) -> str:
    return f"({partition_name(pair[0])},{partition_name(pair[1])})"
