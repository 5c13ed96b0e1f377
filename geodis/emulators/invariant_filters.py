"""Convolution filters that no symmetry of the square or cube changes: the bases of equivariant convolutions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from geodis.actions.fields import FieldSymmetries
from geodis.errors import ParameterError
from geodis.groups import Hyperoctahedral
from geodis.groups.options import count
from geodis.linalg import Array

LARGEST = 20_000_000  # entries times elements that one basis may take to build


def invariant_filters(size: int, order: int, parity: int = 1, dim: int = 2) -> Tensor:
    """A basis (n, d^k, M, …, M) of the tensor filters C with g·C = C for all g of B_d, each of norm one.

    (g·C)(ρp) = det(ρ)^[parity −1] ρ^{⊗k} C(p) about the filter's centre. The group permutes the entries of a filter up
    to signs, so that signed orbits have disjoint supports: one filter an orbit, unless an element brings an entry back
    with the other sign. Convolutions with these filters, followed by contractions, are *all* linear maps of tensor
    fields that commute with B_d and translations [1]_. Computed once for each choice.

    Parameters
    ----------
    size : int
        M: an odd one is centred on a pixel, an even one between pixels.
    order : int
        k, the order of the tensor: of input and output together, for a convolution.
    parity : int
        1, or −1 for pseudotensors.
    dim : int
        d: 2 or 3.

    Raises
    ------
    ParameterError
        For sizes out of range, or a basis of more than some million entries.

    References
    ----------
    .. [1] W. Gregory, D. W. Hogg, B. Blum-Smith, M. T. Arias, K. W. K. Wong, S. Villar, "Equivariant geometric
       convolutions for dynamical systems on vector and tensor images", Phil. Trans. R. Soc. A, 2024, arXiv:2305.12585.

    Examples
    --------
    >>> [len(invariant_filters(3, k)) for k in (0, 1, 2)], len(invariant_filters(3, 0, parity=-1))
    ([3, 2, 5], 0)
    """
    size, order, dim = count(size, "size", 1), count(order, "order", 0), count(dim, "dim", 2, 3)
    if parity not in (1, -1):
        raise ParameterError("parity", "1 or −1", repr(parity))
    if dim**order * size**dim * Hyperoctahedral(dim).order > LARGEST:
        raise ParameterError("size and order", "a filter of fewer entries", f"{dim}^{order} × {size}^{dim}")
    return torch.from_numpy(_filters(size, order, int(parity), dim)).clone()


@lru_cache(maxsize=256)
def _filters(size: int, order: int, parity: int, dim: int) -> Array:
    entry, sign = _signed_moves(size, order, parity, dim)
    n = entry.shape[1]
    first = entry.min(0)
    found = []
    for start in np.flatnonzero(first == np.arange(n)):
        filled = np.zeros(n)
        np.add.at(filled, entry[:, start], sign[:, start])
        if filled.any():  # a stabilising element of sign −1 cancels everything
            found.append(filled / np.linalg.norm(filled))
    return np.array(found).reshape(len(found), dim**order, *(size,) * dim)


def _signed_moves(size: int, order: int, parity: int, dim: int) -> tuple[Array, Array]:
    """Where every entry of a filter goes under every element, and with which sign, both (|G|, entries)."""
    action = FieldSymmetries(((order, parity, 1),), dim)
    n, elements = dim**order * size**dim, Hyperoctahedral(dim).elements()
    # One field whose entries are numbered from 1: g·field shows at each place who came there, and with which sign.
    numbered = np.arange(1.0, n + 1).reshape(1, dim**order, *(size,) * dim)
    moved = np.concatenate([action.act(np.asarray(g)[None], numbered) for g in elements]).reshape(len(elements), n)
    came = np.abs(moved).astype(int) - 1
    entry, sign = np.empty_like(came), np.empty((len(elements), n))
    rows = np.arange(len(elements))[:, None]
    entry[rows, came], sign[rows, came] = np.arange(n), np.sign(moved)
    return entry, sign
