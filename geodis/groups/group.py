"""What every group can do: one abstract class; every group is a final subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError, UnknownNameError
from geodis.groups.family import ContinuousFamily
from geodis.groups.options import count
from geodis.groups.representation import Representation
from geodis.linalg import Array, check_finite, like, to_numpy, to_tensor

Relabelling = Callable[[Array], Array]


class AbstractGroup(ABC):
    """A group G with elements stored as rows of parameters `(..., p)`.

    Public methods take numpy arrays or tensors and return the kind they got. `compose(a, b)` acts with b first:
    ρ(compose(a, b)) = ρ(a)ρ(b). A subclass implements the underscored methods on float tensors and nothing else.

    Attributes
    ----------
    n_params : int
        p, the number of parameters of an element.
    tangent_dim : int
        The dimension of the Lie algebra; 0 for a finite group.
    order : int or None
        The number of elements; None for an infinite group.
    compact : bool
        Whether the group is compact (finite groups are).
    """

    n_params: int
    tangent_dim: int = 0
    order: int | None = None
    compact: bool = True

    # --- what a subclass says -------------------------------------------------------------------------------------
    @abstractmethod
    def _identity(self) -> Tensor:
        """The parameters of e `(p,)`, float64."""

    @abstractmethod
    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        """The parameters of ab, canonical."""

    @abstractmethod
    def _inverse(self, a: Tensor) -> Tensor:
        """The parameters of a⁻¹, canonical."""

    @abstractmethod
    def _contains(self, g: Tensor) -> Tensor:
        """Which rows are elements: `(..., p)` → bool `(...)`; the input is finite."""

    @abstractmethod
    def _matrix(self, g: Tensor) -> Tensor:
        """A faithful matrix representation `(..., n, n)`."""

    @abstractmethod
    def _exp(self, a: Tensor) -> Tensor:
        """exp: algebra coefficients `(..., tangent_dim)` → parameters `(..., p)`."""

    @abstractmethod
    def _log(self, g: Tensor) -> Tensor:
        """The principal logarithm: parameters `(..., p)` → algebra coefficients `(..., tangent_dim)`."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        """Independent elements `(n, p)`: Haar measure if compact, the documented law otherwise."""

    @abstractmethod
    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        """The trivial irrep first, then the others by order."""

    @abstractmethod
    def __repr__(self) -> str:
        """The name that `geodis.groups.parse` reads back, e.g. ``Cyclic(12)``."""

    # --- what a subclass may say ----------------------------------------------------------------------------------
    def _irrep(self, name: str) -> Representation:
        for max_order in (2, 6, 12):
            for rep in (*self._irreps(max_order), *self._affine()):
                if rep.name == name:
                    return rep
        raise self._unknown(name)

    def _affine(self) -> tuple[Representation, ...]:
        """Affine representations, if the group acts on positions."""
        return ()

    def _orbit(self, rng: np.random.Generator, n_items: int, n_elements: int) -> Array:
        """Elements for each item `(n_items, m, p)`; independent draws unless a better design exists."""
        return self._draw(rng, n_items * n_elements).reshape(n_items, n_elements, self.n_params)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        """One random relabelling of the elements, the same for all items, or None where there is none."""
        return None

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        """Elements `(q, p)` and weights `(q,)` that integrate products of characters of total order `degree`."""
        raise ParameterError(f"{self!r}.quadrature", "a compact group", "a group without a finite Haar measure")

    def continuous_family(self) -> ContinuousFamily | None:
        """The representations with a continuous frequency or exponent; None for most groups."""
        return None

    @property
    def periods(self) -> tuple[float | None, ...]:
        """After which a parameter is the same again, one entry a parameter; None for those that do not close."""
        return (None,) * self.n_params

    # --- what everybody calls -------------------------------------------------------------------------------------
    def identity(self, n: int = 1) -> Array:
        """The neutral element, n times: `(n, p)`."""
        return np.tile(self._identity().numpy(), (count(n, "identity: n", 0), 1))

    def compose(self, a: Any, b: Any) -> Any:
        """The product ab, which acts with b first: `(..., p), (..., p) → (..., p)`."""
        left, right = self._checked(a), self._checked(b)
        if left.dtype != right.dtype:
            dtype = torch.promote_types(left.dtype, right.dtype)
            left, right = left.to(dtype), right.to(dtype)
        try:
            left, right = torch.broadcast_tensors(left, right)
        except RuntimeError:
            raise ShapeError("compose", f"matching batches {tuple(left.shape)}", tuple(right.shape)) from None
        return like(self._compose(left, right), a, b)

    def inverse(self, a: Any) -> Any:
        """The inverse a⁻¹: `(..., p) → (..., p)`."""
        return like(self._inverse(self._checked(a)), a)

    def contains(self, params: Any) -> Any:
        """Which rows are elements of the group: `(..., p)` → bool `(...)`; NaN and infinity never are."""
        g = to_tensor(params)
        if g.ndim == 0 or g.shape[-1] != self.n_params:
            raise ShapeError(f"{self!r}", f"(..., {self.n_params})", tuple(g.shape))
        finite = torch.isfinite(g).all(-1)
        safe = torch.where(finite[..., None], g, torch.zeros_like(g))
        return like(finite & self._contains(safe), params)

    def matrix(self, params: Any) -> Any:
        """A faithful matrix representation: `(..., p) → (..., n, n)`."""
        return like(self._matrix(self._checked(params)), params)

    def exp(self, a: Any) -> Any:
        """The exponential map: algebra coefficients `(..., tangent_dim)` → parameters `(..., p)`."""
        coefficients = to_tensor(a)
        if coefficients.ndim == 0 or coefficients.shape[-1] != self.tangent_dim:
            raise ShapeError(f"{self!r}.exp", f"(..., {self.tangent_dim})", tuple(coefficients.shape))
        check_finite(to_numpy(coefficients), f"{self!r}.exp")
        return like(self._exp(coefficients), a)

    def log(self, params: Any) -> Any:
        """The principal logarithm, exp(log(g)) = g: parameters `(..., p)` → `(..., tangent_dim)`."""
        return like(self._log(self._checked(params)), params)

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> Array:
        """Independent elements `(n, p)`: Haar measure on a compact group, see the class for the others."""
        return self._draw(np.random.default_rng(seed), count(n, "sample: n", 0))

    def irreps(self, max_order: int = 4) -> tuple[Representation, ...]:
        """The real irreps up to `max_order`, the trivial one first (standard representations if not compact)."""
        return tuple(self._guarded(rep) for rep in self._irreps(count(max_order, "max_order", 0)))

    def irrep(self, name: str) -> Representation:
        """The representation called `name`; `irreps()` lists names."""
        return self._guarded(self._irrep(name))

    def affine_representations(self) -> tuple[Representation, ...]:
        """Affine actions c ↦ ρ(g)c + t(g) that the group has on positions; empty for most groups."""
        return tuple(self._guarded(rep) for rep in self._affine())

    def quadrature(self, degree: int) -> tuple[Array, Array]:
        """Elements `(q, p)` and weights `(q,)` with Σ_q w_q χ(g_q) = ∫ χ(g) dg for characters of order ≤ `degree`.

        Exact for class functions only (Weyl integration over the maximal torus); a finite group lists its elements.
        """
        return self._quadrature(count(degree, "degree", 0))

    def orbit(self, n_items: int, n_elements: int, seed: int | np.random.Generator = 0) -> Array:
        """Elements for each of n_items orbits `(n_items, m, p)`.

        The full orbit of a finite group with at most n_elements elements (else draws without replacement), a regular
        grid with a random offset per item for SO(2) and periodic translations, independent draws otherwise.
        """
        rng = np.random.default_rng(seed)
        n, m = count(n_items, "n_items", 0), count(n_elements, "n_elements", 1)
        return self._orbit(rng, n, m)

    def relabelling(self, params: Any, seed: int | np.random.Generator = 0, factor: int = 0) -> Relabelling | None:
        """One random relabelling of the elements that is the same for all items: null N2.

        A finite group's elements are permuted; a compact group is cut into the translates κF of a fundamental domain
        of a finite subgroup K and κ is permuted; a window of R^n is cut into equal cells. `params` tells the window,
        `factor` which factor of a product is relabelled. None where no such null exists.
        """
        g = to_numpy(self._checked(params)).reshape(-1, self.n_params)
        return self._relabelling(np.random.default_rng(seed), g, factor)

    def check(self, params: Any, what: str = "params") -> None:
        """Raise a named error unless every row of `params` is an element of the group."""
        self._checked(params, what)

    def __mul__(self, other: AbstractGroup) -> AbstractGroup:
        """Direct product G × H, parameters concatenated."""
        from geodis.groups.product import Product

        return Product(self, other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractGroup) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def _checked(self, params: Any, what: str = "parameters") -> Tensor:
        g = to_tensor(params)
        if g.ndim == 0 or g.shape[-1] != self.n_params:
            raise ShapeError(f"{what} of {self!r}", f"(..., {self.n_params})", tuple(g.shape))
        check_finite(to_numpy(g), f"{what} of {self!r}")
        inside = self._contains(g.detach())
        if not bool(inside.all()):
            outside = int((~inside).sum())
            raise ParameterError(
                what,
                f"elements of {self!r} (p = {self.n_params})",
                g[~inside][0].tolist(),
                f"{outside} of {inside.numel()} rows lie outside the group.",
            )
        return g

    def _guarded(self, rep: Representation) -> Representation:
        return replace(rep, check=self._checked)

    def _unknown(self, name: object) -> UnknownNameError:
        return UnknownNameError(f"irrep of {self!r}", name, ", ".join(r.name for r in self._irreps(2)) + ", …")
