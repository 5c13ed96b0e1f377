"""Families of vector fields X_θ(x) = Σ_a θ_a X_a(x), linear in θ: what a search for generators ranges over.

Families are made of parts: linear, affine and polynomial fields in closed form, or any list of functions. A member is a
`VectorField`; brackets follow the matrices, [Ax, Bx] = (AB − BA)x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, final

import numpy as np

from geodis.errors import LengthError, NotLinearError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

STEP = 1e-5  # of central differences, in units of the points' spread: the error is about its square
SHOWN = 0.01  # terms below this share of the largest are not printed


class AbstractVectorFields(ABC):
    """A family of p vector fields on R^d and their combinations."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension d of the space."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """One a field."""

    @abstractmethod
    def evaluate(self, x: Any) -> Array:
        """X_a(x): `(n, d) → (n, p, d)`."""

    @abstractmethod
    def jacobians(self, x: Any) -> Array:
        """∂X_a^i/∂x_j: `(n, d) → (n, p, d, d)`."""

    @property
    def n_fields(self) -> int:
        """Number of fields p."""
        return len(self.names)

    def contract(self, x: Array, rows: Array) -> Array:
        """Σ_i r_i X_a^i(x) for rows r `(n, q, d)` at every point: `(n, q, p)`."""
        return np.asarray(np.einsum("nqd,npd->nqp", rows, self.evaluate(x), optimize=True))

    def velocities(self, x: Array, coefficients: Array) -> Array:
        """X_θ(x) for every row θ of `(k, p)`: `(n, k, d)`."""
        return np.asarray(np.einsum("kp,npd->nkd", coefficients, self.evaluate(x), optimize=True))

    def matrices(self, coefficients: Any) -> Array:
        """The matrices of X_θ, one a row of θ `(k, p)`, where the fields are linear or affine.

        Raises
        ------
        NotLinearError
            Where they are not.
        """
        raise NotLinearError(
            f"matrices: expected linear or affine fields, got {self!r}. Evaluate them, or follow their flow."
        )

    def field(self, coefficients: Any) -> VectorField:
        """The member X_θ, θ `(p,)`."""
        return VectorField(self, self._checked(coefficients, 1))

    def describe(self, coefficients: Any) -> str:
        """X_θ as a sum of terms; terms below 1 % of the largest are left out."""
        theta = self._checked(coefficients, 1)
        largest = float(np.abs(theta).max(initial=0.0))
        kept = [a for a in np.argsort(-np.abs(theta).round(9), kind="stable") if np.abs(theta[a]) > SHOWN * largest]
        terms = [f"{'-' if theta[a] < 0 else '+'} {abs(theta[a]):.3g} {self.names[a]}" for a in kept]
        return " ".join(terms).removeprefix("+ ") or "0"

    def _checked(self, coefficients: Any, ndim: int) -> Array:
        theta = np.asarray(to_numpy(coefficients), dtype=np.float64)
        if theta.ndim != ndim or theta.shape[-1] != self.n_fields:
            raise ShapeError("coefficients", f"({'k, ' * (ndim - 1)}{self.n_fields})", theta.shape)
        check_finite(theta, "coefficients")
        return theta


@final
@dataclass(frozen=True, eq=False)
class VectorField:
    """One field X_θ of a family: called on points, printed, bracketed.

    Attributes
    ----------
    family : AbstractVectorFields
        The family.
    coefficients : array (p,)
        θ.

    Examples
    --------
    >>> turn = LinearFields(2).field([0.0, -1.0, 1.0, 0.0])
    >>> turn
    - 1 x1 ∂0 + 1 x0 ∂1
    """

    family: AbstractVectorFields
    coefficients: Array

    def __call__(self, x: Any) -> Array:
        """X(x): `(n, d) → (n, d)`."""
        return self.family.velocities(real_array(x, "points", ("n", self.family.dim)), self.coefficients[None])[:, 0]

    def jacobian(self, x: Any) -> Array:
        """∂X^i/∂x_j: `(n, d) → (n, d, d)`."""
        return np.asarray(np.einsum("p,npij->nij", self.coefficients, self.family.jacobians(x)))

    @property
    def matrix(self) -> Array:
        """The matrix of a linear field (d, d), the homogeneous one (d + 1, d + 1) of an affine field."""
        return np.asarray(self.family.matrices(self.coefficients[None])[0])

    def bracket(self, other: VectorField) -> VectorField:
        """[X, Y] = DX·Y − DY·X, the sign that gives linear fields the commutator of their matrices.

        Raises
        ------
        ShapeError
            For fields on spaces of different dimension.
        """
        if other.family.dim != self.family.dim:
            raise ShapeError("bracket", f"fields on R^{self.family.dim}", f"fields on R^{other.family.dim}")
        return GivenFields([lambda x: brackets_at(self, other, x)], self.family.dim, ["[X, Y]"]).field([1.0])

    def __repr__(self) -> str:
        return self.family.describe(self.coefficients)


