"""Terms that an equation of fields may have: all equivariant products of fields and their derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any, final

import numpy as np

from geodis.emulators.isotropic_tensors import contractions, delta_product
from geodis.errors import DesignError, ParameterError
from geodis.groups.options import count
from geodis.linalg import Array

SAMPLES = 24  # random jets on which products of one kind are told apart
INDEPENDENT = 1e-9
LETTERS = "ijklmnpqrs"
Jets = Mapping[tuple[str, int], Array]


@final
@dataclass(frozen=True, eq=False, repr=False)
class FieldTerm:
    """A product of fields and derivatives, contracted to a tensor: ``u_j ∂_j h``, ``ε_ij f u_j``.

    Attributes
    ----------
    text : str
        In index notation; an index that occurs twice is summed over, i (and j, … of higher orders) are the result's.
    atoms : tuple of (str, int)
        Names of fields with their number of derivatives.
    order : int
        Of the result.
    entries : tuple of (int, tuple of int, float)
        (component of the result, component of every atom, factor): the contraction, written out.
    """

    text: str
    atoms: tuple[tuple[str, int], ...]
    order: int
    entries: tuple[tuple[int, tuple[int, ...], float], ...]

    def __repr__(self) -> str:
        return self.text

    def of(self, jets: Jets, dim: int, shape: tuple[int, ...]) -> Array:
        """The term `(d^order, *shape)` from jets, each `(d^(order + derivatives), *shape)`."""
        out = np.zeros((dim**self.order, *shape))
        for row, components, factor in self.entries:
            value: Any = factor
            for atom, component in zip(self.atoms, components, strict=True):
                value = value * jets[atom][component]
            out[row] += value
        return out


@final
class FieldLibrary:
    """The terms of ∂(field)/∂t: every product of fields and derivatives that O(d) allows, contracted by δ and ε.

    Terms of degree n have up to derivatives[n − 1] derivatives in all: ``(2, 1)`` are linear terms with up to two and
    products of two fields with up to one, which holds advection, pressure, Coriolis force and diffusion;
    ``(2, 0, 0)`` are reactions of degree three with diffusion. Scalars have a constant term too. Products that are
    the same up to the symmetry of derivatives occur once (Weyl: all equivariant polynomials are of this form).

    Parameters
    ----------
    state : mapping of str to (order, parity)
        What moves, in the order of its components.
    fixed : mapping of str to (order, parity), optional
        What drives it and does not move, such as a Coriolis parameter.
    derivatives : sequence of int
        By degree.
    dim : int
        d: 2 or 3.

    Attributes
    ----------
    terms : dict of str to tuple of FieldTerm
        For every field of the state.

    Raises
    ------
    ParameterError, DesignError
        For names twice, options out of range, no field.

    Examples
    --------
    >>> FieldLibrary({"c": (0, 1)}, derivatives=(2, 0))
    ∂c/∂t: 1, c, ∂_j∂_j c, c c
    >>> library = FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, -1)}, derivatives=(1, 1))
    >>> [str(term) for term in library.terms["h"]][:5], len(library.terms["u"])
    (['1', 'h', '∂_j u_j', 'h h', 'u_j u_j'], 12)
    """

    def __init__(
        self,
        state: Mapping[str, tuple[int, int]],
        fixed: Mapping[str, tuple[int, int]] | None = None,
        *,
        derivatives: Sequence[int] = (2, 1),
        dim: int = 2,
    ) -> None:
        self.state, self.fixed = _kinds(state), _kinds(fixed or {})
        self.dim = count(dim, "dim", 2, 3)
        self.derivatives = tuple(count(m, "derivatives", 0, 4) for m in derivatives)
        if not self.state or not self.derivatives:
            raise DesignError("FieldLibrary: expected at least one field that moves, and derivatives for degree one.")
        if both := set(self.state) & set(self.fixed):
            raise ParameterError("fixed", "other names than those of the state", sorted(both))
        self.terms = {name: tuple(self._terms(*kind)) for name, kind in self.state.items()}

    def __repr__(self) -> str:
        return "\n".join(f"∂{name}/∂t: {', '.join(map(str, terms))}" for name, terms in self.terms.items())

    def widths(self, fields: Mapping[str, tuple[int, int]]) -> dict[str, int]:
        """How many components each of the fields has."""
        return {name: self.dim**order for name, (order, _) in fields.items()}

    def _terms(self, order: int, parity: int) -> Iterator[FieldTerm]:
        kinds = self.state | self.fixed
        if (order, parity) == (0, 1):
            yield FieldTerm("1", (), 0, ((0, (), 1.0),))
        for degree, most in enumerate(self.derivatives, 1):
            for total in range(most + 1):
                for atoms in _atom_sets(tuple(kinds), degree, total):
                    sign = parity * int(np.prod([kinds[name][1] for name, _ in atoms]))
                    orders = [m + kinds[name][0] for name, m in atoms]
                    yield from self._products(order, sign, atoms, orders)

    def _products(
        self, order: int, parity: int, atoms: tuple[tuple[str, int], ...], orders: Sequence[int]
    ) -> Iterator[FieldTerm]:
        """The independent contractions of one set of atoms."""
        jets, left = self._random_jets(atoms), list[Array]()
        # Contractions that vanish, such as ε on two derivatives of one field, are noise of this size.
        size = float(np.prod([np.linalg.norm(jets[atom]) / np.sqrt(SAMPLES) for atom in atoms]))
        for symbol, pairs in contractions(order + sum(orders), parity, self.dim):
            tensor = delta_product(pairs, symbol, order + sum(orders), self.dim)
            term = FieldTerm(
                _text(order, atoms, orders, symbol, pairs), atoms, order, _entries(tensor, order, orders, self.dim)
            )
            values = term.of(jets, self.dim, (SAMPLES,)).ravel()
            rest = values - sum((q * (q @ values) for q in left), np.zeros_like(values))
            if np.linalg.norm(rest) > INDEPENDENT * size:
                left.append(rest / np.linalg.norm(rest))
                yield term

    def _random_jets(self, atoms: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], Array]:
        """Values as of smooth fields: derivatives commute."""
        rng, kinds, d = np.random.default_rng(0), self.state | self.fixed, self.dim
        jets = {}
        for name, m in sorted(set(atoms)):
            waves = rng.standard_normal((m + 2, d, SAMPLES))  # a sum of m + 2 plane waves
            sizes = rng.standard_normal((m + 2, d ** kinds[name][0], SAMPLES))
            value = sizes
            for _ in range(m):
                value = (waves[:, :, None] * value[:, None]).reshape(m + 2, -1, SAMPLES)
            jets[name, m] = value.sum(0)
        return jets


def _kinds(fields: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    found = {}
    for name, kind in fields.items():
        if len(tuple(kind)) != 2 or kind[1] not in (1, -1):
            raise ParameterError(f"field {name!r}", "(order, parity) with parity 1 or −1", repr(kind))
        found[str(name)] = (count(kind[0], f"field {name!r}: order", 0, 2), int(kind[1]))
    return found


def _atom_sets(names: Sequence[str], degree: int, total: int) -> Iterator[tuple[tuple[str, int], ...]]:
    """All multisets of `degree` fields with `total` derivatives among them, fields without derivatives first."""
    seen = set()
    for chosen in combinations_with_replacement(names, degree):
        for split in product(range(total + 1), repeat=degree):
            if sum(split) == total:
                atoms = tuple(sorted(zip(chosen, split, strict=True), key=lambda a: (a[1], names.index(a[0]))))
                if atoms not in seen:
                    seen.add(atoms)
                    yield atoms


def _entries(
    tensor: Array, order: int, orders: Sequence[int], dim: int
) -> tuple[tuple[int, tuple[int, ...], float], ...]:
    shaped = tensor.reshape(dim**order, *(dim**k for k in orders))
    places = np.argwhere(shaped != 0)
    return tuple((int(p[0]), tuple(int(q) for q in p[1:]), float(shaped[tuple(p)])) for p in places)


def _text(
    order: int,
    atoms: Sequence[tuple[str, int]],
    orders: Sequence[int],
    symbol: tuple[int, ...],
    pairs: Sequence[tuple[int, int]],
) -> str:
    """Index notation of a contraction: slots are those of the result, then of each atom, derivatives first."""
    letter: dict[int, str] = {slot: LETTERS[slot] for slot in range(order)}
    # Sums start at j also where the result has no index: i is the result's.
    free = iter(LETTERS[max(order, 1) :])
    deltas = []
    for a, b in pairs:
        if b < order:
            deltas.append(f"δ_{letter[a]}{letter[b]}")
        elif a < order:
            letter[b] = letter[a]
        else:
            letter[a] = letter[b] = next(free)
    for slot in symbol:
        if slot not in letter:
            letter[slot] = next(free)
    parts = deltas + ([f"ε_{''.join(letter[s] for s in symbol)}"] if symbol else [])
    at = order
    for (name, m), width in zip(atoms, orders, strict=True):
        own = [letter[slot] for slot in range(at, at + width)]
        index = f"_{''.join(own[m:])}" if own[m:] else ""
        parts.append("".join(f"∂_{x}" for x in own[:m]) + (" " if m else "") + name + index)
        at += width
    return " ".join(parts)
