"""The symmetric group."""

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
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.young import Partition, dimension, partitions, permutation_matrices
from geodis.linalg import Array, to_numpy

LARGEST_TABLE = 5040


def images_of_rank(rank: Array, n: int) -> Array:
    """The rank-th permutation of 0, …, n − 1 in lexicographic order: int `(...)` → images `(..., n)`."""
    rank = np.asarray(rank, dtype=np.int64)
    left = np.tile(np.arange(n), (*rank.shape, 1))
    out = []
    for size in range(n - 1, -1, -1):
        digit, rank = np.divmod(rank, factorial(size))
        out.append(np.take_along_axis(left, digit[..., None], -1)[..., 0])
        keep = np.arange(size + 1) != digit[..., None]
        left = left[keep].reshape(*rank.shape, size)
    return np.stack(out, -1)


def rank_of_images(images: Array) -> Array:
    """The lexicographic rank of permutations: images `(..., n)` → int `(...)`."""
    n = images.shape[-1]
    rank = np.zeros(images.shape[:-1], dtype=np.int64)
    for i in range(n):
        smaller_later = (images[..., i + 1 :] < images[..., i, None]).sum(-1)
        rank = rank + smaller_later * factorial(n - 1 - i)
    return rank


def tabulated(order: int, matrices: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The same map of indices `(N,) → (N, d, d)`, through a table of the whole group where it is small."""
    if order > LARGEST_TABLE:
        return matrices
    table = lru_cache(maxsize=1)(lambda: matrices(np.arange(order)))
    return lambda index: table()[index]


def of_index(
    name: str, dim: int, order: int, rank: Callable[[Tensor], Tensor], at: Callable[[Array], Array]
) -> Representation:
    """The representation with matrix `at(index)`; every distinct element is computed once."""

    def matrices(g: Tensor) -> Tensor:
        index = to_numpy(rank(g))
        distinct, where = np.unique(index, return_inverse=True)
        found = at(distinct)[where.reshape(-1)].reshape(*index.shape, dim, dim)
        return torch.as_tensor(found, dtype=g.dtype, device=g.device)

    return Representation(name, dim, matrices, order=order)


@lru_cache(maxsize=512)
def _young_table(n: int, shape: Partition) -> Callable[[Array], Array]:
    return tabulated(factorial(n), lambda index: permutation_matrices((shape,), images_of_rank(index, n)))


@final
class Permutations(AbstractFiniteGroup):
    """S_n, (ab)(i) = a(b(i)): parameters `(..., 1)`, the index in the lexicographic list of the images (g(0), g(1), …).

    The irreps are named by partitions, ``[n]`` trivial, ``[n-1,1]`` standard, in Young's orthogonal form; the order of
    an irrep is n minus its first row. `irreps(max_order)` lists those of order ≤ max_order.

    Parameters
    ----------
    n : int
        The number of things permuted, at most 18 (a float holds the index).

    Examples
    --------
    >>> S = Permutations(3)
    >>> S.images(S.elements()).tolist()
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    >>> [rep.name for rep in S.irreps(4)]
    ['[3]', '[2,1]', '[1,1,1]']
    """

    n_params = 1

    def __init__(self, n: int) -> None:
        self.n = count(n, "Permutations: n", 1, 18)
        self.order = factorial(self.n)

    def __repr__(self) -> str:
        return f"Permutations({self.n})"

    def images(self, params: Array) -> Array:
        """g(0), …, g(n − 1) of every element: `(..., 1)` → int `(..., n)`."""
        return self._images(self._checked(params))

    def index(self, images: Array) -> Array:
        """The parameters of permutations given by their images: int `(..., n)` → `(..., 1)`."""
        return rank_of_images(np.asarray(images))[..., None].astype(np.float64)

    def _images(self, g: Tensor) -> Array:
        return images_of_rank(to_numpy(self._rank(g)), self.n)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.as_tensor(self.index(np.take_along_axis(self._images(a), self._images(b), -1))).to(a)

    def _inverse(self, a: Tensor) -> Tensor:
        return torch.as_tensor(self.index(np.argsort(self._images(a), -1))).to(a)

    def _contains(self, g: Tensor) -> Tensor:
        index = g[..., 0].round()
        return is_integer(g).all(-1) & (index >= 0) & (index < self.order)

    def _matrix(self, g: Tensor) -> Tensor:
        columns = np.eye(self.n)[self._images(g)]
        return torch.as_tensor(np.swapaxes(columns, -1, -2).copy()).to(g)

    def _rank(self, g: Tensor) -> Tensor:
        return g[..., 0].detach().round().long()

    def _unrank(self, index: Tensor) -> Tensor:
        return index[..., None].to(torch.float64)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        shapes = sorted(partitions(self.n), key=lambda shape: self.n - shape[0])
        return tuple(self._of_shape(shape) for shape in shapes if self.n - shape[0] <= max_order)

    def _irrep(self, name: str) -> Representation:
        for shape in partitions(self.n):
            if partition_name(shape) == name:
                return self._of_shape(shape)
        raise self._unknown(name)

    def _of_shape(self, shape: Partition) -> Representation:
        name = partition_name(shape)
        if shape == (self.n,):
            return trivial_representation(name)
        at = _young_table(self.n, shape)
        return of_index(name, dimension((shape,)), self.n - shape[0], self._rank, at)


def partition_name(shape: Partition) -> str:
    """``[3,1]``."""
    return f"[{','.join(map(str, shape))}]"
