"""Isotropic tensors: what O(d) leaves alone, products of Kronecker's δ, and what only SO(d) does, with one ε."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, permutations

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array

INDEPENDENT = 1e-9
LETTERS = "abcdefghijklmnop"


def isotropic_tensors(order: int, parity: int = 1, dim: int = 2) -> Tensor:
    """A basis (n, d, …, d) of the tensors T with ρ^{⊗k} T = det(ρ)^[parity −1] T for all ρ ∈ O(d).

    Parity 1: all products of δ_ab over pairings of the indices; parity −1: one Levi-Civita symbol ε and a product of
    δ over the rest. They span (Weyl), but are not always independent; a basis is picked from them.

    Parameters
    ----------
    order : int
        k, at most 8.
    parity : int
        1 or −1.
    dim : int
        d, 2 or 3.

    Raises
    ------
    ParameterError
        For options out of range.

    References
    ----------
    H. Weyl, *The Classical Groups*, 1946.

    Examples
    --------
    >>> [len(isotropic_tensors(k)) for k in (0, 1, 2, 4)], len(isotropic_tensors(2, parity=-1))
    ([1, 0, 1, 3], 1)
    """
    order, dim = count(order, "order", 0, 8), count(dim, "dim", 2, 3)
    if parity not in (1, -1):
        raise ParameterError("parity", "1 or −1", repr(parity))
    return torch.from_numpy(_basis(order, int(parity), dim)).clone()


@lru_cache(maxsize=256)
def _basis(order: int, parity: int, dim: int) -> Array:
    products = [delta_product(pairs, symbol, order, dim) for symbol, pairs in contractions(order, parity, dim)]
    kept: list[Array] = []
    left: list[Array] = []  # orthonormal, of those kept
    for tensor in products:
        rest = tensor.ravel() - sum((float(q @ tensor.ravel()) * q for q in left), np.zeros(tensor.size))
        if np.linalg.norm(rest) > INDEPENDENT * np.linalg.norm(tensor):
            kept.append(tensor)
            left.append(rest / np.linalg.norm(rest))
    return np.array(kept).reshape(len(kept), *(dim,) * order)


def contractions(order: int, parity: int, dim: int) -> Iterator[tuple[tuple[int, ...], list[tuple[int, int]]]]:
    """All (indices of ε, pairs of indices of δ) of products of δ and, for parity −1, one ε.

    Examples
    --------
    >>> list(contractions(2, -1, 2)), len(list(contractions(4, 1, 2)))
    ([((0, 1), [])], 3)
    """
    for symbol in combinations(range(order), dim) if parity == -1 else ((),):
        rest = [i for i in range(order) if i not in symbol]
        for pairs in _pairings(rest):
            yield symbol, pairs


def _pairings(places: list[int]) -> Iterator[list[tuple[int, int]]]:
    if not places:
        yield []
    if len(places) % 2:
        return
    for i in range(1, len(places)):
        for rest in _pairings(places[1:i] + places[i + 1 :]):
            yield [(places[0], places[i]), *rest]


def delta_product(pairs: list[tuple[int, int]], symbol: tuple[int, ...], order: int, dim: int) -> Array:
    """The product (d, …, d) of δ over `pairs` and ε over `symbol`, which share the indices 0, …, order − 1.

    Examples
    --------
    >>> delta_product([(0, 1)], (), 2, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    factors, subscripts = [], []
    for a, b in pairs:
        factors.append(np.eye(dim))
        subscripts.append(LETTERS[a] + LETTERS[b])
    if symbol:
        factors.append(levi_civita(dim))
        subscripts.append("".join(LETTERS[i] for i in symbol))
    if not factors:
        return np.ones(())
    return np.asarray(np.einsum(f"{','.join(subscripts)}->{LETTERS[:order]}", *factors))


def levi_civita(dim: int) -> Array:
    """ε: +1 for even permutations of the axes, −1 for odd ones, 0 else.

    Examples
    --------
    >>> levi_civita(2).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    symbol = np.zeros((dim,) * dim)
    for order in permutations(range(dim)):
        symbol[order] = round(float(np.linalg.det(np.eye(dim)[list(order)])))
    return symbol
