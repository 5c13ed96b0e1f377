"""Representations ρ: G → GL(d, R) as callables on group parameters, their sums, products and types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from geodis.linalg import Array, like, to_tensor

Type = Literal["real", "complex", "quaternionic"]


@dataclass(frozen=True, eq=False)
class Representation:
    """A real representation: `params (..., p) → ρ(params) (..., d, d)` with ρ(ab) = ρ(a)ρ(b).

    Parameters
    ----------
    name : str
        The name that `group.irrep(name)` understands, e.g. ``"m=1"``.
    dim : int
        The real dimension d.
    matrices : callable
        Tensor `(..., p)` → tensor `(..., d, d)`.
    type : {"real", "complex", "quaternionic"}
        The commutant {X : Xρ(g) = ρ(g)X} of an irreducible ρ: R, C or H.
    half : callable or None
        For complex type, the complex irrep π `(..., d/2, d/2)` with
        ρ = [[Re π, −Im π], [Im π, Re π]] acting on (Re c, Im c).
    orthogonal : bool
        Whether ρ(g)ᵀρ(g) = I.
    cocycle : callable or None
        For an affine action c ↦ ρ(g)c + t(g): tensor `(..., p)` → t `(..., d)`.
    factors : tuple of int
        Which factors of a direct product act non-trivially; ``(0,)`` for a simple group, ``()`` for the trivial one.
    order : int
        The order (frequency, spin, ...) that `max_order` counts.
    commutant : ndarray (4, d, d) or None
        For quaternionic type, a basis of the commutant: a copy comes four-fold, as EW with every E of it.
    check : callable or None
        What turns parameters into a tensor of group elements or raises a named error; set by the group.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> rho = Cyclic(4).irrep("k=1")
    >>> rho.type, rho.dim, rho([[1.0]]).round(6).tolist()
    ('complex', 2, [[[0.0, -1.0], [1.0, 0.0]]])
    """

    name: str
    dim: int
    matrices: Callable[[Tensor], Tensor]
    type: Type = "real"
    half: Callable[[Tensor], Tensor] | None = None
    orthogonal: bool = True
    cocycle: Callable[[Tensor], Tensor] | None = None
    factors: tuple[int, ...] = (0,)
    order: int = 1
    commutant: Array | None = None
    check: Callable[[Any], Tensor] | None = None

    def __call__(self, params: Any) -> Any:
        """ρ(params): `(..., p)` → `(..., d, d)`; a numpy array for a numpy array, a tensor for a tensor."""
        return like(self.matrices(self._checked(params)), params)

    def translation(self, params: Any) -> Any:
        """t(params): `(..., p)` → `(..., d)`, zero for a linear representation."""
        g = self._checked(params)
        t = self.cocycle(g) if self.cocycle is not None else g.new_zeros((*g.shape[:-1], self.dim))
        return like(t, params)

    def character(self, params: Any) -> Any:
        """χ(g) = tr ρ(g): `(..., p)` → `(...)`."""
        return like(self.matrices(self._checked(params)).diagonal(dim1=-2, dim2=-1).sum(-1), params)

    @property
    def trivial(self) -> bool:
        """Whether ρ(g) = 1 for every g (and no translation)."""
        return not self.factors and self.cocycle is None

    @property
    def commutant_dim(self) -> int:
        """The t = 1, 2, 4 of real, complex, quaternionic type."""
        return {"real": 1, "complex": 2, "quaternionic": 4}[self.type]

    @property
    def coupling(self) -> str:
        """``"trivial"``, ``"disentangled"`` (one factor of the group acts) or ``"entangled"`` (several do)."""
        return ("trivial", "disentangled")[len(self.factors)] if len(self.factors) < 2 else "entangled"

    def renamed(self, name: str) -> Representation:
        """The same representation under another name."""
        return replace(self, name=name)

    def __add__(self, other: Representation) -> Representation:
        """Direct sum ρ₁ ⊕ ρ₂ (block diagonal)."""
        return direct_sum((self, other))

    def __mul__(self, other: Representation) -> Representation:
        """Tensor product ρ₁ ⊗ ρ₂ of two representations of the same group (Kronecker product of matrices)."""

        def matrices(g: Tensor) -> Tensor:
            return kronecker(self.matrices(g), other.matrices(g))

        return Representation(
            name=f"{self.name}⊗{other.name}",
            dim=self.dim * other.dim,
            matrices=matrices,
            orthogonal=self.orthogonal and other.orthogonal,
            factors=tuple(sorted({*self.factors, *other.factors})),
            order=self.order + other.order,
            check=self.check,
        )

    def __reduce__(self) -> Any:
        # Closures cannot be pickled; a group knows its representations by name.
        group = getattr(self.check, "__self__", None)
        if group is None:
            return super().__reduce__()
        return group.irrep, (group.irrep(self.name).name,)

    def _checked(self, params: Any) -> Tensor:
        return to_tensor(params) if self.check is None else self.check(params)


def direct_sum(parts: tuple[Representation, ...]) -> Representation:
    """ρ₁ ⊕ … ⊕ ρ_k: the block-diagonal representation, with the cocycles stacked."""

    def matrices(g: Tensor) -> Tensor:
        dim = sum(part.dim for part in parts)
        out = g.new_zeros((*g.shape[:-1], dim, dim))
        start = 0
        for part in parts:
            stop = start + part.dim
            out[..., start:stop, start:stop] = part.matrices(g)
            start = stop
        return out

    def cocycle(g: Tensor) -> Tensor:
        return torch.cat([part.translation(g) for part in parts], dim=-1)

    affine = any(part.cocycle is not None for part in parts)
    return Representation(
        name=" ⊕ ".join(part.name for part in parts),
        dim=sum(part.dim for part in parts),
        matrices=matrices,
        orthogonal=all(part.orthogonal for part in parts),
        cocycle=cocycle if affine else None,
        factors=tuple(sorted({f for part in parts for f in part.factors})),
        order=max((part.order for part in parts), default=0),
        check=parts[0].check if parts else None,
    )


def kronecker(a: Tensor, b: Tensor) -> Tensor:
    """Batched Kronecker product `(..., m, m), (..., n, n) → (..., mn, mn)`."""
    out = torch.einsum("...ij,...kl->...ikjl", a, b)
    return out.reshape(*out.shape[:-4], a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1])


def real_form(half: Tensor) -> Tensor:
    """[[Re π, −Im π], [Im π, Re π]]: `(..., k, k)` complex → `(..., 2k, 2k)` real."""
    top = torch.cat([half.real, -half.imag], dim=-1)
    bottom = torch.cat([half.imag, half.real], dim=-1)
    return torch.cat([top, bottom], dim=-2)


def of_complex_type(
    name: str,
    half_dim: int,
    half: Callable[[Tensor], Tensor],
    factors: tuple[int, ...] = (0,),
    order: int = 1,
    orthogonal: bool = True,
) -> Representation:
    """The real irrep of dimension 2·half_dim whose complex form is π ⊕ π̄."""
    return Representation(
        name=name,
        dim=2 * half_dim,
        matrices=lambda g: real_form(half(g)),
        type="complex",
        half=half,
        orthogonal=orthogonal,
        factors=factors,
        order=order,
    )


def trivial_representation(name: str) -> Representation:
    """ρ(g) = 1."""
    return Representation(name=name, dim=1, matrices=lambda g: g.new_ones((*g.shape[:-1], 1, 1)), factors=(), order=0)
