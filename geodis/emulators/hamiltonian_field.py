"""H = Σ c_k φ_k of n systems: the energy and the field, with all that stays constant worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from geodis.emulators.hamiltonian_library import HamiltonianLibrary
from geodis.emulators.monomial import Monomial, stacked, whole_power
from geodis.emulators.unit_scalars import Values

Powers = tuple[tuple[int, int], ...]  # (column of the scalars, exponent)


@final
class HamiltonianField:
    """z `(..., vectors, d)` → ż, for the constants of n systems.

    Parameters
    ----------
    library : HamiltonianLibrary
        Which vectors the state holds, and how scalars depend on them.
    terms : sequence of Monomial
    coefficients : sequence of number or array
        One a term; arrays give every system its own.
    constants : dict
        Checked values by name; those of the state are not looked at.
    """

    def __init__(
        self, library: HamiltonianLibrary, terms: Sequence[Monomial], coefficients: Sequence[Any], constants: Values
    ) -> None:
        self.library = library
        self._constants = {name: value for name, value in constants.items() if name not in library.names}
        known: dict[int, Any] = {}
        self._weights: dict[Powers, Any] = {}
        for term, c in zip(terms, coefficients, strict=True):
            weight, powers = c, []
            for j, a in enumerate(term.exponents):
                if a and j in library.moved:
                    powers.append((j, a))
                elif a:
                    if j not in known:
                        known[j] = library.scalars.column(self._constants, j)
                    weight = weight * whole_power(known[j], a) if a > 0 else weight / whole_power(known[j], -a)
            key = tuple(powers)
            self._weights[key] = self._weights[key] + weight if key in self._weights else weight

    def energy(self, state: Any) -> Any:
        """H `(...)` of states `(..., vectors, d)`."""
        values = self._values(state)
        scalars = self._scalars(values, every=True)
        parts = [weight * _product(scalars, powers) for powers, weight in self._weights.items()]
        return sum(parts[1:], parts[0])

    def __call__(self, state: Any) -> Any:
        """∂H/∂p for positions, −∂H/∂q for momenta: the shape of the state."""
        values = self._values(state)
        scalars = self._scalars(values, every=False)
        slopes: dict[int, Any] = {}
        for powers, weight in self._weights.items():
            for j, a in powers:
                lowered = tuple((i, b - (i == j)) for i, b in powers if b - (i == j))
                slope = a * weight * _product(scalars, lowered)
                slopes[j] = slopes[j] + slope if j in slopes else slope
        return stacked(self.library.turned(values, slopes), -2)

    def _values(self, state: Any) -> Values:
        return self._constants | {name: state[..., i, :] for i, name in enumerate(self.library.names)}

    def _scalars(self, values: Values, every: bool) -> dict[int, Any]:
        """The scalars that are needed: for the field not those that H is linear in."""
        needed = {j for powers in self._weights for j, a in powers if every or len(powers) > 1 or a != 1}
        return {j: self.library.scalars.column(values, j) for j in needed}


def _product(scalars: dict[int, Any], powers: Powers) -> Any:
    out: Any = 1.0
    for j, a in powers:
        out = out * whole_power(scalars[j], a) if a > 0 else out / whole_power(scalars[j], -a)
    return out