def brackets_at(one: VectorField, two: VectorField, x: Any) -> Array:
    """[X, Y](x) = DX·Y − DY·X: `(n, d) → (n, d)`."""
    first = np.einsum("nij,nj->ni", one.jacobian(x), two(x))
    return np.asarray(first - np.einsum("nij,nj->ni", two.jacobian(x), one(x)))


class AbstractMonomialFields(AbstractVectorFields):
    """Fields x^m ∂_i: every monomial of a list in every direction, so that θ reshapes to (d, number of monomials)."""

    def __init__(self, dim: int, exponents: Array) -> None:
        self._dim, self.exponents = dim, exponents
        monomials = [_monomial(row) for row in exponents]
        self._names = tuple(f"{m} ∂{i}".lstrip() for i in range(dim) for m in monomials)

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return self._dim

    @property
    def names(self) -> tuple[str, ...]:
        """``x1 ∂0`` is the field that moves x0 at the speed x1."""
        return self._names

    def monomials(self, x: Array) -> Array:
        """x^m: `(n, d) → (n, M)`."""
        out = np.ones((len(x), len(self.exponents)))
        for j in range(self._dim):
            out *= x[:, j, None] ** self.exponents[:, j]
        return out

    def evaluate(self, x: Any) -> Array:
        """X_a(x): `(n, d) → (n, p, d)`."""
        points = real_array(x, "points", ("n", self._dim))
        return np.swapaxes(
            self.contract(points, np.broadcast_to(np.eye(self._dim), (len(points),) + (self._dim,) * 2)), 1, 2
        )

    def contract(self, x: Array, rows: Array) -> Array:
        """Σ_i r_i X_a^i(x) for rows r `(n, q, d)` at every point: `(n, q, p)`."""
        n, q, _ = rows.shape
        return np.asarray((rows[..., None] * self.monomials(x)[:, None, None]).reshape(n, q, self.n_fields))

    def velocities(self, x: Array, coefficients: Array) -> Array:
        """X_θ(x) for every row θ of `(k, p)`: `(n, k, d)`."""
        theta = np.reshape(coefficients, (-1, len(self.exponents)))
        return np.asarray(self.monomials(x) @ theta.T).reshape(len(x), -1, self._dim)

    def jacobians(self, x: Any) -> Array:
        """∂X_a^i/∂x_j: `(n, d) → (n, p, d, d)`."""
        points, d, m = real_array(x, "points", ("n", self._dim)), self._dim, len(self.exponents)
        slopes = np.stack([self._slope(points, j) for j in range(d)], axis=-1)  # (n, M, d)
        out = np.zeros((len(points), d, m, d, d))
        for i in range(d):
            out[:, i, :, i, :] = slopes
        return out.reshape(len(points), d * m, d, d)

    def matrices(self, coefficients: Any) -> Array:
        """Matrices (k, d, d) of linear fields, homogeneous ones [[A, b], [0, 0]] (k, d + 1, d + 1) of affine fields."""
        theta, order = self._checked(coefficients, 2), self.exponents.sum(axis=1)
        if order.max() > 1:
            return super().matrices(coefficients)
        size = self._dim + int((order == 0).any())
        out = np.zeros((len(theta), size, size))
        column = np.where(order == 0, self._dim, self.exponents.argmax(axis=1))
        out[:, : self._dim, column] = theta.reshape(len(theta), self._dim, len(order))
        return out

    def _slope(self, points: Array, j: int) -> Array:
        """∂x^m/∂x_j (n, M)."""
        lower = self.exponents.copy()
        lower[:, j] = np.maximum(lower[:, j] - 1, 0)
        out = np.broadcast_to(self.exponents[:, j].astype(np.float64), (len(points), len(lower))).copy()
        for k in range(self._dim):
            out *= points[:, k, None] ** lower[:, k]
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._dim})"


