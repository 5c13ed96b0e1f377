"""The numbers that a polynomial law is a polynomial in: invariants of vectors, and scalars that come with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple, final

import torch
from torch import Tensor

from geodis.emulators.exterior import parity
from geodis.emulators.forms import Isometries
from geodis.emulators.invariants import determinant_name, determinant_places, inner_name, inner_pairs, invariants_of

KINDS = ("products", "lengths", "logarithms")
KNEE = 1e-2  # of a variable's root mean square: where its arsinh turns from linear to logarithmic


class Variable(NamedTuple):
    """One invariant number: what it is, of which vectors, and its degree in what was given."""

    kind: str
    places: tuple[int, ...]
    weight: int

    @property
    def skew(self) -> bool:
        """Whether it changes sign when two of its vectors are exchanged; set for determinants."""
        return self.kind in ("det", "skew")


@final
@dataclass(frozen=True)
class InvariantVariables:
    """The invariants of n vectors, then numbers of each point, then numbers of the whole sample.

    Attributes
    ----------
    kept : Isometries
        The group.
    n, n_point_scalars, n_scalars : int
        Vectors, numbers of each and numbers of the whole.
    kind : str
        ``"products"``: the fundamental invariants. ``"lengths"``: |v_i| and the cosines of angles in place of inner
        products; not smooth where a vector vanishes (a cosine is 0 there). ``"logarithms"``: arsinh(x/s) of the
        fundamental invariants x, which is logarithmic beyond s.
    scales : tuple of float
        s of every variable, 0 for the given numbers; for logarithms only.
    """

    kept: Isometries
    n: int
    n_point_scalars: int = 0
    n_scalars: int = 0
    kind: str = "products"
    scales: tuple[float, ...] = ()

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """All of them, in the order of `evaluated`'s columns."""
        logarithms, pairs = self.kind == "logarithms", inner_pairs(self.n, self.kept.form)
        if self.kind == "lengths":
            out = [Variable("length", (i,), 1) for i in range(self.n)]
            out += [Variable("cos", pair, 1) for pair in combinations(range(self.n), 2)]
        else:
            inner = "inner" if self.kept.form.symmetric else "skew"
            out = [Variable(inner, pair, 1 if logarithms else 2) for pair in pairs]
        weight = 1 if logarithms else self.kept.form.dim
        out += [Variable("det", places, weight) for places in determinant_places(self.n, self.kept)]
        out += [Variable(f"m{c}" if c else "m", (i,), 1) for c in range(self.n_point_scalars) for i in range(self.n)]
        return (*out, *(Variable("s", (c,), 1) for c in range(self.n_scalars)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Such as "<v0,v1>", "|v0|", "cos(v0,v1)", "det(v0,v1)", "m0" (of point 0: its mass), "s0" (of the sample)."""
        names = tuple(_name(variable) for variable in self.variables)
        if not self.scales:
            return names
        return tuple(f"arsinh({x}/{s:.4g})" if s else x for x, s in zip(names, self.scales, strict=True))

    def evaluated(self, vectors: Tensor, scalars: Tensor, point_scalars: Tensor) -> Tensor:
        """`(N, n, d)`, `(N, n_scalars)`, `(N, n, n_point_scalars)` → `(N, V)`."""
        invariants = invariants_of(vectors, self.kept)
        if self.kind == "lengths":
            n_products = len(inner_pairs(self.n, self.kept.form))
            invariants = torch.cat([_polar(vectors), invariants[:, n_products:]], -1)
        out = torch.cat([invariants, point_scalars.mT.flatten(1), scalars], -1)
        if not self.scales:
            return out
        scales = torch.tensor(self.scales, dtype=out.dtype, device=out.device)
        return torch.where(scales > 0, torch.asinh(out / torch.where(scales > 0, scales, 1.0)), out)

    def logarithmic(self, values: Tensor, generators: Sequence[tuple[int, ...]]) -> InvariantVariables:
        """The same with scales of a hundredth of the root mean square of the plain values `(N, V)`.

        Variables that exchanges move onto each other share theirs; one that is zero throughout stays as it is.
        """
        owner = torch.tensor(self.owners(generators))
        squares = values.square().mean(0)
        rms = [float(squares[owner == k].mean().sqrt()) for k in owner.tolist()]
        given = self.n_scalars + self.n * self.n_point_scalars
        own = len(rms) - given
        return replace(self, scales=tuple(KNEE * x if k < own else 0.0 for k, x in enumerate(rms)))

    def owners(self, generators: Sequence[tuple[int, ...]]) -> list[int]:
        """For each variable the first of those that exchanges move onto each other."""
        owner, changed = list(range(len(self.variables))), True
        moves = [self.moved(order)[0] for order in generators]
        while changed:
            changed = False
            for k, target in ((k, target) for targets in moves for k, target in enumerate(targets)):
                least = min(owner[k], owner[target])
                changed = changed or owner[k] != least or owner[target] != least
                owner[k] = owner[target] = least
        return owner

    def sizes(self, vectors: Tensor, values: Tensor) -> tuple[float, ...]:
        """What each variable's roundings are relative to: mean products of the vectors' lengths, or its own size."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        own = values.abs().mean(0)
        products = ("inner", "skew", "det")
        out = [
            float(lengths[:, list(v.places)].prod(-1).mean() if v.kind in products else own[k])
            for k, v in enumerate(self.variables)
        ]
        # The slope of arsinh(x/s) is 1/√(x² + s²); x is of size s/KNEE.
        return tuple(x * KNEE / s if s else x for x, s in zip(out, self.scales or (0.0,) * len(out), strict=True))

    def moved(self, order: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where each variable goes when v_i becomes v_{order[i]}, and its sign there."""
        at = {(v.kind, v.places): k for k, v in enumerate(self.variables)}
        targets, signs = [], []
        for v in self.variables:
            places = v.places if v.kind == "s" else tuple(order[i] for i in v.places)
            signs.append(parity(places) if v.skew else 1)
            targets.append(at[v.kind, tuple(sorted(places))])
        return tuple(targets), tuple(signs)


def _polar(vectors: Tensor) -> Tensor:
    """|v_i|, then cos∠(v_i, v_j), i < j; 0, with gradient 0, where a vector vanishes."""
    squared = (vectors * vectors).sum(-1)
    there = squared > 0
    lengths = torch.where(there, torch.where(there, squared, 1.0).sqrt(), 0.0)
    units = vectors / torch.where(there, lengths, 1.0)[..., None]
    i, j = torch.triu_indices(vectors.shape[-2], vectors.shape[-2], 1, device=vectors.device)
    return torch.cat([lengths, (units[..., i, :] * units[..., j, :]).sum(-1)], -1)


def _name(v: Variable) -> str:
    if v.kind in ("inner", "skew"):
        return inner_name(*v.places)
    if v.kind == "det":
        return determinant_name(v.places)
    if v.kind == "length":
        return f"|v{v.places[0]}|"
    if v.kind == "cos":
        return f"cos(v{v.places[0]},v{v.places[1]})"
    return f"{v.kind}{'_' if len(v.kind) > 1 else ''}{v.places[0]}"
