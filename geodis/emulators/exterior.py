"""Wedge products and determinants by multiplications alone: polynomials, so that degenerate vectors have gradients."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations
from math import comb

import numpy as np
import torch
from torch import Tensor

from geodis.linalg import Array


def wedge(vectors: Tensor) -> Tensor:
    """v_1 ∧ … ∧ v_k: `(..., k, d)` → its components `(..., C(d, k))`, by increasing indices i_1 < … < i_k.

    Component I is the minor of the columns I; k = d gives the determinant. A sum of products without division: exact
    zero for exactly repeated vectors, and smooth everywhere (LU and SVD are neither).
    """
    k, d = vectors.shape[-2:]
    out = torch.ones_like(vectors[..., 0, :1]) if k else vectors.new_ones((*vectors.shape[:-2], 1))
    for step in range(k):
        places, entries, signs = _expansion(d, step)
        minors = out[..., torch.as_tensor(places, device=vectors.device)]
        chosen = vectors[..., step, torch.as_tensor(entries, device=vectors.device)]
        out = (torch.as_tensor(signs).to(vectors) * minors * chosen).sum(-1)
    return out


@cache
def _expansion(d: int, k: int) -> tuple[Array, Array, Array]:
    """How minors of size k + 1 come from those of size k and the next vector (Laplace along the last row)."""
    place = {subset: i for i, subset in enumerate(combinations(range(d), k))}
    larger = list(combinations(range(d), k + 1))
    shape = (comb(d, k + 1), k + 1)
    without = [[place[columns[:j] + columns[j + 1 :]] for j in range(k + 1)] for columns in larger]
    places = np.array(without, dtype=int).reshape(shape)
    entries = np.array(larger, dtype=int).reshape(shape)
    return places, entries, np.array([(-1.0) ** (k - j) for j in range(k + 1)])


@cache
def complement(d: int, k: int) -> Array:
    """E `(d, …, d, C(d, d−k))` with k indices: det(e_a, …, e_z, w_1, …) = Σ_I E_{a…z, I} (w_1 ∧ …)_I."""
    out = np.zeros((*(d,) * k, comb(d, d - k)))
    for place, kept in enumerate(combinations(range(d), d - k)):
        for order in permutations([i for i in range(d) if i not in kept]):
            out[(*order, place)] = parity((*order, *kept))
    return out


def parity(order: tuple[int, ...]) -> int:
    """The sign of a permutation; of distinct numbers, that of sorting them."""
    return (-1) ** sum(order[i] > order[j] for i, j in combinations(range(len(order)), 2))
