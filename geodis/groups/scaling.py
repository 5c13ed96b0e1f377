"""Changes of scale."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.groups.family import ContinuousFamily
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.names import numbers_in
from geodis.groups.options import positive
from geodis.groups.representation import Representation, trivial_representation
from geodis.groups.translation import permute_window
from geodis.linalg import Array


@final
class Scaling(AbstractGroup):
    """Scalings x ↦ e^τ x, parameters (log factor τ), `(..., 1)`; samples are normal with standard deviation `spread`.

    The representations are ``a=2``: e^{aτ} for any real a (an area has a = 2); `irreps(max_order)` lists the integers
    |a| ≤ max_order, and `continuous_family` all of them.

    Parameters
    ----------
    spread : float
        Standard deviation of the sampled log factors.

    Examples
    --------
    >>> Scaling().irrep("a=2")([[np.log(3.0)]]).round(6).tolist()
    [[[9.0]]]
    """

    n_params = 1
    tangent_dim = 1
    compact = False

    def __init__(self, spread: float = 1.0) -> None:
        self.spread = positive(spread, "Scaling: spread")

    def __repr__(self) -> str:
        return "Scaling()" if self.spread == 1.0 else f"Scaling(spread={self.spread})"

    def _identity(self) -> Tensor:
        return torch.zeros(1, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def _inverse(self, a: Tensor) -> Tensor:
        return -a

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        return torch.exp(g)[..., None]

    def _exp(self, a: Tensor) -> Tensor:
        return a

    def _log(self, g: Tensor) -> Tensor:
        return g

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        return self.spread * rng.standard_normal((n, 1))

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        exponents = [0] + [sign * a for a in range(1, max_order + 1) for sign in (1, -1)]
        return tuple(_power(a) for a in exponents)

    def _irrep(self, name: str) -> Representation:
        exponent = numbers_in(name, "a")
        if exponent is None or len(exponent) != 1:
            raise self._unknown(name)
        return _power(exponent[0])

    def continuous_family(self) -> ContinuousFamily:
        """The powers e^{aτ}, a ↦ ``a=…``."""
        return ContinuousFamily(1, lambda a: self._guarded(_power(float(np.asarray(a).reshape(-1)[0]))))

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        return permute_window(rng, params)


def _power(exponent: Any) -> Representation:
    a = float(f"{exponent:.6g}")
    name = f"a={a:.6g}"
    if a == 0:
        return trivial_representation(name)
    return Representation(
        name, 1, lambda g: torch.exp(a * g)[..., None], orthogonal=False, order=max(1, int(np.ceil(abs(a))))
    )
