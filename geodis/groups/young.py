"""Young's orthogonal form: real orthogonal irreps of the symmetric and the hyperoctahedral groups.

An irrep is a tuple of partitions, one for the symmetric group and two for the hyperoctahedral group. Its basis is the
set of standard fillings of the diagrams. The transposition s_i of i and i + 1 acts by the axial distance
r = content(i + 1) − content(i) inside one component, s_i e_T = e_T / r + √(1 − 1/r²) e_{s_i T}, and s_i e_T = e_{s_i T}
across components. The sign change of coordinate j is −1 where the second component holds j.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb, factorial, prod, sqrt

import numpy as np

from geodis.linalg import Array

Partition = tuple[int, ...]
Filling = tuple[tuple[int, int, int], ...]  # (component, row, column) of each entry


def partitions(n: int, largest: int | None = None) -> tuple[Partition, ...]:
    """The partitions of n in reverse lexicographic order, (n) first."""
    if n == 0:
        return ((),)
    top = n if largest is None else min(n, largest)
    return tuple((row, *rest) for row in range(top, 0, -1) for rest in partitions(n - row, row))


def dimension(shapes: tuple[Partition, ...]) -> int:
    """The number of standard fillings: the hook length formula times the ways to share the entries out."""
    total, out = 0, 1
    for shape in shapes:
        size = sum(shape)
        total += size
        columns = [sum(row > c for row in shape) for c in range(shape[0] if shape else 0)]
        hooks = prod(row - c + columns[c] - r - 1 for r, row in enumerate(shape) for c in range(row))
        out *= comb(total, size) * factorial(size) // hooks
    return out


@lru_cache(maxsize=256)
def standard_fillings(shapes: tuple[Partition, ...]) -> tuple[Filling, ...]:
    """All ways to add the boxes one after the other, keeping every diagram a partition; a fixed order."""
    if not any(shapes):
        return ((),)
    out = []
    for component, shape in enumerate(shapes):
        for row, length in enumerate(shape):
            if length > (shape[row + 1] if row + 1 < len(shape) else 0):
                smaller = tuple(x for x in (*shape[:row], length - 1, *shape[row + 1 :]) if x)
                before = (*shapes[:component], smaller, *shapes[component + 1 :])
                out += [(*filling, (component, row, length - 1)) for filling in standard_fillings(before)]
    return tuple(sorted(out, reverse=True))


@lru_cache(maxsize=256)
def transpositions(shapes: tuple[Partition, ...]) -> Array:
    """ρ(s_0), …, ρ(s_{n−2}) for the adjacent transpositions: `(n − 1, d, d)`."""
    fillings = standard_fillings(shapes)
    place = {filling: i for i, filling in enumerate(fillings)}
    n = len(fillings[0])
    out = np.zeros((max(n - 1, 0), len(fillings), len(fillings)))
    for i in range(n - 1):
        for filling, t in place.items():
            first, second = filling[i], filling[i + 1]
            swapped = place.get((*filling[:i], second, first, *filling[i + 2 :]))
            diagonal = 0.0
            if first[0] == second[0]:
                diagonal = 1.0 / ((second[2] - second[1]) - (first[2] - first[1]))
            out[i, t, t] = diagonal
            if swapped is not None:
                out[i, swapped, t] = sqrt(1 - diagonal**2)
    return out


@lru_cache(maxsize=256)
def sign_changes(shapes: tuple[Partition, ...]) -> Array:
    """The diagonals of the sign changes of coordinates 0, …, n − 1: `(n, d)`, −1 where the second component holds j."""
    component = np.array([[box[0] for box in filling] for filling in standard_fillings(shapes)], dtype=float)
    return 1 - 2 * component.T


def permutation_matrices(shapes: tuple[Partition, ...], images: Array) -> Array:
    """ρ(g) for permutations given by their images `(N, n)`, (gh)(i) = g(h(i)): `(N, d, d)`.

    Bubble sort writes every g as a product of adjacent transpositions; all rows go through the same network.
    """
    swaps = transpositions(shapes)
    images = images.copy()
    n, d = images.shape[1], len(standard_fillings(shapes))
    out = np.tile(np.eye(d), (len(images), 1, 1))
    for end in range(n - 1, 0, -1):
        for i in range(end):
            rows = np.flatnonzero(images[:, i] > images[:, i + 1])
            images[rows, i], images[rows, i + 1] = images[rows, i + 1], images[rows, i]
            out[rows] = swaps[i] @ out[rows]
    return out
