"""Direct products of groups."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import product
from math import prod
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, UnknownNameError
from geodis.groups.finite import AbstractFiniteGroup, distinct_draws
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.representation import Representation, kronecker, of_complex_type
from geodis.linalg import Array

Choice = tuple[Representation, bool]  # an irrep of one factor, and whether its complex form is conjugated


@final
class Product(AbstractGroup):
    """G₁ × … × G_k: parameters concatenated; nested products are flattened.

    The irreps are tensor products of the factors' irreps, each of order ≤ max_order, names joined by ``⊗``. Two
    irreps of complex type give two: ``m=1⊗k=1`` and, with the second conjugated, ``m=1⊗k=-1`` (``*`` is appended to
    the name of an irrep that is not a character).

    Parameters
    ----------
    *groups : AbstractGroup
        The factors.

    Examples
    --------
    >>> from geodis.groups import SO2, Cyclic
    >>> G = SO2() * Cyclic(3)
    >>> G, [rep.name for rep in G.irreps(1)]
    (SO2() * Cyclic(3), ['m=0⊗k=0', 'm=0⊗k=1', 'm=1⊗k=0', 'm=1⊗k=1', 'm=1⊗k=-1'])
    """

    def __init__(self, *groups: AbstractGroup) -> None:
        if not groups or not all(isinstance(g, AbstractGroup) for g in groups):
            raise ParameterError("Product", "groups", groups)
        flat = [part for g in groups for part in (g.groups if isinstance(g, Product) else (g,))]
        self.groups: tuple[AbstractGroup, ...] = tuple(flat)
        self.n_params = sum(g.n_params for g in flat)
        self.tangent_dim = sum(g.tangent_dim for g in flat)
        self.compact = all(g.compact for g in flat)
        orders = [g.order for g in flat if g.order is not None]
        self.order = prod(orders) if len(orders) == len(flat) else None

    def __repr__(self) -> str:
        return " * ".join(map(repr, self.groups))

    @property
    def periods(self) -> tuple[float | None, ...]:
        """The factors' periods."""
        return tuple(period for g in self.groups for period in g.periods)

    def _identity(self) -> Tensor:
        return torch.cat([g._identity() for g in self.groups])

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        parts = zip(self.groups, self._split(a), self._split(b), strict=True)
        return torch.cat([g._compose(x, y) for g, x, y in parts], -1)

    def _inverse(self, a: Tensor) -> Tensor:
        return self._each(lambda g, x: g._inverse(x), a)

    def _contains(self, g: Tensor) -> Tensor:
        inside = [group._contains(x) for group, x in zip(self.groups, self._split(g), strict=True)]
        return torch.stack(inside).all(0)

    def _matrix(self, g: Tensor) -> Tensor:
        blocks = [group._matrix(x) for group, x in zip(self.groups, self._split(g), strict=True)]
        size = sum(block.shape[-1] for block in blocks)
        out, start = g.new_zeros((*g.shape[:-1], size, size)), 0
        for block in blocks:
            stop = start + block.shape[-1]
            out[..., start:stop, start:stop] = block
            start = stop
        return out

    def _exp(self, a: Tensor) -> Tensor:
        parts = a.split([g.tangent_dim for g in self.groups], -1)
        return torch.cat([g._exp(x) for g, x in zip(self.groups, parts, strict=True)], -1)

    def _log(self, g: Tensor) -> Tensor:
        return self._each(lambda group, x: group._log(x), g)

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        return np.concatenate([g._draw(rng, n) for g in self.groups], -1)

    def _orbit(self, rng: np.random.Generator, n_items: int, n_elements: int) -> Array:
        if self.order is None:
            return super()._orbit(rng, n_items, n_elements)
        index = distinct_draws(rng, self.order, n_items, n_elements)
        parts = []
        for group in reversed(self._finite_groups()):
            index, digit = np.divmod(index, group.order)
            parts.append(group._unrank(torch.as_tensor(digit)).numpy())
        return np.concatenate(parts[::-1], -1)

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        if not 0 <= factor < len(self.groups):
            raise ParameterError("relabelling: factor", f"0 … {len(self.groups) - 1}", factor)
        piece = self._slices()[factor]
        relabel = self.groups[factor]._relabelling(rng, params[:, piece], 0)
        if relabel is None:
            return None

        def relabel_one_factor(g: Array) -> Array:
            out = np.array(g, dtype=np.float64)
            out[..., piece] = relabel(out[..., piece])
            return out

        return relabel_one_factor

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        rules = [g._quadrature(degree) for g in self.groups]
        index = np.indices([len(w) for _, w in rules]).reshape(len(rules), -1)
        params = np.concatenate([p[i] for (p, _), i in zip(rules, index, strict=True)], -1)
        return params, np.prod([w[i] for (_, w), i in zip(rules, index, strict=True)], axis=0)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        found = []
        for parts in product(*(g._irreps(max_order) for g in self.groups)):
            complex_parts = [i for i, rep in enumerate(parts) if rep.half is not None]
            for signs in product((False, True), repeat=max(len(complex_parts) - 1, 0)):
                conjugated = dict(zip(complex_parts[1:], signs, strict=True))
                found.append(self._tensor([(rep, conjugated.get(i, False)) for i, rep in enumerate(parts)]))
        return tuple(sorted(found, key=lambda rep: (len(rep.factors) > 0, rep.order, len(rep.factors))))

    def _irrep(self, name: str) -> Representation:
        texts = str(name).split("⊗")
        if len(texts) != len(self.groups):
            raise self._unknown(name)
        choices = [self._choice(g, text) for g, text in zip(self.groups, texts, strict=True)]
        leading = [conjugated for rep, conjugated in choices if rep.half is not None]
        affine = [rep for rep, _ in choices if rep.cocycle is not None]
        if any(leading[:1]) or (affine and sum(not rep.trivial for rep, _ in choices) > 1):
            raise self._unknown(name)
        return self._tensor(choices)

    def _choice(self, group: AbstractGroup, text: str) -> Choice:
        try:
            return group._irrep(text), False
        except UnknownNameError:
            rep = group._irrep(_conjugate_name(text))
            if rep.half is None:
                raise group._unknown(text) from None
            return rep, True

    def _affine(self) -> tuple[Representation, ...]:
        trivial = [g._irreps(0)[0] for g in self.groups]
        found = []
        for i, group in enumerate(self.groups):
            for rep in group._affine():
                found.append(self._tensor([(rep if i == j else one, False) for j, one in enumerate(trivial)]))
        return tuple(found)

    def _tensor(self, choices: list[Choice]) -> Representation:
        """ρ₁ ⊗ … ⊗ ρ_k over C where a factor is of complex type, over R otherwise."""
        active = [(i, rep, conjugated) for i, (rep, conjugated) in enumerate(choices) if not rep.trivial]
        factors, order = tuple(i for i, _, _ in active), max((rep.order for _, rep, _ in active), default=0)
        name = "⊗".join(_named(rep, conjugated) for rep, conjugated in choices)
        orthogonal = all(rep.orthogonal for _, rep, _ in active)
        pieces = self._slices()
        if any(rep.half is not None for _, rep, _ in active):
            halves = [(_complex_form(rep, conjugated), pieces[i]) for i, rep, conjugated in active]
            half_dim = prod(rep.dim // 2 if rep.half is not None else rep.dim for _, rep, _ in active)

            def half(g: Tensor) -> Tensor:
                return reduce(kronecker, (form(g[..., piece]) for form, piece in halves))

            out = of_complex_type(name, half_dim, half, factors, order, orthogonal)
        else:
            maps = [(rep.matrices, pieces[i]) for i, rep, _ in active]

            def matrices(g: Tensor) -> Tensor:
                one = g.new_ones((*g.shape[:-1], 1, 1))
                return reduce(kronecker, (form(g[..., piece]) for form, piece in maps), one)

            dim = prod(rep.dim for _, rep, _ in active)
            out = Representation(name, dim, matrices, orthogonal=orthogonal, factors=factors, order=order)
        cocycles = [(rep.cocycle, pieces[i]) for i, rep, _ in active if rep.cocycle is not None]
        if cocycles:
            cocycle, piece = cocycles[0]
            out = replace(out, cocycle=lambda g: cocycle(g[..., piece]))
        return out

    def _finite_groups(self) -> list[AbstractFiniteGroup]:
        return [g for g in self.groups if isinstance(g, AbstractFiniteGroup)]

    def _slices(self) -> list[slice]:
        stops = np.cumsum([g.n_params for g in self.groups]).tolist()
        return [slice(stop - g.n_params, stop) for g, stop in zip(self.groups, stops, strict=True)]

    def _split(self, g: Tensor) -> list[Tensor]:
        return [g[..., piece] for piece in self._slices()]

    def _each(self, apply: Callable[[AbstractGroup, Tensor], Tensor], g: Tensor) -> Tensor:
        return torch.cat([apply(group, x) for group, x in zip(self.groups, self._split(g), strict=True)], -1)


def _complex_form(rep: Representation, conjugated: bool) -> Callable[[Tensor], Tensor]:
    half, matrices = rep.half, rep.matrices
    if half is None:
        return lambda g: matrices(g) * (1 + 0j)
    return (lambda g: half(g).conj()) if conjugated else half


def _named(rep: Representation, conjugated: bool) -> str:
    return _conjugate_name(rep.name) if conjugated else rep.name


def _conjugate_name(name: str) -> str:
    """``k=1`` ↔ ``k=-1``, ``k=(1,0)`` ↔ ``k=(-1,0)`` for characters, ``bivector`` ↔ ``bivector*`` for the others."""
    if re.fullmatch(r"[mkωw]=.*|h=\(-?\d+\)", name):
        head, tail = name.split("=", 1)
        return head + "=" + re.sub(r"(-?)(\d[\d.e+]*(?:e-\d+)?)", _negate, tail)
    return name[:-1] if name.endswith("*") else name + "*"


def _negate(number: re.Match[str]) -> str:
    if float(number[2]) == 0:
        return number[2]
    return number[2] if number[1] else "-" + number[2]
