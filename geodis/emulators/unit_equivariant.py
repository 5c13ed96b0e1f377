"""A network that commutes with every change of units: f(x) = monomial(x) · module(Π(x))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor, nn

from geodis.emulators.units import UnitsSystem
from geodis.errors import ParameterError, ShapeError


@final
class UnitsEquivariant(nn.Module):
    """x ↦ y₀(x) · module(Π(x)), with Π the dimensionless groups and y₀ a monomial with the units of the target.

    Every map that commutes with the changes of units is of this form where y₀ ≠ 0. Monomials are computed by
    multiplications and one division, so that factors that are powers of two pass through to the last bit.

    Parameters
    ----------
    module : nn.Module
        Maps dimensionless inputs `(..., n_inputs)` to outputs `(..., k)`.
    system : UnitsSystem
        The inputs.
    target : str
        Units of all outputs.

    Attributes
    ----------
    n_inputs : int
        Columns of Π(x): the dimensionless groups, then the components of vectors over a monomial of their units.
    monomial : Monomial
        y₀.

    Raises
    ------
    DesignError
        If no monomial has the units of the target.

    References
    ----------
    Villar, Yao, Hogg, Blum-Smith, Dumitrascu, Dimensionless machine learning, JMLR 24 (2023), arXiv 2204.00887.

    Examples
    --------
    >>> import torch
    >>> fall = UnitsSystem({"height": "m", "g": "m s^-2", "drag": "s^-1"})
    >>> speed = UnitsEquivariant(nn.Linear(1, 1, dtype=torch.float64), fall, "m s^-1")
    >>> x = torch.tensor([[2.0, 9.81, 0.1]], dtype=torch.float64)
    >>> bool(speed(fall.rescale(x, {"m": 4.0, "s": 0.5})) == 8 * speed(x))
    True
    """

    def __init__(self, module: nn.Module, system: UnitsSystem, target: str) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise ParameterError("module", "an nn.Module", type(module).__name__)
        self.module, self.system, self.target = module, system, target
        self.monomial = system.monomial(target)
        vectors = sum(size for size in system.sizes if size > 1)
        self.n_inputs = len(system.dimensionless_groups()) + vectors

    def forward(self, x: Tensor | Mapping[str, Any]) -> Tensor:
        """Outputs `(..., k)` of components `(..., width)`, or of a mapping from names to tensors."""
        rows = self.system.joined(x)
        if not isinstance(rows, Tensor):
            raise ParameterError("UnitsEquivariant", "tensors", type(rows).__name__)
        inner = self.module(self.system.dimensionless(rows))
        if not isinstance(inner, Tensor) or inner.shape[:-1] != rows.shape[:-1]:
            got = tuple(inner.shape) if isinstance(inner, Tensor) else type(inner).__name__
            raise ShapeError("module", f"{tuple(rows.shape[:-1])} and outputs last", got)
        return self.system.scale(self.monomial, rows)[..., None] * inner

    def extra_repr(self) -> str:
        """What is printed between the module's brackets."""
        return f"{self.target}: {self.monomial!r} · module({self.n_inputs} inputs)"
