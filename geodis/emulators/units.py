"""Units as a group of scalings: dimensionless groups, monomials of given units, and the action of a change of units.

A change of units multiplies every quantity by a monomial in the factors of the base units, so that (R₊)ᵘ acts on data.
The exponents form an integer matrix D (u, n); the integer null lattice of D holds the exponents of all dimensionless
monomials (Buckingham's Π theorem, in whole exponents), and x ↦ monomial(x)·f(Π(x)) are the equivariant maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.actions.units import UnitsAction
from geodis.emulators.integer_lattice import integer_solution, null_lattice, upward
from geodis.emulators.monomial import Monomial, stacked, whole_power
from geodis.emulators.unit_text import Units, exponents_of, named_exponents, read_units, units_text
from geodis.errors import DesignError, ParameterError, ShapeError, UnknownNameError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy

MOST = 100_000  # products of powers that a listing may visit


@final
class UnitsSystem:
    """Named quantities with their units: which monomials are dimensionless, and how a change of units moves the data.

    Parameters
    ----------
    dimensions : mapping of str to str, or integer matrix (u, n)
        Units of every quantity, such as ``{"m": "kg", "k": "kg s^-2"}``; every symbol is a base unit of its own, and
        ``"1"`` is a pure number. Or the matrix of exponents, with `names` and `base`.
    names, base : sequence of str, optional
        Of the n quantities and the u base units of a matrix.
    sizes : mapping of str to int, optional
        Quantities with several components that share their units (vectors), 1 for those not named.
    denominators : sequence of str, optional
        The quantities that may be divided by, because they never vanish; all scalars by default.

    Raises
    ------
    ParameterError, UnknownNameError, LengthError
        For units that cannot be read, exponents that are no integers, names that nothing carries, or different numbers.

    References
    ----------
    Villar, Yao, Hogg, Blum-Smith, Dumitrascu, Dimensionless machine learning: imposing exact units equivariance, JMLR
    24 (2023), arXiv 2204.00887. Buckingham, Phys. Rev. 4 (1914).

    Examples
    --------
    >>> pendulum = UnitsSystem({"period": "s", "length": "m", "g": "m s^-2", "mass": "kg"})
    >>> pendulum.dimensionless_groups()
    (period^2 g / length,)
    >>> pendulum.dimensionless([[2.0, 1.0, 9.75, 3.0]]).tolist()
    [[39.0]]
    >>> pendulum.monomials("kg m^2 s^-2", max_degree=3)
    (length g mass,)
    """

    def __init__(
        self,
        dimensions: Mapping[str, str] | Iterable[Iterable[int]],
        *,
        names: Sequence[str] | None = None,
        base: Sequence[str] | None = None,
        sizes: Mapping[str, int] | None = None,
        denominators: Sequence[str] | None = None,
    ) -> None:
        if isinstance(dimensions, Mapping):
            if names is not None or base is not None:
                raise ParameterError("names and base", "none beside a mapping, which has them", (names, base))
            self.names, self.base, self._rows = exponents_of(dimensions)
        else:
            self.names, self.base, self._rows = named_exponents(dimensions, names, base)
        given = dict(sizes or {})
        self._known(given)
        self.sizes = tuple(count(given.get(name, 1), f"size of {name}", 1) for name in self.names)
        scalars = tuple(name for name, size in zip(self.names, self.sizes, strict=True) if size == 1)
        self._known(denominators or (), scalars)
        self.denominators = scalars if denominators is None else tuple(denominators)

    @property
    def matrix(self) -> Array:
        """The exponents (u, n): column j holds the powers of the base units in quantity j."""
        return np.array(self._rows, dtype=np.int64).reshape(len(self.base), len(self.names))

    @property
    def width(self) -> int:
        """The number of components of all quantities together."""
        return sum(self.sizes)

    def units(self, name: str) -> str:
        """The units of a quantity, as text."""
        self._known((name,))
        j = self.names.index(name)
        return units_text(self.base, [row[j] for row in self._rows])

    def units_of(self, monomial: Monomial) -> Units:
        """The exponents of the base units in a monomial of the scalars."""
        total = {b: 0 for b in self.base}
        for name, a in zip(monomial.names, monomial.exponents, strict=True):
            for b, row in zip(self.base, self._rows, strict=True):
                total[b] += a * row[self.names.index(name)]
        return {b: power for b, power in total.items() if power}

    def dimensionless_groups(self) -> tuple[Monomial, ...]:
        """A basis of all dimensionless monomials of the scalar quantities, as short as it was found.

        Every dimensionless product of whole powers is a product of whole powers of these. Quantities that are not among
        the `denominators` have exponents ≥ 0 (Hermite's normal form has such a basis for any lattice).
        """
        return self._groups

    def monomial(self, target: str) -> Monomial:
        """A short monomial of the `denominators` with the units of the target, else of all scalars.

        Raises
        ------
        DesignError
            If no monomial with whole exponents has these units.
        """
        wanted = self._target(target)
        scalars = self._scalar_names()
        for allowed in dict.fromkeys((self.denominators, scalars)):
            found = integer_solution(self._columns(allowed), [*wanted, 0]) if allowed else None
            if found is not None:
                return self._monomial(dict(zip(allowed, found, strict=True)))
        raise DesignError(
            f"Expected a monomial with whole exponents and units {target}, but {', '.join(scalars) or 'nothing'} have "
            "none. Add a quantity (a dimensional constant of the problem), or choose finer base units."
        )

    def monomials(self, target: str, max_abs_exponent: int = 2, max_degree: int | None = None) -> tuple[Monomial, ...]:
        """All monomials of the scalars with the units of the target, |exponent| ≤ `max_abs_exponent`, simplest first.

        Parameters
        ----------
        target : str
            Units, ``"kg m^2 s^-2"``, or ``"1"``.
        max_abs_exponent : int
            Largest power, up or down; what is not among the `denominators` goes up only.
        max_degree : int, optional
            Largest Σ|exponent|.

        Raises
        ------
        ParameterError
            For units or bounds that make no sense, or so many products that they are better bounded by `max_degree`.
        """
        highest = count(max_abs_exponent, "max_abs_exponent", 1)
        degree = count(highest * len(self.names) if max_degree is None else max_degree, "max_degree", 0)
        scalars = self._scalar_names()
        half = len(scalars) // 2
        wanted = tuple(self._target(target))
        first = self._powers(scalars[:half], highest, degree)
        by_units: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
        for used, units, powers in first:
            by_units.setdefault(units, []).append((used, powers))
        found = []
        for used, units, powers in self._powers(scalars[half:], highest, degree):
            missing = tuple(a - b for a, b in zip(wanted, units, strict=True))
            found += [other + powers for spent, other in by_units.get(missing, ()) if spent + used <= degree]
        found.sort(key=lambda powers: (sum(map(abs, powers)), max(map(abs, powers), default=0), [-a for a in powers]))
        return tuple(self._monomial(dict(zip(scalars, powers, strict=True))) for powers in found)

    def dimensionless(self, x: Any) -> Any:
        """Π(x): dimensionless groups, then every vector over a monomial of its units; `(..., width) → (..., k)`.

        Parameters
        ----------
        x : array or tensor (..., width), or mapping of str to array
            Components in the order of `names`; in a mapping, scalars `(...)` and vectors `(..., size)`.

        Raises
        ------
        ShapeError, FiniteError, ParameterError, DesignError
            For other shapes, NaN, zero in a denominator, or vectors whose units no scalars have.
        """
        array = self.joined(x)
        scalars = self._scalars(array)
        parts = [group(scalars)[..., None] for group in self._groups]
        parts += [array[..., piece] / self._scale_of(name)(scalars)[..., None] for name, piece in self._vectors()]
        if not parts:
            return array[..., :0]
        return torch.cat(parts, -1) if isinstance(array, Tensor) else np.concatenate(parts, -1)

    def scale(self, monomial: Monomial, x: Any) -> Any:
        """A monomial of the scalars at x: `(..., width) → (...)`."""
        return monomial(self._scalars(self.joined(x)))

    def rescale(self, x: Any, factors: Mapping[str, Any] | Any) -> Any:
        """The data in other units: quantity j times Π_b factor_b^{D_bj}, the action of (R₊)ᵘ.

        Parameters
        ----------
        x : array or tensor (..., width), or mapping of str to array
            What comes back is of the same kind.
        factors : mapping of str to number, or array (u,) or (..., u)
            How much larger numbers get for each base unit: from kg to g, ``{"kg": 1000}``. Missing ones are 1.

        Raises
        ------
        ShapeError, FiniteError, ParameterError, UnknownNameError
            For other shapes, NaN, factors that are not positive, or base units that there are not.
        """
        scale = self._factors(factors)
        if isinstance(x, Mapping):
            self._known(x)
            return {name: _times(value, self._factor_of(name, scale), self._size(name)) for name, value in x.items()}
        array = self.joined(x)
        columns = [
            self._factor_of(name, scale) for name, size in zip(self.names, self.sizes, strict=True) for _ in range(size)
        ]
        return _times(array, np.stack(np.broadcast_arrays(*columns), -1), 0)

    def action(self, spread: float = 1.0) -> UnitsAction:
        """The changes of units as an action on rows `(n, ..., width)`, parameters: log factors of the base units."""
        return UnitsAction(np.repeat(self.matrix, self.sizes, axis=1), spread=spread)

    def target_action(self, target: str, size: int = 1, spread: float = 1.0) -> UnitsAction:
        """How the same changes of units move an output `(n, ..., size)` with the units of the target."""
        wanted = np.array(self._target(target), dtype=np.int64)[:, None]
        return UnitsAction(np.repeat(wanted, count(size, "size", 1), axis=1), spread=spread)

    def joined(self, x: Any) -> Any:
        """Checked components `(..., width)` in the order of `names`, of an array, a tensor or a mapping."""
        array = self._joined_mapping(x) if isinstance(x, Mapping) else _floating(x)
        if array.ndim == 0 or array.shape[-1] != self.width:
            raise ShapeError("quantities", f"(..., {self.width}): {self!r}", tuple(array.shape))
        check_finite(to_numpy(array), "quantities")
        return array

    def __repr__(self) -> str:
        sizes = dict(zip(self.names, self.sizes, strict=True))
        listed = [f"{name}{f' ({sizes[name]})' if sizes[name] > 1 else ''}: {self.units(name)}" for name in self.names]
        return f"UnitsSystem({', '.join(listed)})"

    # --- groups -------------------------------------------------------------------------------------------------------
    @cached_property
    def _groups(self) -> tuple[Monomial, ...]:
        scalars = self._scalar_names()
        below = [name for name in scalars if name in self.denominators]
        above = [name for name in scalars if name not in self.denominators]
        if not scalars:
            return ()
        lattice = null_lattice(self._columns(above + below))
        lattice = upward(lattice, len(above)) if above and lattice else lattice
        return tuple(self._monomial(dict(zip(above + below, powers, strict=True))) for powers in lattice)

    def _powers(
        self, names: Sequence[str], highest: int, degree: int
    ) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        """(Σ|α|, units, α) of all products of powers of some quantities."""
        found: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = [(0, (0,) * len(self.base), ())]
        for name in names:
            j = self.names.index(name)
            lowest = -highest if name in self.denominators else 0
            found = [
                (used + abs(a), tuple(u + a * row[j] for u, row in zip(units, self._rows, strict=True)), (*powers, a))
                for used, units, powers in found
                for a in range(lowest, highest + 1)
                if used + abs(a) <= degree
            ]
            if len(found) > MOST:
                raise ParameterError("max_degree", "a bound that leaves fewer products", degree, "Lower it.")
        return found

    def _columns(self, names: Sequence[str]) -> list[list[int]]:
        """The exponents of some quantities, and a row of zeros that is there even where there is no base unit."""
        return [[row[self.names.index(name)] for name in names] for row in self._rows] + [[0] * len(names)]

    def _monomial(self, powers: Mapping[str, int]) -> Monomial:
        names = self._scalar_names()
        return Monomial(names, tuple(powers.get(name, 0) for name in names))

    def _scale_of(self, name: str) -> Monomial:
        return self.monomial(self.units(name))

    # --- names and components -----------------------------------------------------------------------------------------
    def _scalar_names(self) -> tuple[str, ...]:
        return tuple(name for name, size in zip(self.names, self.sizes, strict=True) if size == 1)

    def _pieces(self) -> list[tuple[str, slice]]:
        stops = np.cumsum(self.sizes).tolist()
        return [(n, slice(stop - s, stop)) for n, s, stop in zip(self.names, self.sizes, stops, strict=True)]

    def _vectors(self) -> list[tuple[str, slice]]:
        return [(name, piece) for name, piece in self._pieces() if self._size(name) > 1]

    def _scalars(self, array: Any) -> Any:
        columns = [piece.start for name, piece in self._pieces() if self._size(name) == 1]
        return array[..., columns]

    def _size(self, name: str) -> int:
        return self.sizes[self.names.index(name)]

    def _known(self, names: Iterable[str], among: Sequence[str] | None = None) -> None:
        for name in names:
            if name not in (self.names if among is None else among):
                raise UnknownNameError("quantity", name, ", ".join(self.names if among is None else among))

    def _target(self, target: str) -> list[int]:
        units = read_units(target)
        for symbol in units:
            if symbol not in self.base:
                raise UnknownNameError("base unit", symbol, ", ".join(self.base))
        return [units.get(symbol, 0) for symbol in self.base]

    def _joined_mapping(self, x: Mapping[str, Any]) -> Any:
        self._known(x)
        missing = [name for name in self.names if name not in x]
        if missing:
            raise ParameterError("quantities", f"all of {', '.join(self.names)}", f"none of {', '.join(missing)}")
        wanted = [_floating(x[name]) for name in self.names]
        some = next((value for value in wanted if isinstance(value, Tensor)), None)
        if some is not None:
            wanted = [torch.as_tensor(value, device=some.device) for value in wanted]
        columns = []
        for name, value in zip(self.names, wanted, strict=True):
            if self._size(name) == 1:
                columns.append(value)
            elif value.ndim and value.shape[-1] == self._size(name):
                columns += [value[..., i] for i in range(self._size(name))]
            else:
                raise ShapeError(name, f"(..., {self._size(name)})", tuple(value.shape))
        try:
            level = torch.broadcast_tensors(*columns) if some is not None else np.broadcast_arrays(*columns)
        except (RuntimeError, ValueError) as error:
            shapes = {name: tuple(value.shape) for name, value in zip(self.names, wanted, strict=True)}
            raise ShapeError("quantities", "batches that broadcast", shapes) from error
        return stacked(level)

    def _factors(self, factors: Any) -> Array:
        if isinstance(factors, Mapping):
            for symbol in factors:
                if symbol not in self.base:
                    raise UnknownNameError("base unit", symbol, ", ".join(self.base))
            given = np.stack(np.broadcast_arrays(*[np.asarray(factors.get(b, 1.0), float) for b in self.base]), -1)
        else:
            given = to_numpy(factors).astype(np.float64)
        if given.ndim == 0 or given.shape[-1] != len(self.base):
            raise ShapeError("factors", f"(..., {len(self.base)}): {', '.join(self.base)}", given.shape)
        check_finite(given, "factors")
        if (given <= 0).any():
            raise ParameterError("factors", "positive numbers", given.min())
        return given

    def _factor_of(self, name: str, factors: Array) -> Array:
        j = self.names.index(name)
        one = np.ones(factors.shape[:-1])
        above = [whole_power(factors[..., b], row[j]) for b, row in enumerate(self._rows) if row[j] > 0]
        below = [whole_power(factors[..., b], -row[j]) for b, row in enumerate(self._rows) if row[j] < 0]
        return np.asarray(np.prod([one, *above], axis=0) / np.prod([one, *below], axis=0))


def _floating(x: Any) -> Any:
    """An array or a tensor of floating-point numbers."""
    if isinstance(x, Tensor):
        return x if x.is_floating_point() else x.to(torch.float64)
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _times(x: Any, factor: Array, size: int) -> Any:
    """`x` times a factor a row, in the dtype of x; `size` > 1 says that the last axis holds components."""
    array = _floating(x)
    spread = factor[..., None] if size > 1 and factor.ndim else factor
    if isinstance(array, Tensor):
        return array * torch.as_tensor(spread, dtype=array.dtype, device=array.device)
    return np.asarray(array * spread, dtype=array.dtype)