@final
class LinearFields(AbstractMonomialFields):
    """All linear fields Ax on R^d, θ = A row by row: d² fields.

    Examples
    --------
    >>> fields = LinearFields(2)
    >>> fields.names
    ('x0 ∂0', 'x1 ∂0', 'x0 ∂1', 'x1 ∂1')
    >>> fields.evaluate([[3.0, 5.0]])[0]
    array([[3., 0.],
           [5., 0.],
           [0., 3.],
           [0., 5.]])
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_size(dim, "dim"), np.eye(dim, dtype=int))


@final
class AffineFields(AbstractMonomialFields):
    """All affine fields Ax + b on R^d, θ = (A | b) row by row: d(d + 1) fields.

    Examples
    --------
    >>> AffineFields(2).matrices([[0.0, -1.0, 3.0, 1.0, 0.0, 4.0]])[0]
    array([[ 0., -1.,  3.],
           [ 1.,  0.,  4.],
           [ 0.,  0.,  0.]])
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_size(dim, "dim"), np.eye(dim + 1, _size(dim, "dim"), dtype=int))


@final
class PolynomialFields(AbstractMonomialFields):
    """All fields whose components are polynomials with terms of degree `min_degree` to `degree`.

    Parameters
    ----------
    dim : int
        d.
    degree, min_degree : int
        Largest and smallest total degree of a term; 0 has constants.

    Examples
    --------
    >>> PolynomialFields(1, 3).names
    ('∂0', 'x0 ∂0', 'x0² ∂0', 'x0³ ∂0')
    >>> PolynomialFields(2, 3).n_fields
    20
    """

    def __init__(self, dim: int, degree: int, min_degree: int = 0) -> None:
        _size(dim, "dim"), _size(degree, "degree")
        if not isinstance(min_degree, (int, np.integer)) or not 0 <= min_degree <= degree:
            raise ParameterError("PolynomialFields: min_degree", f"an integer from 0 to {degree}", min_degree)
        self.degree, self.min_degree = degree, min_degree
        counts = [
            Counter(term) for order in range(min_degree, degree + 1)
            for term in combinations_with_replacement(range(dim), order)
        ]  # fmt: skip
        super().__init__(dim, np.array([[count[j] for j in range(dim)] for count in counts]))

    def __repr__(self) -> str:
        return f"PolynomialFields({self.dim}, {self.degree}, min_degree={self.min_degree})"


@final
class GivenFields(AbstractVectorFields):
    """Fields that the user lists as functions, `(n, d) → (n, d)` each.

    Parameters
    ----------
    functions : sequence of callable
        The fields, on numpy arrays.
    dim : int
        d.
    names : sequence of str, optional
        For printing; X0, X1, … by default.

    Notes
    -----
    Derivatives (for brackets) are central differences.

    Examples
    --------
    >>> swirl = GivenFields([lambda x: np.stack([-2 * x[:, 1] ** 3, x[:, 0]], axis=1)], 2, ["-2y³∂x + x∂y"])
    >>> swirl.evaluate([[1.0, 1.0]])
    array([[[-2.,  1.]]])
    """

    def __init__(
        self, functions: Sequence[Callable[[Array], Any]], dim: int, names: Sequence[str] | None = None
    ) -> None:
        self.functions, self._dim = tuple(functions), _size(dim, "dim")
        if not self.functions or not all(callable(f) for f in self.functions):
            raise ParameterError("GivenFields: functions", "at least one function of points (n, d)", functions)
        self._names = tuple(names) if names is not None else tuple(f"X{a}" for a in range(len(self.functions)))
        if len(self._names) != len(self.functions):
            raise LengthError(functions=len(self.functions), names=len(self._names))

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return self._dim

    @property
    def names(self) -> tuple[str, ...]:
        """As given."""
        return self._names

    def evaluate(self, x: Any) -> Array:
        """X_a(x): `(n, d) → (n, p, d)`."""
        points = real_array(x, "points", ("n", self._dim))
        values = [np.asarray(to_numpy(f(points)), dtype=np.float64) for f in self.functions]
        for name, value in zip(self._names, values, strict=True):
            if value.shape != points.shape:
                raise ShapeError(f"field {name}", f"{points.shape}, that of the points", value.shape)
            check_finite(value, f"field {name}")
        return np.stack(values, axis=1)

    def jacobians(self, x: Any) -> Array:
        """∂X_a^i/∂x_j: `(n, d) → (n, p, d, d)`."""
        points = real_array(x, "points", ("n", self._dim))
        step = STEP * max(float(points.std()), STEP)
        shifts = step * np.eye(self._dim)
        slopes = [(self.evaluate(points + h) - self.evaluate(points - h)) / (2 * step) for h in shifts]
        return np.stack(slopes, axis=-1)

    def __repr__(self) -> str:
        return f"GivenFields({', '.join(self._names)})"


def _size(number: int, what: str) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ParameterError(what, "an integer ≥ 1", number)
    return int(number)


def _monomial(exponents: Array) -> str:
    powers = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "".join(f"x{j}{'' if e == 1 else str(e).translate(powers)}" for j, e in enumerate(exponents) if e)
