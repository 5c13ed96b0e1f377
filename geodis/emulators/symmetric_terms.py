"""Products invariant × basis tensor up to a degree, joined into the sums that interchangeable points leave alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from scipy import sparse

from geodis.emulators.equivariant_basis import BasisTensor
from geodis.emulators.exterior import parity
from geodis.emulators.invariant_variables import InvariantVariables
from geodis.errors import ParameterError
from geodis.linalg import Array

MAX_PRODUCTS = 60_000  # before they are joined

Term = tuple[int, tuple[int, ...]]  # (basis tensor, exponents of the variables)


@final
@dataclass(frozen=True, eq=False)
class SymmetricTerms:
    """The features of a polynomial law: each a signed sum of products p_e(invariants) T_b.

    Attributes
    ----------
    exponents : ndarray (P, V) of int
        The distinct exponents e.
    joins : tuple of sparse (P, F)
        For every basis tensor b, the signs with which p_e T_b enters each feature.
    """

    exponents: Array
    joins: tuple[Any, ...]

    @property
    def n_features(self) -> int:
        """F."""
        return int(self.joins[0].shape[1])


def symmetric_terms(
    variables: InvariantVariables,
    basis: Sequence[BasisTensor],
    degree: int,
    largest: Sequence[int],
    generators: Sequence[tuple[int, ...]],
) -> SymmetricTerms:
    """All features of total degree ≤ `degree`, as sums over the orbits of the group that `generators` make.

    `largest` bounds the exponent of each variable. A product that some permutation maps to its own negative sums to
    zero and is left out.
    """
    weights = [v.weight for v in variables.variables]
    products: list[Term] = []
    for b, tensor in enumerate(basis):
        for exponents in _exponents(weights, largest, degree - tensor.degree):
            products.append((b, exponents))
            if len(products) > MAX_PRODUCTS:
                raise ParameterError(
                    "degree", f"at most {MAX_PRODUCTS} products of invariants and tensors", f"more at degree {degree}",
                    "Lower the degree, or give fewer vectors and scalars.",
                )  # fmt: skip
    moves = [(_moved_basis(basis, order), *variables.moved(order)) for order in generators]
    place = {e: p for p, e in enumerate(sorted({e for _, e in products}, key=lambda e: (sum(e), [-x for x in e])))}
    rows: list[list[int]] = [[] for _ in basis]
    columns: list[list[int]] = [[] for _ in basis]
    signs: list[list[float]] = [[] for _ in basis]
    n_features = 0
    seen: set[Term] = set()
    for term in products:
        if term in seen:
            continue
        orbit = _orbit(term, moves)
        seen |= orbit.keys()
        if 0 in orbit.values():
            continue
        for (b, exponents), sign in orbit.items():
            rows[b].append(place[exponents])
            columns[b].append(n_features)
            signs[b].append(float(sign))
        n_features += 1
    shape = (len(place), n_features)
    joins = (sparse.csr_matrix((signs[b], (rows[b], columns[b])), shape=shape) for b in range(len(basis)))
    table = np.array(list(place), dtype=int).reshape(len(place), len(weights))
    return SymmetricTerms(table, tuple(joins))


def exchanges(groups: Sequence[Sequence[Any]], n: int) -> tuple[tuple[int, ...], ...]:
    """Transpositions of neighbours that generate the exchanges of the points of each group.

    A point is the index of its vector, or the tuple of the indices of its vectors.

    Raises
    ------
    ParameterError
        For indices out of range or named twice, points of different sizes.
    """
    points = [[_point(p) for p in group] for group in groups]
    named = [i for group in points for point in group for i in point]
    if len(set(named)) != len(named) or any(not 0 <= i < n for i in named):
        raise ParameterError("interchangeable", f"every vector 0 … {n - 1} at most once", groups)
    if any(len({len(point) for point in group}) > 1 for group in points):
        raise ParameterError("interchangeable", "points with equally many vectors in a group", groups)
    out = []
    for group in points:
        for one, other in pairwise(group):
            order = list(range(n))
            for i, j in zip(one, other, strict=True):
                order[i], order[j] = j, i
            out.append(tuple(order))
    return tuple(out)


def _point(p: Any) -> tuple[int, ...]:
    places = tuple(p) if isinstance(p, (tuple, list)) else (p,)
    if any(isinstance(i, bool) or not isinstance(i, (int, np.integer)) for i in places):
        raise ParameterError("interchangeable", "indices of vectors, or tuples of them", p)
    return tuple(int(i) for i in places)


Move = tuple[list[tuple[int, int]], tuple[int, ...], tuple[int, ...]]


def _orbit(start: Term, moves: Sequence[Move]) -> dict[Term, int]:
    """Every image of a product with its sign; signs are 0 if some permutation maps a product to its own negative."""
    found, waiting, cancels = {start: 1}, [start], False
    while waiting:
        b, exponents = waiting.pop()
        sign = found[b, exponents]
        for tensors, targets, flips in moves:
            moved = [0] * len(exponents)
            flip, turned = sign, tensors[b]
            for k, e in enumerate(exponents):
                if e:
                    moved[targets[k]] = e
                    flip *= flips[k] ** e
            image = (turned[0], tuple(moved))
            flip *= turned[1]
            if image not in found:
                found[image] = flip
                waiting.append(image)
            elif found[image] != flip:
                cancels = True
    return dict.fromkeys(found, 0) if cancels else found


def _moved_basis(basis: Sequence[BasisTensor], order: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where each basis tensor goes when v_i becomes v_{order[i]}, and its sign there."""
    at = {tensor: b for b, tensor in enumerate(basis)}
    out = []
    for tensor in basis:
        filled = tuple(order[i] for i in tensor.filled)
        vectors = tuple((index, order[i]) for index, i in tensor.vectors)
        image = BasisTensor(vectors, tensor.pairs, tensor.epsilon, tuple(sorted(filled)))
        out.append((at[image], parity(filled)))
    return out


def _exponents(weights: Sequence[int], largest: Sequence[int], degree: int) -> Iterator[tuple[int, ...]]:
    """All exponents with Σ weight · exponent ≤ degree, each at most `largest`."""
    if degree < 0:
        return
    if not weights:
        yield ()
        return
    for e in range(min(largest[0], degree // weights[0]) + 1):
        for rest in _exponents(weights[1:], largest[1:], degree - e * weights[0]):
            yield (e, *rest)
