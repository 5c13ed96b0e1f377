"""Invariants of symmetric matrices under relabelling of their rows and columns: of graphs and distance matrices."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from geodis.emulators.deep_sets import DeepSet, perceptron
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import check_finite, like, to_numpy, to_tensor

SYMMETRIC = 1e-6  # of the largest entry: float32 matrices are symmetric to this


class ConjugationInvariants(NamedTuple):
    """What relabelling leaves of a symmetric matrix X.

    Attributes
    ----------
    diagonal : array (..., n)
        {X_ii} as a multiset: sorted.
    off_diagonal : array (..., n(n−1)/2)
        {X_ij}, i < j, as a multiset: sorted.
    mixed : array (...)
        f* = Σ_{i≠j} X_ii X_ij, which ties the two together.
    """

    diagonal: Any
    off_diagonal: Any
    mixed: Any


def conjugation_invariants(X: Any) -> ConjugationInvariants:
    """{X_ii}, {X_ij} and f* = Σ_{i≠j} X_ii X_ij of symmetric matrices `(..., n, n)`, unchanged by X ↦ PXPᵀ.

    O(n²) numbers, no eigenvectors. They generate the field of invariant rational functions, so that they tell almost
    all orbits apart; not all: with equal diagonals f* says nothing new, and graphs with equally many edges look alike.

    Parameters
    ----------
    X : array or tensor (..., n, n)
        Symmetric matrices.

    Returns
    -------
    ConjugationInvariants
        Of the kind that came in, differentiable (sorting is continuous).

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For other shapes, matrices that are not symmetric, NaN.

    References
    ----------
    Blum-Smith, Huang, Cuturi, Villar, "Learning functions on symmetric matrices and point clouds via lightweight
    invariant features", 2024, arXiv:2405.08097.

    Examples
    --------
    >>> found = conjugation_invariants([[1.0, 5.0], [5.0, 2.0]])
    >>> found.diagonal.tolist(), found.off_diagonal.tolist(), float(found.mixed)
    ([1.0, 2.0], [5.0], 15.0)
    """
    diagonal, off, mixed = _parts(_symmetric(X))
    found = (diagonal.sort(-1).values, off.sort(-1).values, mixed)
    return ConjugationInvariants(*(like(x, X) for x in found))


@final
class ConjugationNetwork(nn.Module):
    """Symmetric matrices `(..., n, n)` of any size → `(..., out)`, unchanged by relabelling, in O(n²) operations.

    A network of DeepSet({X_ii}), DeepSet({X_ij}) and arsinh(f*/(n(n−1))).

    Parameters
    ----------
    out : int
        Number of outputs.
    hidden : int
        Width.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For sizes out of range; in `forward` for other shapes, matrices that are not symmetric, NaN.

    References
    ----------
    Blum-Smith, Huang, Cuturi, Villar, 2024, arXiv:2405.08097.

    Examples
    --------
    >>> ConjugationNetwork(out=2)(torch.eye(4).expand(3, 4, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(self, out: int = 1, *, hidden: int = 32, seed: int = 0) -> None:
        super().__init__()
        hidden, out = count(hidden, "hidden", 1), count(out, "out", 1)
        generator = torch.Generator().manual_seed(count(seed, "seed", 0))
        self.of_diagonal = DeepSet(1, hidden, hidden, generator)
        self.of_off_diagonal = DeepSet(1, hidden, hidden, generator)
        self.of_mixed = perceptron(1, hidden, hidden, generator)
        self.head = perceptron(3 * hidden, out, hidden, generator)

    def forward(self, X: Tensor) -> Tensor:
        """The outputs, on the input's device and in its dtype."""
        diagonal, off, mixed = _parts(_symmetric(X))
        n = diagonal.shape[-1]
        mixed = torch.asinh(mixed / max(n * (n - 1), 1))
        features = (
            self.of_diagonal(diagonal[..., None]), self.of_off_diagonal(off[..., None]), self.of_mixed(mixed[..., None])
        )  # fmt: skip
        return self.head(torch.cat(features, -1))


def _parts(X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    diagonal = torch.diagonal(X, dim1=-2, dim2=-1)
    i, j = torch.triu_indices(X.shape[-1], X.shape[-1], 1, device=X.device)
    return diagonal, X[..., i, j], (diagonal * (X.sum(-1) - diagonal)).sum(-1)


def _symmetric(X: Any) -> Tensor:
    matrix = to_tensor(X)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ShapeError("X", "(..., n, n), n ≥ 1", tuple(matrix.shape))
    check_finite(to_numpy(matrix), "X")
    if bool(((matrix - matrix.mT).abs() > SYMMETRIC * matrix.abs().amax((-2, -1), keepdim=True)).any()):
        raise ParameterError("X", "symmetric matrices", "others", "Take (X + Xᵀ)/2.")
    return matrix
