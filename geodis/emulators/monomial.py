"""Monomials with whole exponents, by multiplications and one division only: powers of two pass through exactly.

A power by repeated multiplication commutes with scaling by powers of two to the last bit, which a library's `pow` does
not promise; and a negative number keeps its sign, because no exponent is a fraction.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import LengthError, ParameterError, ShapeError

MIDDLE_DOT = "·"


@final
@dataclass(frozen=True, repr=False)
class Monomial:
    """Π_j x_j^{α_j} with integers α_j, positive or negative.

    Attributes
    ----------
    names : tuple of str
        Of the quantities x_j, in the order of the columns that the monomial is called with.
    exponents : tuple of int
        α_j.

    Raises
    ------
    LengthError, ParameterError
        For names and exponents of different numbers, or exponents that are no integers.

    Examples
    --------
    >>> kinetic = Monomial(("p", "m"), (2, -1))
    >>> kinetic, kinetic([[3.0, 2.0]]).tolist(), kinetic.gradient([[3.0, 2.0]]).tolist()
    (p^2 / m, [4.5], [[3.0, -2.25]])
    """

    names: tuple[str, ...]
    exponents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.exponents):
            raise LengthError(names=len(self.names), exponents=len(self.exponents))
        if any(isinstance(a, bool) or not isinstance(a, int) for a in self.exponents):
            raise ParameterError("exponents", "integers", self.exponents)

    @property
    def degree(self) -> int:
        """Σ|α_j|."""
        return sum(map(abs, self.exponents))

    def __call__(self, x: Any) -> Any:
        """The monomial's value: `(..., n) → (...)`, of an array or a tensor.

        Raises
        ------
        ShapeError, ParameterError
            For another number of columns, or zero where it is divided by.
        """
        return self._product(self._columns(x), self.exponents)

    def gradient(self, x: Any) -> Any:
        """∂/∂x_j of the value: `(..., n) → (..., n)`; powers of x_j are never divided by x_j."""
        columns = self._columns(x)
        return stacked([self._slope(columns, j) for j in range(len(columns))])

    def slopes(self, x: Any) -> dict[int, Any]:
        """∂/∂x_j `(...)` of the columns that the monomial depends on, by j."""
        columns = self._columns(x)
        return {j: self._slope(columns, j) for j, a in enumerate(self.exponents) if a}

    def __repr__(self) -> str:
        above = [_power_text(name, a) for name, a in zip(self.names, self.exponents, strict=True) if a > 0]
        below = [_power_text(name, -a) for name, a in zip(self.names, self.exponents, strict=True) if a < 0]
        if not below:
            return " ".join(above) or "1"
        return f"{' '.join(above) or '1'} / {below[0] if len(below) == 1 else '(' + ' '.join(below) + ')'}"

    def _columns(self, x: Any) -> list[Any]:
        array = x if isinstance(x, Tensor) else np.asarray(x, dtype=np.result_type(np.asarray(x).dtype, np.float32))
        if array.ndim == 0 or array.shape[-1] != len(self.names):
            raise ShapeError("Monomial", f"(..., {len(self.names)})", tuple(array.shape))
        return [array[..., j] for j in range(len(self.names))]

    def _slope(self, columns: list[Any], j: int) -> Any:
        a = self.exponents[j]
        if not a:
            return columns[j] * 0
        lowered = tuple(b - (i == j) for i, b in enumerate(self.exponents))
        return a * self._product(columns, lowered)

    def _product(self, columns: list[Any], exponents: tuple[int, ...]) -> Any:
        above = [whole_power(c, a) for c, a in zip(columns, exponents, strict=True) if a > 0]
        below = [(name, c, a) for name, c, a in zip(self.names, columns, exponents, strict=True) if a < 0]
        for name, column, _ in below:
            if bool((column == 0).any()):
                raise ParameterError(
                    name, f"values that are not zero, because {self!r} divides by it", "zero",
                    "Name in `denominators` the quantities that never vanish.",
                )  # fmt: skip
        # A column of ones of the right kind and shape where there is nothing to multiply.
        top = reduce(operator.mul, above) if above else columns[0] * 0 + 1
        return top / reduce(operator.mul, [whole_power(c, -a) for _, c, a in below]) if below else top


def whole_power(x: Any, exponent: int) -> Any:
    """x^a for an integer a ≥ 1, by repeated squaring.

    Examples
    --------
    >>> whole_power(-1.5, 3)
    -3.375
    """
    if exponent == 1:
        return x
    half = whole_power(x, exponent // 2)
    return half * half * x if exponent % 2 else half * half


def stacked(parts: Sequence[Any], axis: int = -1) -> Any:
    """Arrays or tensors of one shape, next to each other along a new axis."""
    return torch.stack(list(parts), axis) if isinstance(parts[0], Tensor) else np.stack(list(parts), axis)


def _power_text(name: str, exponent: int) -> str:
    if exponent == 1:
        return name
    return f"({name})^{exponent}" if MIDDLE_DOT in name else f"{name}^{exponent}"
