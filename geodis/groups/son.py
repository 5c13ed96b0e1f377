"""Rotations of R^n for any n."""

from __future__ import annotations

from itertools import combinations, product
from math import pi
from typing import final

import numpy as np
import torch
from scipy.linalg import schur
from torch import Tensor

from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.highest_weight import Weight, dimension, dominant_weights, generators, is_complex, order_of
from geodis.groups.names import numbers_in
from geodis.groups.options import count
from geodis.groups.relabel import permute_cosets, signed_permutations
from geodis.groups.representation import Representation, of_complex_type, trivial_representation
from geodis.groups.rotations import phase, vector_of_matrix, wrap
from geodis.groups.so2 import SO2
from geodis.groups.so3 import SO3
from geodis.groups.wigner import wigner
from geodis.linalg import Array


@final
class SO(AbstractGroup):
    """Rotations exp(Σ_{i<j} a_ij (E_ji − E_ij)) of R^n, n ≥ 2: parameters a `(..., n(n−1)/2)`.

    The coefficients are ordered (0,1), (0,2), …, (n−2,n−1); for n = 2 it is the angle, for n = 3 the rotation vector is
    (a_12, −a_02, a_01). Products are principal logarithms (real Schur form: not differentiable for n ≥ 4; closed forms
    for n = 2, 3). The irreps are named by highest weights, ``h=(1,0)`` the vectors, ``h=(1,1)`` and ``h=(1,-1)`` the
    self-dual and anti-self-dual bivectors of SO(4); the order counts boxes, Σ|h_i|. For n = 2 mod 4 an irrep with
    h_r ≠ 0 is of complex type and is listed once, with h_r > 0. Spinors are not representations of SO(n).

    Parameters
    ----------
    n : int
        The dimension.

    Examples
    --------
    >>> [(rep.name, rep.dim) for rep in SO(4).irreps(2)]
    [('h=(0,0)', 1), ('h=(1,0)', 4), ('h=(2,0)', 9), ('h=(1,1)', 3), ('h=(1,-1)', 3)]
    """

    def __init__(self, n: int) -> None:
        self.n = count(n, "SO: n", 2)
        self.n_params = self.tangent_dim = self.n * (self.n - 1) // 2
        self._pairs = np.array(list(combinations(range(self.n), 2))).T

    def __repr__(self) -> str:
        return f"SO({self.n})"

    @property
    def periods(self) -> tuple[float | None, ...]:
        """A full turn of the plane; coefficients in more dimensions do not close one by one."""
        return SO2().periods if self.n == 2 else (None,) * self.n_params

    def _identity(self) -> Tensor:
        return torch.zeros(self.n_params, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        if self.n == 2:
            return wrap(a + b)
        if self.n == 3:
            return _from_vector(SO3()._compose(_to_vector(a), _to_vector(b)))
        return self._logarithm(self._matrix(a) @ self._matrix(b))

    def _inverse(self, a: Tensor) -> Tensor:
        return self._log(-a)

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(self._skew(g))

    def _exp(self, a: Tensor) -> Tensor:
        return a

    def _log(self, g: Tensor) -> Tensor:
        if self.n == 2:
            return wrap(g)
        if self.n == 3:
            return _from_vector(SO3()._exp(_to_vector(g)))
        # Angles up to π are the principal ones already; only the other rows pay for a Schur form.
        largest = torch.linalg.matrix_norm(self._skew(g.detach()), ord=2)
        far = largest > pi * (1 + 1e-12)
        if not bool(far.any()):
            return g
        out = g.clone()
        out[far] = self._logarithm(self._matrix(g[far]))
        return out

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        if self.n == 2:
            return SO2()._draw(rng, n)
        q, r = np.linalg.qr(rng.standard_normal((n, self.n, self.n)))
        # QR of a Gaussian is Haar on O(n) once R has a positive diagonal; flip a column where det = −1.
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[:, None, :]
        q[:, :, 0] *= np.sign(np.linalg.det(q))[:, None]
        return self._logarithm(torch.as_tensor(q)).numpy()

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        return tuple(self._of_weight(weight) for weight in dominant_weights(self.n, max_order))

    def _irrep(self, name: str) -> Representation:
        values = numbers_in(name, "h")
        if values is not None and len(values) == self.n // 2 and not any(x % 1 for x in values):
            weight = tuple(int(x) for x in values)
            if weight in dominant_weights(self.n, order_of(weight)) and _weight_name(weight) == name:
                return self._of_weight(weight)
        raise self._unknown(name)

    def _of_weight(self, weight: Weight) -> Representation:
        name, order = _weight_name(weight), order_of(weight)
        if order == 0:
            return trivial_representation(name)
        if self.n == 2:
            return of_complex_type(name, 1, lambda g: phase(order * g[..., 0])[..., None, None], order=order)
        if self.n == 3:
            return Representation(name, 2 * order + 1, lambda g: wigner(order, _to_vector(g)), order=order)
        dim = dimension(self.n, weight)

        def exponential(g: Tensor) -> Tensor:
            algebra = torch.as_tensor(generators(self.n, weight), device=g.device)
            algebra = algebra.to(g.dtype.to_complex() if algebra.is_complex() else g.dtype)
            return torch.linalg.matrix_exp(torch.einsum("...k,kij->...ij", g.to(algebra.dtype), algebra))

        if is_complex(self.n, weight):
            return of_complex_type(name, dim, exponential, order=order)
        return Representation(name, dim, exponential, order=order)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        if self.n == 2:
            return SO2()._relabelling(rng, params, factor)
        if self.n > 4:
            return None
        seed = int(rng.integers(2**63))

        def relabel(g: Array) -> Array:
            rotations = self._matrix(torch.as_tensor(np.asarray(g, dtype=np.float64))).numpy()
            moved = permute_cosets(np.random.default_rng(seed), signed_permutations(self.n), rotations)
            return self._logarithm(torch.as_tensor(moved)).numpy()

        return relabel

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        rank = self.n // 2
        side = degree + 2 * rank
        angles = 2 * pi * np.array(list(product(range(side), repeat=rank))) / side
        cosine = 2 * np.cos(angles)
        density = np.prod(2 - cosine, axis=-1) if self.n % 2 else np.ones(len(angles))
        for i, j in combinations(range(rank), 2):
            density = density * (cosine[:, i] - cosine[:, j]) ** 2
        params = np.zeros((len(angles), self.n_params))
        for i in range(rank):
            params[:, _place(self.n, 2 * i, 2 * i + 1)] = angles[:, i]
        return params, density / density.sum()

    def _skew(self, g: Tensor) -> Tensor:
        i, j = self._pairs
        out = g.new_zeros((*g.shape[:-1], self.n, self.n))
        out[..., j, i] = g
        out[..., i, j] = -g
        return out

    def _logarithm(self, r: Tensor) -> Tensor:
        if self.n == 3:
            return _from_vector(vector_of_matrix(r))
        i, j = self._pairs
        flat = r.detach().to("cpu", torch.float64).numpy().reshape(-1, self.n, self.n)
        skew = np.array([_skew_logarithm(matrix) for matrix in flat]).reshape(r.shape)
        return torch.as_tensor(skew[..., j, i]).to(r)


def _skew_logarithm(r: Array) -> Array:
    """The principal skew logarithm of a rotation `(n, n)`; eigenvalues −1 are paired into planes turned by π."""
    t, q = schur(r, output="real")
    n = len(r)
    out = np.zeros((n, n))
    halves = []
    i = 0
    while i < n:
        if i + 1 < n and t[i + 1, i] != 0:
            angle = np.arctan2(t[i + 1, i] - t[i, i + 1], t[i, i] + t[i + 1, i + 1])
            out[i + 1, i], out[i, i + 1] = angle, -angle
            i += 2
            continue
        if t[i, i] < 0:
            halves.append(i)
        i += 1
    for a, b in zip(halves[::2], halves[1::2], strict=True):
        out[b, a], out[a, b] = pi, -pi
    return q @ out @ q.T


def _to_vector(a: Tensor) -> Tensor:
    return torch.stack([a[..., 2], -a[..., 1], a[..., 0]], -1)


def _from_vector(v: Tensor) -> Tensor:
    return torch.stack([v[..., 2], -v[..., 1], v[..., 0]], -1)


def _place(n: int, i: int, j: int) -> int:
    return i * n - i * (i + 1) // 2 + j - i - 1


def _weight_name(weight: Weight) -> str:
    return f"h=({','.join(map(str, weight))})"
