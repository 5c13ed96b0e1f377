"""Invertible linear maps of R^n."""

from __future__ import annotations

from math import sqrt
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.options import count, positive
from geodis.groups.orthogonal import O
from geodis.groups.representation import Representation, trivial_representation
from geodis.linalg import Array

SMALLEST_DET = 1e-10  # |det g| of a matrix scaled to mean square singular value 1; below it g⁻¹ has lost its digits
NEAR_ONE = 0.25  # where eight nodes of the logarithm's integral leave less than rounding
MAX_ROOTS = 64


@final
class GL(AbstractGroup):
    """Invertible real matrices of R^n, n ≥ 2: the parameters are the entries of g, row by row, `(..., n²)`.

    A matrix belongs to the group when |det g| > 1e-10 (‖g‖²_F/n)^{n/2}, which rejects what cannot be inverted in
    floating point whatever the unit. Samples are U diag(e^{s_1}, …, e^{s_n}) V with U, V independent and Haar in O(n)
    and s_k normal with standard deviation `spread`: det has either sign, condition numbers stay moderate (median 1.9,
    95 % below 3.8 for n = 3), and g and g⁻¹ have the same law. Algebra coefficients are the entries of the
    generator, exp its matrix exponential; the logarithm exists where no eigenvalue is real and negative.
    Representations: ``1`` (trivial), ``V`` (the matrix itself), ``V*`` (g⁻ᵀ, what linear forms follow) and, of order
    n, ``det`` and ``det*`` = 1/det. None is orthogonal and the group is not compact, so that energies are skills.

    Parameters
    ----------
    n : int
        The dimension.
    spread : float
        Standard deviation of the logarithms of sampled singular values.

    Examples
    --------
    >>> shear, stretch = [[1.0, 1.0, 0.0, 1.0]], [[2.0, 0.0, 0.0, 1.0]]
    >>> GL(2).compose(shear, stretch).tolist()
    [[2.0, 1.0, 0.0, 1.0]]
    >>> GL(2).irrep("V*")(stretch).tolist()
    [[[0.5, 0.0], [0.0, 1.0]]]
    """

    compact = False

    def __init__(self, n: int, spread: float = 0.4) -> None:
        self.n = count(n, "GL: n", 2)
        self.spread = positive(spread, "GL: spread")
        self.n_params = self.tangent_dim = self.n**2
        self._orthogonal = O(self.n)

    def __repr__(self) -> str:
        return f"GL({self.n})" if self.spread == 0.4 else f"GL({self.n}, spread={self.spread})"

    def _identity(self) -> Tensor:
        return torch.eye(self.n, dtype=torch.float64).reshape(-1)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return _flat(self._matrix(a) @ self._matrix(b))

    def _inverse(self, a: Tensor) -> Tensor:
        return _flat(torch.linalg.inv(self._matrix(a)))

    def _contains(self, g: Tensor) -> Tensor:
        matrix = self._matrix(g)
        # Scaled by the largest entry first: squares of 1e-200 would vanish.
        largest = matrix.abs().amax((-2, -1), keepdim=True)
        matrix = matrix / torch.where(largest > 0, largest, torch.ones_like(largest))
        size = torch.linalg.matrix_norm(matrix) / sqrt(self.n)
        return torch.linalg.det(matrix).abs() > SMALLEST_DET * size**self.n

    def _matrix(self, g: Tensor) -> Tensor:
        return g.reshape(*g.shape[:-1], self.n, self.n)

    def _exp(self, a: Tensor) -> Tensor:
        return _flat(torch.linalg.matrix_exp(self._matrix(a)))

    def _log(self, g: Tensor) -> Tensor:
        matrix = self._matrix(g)
        values = torch.linalg.eigvals(matrix.detach())
        lost = (values.real <= 0) & (values.imag.abs() <= 16 * torch.finfo(g.dtype).eps * values.abs())
        if bool(lost.any()):
            raise ParameterError(
                f"{self!r}.log",
                "matrices without negative real eigenvalues",
                matrix.detach()[lost.any(-1)][0].tolist(),
                "No curve of exp leads to det < 0, and none smoothly to such a matrix.",
            )
        return _flat(_principal_logarithm(matrix))

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        left, right = _haar(rng, n, self.n), _haar(rng, n, self.n)
        stretch = np.exp(self.spread * rng.standard_normal((n, 1, self.n)))
        return ((left * stretch) @ right).reshape(n, self.n_params)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        known = (
            trivial_representation("1"),
            Representation("V", self.n, self._matrix, orthogonal=False),
            Representation("V*", self.n, self._contragredient, orthogonal=False),
            Representation("det", 1, self._determinant, orthogonal=False, order=self.n),
            Representation("det*", 1, lambda g: 1 / self._determinant(g), orthogonal=False, order=self.n),
        )
        return tuple(rep for rep in known if rep.order <= max_order)

    def _irrep(self, name: str) -> Representation:
        for rep in self._irreps(self.n):
            if rep.name == name:
                return rep
        raise self._unknown(name)

    def _contragredient(self, g: Tensor) -> Tensor:
        return torch.linalg.inv(self._matrix(g)).mT

    def _determinant(self, g: Tensor) -> Tensor:
        return torch.linalg.det(self._matrix(g))[..., None, None]

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        """Cells of the orthogonal part of g = UP are permuted, the stretch P is kept."""
        group = self._orthogonal
        permute = group._relabelling(rng, params, factor)
        if permute is None:
            return None

        def relabel(g: Array) -> Array:
            matrix = np.asarray(g, dtype=np.float64).reshape(*np.shape(g)[:-1], self.n, self.n)
            left, stretch, right = np.linalg.svd(matrix)
            moved = group._matrix(torch.as_tensor(permute(group._parameters(left @ right)))).numpy()
            kept = np.swapaxes(right, -1, -2) * stretch[..., None, :] @ right
            return np.asarray((moved @ kept).reshape(np.shape(g)))

        return relabel


