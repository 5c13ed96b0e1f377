"""Terms that a Hamiltonian may have: all energy-unit monomials in the O(d)-scalars of a state and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from torch import Tensor

from geodis.emulators.monomial import Monomial, stacked
from geodis.emulators.unit_scalars import UnitScalars, Values
from geodis.emulators.unit_text import read_units
from geodis.errors import DesignError, ParameterError, UnknownNameError

ENERGY = "kg m^2 s^-2"


@final
class HamiltonianLibrary:
    """Monomials φ_k with units of energy, and their Hamiltonian fields (∂φ_k/∂p, −∂φ_k/∂q).

    Monomials that depend on no coordinate and no momentum are left out: they move nothing.

    Parameters
    ----------
    scalars : UnitScalars
        What monomials are made of.
    pairs : sequence of (str, str)
        Conjugate vectors: a position and its momentum.
    max_abs_exponent, max_degree : int
        Of the monomials.
    energy : str
        The units of the Hamiltonian.
    keep : callable, optional
        Monomial → whether it is in the library; all by default.

    Raises
    ------
    UnknownNameError, ParameterError, DesignError
        For vectors that there are not, pairs whose units do not multiply to energy × time, or no monomial at all.

    Examples
    --------
    >>> scalars = UnitScalars({"q": "m", "p": "kg m s^-1"}, {"m": "kg", "k": "kg s^-2", "l": "m"}, lengths=["q"])
    >>> HamiltonianLibrary(scalars, [("q", "p")])
    HamiltonianLibrary(3 terms: p·p / m, k l |q|, k |q|^2)

    Attributes
    ----------
    terms : tuple of Monomial
    moved : tuple of int
        The columns of the scalars that depend on the state.
    """

    def __init__(
        self,
        scalars: UnitScalars,
        pairs: Sequence[tuple[str, str]],
        *,
        max_abs_exponent: int = 2,
        max_degree: int = 3,
        energy: str = ENERGY,
        keep: Callable[[Monomial], bool] | None = None,
    ) -> None:
        self._set(scalars, pairs, energy)
        listed = scalars.system.monomials(energy, max_abs_exponent, max_degree)
        self.terms = tuple(t for t in listed if self._moves(t) and (keep is None or keep(t)))
        if not self.terms:
            raise DesignError(
                f"Expected terms of units {energy}, found none. Raise max_degree, or name more quantities."
            )

    @classmethod
    def of_terms(
        cls,
        scalars: UnitScalars,
        pairs: Sequence[tuple[str, str]],
        terms: Sequence[Monomial],
        *,
        energy: str = ENERGY,
    ) -> HamiltonianLibrary:
        """A library of the terms given; `ParameterError` for one of other units, or that depends on no state."""
        made = cls.__new__(cls)
        made._set(scalars, pairs, energy)
        wanted = read_units(energy)
        for term in terms:
            if term.names != scalars.names or scalars.system.units_of(term) != wanted or not made._moves(term):
                raise ParameterError("terms", f"monomials of {scalars!r} with units {energy} that move", repr(term))
        made.terms = tuple(terms)
        return made

    def _set(self, scalars: UnitScalars, pairs: Sequence[tuple[str, str]], energy: str) -> None:
        self.scalars, self.pairs, self.energy = scalars, tuple((q, p) for q, p in pairs), energy
        if not self.pairs:
            raise ParameterError("pairs", "at least one position with its momentum", "none")
        for name in self.names:
            if name not in scalars.vectors:
                raise UnknownNameError("vector", name, ", ".join(scalars.vectors))
        state = set(self.names)
        self.moved = tuple(j for j in range(len(scalars.names)) if state & set(scalars.vectors_of(j)))

    def _moves(self, term: Monomial) -> bool:
        return any(term.exponents[j] for j in self.moved)

    @property
    def names(self) -> tuple[str, ...]:
        """The vectors of the state: positions, then momenta."""
        return tuple(q for q, _ in self.pairs) + tuple(p for _, p in self.pairs)

    def __len__(self) -> int:
        return len(self.terms)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.terms[:8]))
        return f"HamiltonianLibrary({len(self)} terms: {shown}{', …' if len(self) > 8 else ''})"

    def fields(self, values: Values) -> Any:
        """The field of every term on its own: `(terms, ..., vectors, d)`."""
        rows = self.scalars.of(values)
        return stacked([stacked(self.turned(values, term.slopes(rows)), -2) for term in self.terms], 0)

    def turned(self, values: Values, slopes: dict[int, Any]) -> list[Any]:
        """The field of a function of the scalars with these slopes: ∂/∂p by pair, then −∂/∂q, `(..., d)` each."""
        pulled = self.scalars.pulled_back(values, slopes, self.names)
        shape = np.broadcast_shapes(*(tuple(v.shape) for v in pulled.values()))
        whole = {name: _spread(v, shape) for name, v in pulled.items()}
        return [whole[p] for _, p in self.pairs] + [-whole[q] for q, _ in self.pairs]


def _spread(v: Any, shape: tuple[int, ...]) -> Any:
    return v.expand(shape) if isinstance(v, Tensor) else np.broadcast_to(v, shape)
