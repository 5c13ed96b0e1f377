"""Irreps of O(n) on tensors, built box by box: the rotations' generators and the matrix of one reflection.

As for SO(n) the irrep of weight λ is a component of μ ⊗ V. Here μ is an irrep of O(n): for even n and λ_r ≠ 0 it joins
the weight λ and its mirror (…, −λ_r), whose Casimirs agree, so that all of it is real. The reflection acts on V and
therefore on every tensor, which settles its sign.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from geodis.groups import highest_weight
from geodis.groups.highest_weight import Weight, component, on_component, remove_box, vector_generators
from geodis.linalg import Array


def joins_mirror(n: int, weight: Weight) -> bool:
    """Whether the irrep of O(n) holds λ and its mirror, and so equals its product with det: even n and λ_r ≠ 0."""
    return n % 2 == 0 and weight[-1] != 0


def dimension(n: int, weight: Weight) -> int:
    """The dimension of the irrep of O(n) on tensors of weight λ, λ_r ≥ 0."""
    return (2 if joins_mirror(n, weight) else 1) * highest_weight.dimension(n, weight)


@lru_cache(maxsize=256)
def tensor_irrep(n: int, weight: Weight) -> tuple[Array, Array]:
    """dρ(E_ji − E_ij) for i < j `(n(n−1)/2, d, d)` and ρ(diag(1, …, 1, −1)) `(d, d)`, for n ≥ 3."""
    vector, mirror = vector_generators(n), np.diag([1.0] * (n - 1) + [-1.0])
    if not any(weight):
        return np.zeros((len(vector), 1, 1)), np.ones((1, 1))
    if weight == (1,) + (0,) * (len(weight) - 1):
        return vector, mirror
    mu, reflection = tensor_irrep(n, remove_box(weight))
    basis = component(n, weight, mu)
    return on_component(mu, vector, basis), basis.T @ np.kron(reflection, mirror) @ basis