def _flat(matrix: Tensor) -> Tensor:
    return matrix.flatten(-2)


def _haar(rng: np.random.Generator, n: int, dim: int) -> Array:
    """Independent Haar-random orthogonal matrices `(n, dim, dim)`."""
    q, r = np.linalg.qr(rng.standard_normal((n, dim, dim)))
    # QR alone is not Haar: the signs of r's diagonal are LAPACK's choice.
    return np.asarray(q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[:, None])


def _principal_logarithm(matrix: Tensor) -> Tensor:
    """2^k log(g^{1/2^k}), the last by log(1 + x) = ∫₀¹ x(1 + tx)⁻¹ dt: differentiable, also where eigenvalues meet."""
    one, roots = torch.eye(matrix.shape[-1]).to(matrix), 0
    while roots < MAX_ROOTS and bool((torch.linalg.matrix_norm(matrix - one) > NEAR_ONE).any()):
        matrix, roots = _square_root(matrix, one), roots + 1
    x = matrix - one
    nodes, weights = np.polynomial.legendre.leggauss(8)
    parts = [0.5 * w * torch.linalg.solve(one + 0.5 * (t + 1) * x, x) for t, w in zip(nodes, weights, strict=True)]
    return torch.stack(parts).sum(0) * 2.0**roots


def _square_root(matrix: Tensor, one: Tensor) -> Tensor:
    """The principal square root by the product form of Denman and Beavers' iteration (Higham 2008, §6.3)."""
    root, product = matrix, matrix
    for _ in range(MAX_ROOTS):
        inverse = torch.linalg.inv(product)
        root = root @ (one + inverse) / 2
        product = one / 2 + (product + inverse) / 4
        off = torch.linalg.matrix_norm(product.detach() - one)
        if bool((off <= 4 * len(one) * torch.finfo(matrix.dtype).eps).all()):
            break
    return root
