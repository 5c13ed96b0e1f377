"""Rotations of space."""

from __future__ import annotations

from math import pi
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.names import integer_in
from geodis.groups.relabel import permute_cosets, signed_permutations
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.rotations import (
    quaternion_multiply,
    quaternion_of_vector,
    rotation3,
    vector_of_matrix,
    vector_of_quaternion,
)
from geodis.groups.wigner import wigner
from geodis.linalg import Array


def haar_rotation_vectors(rng: np.random.Generator, n: int) -> Array:
    """Rotation vectors of n independent Haar rotations `(n, 3)`: uniform quaternions."""
    return vector_of_quaternion(torch.as_tensor(rng.standard_normal((n, 4)))).numpy()


def permute_octahedral_cells(rng: np.random.Generator, v: Array) -> Array:
    """κf ↦ π(κ)f with κ one of 24 octahedral rotations, π drawn: rotation vectors `(..., 3)` → `(..., 3)`."""
    moved = permute_cosets(rng, signed_permutations(3), rotation3(torch.as_tensor(v)).numpy())
    return vector_of_matrix(torch.as_tensor(moved)).numpy()


@final
class SO3(AbstractGroup):
    """Rotations of space by a rotation vector θn [rad]: parameters `(..., 3)`, canonical with θ ≤ π.

    The irreps are ``l=0, 1, 2, …`` of dimension 2l + 1: real Wigner matrices, l = 1 the rotation matrix in (x, y, z).

    Examples
    --------
    >>> quarter = [[0.0, 0.0, np.pi / 2]]
    >>> SO3().irrep("l=1")(quarter).round(6).tolist()
    [[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """

    n_params = 3
    tangent_dim = 3

    def __repr__(self) -> str:
        return "SO3()"

    def _identity(self) -> Tensor:
        return torch.zeros(3, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return vector_of_quaternion(quaternion_multiply(quaternion_of_vector(a), quaternion_of_vector(b)))

    def _inverse(self, a: Tensor) -> Tensor:
        return self._exp(-a)

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        return rotation3(g)

    def _exp(self, a: Tensor) -> Tensor:
        return vector_of_quaternion(quaternion_of_vector(a))

    def _log(self, g: Tensor) -> Tensor:
        return self._exp(g)

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        return haar_rotation_vectors(rng, n)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        return tuple(self._irrep(f"l={degree}") for degree in range(max_order + 1))

    def _irrep(self, name: str) -> Representation:
        degree = integer_in(name, "l={}")
        if degree is None or degree < 0:
            raise self._unknown(name)
        if degree == 0:
            return trivial_representation(name)
        return Representation(name, 2 * degree + 1, lambda g: wigner(degree, g), order=degree)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling:
        seed = int(rng.integers(2**63))
        return lambda g: permute_octahedral_cells(np.random.default_rng(seed), np.asarray(g, dtype=np.float64))

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        n = degree + 2  # Weyl density (1 − cos θ): one degree more
        angle = 2 * pi * np.arange(n) / n
        return angle[:, None] * np.array([0.0, 0.0, 1.0]), (1 - np.cos(angle)) / n
