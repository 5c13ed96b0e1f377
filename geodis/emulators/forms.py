"""Bilinear forms ⟨v, w⟩ = vᵀBw and Gram matrices: all that a group of isometries leaves of a set of vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.groups import SO, SO2, SO3, AbstractGroup, Lorentz, O
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, like, to_numpy, to_tensor

SYMMETRIC = 1e-12  # of the largest entry: what a given form may miss symmetry by
SINGULAR = 1e-12  # of the largest singular value: below it a form has lost a direction


class AbstractForm(ABC):
    """A non-degenerate form ⟨v, w⟩ = vᵀBw on R^d, symmetric or skew.

    As a symmetry it stands for all matrices that keep it, MᵀBM = B: O(d), O(1, d−1), Sp(d).

    Attributes
    ----------
    dim : int
        The dimension d of space.
    matrix : ndarray (d, d)
        B, float64.
    symmetric : bool
        Whether ⟨v, w⟩ = ⟨w, v⟩; otherwise it is −⟨w, v⟩.
    """

    dim: int
    matrix: Array
    symmetric: bool

    @abstractmethod
    def _gram(self, vectors: Tensor) -> Tensor:
        """Inner products of finite vectors `(..., n, d)` → `(..., n, n)`."""


@final
@dataclass(frozen=True)
class Euclidean(AbstractForm):
    """⟨v, w⟩ = Σ v_i w_i, kept by O(d).

    Examples
    --------
    >>> gram([[3.0, 4.0], [1.0, 0.0]], Euclidean(2)).tolist()
    [[25.0, 3.0], [3.0, 1.0]]
    """

    dim: int
    matrix: Array = field(init=False, repr=False, compare=False)
    symmetric: bool = field(init=False, repr=False, default=True)

    def __post_init__(self) -> None:
        _settle(self, count(self.dim, "Euclidean: dim", 1), np.eye(self.dim))

    def _gram(self, vectors: Tensor) -> Tensor:
        return vectors @ vectors.mT


@final
@dataclass(frozen=True)
class Minkowski(AbstractForm):
    """⟨v, w⟩ = v_0 w_0 − Σ_{i>0} v_i w_i, signature (+,−,…,−), units with c = 1; kept by O(1, d−1).

    Examples
    --------
    >>> gram([[5.0, 3.0, 0.0, 0.0]], Minkowski(4)).tolist()  # the squared mass
    [[16.0]]
    """

    dim: int
    matrix: Array = field(init=False, repr=False, compare=False)
    symmetric: bool = field(init=False, repr=False, default=True)

    def __post_init__(self) -> None:
        d = count(self.dim, "Minkowski: dim", 2)
        _settle(self, d, np.diag([1.0] + [-1.0] * (d - 1)))

    def _gram(self, vectors: Tensor) -> Tensor:
        return _products(vectors, self.matrix)


@final
@dataclass(frozen=True)
class Symplectic(AbstractForm):
    """⟨v, w⟩ = q·p' − p·q' of phase-space vectors v = (q, p), w = (q', p'); kept by Sp(2m).

    Examples
    --------
    >>> gram([[1.0, 0.0], [0.0, 2.0]], Symplectic(2)).tolist()  # the oriented area
    [[0.0, 2.0], [-2.0, 0.0]]
    """

    dim: int
    matrix: Array = field(init=False, repr=False, compare=False)
    symmetric: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        d = count(self.dim, "Symplectic: dim", 2)
        if d % 2:
            raise ParameterError("Symplectic: dim", "an even number 2m: m positions, then m momenta", d)
        _settle(self, d, np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(d // 2)))

    def _gram(self, vectors: Tensor) -> Tensor:
        return _products(vectors, self.matrix)


@final
@dataclass(frozen=True, eq=False)
class BilinearForm(AbstractForm):
    """⟨v, w⟩ = vᵀBw for a matrix of one's own, such as the metric of oblique coordinates.

    Parameters
    ----------
    matrix : array (d, d)
        B, symmetric or skew, and not singular. A form that is neither is two forms, and has more invariants than its
        Gram matrix's upper triangle.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For another shape, NaN, a matrix that is neither symmetric nor skew, a singular one.

    Examples
    --------
    >>> crystal = BilinearForm([[1.0, -0.5], [-0.5, 1.0]])  # hexagonal axes
    >>> gram([[1.0, 1.0]], crystal).tolist()
    [[1.0]]
    """

    matrix: Array
    dim: int = field(init=False)
    symmetric: bool = field(init=False)

    def __post_init__(self) -> None:
        B = np.array(to_numpy(self.matrix), dtype=np.float64)
        if B.ndim != 2 or B.shape[0] != B.shape[1] or not B.size:
            raise ShapeError("BilinearForm: matrix", "(d, d)", B.shape)
        check_finite(B, "BilinearForm: matrix")
        slack = SYMMETRIC * np.abs(B).max()
        symmetric = bool(np.abs(B - B.T).max() <= slack)
        if not symmetric and np.abs(B + B.T).max() > slack:
            raise ParameterError(
                "BilinearForm: matrix", "a symmetric or a skew matrix", "one that is neither",
                "Take (B + Bᵀ)/2 or (B − Bᵀ)/2: a group that keeps B keeps both.",
            )  # fmt: skip
        sizes = np.linalg.svd(B, compute_uv=False)
        if sizes[-1] <= SINGULAR * sizes[0]:
            raise ParameterError("BilinearForm: matrix", "an invertible matrix", f"singular values {sizes.tolist()}")
        _settle(self, len(B), B)
        object.__setattr__(self, "symmetric", symmetric)

    def _gram(self, vectors: Tensor) -> Tensor:
        return _products(vectors, self.matrix)


def _settle(form: AbstractForm, dim: int, matrix: Array) -> None:
    """Fill the fields of a frozen form."""
    matrix.setflags(write=False)
    object.__setattr__(form, "dim", dim)
    object.__setattr__(form, "matrix", matrix)


def _products(vectors: Tensor, matrix: Array) -> Tensor:
    return vectors @ torch.from_numpy(matrix.copy()).to(vectors) @ vectors.mT


Symmetry = AbstractGroup | AbstractForm


class Isometries(NamedTuple):
    """What invariant theory asks of a group: the form that it keeps, and whether it keeps orientation too."""

    form: AbstractForm
    proper: bool


def isometries(symmetry: Symmetry) -> Isometries:
    """The form and the orientation that a group keeps.

    `O(d)` keeps lengths; `SO(d)`, `SO2()`, `SO3()` orientation as well; `Lorentz()`, boosts and rotations, the
    Minkowski form and orientation (`Minkowski(4)` stands for the group with reflections). A form stands for all
    matrices that keep it.

    Raises
    ------
    ParameterError
        For any other group: its invariants are not those of a form.

    Examples
    --------
    >>> isometries(SO3())
    Isometries(form=Euclidean(dim=3), proper=True)
    """
    match symmetry:
        case AbstractForm():
            return Isometries(symmetry, False)
        case O():
            return Isometries(Euclidean(symmetry.n), False)
        case SO():
            return Isometries(Euclidean(symmetry.n), True)
        case SO2():
            return Isometries(Euclidean(2), True)
        case SO3():
            return Isometries(Euclidean(3), True)
        case Lorentz():
            return Isometries(Minkowski(4), True)
    raise ParameterError(
        "symmetry", "O(d), SO(d), SO2(), SO3(), Lorentz() or a form (Euclidean, Minkowski, Symplectic, BilinearForm)",
        repr(symmetry),
    )  # fmt: skip


def gram(v: Any, form: AbstractForm) -> Any:
    """G_ij = ⟨v_i, v_j⟩: vectors `(..., n, d)` → `(..., n, n)`, numpy or torch, differentiable.

    Raises
    ------
    ShapeError, FiniteError
        For vectors of another dimension, or NaN.

    Examples
    --------
    >>> gram(np.eye(4)[:2], Minkowski(4)).tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    """
    return like(form._gram(as_vectors(v, form.dim)), v)


def as_vectors(v: Any, dim: int) -> Tensor:
    """`v` as a finite floating tensor `(..., n, dim)`, or a named error."""
    vectors = to_tensor(v)
    if vectors.ndim < 2 or vectors.shape[-1] != dim:
        raise ShapeError("vectors", f"(..., n, {dim})", tuple(vectors.shape))
    if vectors.is_complex():
        raise ParameterError("vectors", "real numbers", f"dtype {vectors.dtype}")
    check_finite(to_numpy(vectors), "vectors")
    return vectors
