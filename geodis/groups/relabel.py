"""Random relabellings of group elements for the null "does the group structure matter".

A space is cut into equal cells κF. The cells are permuted, the position inside a cell is kept.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import numpy as np

from geodis.linalg import Array


@cache
def signed_permutations(n: int) -> Array:
    """The rotations among the signed permutation matrices `(2^{n-1} n!, n, n)`: the octahedral group for n = 3."""
    out = []
    for images in permutations(range(n)):
        for signs in product((1.0, -1.0), repeat=n):
            matrix = np.zeros((n, n))
            matrix[list(images), range(n)] = signs
            if np.linalg.det(matrix) > 0:
                out.append(matrix)
    return np.array(out)


def permute_cosets(rng: np.random.Generator, subgroup: Array, r: Array) -> Array:
    """κf ↦ π(κ)f with κ the nearest element of a finite subgroup and π drawn: rotations `(..., n, n)` → the same."""
    nearest = np.einsum("kij,...ij->...k", subgroup, r).argmax(-1)
    moved = subgroup[rng.permutation(len(subgroup))]
    return moved[nearest] @ np.swapaxes(subgroup[nearest], -1, -2) @ r


def permute_cells(order: Array, x: Array, low: Array, width: Array) -> Array:
    """Cells of a box, permuted: points `(..., k)` with cell `order` an integer array `(c^k,)`; offsets are kept.

    Axis a is cut in c cells of `width[a]` from `low[a]` on. Points outside of the box stay where they are.
    """
    axes = x.shape[-1]
    cells = round(len(order) ** (1 / axes))
    position = (x - low) / width
    inside = ((position >= 0) & (position <= cells)).all(-1)
    cell = np.clip(np.floor(position), 0, cells - 1).astype(int)
    flat = np.ravel_multi_index(tuple(np.moveaxis(cell, -1, 0)), (cells,) * axes)
    target = np.stack(np.unravel_index(order[flat], (cells,) * axes), -1)
    return np.where(inside[..., None], x + (target - cell) * width, x)
