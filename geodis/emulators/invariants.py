"""Fundamental invariants: inner products, and determinants for groups that keep orientation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from geodis.emulators.exterior import wedge
from geodis.emulators.forms import AbstractForm, Isometries, Symmetry, as_vectors, isometries
from geodis.groups.options import count
from geodis.linalg import like


def fundamental_invariants(v: Any, symmetry: Symmetry) -> Any:
    """Generators of all invariant polynomials of n vectors: `(..., n, d)` → `(..., m)`, named by `invariant_names`.

    By the first fundamental theorem [1]_ every polynomial of v_1, …, v_n that O(d), O(1, d−1) or Sp(d) leaves alone is
    one of the inner products ⟨v_i, v_j⟩, i ≤ j (i < j for a skew form); for SO(d) and for the Lorentz group without
    reflections, one of these and of the determinants det(v_{i1}, …, v_{id}), which change sign in a mirror. For
    O(d) and SO(d) the same is true of any function [2]_; Lorentz-invariant ones may tell a light-like vector from
    none, which no polynomial does. For n > d the invariants are not independent.

    Parameters
    ----------
    v : array or tensor (..., n, d)
        Vectors; coincident, collinear and vanishing ones included.
    symmetry : group or form
        See `geodis.emulators.isometries`.

    Returns
    -------
    array or tensor (..., m)
        The kind that came in; differentiable everywhere.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For other groups, vectors of another dimension, NaN.

    References
    ----------
    .. [1] H. Weyl, *The Classical Groups*, Princeton University Press, 1946.
    .. [2] Villar, Hogg, Storey-Fisher, Yao, Blum-Smith, "Scalars are universal", NeurIPS 2021, arXiv:2106.06610.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> fundamental_invariants([[1.0, 0.0], [1.0, 2.0]], SO2()).tolist()
    [1.0, 1.0, 5.0, 2.0]
    >>> invariant_names(2, SO2())
    ('<v0,v0>', '<v0,v1>', '<v1,v1>', 'det(v0,v1)')
    """
    kept = isometries(symmetry)
    vectors = as_vectors(v, kept.form.dim)
    return like(invariants_of(vectors, kept), v)


def invariant_names(n: int, symmetry: Symmetry) -> tuple[str, ...]:
    """The names of `fundamental_invariants` of n vectors, in their order: "<v0,v1>", "det(v0,v1,v2)".

    Raises
    ------
    ParameterError
        For a number below one, or groups without such invariants.
    """
    kept = isometries(symmetry)
    n = count(n, "invariant_names: n", 1)
    products = (inner_name(i, j) for i, j in inner_pairs(n, kept.form))
    return (*products, *(determinant_name(places) for places in determinant_places(n, kept)))


def invariants_of(vectors: Tensor, kept: Isometries) -> Tensor:
    """`fundamental_invariants` of a checked tensor."""
    n = vectors.shape[-2]
    pairs = inner_pairs(n, kept.form)
    rows, columns = [i for i, _ in pairs], [j for _, j in pairs]
    products = kept.form._gram(vectors)[..., rows, columns]
    places = determinant_places(n, kept)
    if not places:
        return products
    chosen = vectors[..., torch.tensor(places, device=vectors.device), :]
    return torch.cat([products, wedge(chosen)[..., 0]], -1)


def inner_pairs(n: int, form: AbstractForm) -> list[tuple[int, int]]:
    """The pairs (i, j) whose inner products are listed."""
    return list(combinations_with_replacement(range(n), 2) if form.symmetric else combinations(range(n), 2))


def determinant_places(n: int, kept: Isometries) -> list[tuple[int, ...]]:
    """The d-tuples whose determinants are listed: none for groups with reflections."""
    return list(combinations(range(n), kept.form.dim)) if kept.proper else []


def inner_name(i: int, j: int) -> str:
    """⟨v_i, v_j⟩."""
    return f"<v{i},v{j}>"


def determinant_name(places: Sequence[int]) -> str:
    """det(v_i, v_j, …)."""
    return f"det({','.join(f'v{i}' for i in places)})"
