"""Boosts and rotations of spacetime."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.groups.even import asinhc, complex_arc_ratio, coversine, sinhc
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.options import positive
from geodis.groups.representation import Representation, kronecker, of_complex_type, trivial_representation
from geodis.groups.rotations import (
    matrix_of_quaternion,
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_of_vector,
    rotation3,
    vector_of_quaternion,
)
from geodis.groups.so3 import haar_rotation_vectors, permute_octahedral_cells
from geodis.linalg import Array


@final
class Lorentz(AbstractGroup):
    """Λ = boost(η) · rotation(r) on (t, x, y, z), signature (+,−,−,−): parameters (r, η), `(..., 6)`.

    boost(η) e_t = (cosh |η|, sinh |η| η/|η|). Samples have Haar rotations and rapidities of uniform direction with |η|
    uniform in [0, spread]. Algebra coefficients are (ω, ζ), Λ = exp(ω·J + ζ·K). Representations: ``scalar``, ``vector``
    (Λ), ``bivector`` (E + iB, SO(3, C), complex type), ``traceless`` (symmetric traceless tensors, dimension 9).

    Parameters
    ----------
    spread : float
        The largest sampled rapidity.

    Examples
    --------
    >>> L = Lorentz()
    >>> L.compose([[0, 0, 0, 0.25, 0, 0]], [[0, 0, 0, 0.5, 0, 0]]).round(6).tolist()
    [[0.0, 0.0, 0.0, 0.75, 0.0, 0.0]]
    """

    n_params = 6
    tangent_dim = 6
    compact = False

    def __init__(self, spread: float = 1.0) -> None:
        self.spread = positive(spread, "Lorentz: spread")

    def __repr__(self) -> str:
        return "Lorentz()" if self.spread == 1.0 else f"Lorentz(spread={self.spread})"

    def _identity(self) -> Tensor:
        return torch.zeros(6, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return _polar(quaternion_multiply(_spinor(a), _spinor(b)))

    def _inverse(self, a: Tensor) -> Tensor:
        return _polar(quaternion_conjugate(_spinor(a)))

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        rotation, rapidity = rotation3(g[..., :3]), g[..., 3:]
        x = (rapidity * rapidity).sum(-1)[..., None, None]
        column = sinhc(x) * rapidity[..., None]
        space = torch.eye(3).to(g) + coversine(x) * rapidity[..., :, None] * rapidity[..., None, :]
        left = torch.cat([1 + x * coversine(x), column], -2)
        right = torch.cat([column.mT @ rotation, space @ rotation], -2)
        return torch.cat([left, right], -1)

    def _exp(self, a: Tensor) -> Tensor:
        return _polar(quaternion_of_vector(torch.complex(a[..., :3], a[..., 3:])))

    def _log(self, g: Tensor) -> Tensor:
        spinor = _spinor(g)
        spinor = torch.where(spinor[..., :1].real < 0, -spinor, spinor)
        u = spinor[..., 1:]
        w = 2 * complex_arc_ratio((u * u).sum(-1, keepdim=True), spinor[..., :1]) * u
        return torch.cat([w.real, w.imag], -1)

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        direction = rng.standard_normal((n, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        rapidity = direction * rng.uniform(0, self.spread, (n, 1))
        return np.concatenate([haar_rotation_vectors(rng, n), rapidity], -1)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        known = (
            trivial_representation("scalar"),
            Representation("vector", 4, self._matrix, orthogonal=False),
            of_complex_type("bivector", 3, lambda g: matrix_of_quaternion(_spinor(g)), order=2, orthogonal=False),
            Representation("traceless", 9, self._traceless, orthogonal=False, order=2),
        )
        return tuple(rep for rep in known if rep.order <= max_order)

    def _traceless(self, g: Tensor) -> Tensor:
        basis = torch.as_tensor(_TRACELESS).to(g)
        matrix = self._matrix(g)
        return basis.mT @ kronecker(matrix, matrix) @ basis

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling:
        seed = int(rng.integers(2**63))

        def relabel(g: Array) -> Array:
            rotation = permute_octahedral_cells(np.random.default_rng(seed), np.asarray(g[..., :3], dtype=np.float64))
            return np.concatenate([rotation, g[..., 3:]], -1)

        return relabel


def _spinor(g: Tensor) -> Tensor:
    """(cosh η/2 + i sinh(η/2) n·e) u ∈ SL(2, C) as a complex quaternion `(..., 4)`; u is the rotation's quaternion."""
    rotation, half = g[..., :3], g[..., 3:] / 2
    x = (half * half).sum(-1, keepdim=True)
    scalar = 1 + x * coversine(x)
    boost = torch.complex(
        torch.cat([scalar, torch.zeros_like(half)], -1), torch.cat([torch.zeros_like(scalar), sinhc(x) * half], -1)
    )
    u = quaternion_of_vector(rotation)
    return quaternion_multiply(boost, torch.complex(u, torch.zeros_like(u)))


def _polar(spinor: Tensor) -> Tensor:
    """The parameters (r, η) of c u + i s n u: the real part is the rotation alone, so that nothing cancels."""
    real, imaginary = spinor.real, spinor.imag
    # |real| = cosh η/2 ≥ 1
    unit = real / torch.linalg.vector_norm(real, dim=-1, keepdim=True)
    s = quaternion_multiply(imaginary, quaternion_conjugate(unit))[..., 1:]
    return torch.cat([vector_of_quaternion(unit), 2 * asinhc((s * s).sum(-1, keepdim=True)) * s], -1)


def _traceless_basis() -> Array:
    """Orthonormal basis `(16, 9)` of the symmetric T with T⁰⁰ − T¹¹ − T²² − T³³ = 0."""
    diagonals = np.array([[3.0, 1, 1, 1], [0, 1, -1, 0], [0, 1, 1, -2]])
    basis = [np.diag(row / np.linalg.norm(row)) for row in diagonals]
    for i in range(4):
        for j in range(i + 1, 4):
            pair = np.zeros((4, 4))
            pair[i, j] = pair[j, i] = np.sqrt(0.5)
            basis.append(pair)
    return np.array(basis).reshape(9, 16).T.copy()


_TRACELESS = _traceless_basis()
