"""Rotations and reflections of R^n for any n."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import pi
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.finite import is_integer
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.highest_weight import Weight, dominant_weights, order_of
from geodis.groups.names import numbers_in
from geodis.groups.options import count
from geodis.groups.relabel import permute_cosets, signed_permutations
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.rotations import rotation2
from geodis.groups.son import SO
from geodis.groups.tensor_irreps import dimension, joins_mirror, tensor_irrep
from geodis.linalg import Array

CELLS_OF_THE_CIRCLE = 12  # null N2 of O(2) cuts both circles like SO(2) cuts its own


@final
class O(AbstractGroup):  # noqa: E742 -- the group's own name
    """Rotations and reflections exp(Σ_{i<j} a_ij (E_ji − E_ij)) · diag(1, …, 1, −1)^b of R^n, n ≥ 2.

    Parameters `(..., n(n−1)/2 + 1)`: the coefficients a of `SO(n)`, then the reflection bit b, 0 or 1, det = (−1)^b.
    The logarithm exists for b = 0. The irreps are named by the highest weight of their rotations and a sign:
    ``h=(1,1)+`` are the tensors of that Young shape in V ⊗ … ⊗ V, ``h=(1,1)-`` is their product with det. So
    ``h=(1,0)+`` is the matrix itself (also read as ``vector``), ``h=(0,0)-`` is det, and −1 is (−1)^{Σh_i} on a ``+``
    irrep. For even n an irrep with h_r ≠ 0 holds the weights h and (…, −h_r) of SO(n), equals its product with det and
    bears no sign: ``h=(1)`` of O(2), ``h=(1,1)`` the bivectors of O(4). All are of real type. The order counts boxes,
    Σh_i, and one more for the sign −.

    Parameters
    ----------
    n : int
        The dimension.

    Examples
    --------
    >>> [(rep.name, rep.dim) for rep in O(3).irreps(2)]
    [('h=(0)+', 1), ('h=(1)+', 3), ('h=(0)-', 1), ('h=(2)+', 5), ('h=(1)-', 3)]
    >>> O(2).compose([[0.5, 1.0]], [[0.25, 0.0]]).tolist()  # a mirror turns the angle around
    [[0.25, 1.0]]
    """

    def __init__(self, n: int) -> None:
        self.n = count(n, "O: n", 2)
        self._rotations = SO(self.n)
        self.tangent_dim = self._rotations.tangent_dim
        self.n_params = self.tangent_dim + 1

    def __repr__(self) -> str:
        return f"O({self.n})"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """Those of SO(n); the bit does not turn."""
        return (*self._rotations.periods, None)

    def _identity(self) -> Tensor:
        return torch.zeros(self.n_params, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        # A Rˢ B Rᵗ = A (Rˢ B Rˢ) Rˢ⁺ᵗ with R = diag(1, …, 1, −1).
        first, second = _bit(a), _bit(b)
        rotation = self._rotations._compose(a[..., :-1], self._mirrored(b[..., :-1], first))
        return torch.cat([rotation, torch.remainder(first + second, 2)], -1)

    def _inverse(self, a: Tensor) -> Tensor:
        bit = _bit(a)
        return torch.cat([self._rotations._log(self._mirrored(-a[..., :-1], bit)), bit], -1)

    def _contains(self, g: Tensor) -> Tensor:
        bit = g[..., -1:].round()
        return (is_integer(g[..., -1:]) & (bit >= 0) & (bit <= 1)).all(-1)

    def _matrix(self, g: Tensor) -> Tensor:
        return self._with_reflection(self._rotations._matrix, self._reflection)(g)

    def _exp(self, a: Tensor) -> Tensor:
        return torch.cat([self._rotations._exp(a), torch.zeros_like(a[..., :1])], -1)

    def _log(self, g: Tensor) -> Tensor:
        if bool((_bit(g) == 1).any()):
            raise ParameterError(
                f"{self!r}.log", "rotations (bit 0)", "a reflection (bit 1)", "No curve of exp leads to det = −1."
            )
        return self._rotations._log(g[..., :-1])

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        rotation = self._rotations._draw(rng, n)
        return np.concatenate([rotation, rng.integers(2, size=(n, 1))], -1)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        weights = [weight for weight in dominant_weights(self.n, max_order) if weight[-1] >= 0]
        found = [self._of_weight(weight, sign) for weight in weights for sign in self._signs(weight)]
        found.sort(key=lambda rep: (rep.order, rep.name.endswith("-")))
        return tuple(rep for rep in found if rep.order <= max_order)

    def _irrep(self, name: str) -> Representation:
        if name == "vector":
            return self._of_weight((1,) + (0,) * (self.n // 2 - 1), 1)
        values = numbers_in(str(name).rstrip("+-"), "h")
        if values is not None and len(values) == self.n // 2 and not any(x % 1 for x in values):
            weight = tuple(int(x) for x in values)
            if weight[-1] >= 0 and weight in dominant_weights(self.n, order_of(weight)):
                for rep in (self._of_weight(weight, sign) for sign in self._signs(weight)):
                    if rep.name == name:
                        return rep
        raise self._unknown(name)

    def _signs(self, weight: Weight) -> tuple[int, ...]:
        return (1,) if joins_mirror(self.n, weight) else (1, -1)

    def _of_weight(self, weight: Weight, sign: int) -> Representation:
        name = f"h=({','.join(map(str, weight))})"
        if not joins_mirror(self.n, weight):
            name += "+" if sign > 0 else "-"
        order = order_of(weight) + (sign < 0)
        if order == 0:
            return trivial_representation(name)
        rotations, reflection = self._on_tensors(weight)
        matrices = self._with_reflection(rotations, lambda: sign * reflection())
        return Representation(name, dimension(self.n, weight), matrices, order=order)

    def _on_tensors(self, weight: Weight) -> tuple[Callable[[Tensor], Tensor], Callable[[], Array]]:
        """The matrices of rotations by their coefficients, and the one of diag(1, …, 1, −1)."""
        if self.n == 2 and any(weight):
            return lambda a: rotation2(weight[0] * a[..., 0]), self._reflection
        if self.n == 3:
            of_space = self._rotations._of_weight(weight).matrices
            return of_space, lambda: _reflection_of_space(weight[0])
        return lambda a: _exponential(tensor_irrep(self.n, weight)[0], a), lambda: tensor_irrep(self.n, weight)[1]

    def _with_reflection(
        self, rotations: Callable[[Tensor], Tensor], reflection: Callable[[], Array]
    ) -> Callable[[Tensor], Tensor]:
        def matrices(g: Tensor) -> Tensor:
            rotation = rotations(g[..., :-1])
            return torch.where(_bit(g)[..., None] == 1, rotation @ torch.as_tensor(reflection()).to(rotation), rotation)

        return matrices

    def _reflection(self) -> Array:
        return np.diag([1.0] * (self.n - 1) + [-1.0])

    def _mirrored(self, a: Tensor, bit: Tensor) -> Tensor:
        """The coefficients of R^b exp(a) R^b: planes that hold the last axis turn the other way."""
        last = torch.as_tensor(self._rotations._pairs[1] == self.n - 1, device=a.device)
        return torch.where(last & (bit == 1), -a, a)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        if self.n > 4:
            return None
        seed = int(rng.integers(2**63))
        subgroup = _dihedral_matrices(CELLS_OF_THE_CIRCLE) if self.n == 2 else signed_permutations(self.n)
        if self.n > 2:
            subgroup = np.concatenate([subgroup, subgroup @ self._reflection()])

        def relabel(g: Array) -> Array:
            matrices = self._matrix(torch.as_tensor(np.asarray(g, dtype=np.float64))).numpy()
            return self._parameters(permute_cosets(np.random.default_rng(seed), subgroup, matrices))

        return relabel

    def _parameters(self, matrices: Array) -> Array:
        """The canonical parameters of orthogonal matrices `(..., n, n)`."""
        bit = np.linalg.det(matrices)[..., None] < 0
        rotations = np.where(bit[..., None], matrices @ self._reflection(), matrices)
        return np.concatenate([self._rotations._logarithm(torch.as_tensor(rotations)).numpy(), bit], -1)

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        rotations, weights = self._rotations._quadrature(degree)
        reflections, others = self._reflected_quadrature(degree)
        params = np.concatenate([np.pad(part, ((0, 0), (0, 1))) for part in (rotations, reflections)])
        params[len(rotations) :, -1] = 1.0
        return params, np.concatenate([weights, others]) / 2

    def _reflected_quadrature(self, degree: int) -> tuple[Array, Array]:
        """Rotation coefficients and weights of elements with det = −1, sampled by class."""
        if self.n % 2:
            # −h with h in the torus of SO(n): every plane turns by π more, and the last axis is flipped.
            params, weights = self._rotations._quadrature(degree)
            half_turns = np.zeros(self.tangent_dim)
            half_turns[self._cartan()] = pi
            return params + half_turns, weights
        # Eigenvalues 1, −1 and e^{±iθ_j}: the density is that of the compact symplectic group of rank n/2 − 1.
        rank = self.n // 2 - 1
        side = degree + 2 * rank + 1
        angles = 2 * pi / side * np.array(list(np.ndindex(*(side,) * rank)), dtype=np.float64)
        cosine = np.cos(angles)
        density = np.prod(1 - cosine**2, axis=-1)
        for i in range(rank):
            density = density * np.prod((cosine[:, i + 1 :] - cosine[:, i : i + 1]) ** 2, axis=-1)
        params = np.zeros((len(angles), self.tangent_dim))
        params[:, self._cartan()[:rank]] = angles
        return params, density / density.sum()

    def _cartan(self) -> Array:
        """The places of the coefficients (0,1), (2,3) and so on."""
        i, j = self._rotations._pairs
        return np.flatnonzero((i % 2 == 0) & (j == i + 1))


def _bit(g: Tensor) -> Tensor:
    return g[..., -1:].detach().round()


def _exponential(algebra: Array, a: Tensor) -> Tensor:
    return torch.linalg.matrix_exp(torch.einsum("...k,kij->...ij", a, torch.as_tensor(algebra).to(a)))


@cache
def _reflection_of_space(degree: int) -> Array:
    """diag(1, 1, −1) = −(half a turn about z) on tensors of rank l, where −1 is (−1)^l; entries are 0, 1 and −1."""
    half_turn = SO(3)._of_weight((degree,)).matrices(torch.tensor([pi, 0.0, 0.0], dtype=torch.float64))
    return np.rint((-1.0) ** degree * half_turn.numpy())


def _dihedral_matrices(n: int) -> Array:
    turns = rotation2(torch.arange(n, dtype=torch.float64) * (2 * pi / n)).numpy()
    return np.concatenate([turns, turns @ np.diag([1.0, -1.0])])
