"""Changes of units: every channel is multiplied by a monomial in the factors of the base units."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from geodis.actions.array_action import AbstractArrayAction
from geodis.errors import ParameterError, ShapeError
from geodis.groups import AbstractGroup, Product, Scaling
from geodis.linalg import Array, to_numpy


@final
class UnitsAction(AbstractArrayAction):
    """x_c ↦ x_c Π_b e^{D_bc τ_b}: a change of units, with the log factors τ_b of the base units as parameters.

    Items are arrays `(n, ..., channels)`; what has several components (a vector) has one column for each.

    Parameters
    ----------
    exponents : array (u, channels)
        D: integer powers of the u base units in every channel.
    spread : float
        Standard deviation of the sampled log factors.

    Raises
    ------
    ParameterError, ShapeError
        For exponents that are no integer matrix, or items that are no floats or have other channels.

    References
    ----------
    Villar, Yao, Hogg, Blum-Smith, Dumitrascu, Dimensionless machine learning, JMLR 24 (2023), arXiv 2204.00887.

    Examples
    --------
    >>> import numpy as np
    >>> speed_and_mass = np.array([[3.0, 2.0]])  # m/s and kg
    >>> UnitsAction([[1, 0], [-1, 0], [0, 1]]).act([[0.0, np.log(60.0), np.log(1000.0)]], speed_and_mass).round(9)
    array([[5.e-02, 2.e+03]])
    """

    what = "quantities with units"

    def __init__(self, exponents: Any, spread: float = 1.0) -> None:
        given = to_numpy(exponents)
        if given.ndim != 2 or not given.size:
            raise ShapeError("UnitsAction: exponents", "(base units, channels)", given.shape)
        if given.dtype.kind not in "iuf" or not np.array_equal(given, np.rint(given)):
            raise ParameterError("UnitsAction: exponents", "integers", given.tolist())
        self.exponents = given.astype(np.int64)
        factors = [Scaling(spread) for _ in self.exponents]
        self.group: AbstractGroup = Product(*factors) if len(factors) > 1 else factors[0]
        self.layout = f"(n, ..., {self.exponents.shape[1]})"

    def __repr__(self) -> str:
        return f"UnitsAction({self.exponents.tolist()}, group={self.group!r})"

    def _check_shape(self, items: Array) -> None:
        if items.ndim < 2 or items.shape[-1] != self.exponents.shape[1]:
            raise ShapeError(self.what, self.layout, items.shape)

    def _move(self, params: Array, items: Array) -> Array:
        factors = np.exp(params @ self.exponents)
        return items.astype(np.float64) * factors.reshape(len(items), *(1,) * (items.ndim - 2), items.shape[-1])
