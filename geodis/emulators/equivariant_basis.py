"""Equivariant tensors of vectors: products of the vectors, the inverse form, and the volume form where it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.emulators.exterior import complement, wedge
from geodis.emulators.forms import Isometries, Symmetry, as_vectors, isometries
from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import like

MAX_ORDER = 4
INDICES = "abcd"


@final
@dataclass(frozen=True)
class BasisTensor:
    """A product of vectors v_i, inverse forms g and at most one volume form ε, over the k open indices.

    Attributes
    ----------
    vectors : tuple of (int, int)
        (index, i): the index is that of v_i.
    pairs : tuple of (int, int)
        Two indices of an inverse form.
    epsilon : tuple of int or None
        The open indices of ε; None without ε.
    filled : tuple of int
        The vectors in the other places of ε, increasing.
    """

    vectors: tuple[tuple[int, int], ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    epsilon: tuple[int, ...] | None = None
    filled: tuple[int, ...] = ()

    @property
    def degree(self) -> int:
        """How many vectors occur: the degree in their components."""
        return len(self.vectors) + len(self.filled)

    @property
    def name(self) -> str:
        """Such as "v0^a v1^b", "g^ab", "ε^a(v0,v1)"; "1" where no index is open."""
        if not self.vectors and not self.pairs and self.epsilon is None:
            return "1"
        factors = {min(pair): f"g^{''.join(INDICES[i] for i in pair)}" for pair in self.pairs}
        factors |= {index: f"v{i}^{INDICES[index]}" for index, i in self.vectors}
        if self.epsilon is not None:
            inside = f"({','.join(f'v{i}' for i in self.filled)})" if self.filled else ""
            factors[self.epsilon[0]] = f"ε^{''.join(INDICES[i] for i in self.epsilon)}{inside}"
        return " ".join(factors[index] for index in sorted(factors))


def equivariant_basis(v: Any, symmetry: Symmetry, order: int = 1) -> Any:
    """Tensors of order k that turn with the vectors: `(..., n, d)` → `(..., n_basis, d, …, d)`.

    Every polynomial map to tensors with T(Mv) = M ⊗ … ⊗ M T(v) is a sum of these with invariant polynomials before
    them: it is linear in k further vectors after lowering its indices, hence by the first fundamental theorem a sum of
    products of v_i, of g = B⁻¹ (the form B of `symmetry`), and for SO(d) and the Lorentz group without reflections at
    most one ε^{ab…}(v_i, …) = B⁻¹…B⁻¹ det(·, ·, …, v_i, …). Vectors of SO(3): v_i and v_i × v_j. For n ≥ d they are
    linearly dependent over the invariants.

    Parameters
    ----------
    v : array or tensor (..., n, d)
        Vectors; coincident, collinear and vanishing ones included.
    symmetry : group or form
        See `geodis.emulators.isometries`.
    order : int
        k, from 0 (the constant 1) to 4; all indices are upper ones.

    Returns
    -------
    array or tensor (..., n_basis, d, …, d)
        The kind that came in, differentiable; named by `basis_names`.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For other groups, orders out of range, vectors of another dimension, NaN.

    References
    ----------
    H. Weyl, *The Classical Groups*, 1946. Gregory, Tonelli-Cueto, Marshall, Lee, Villar, "Tensor learning with
    orthogonal, Lorentz, and symplectic symmetries", 2024, arXiv:2406.01552.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> equivariant_basis([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], SO3()).tolist()
    [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    >>> basis_names(2, SO3()), basis_names(1, SO3(), order=2)
    (('v0^a', 'v1^a', 'ε^a(v0,v1)'), ('v0^a v0^b', 'g^ab', 'ε^ab(v0)'))
    """
    kept = isometries(symmetry)
    vectors = as_vectors(v, kept.form.dim)
    return like(tensors_of(vectors, kept, basis_tensors(vectors.shape[-2], kept, order)), v)


def basis_names(n: int, symmetry: Symmetry, order: int = 1) -> tuple[str, ...]:
    """The names of `equivariant_basis` of n vectors, in their order.

    Raises
    ------
    ParameterError
        For a number below one, orders out of range, other groups.
    """
    return tuple(b.name for b in basis_tensors(count(n, "basis_names: n", 1), isometries(symmetry), order))


def basis_tensors(n: int, kept: Isometries, order: int) -> tuple[BasisTensor, ...]:
    """The elements of `equivariant_basis`: without ε first, most vectors first."""
    k = count(order, "order", 0, MAX_ORDER)
    found = [_tensor(n, pairs, free) for pairs, free in _matchings(tuple(range(k)))]
    out = [tensor for some in found for tensor in some]
    if kept.proper:
        d = kept.form.dim
        for size in range(1, min(k, d) + 1):
            for epsilon in combinations(range(k), size):
                rest = tuple(i for i in range(k) if i not in epsilon)
                for pairs, free in _matchings(rest):
                    for filled in combinations(range(n), d - size):
                        out += [BasisTensor(t.vectors, t.pairs, epsilon, filled) for t in _tensor(n, pairs, free)]
    if not out:
        raise ParameterError("order", "an order with equivariant tensors", order)
    return tuple(out)


def tensors_of(vectors: Tensor, kept: Isometries, basis: tuple[BasisTensor, ...]) -> Tensor:
    """The basis tensors of checked vectors."""
    inverse = torch.from_numpy(np.linalg.inv(kept.form.matrix)).to(vectors)
    volumes: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    out = []
    for tensor in basis:
        factors: list[tuple[str, Tensor]] = [(INDICES[a], vectors[..., i, :]) for a, i in tensor.vectors]
        factors += [(INDICES[a] + INDICES[b], inverse) for a, b in tensor.pairs]
        if tensor.epsilon is not None:
            key = (len(tensor.epsilon), tensor.filled)
            if key not in volumes:
                volumes[key] = _volume(vectors[..., list(tensor.filled), :], inverse, key[0])
            factors.append(("".join(INDICES[a] for a in tensor.epsilon), volumes[key]))
        out.append(_outer(factors, vectors))
    return torch.stack(out, dim=vectors.ndim - 2)


def _outer(factors: list[tuple[str, Tensor]], vectors: Tensor) -> Tensor:
    """The product of tensors with named indices, for every item of the batch."""
    if not factors:
        return torch.ones_like(vectors[..., 0, 0])
    letters = "".join(sorted("".join(name for name, _ in factors)))
    formula = ",".join(("..." + name) for name, _ in factors) + "->..." + letters
    found = torch.einsum(formula, *(x for _, x in factors))
    return found.expand(*vectors.shape[:-2], *found.shape[-len(letters) :])


def _volume(filled: Tensor, inverse: Tensor, size: int) -> Tensor:
    """det(·, …, ·, w_1, …) with its `size` open indices raised: `(..., d−size, d)` → `(..., d, …, d)`."""
    d = filled.shape[-1]
    table = torch.from_numpy(complement(d, size)).to(filled)
    lower = wedge(filled) @ table.reshape(-1, table.shape[-1]).mT
    out = lower.reshape(*filled.shape[:-2], *(d,) * size)
    for axis in range(-size, 0):
        out = torch.movedim(torch.movedim(out, axis, -1) @ inverse.mT, -1, axis)
    return out


def _tensor(n: int, pairs: tuple[tuple[int, int], ...], free: tuple[int, ...]) -> list[BasisTensor]:
    return [BasisTensor(tuple(zip(free, chosen, strict=True)), pairs) for chosen in product(range(n), repeat=len(free))]


@cache
def _matchings(indices: tuple[int, ...]) -> tuple[tuple[tuple[tuple[int, int], ...], tuple[int, ...]], ...]:
    """All ways to pair some of the indices: (pairs, unpaired ones), few pairs first."""
    return tuple(sorted(_pairings(indices), key=lambda found: len(found[0])))


def _pairings(indices: tuple[int, ...]) -> Iterator[tuple[tuple[tuple[int, int], ...], tuple[int, ...]]]:
    if not indices:
        yield (), ()
        return
    first, rest = indices[0], indices[1:]
    for pairs, free in _pairings(rest):
        yield pairs, (first, *free)
    for other in rest:
        left = tuple(i for i in rest if i != other)
        for pairs, free in _pairings(left):
            yield ((first, other), *pairs), free
