"""FieldRuns: runs of typed fields on a regular grid, with the names, units and coordinates of their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from geodis.errors import DesignError, FiniteError, LengthError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy

UNEQUAL = 1e-3  # steps of a coordinate that differ by less, relative, are equal: files keep single precision
Types = tuple[tuple[int, int, int], ...]


@final
@dataclass(frozen=True, eq=False)
class Coordinate:
    """Values along some dimensions, and what the file says of them.

    Attributes
    ----------
    dims : tuple of str
    values : ndarray
        Numbers, datetimes, words.
    attributes : mapping
        Such as units.
    """

    dims: tuple[str, ...]
    values: Array
    attributes: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class FieldVariable:
    """One component as its file calls it.

    Attributes
    ----------
    name : str
    dims : tuple of str
        In the order of the file.
    dtype : str
    attributes : mapping
        Such as units.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, repr=False, eq=False)
class FieldRuns:
    """Runs of fields `(runs, times, components, *grid)` and what drives them `(runs, components, *grid)`.

    Component i of a vector points along axis i of the grid, coordinates ascend along every axis.

    Attributes
    ----------
    states : ndarray (runs, times, components, *grid)
    fixed : ndarray (runs, components, *grid) or None
        Fields that do not change during a run.
    types, fixed_types : tuple of (order, parity, channels)
        What the components are, as `FieldEmulator` takes it; `fixed_types` is empty without fixed fields.
    variables, fixed_variables : tuple of FieldVariable
        One a component.
    dims : tuple of str
        Names of the axes: runs, times, then the grid.
    coordinates : mapping of str to Coordinate
    attributes : mapping
        Of the whole file.

    Raises
    ------
    ShapeError, LengthError, FiniteError
        For arrays that do not fit together, NaN.
    """

    states: Array
    fixed: Array | None
    types: Types
    fixed_types: Types
    variables: tuple[FieldVariable, ...]
    fixed_variables: tuple[FieldVariable, ...]
    dims: tuple[str, ...]
    coordinates: Mapping[str, Coordinate]
    attributes: Mapping[str, Any]

    def __post_init__(self) -> None:
        width, grid = len(self.variables), "*grid"
        if self.states.ndim != len(self.dims) + 1 or self.states.shape[2] != width:
            raise ShapeError("states", f"(runs, times, {width}, {grid})", self.states.shape)
        check_finite(self.states, "states")
        if self.fixed is not None:
            expected = (len(self.states), len(self.fixed_variables), *self.states.shape[3:])
            if self.fixed.shape != expected:
                raise ShapeError("fixed", str(expected), self.fixed.shape)
            check_finite(self.fixed, "fixed")

    def __len__(self) -> int:
        return len(self.states)

    @property
    def dim(self) -> int:
        """Axes of the grid."""
        return len(self.dims) - 2

    @property
    def names(self) -> tuple[str, ...]:
        """Of the components."""
        return tuple(variable.name for variable in self.variables)

    @property
    def units(self) -> dict[str, str]:
        """Of every variable that has some."""
        every = (*self.variables, *self.fixed_variables)
        return {v.name: str(v.attributes["units"]) for v in every if "units" in v.attributes}

    @property
    def spacing(self) -> tuple[float, ...]:
        """Of the grid along each axis, in the unit of its coordinate; 1 where it has none."""
        return tuple(_step(self.coordinates[dim].values) if dim in self.coordinates else 1.0 for dim in self.dims[2:])

    @property
    def interval(self) -> float:
        """Of the times, in the unit of their coordinate; 1 without one, or where it holds dates."""
        known = self.coordinates.get(self.dims[1])
        return 1.0 if known is None or known.values.dtype.kind not in "if" else _step(known.values)

    @property
    def square(self) -> bool:
        """Whether all axes have the same number of points at the same distance: what quarter turns need."""
        apart = max(self.spacing) - min(self.spacing)
        return len(set(self.states.shape[3:])) == 1 and apart <= UNEQUAL * max(self.spacing)

    def some(self, which: Sequence[int] | Array) -> FieldRuns:
        """The runs of these numbers."""
        rows, run = np.asarray(which), self.dims[0]
        kept = {
            name: replace(c, values=np.take(c.values, rows, c.dims.index(run))) if run in c.dims else c
            for name, c in self.coordinates.items()
        }
        fixed = None if self.fixed is None else self.fixed[rows]
        return replace(self, states=self.states[rows], fixed=fixed, coordinates=kept)

    def with_states(self, states: Any, first: int = 0) -> FieldRuns:
        """Other states of the same runs and variables, such as a roll-out, from time number `first` on.

        Times go on in equal steps beyond the last; other coordinates along them are left out.

        Raises
        ------
        LengthError, ShapeError, FiniteError
            For another number of runs, another grid, a roll-out that has left every bound.
        """
        array, time = to_numpy(states), self.dims[1]
        if len(array) != len(self.states):
            raise LengthError(states=len(array), runs=len(self.states))
        if array.ndim != self.states.ndim or array.shape[2:] != self.states.shape[2:]:
            raise ShapeError("states", f"(runs, times, {', '.join(map(str, self.states.shape[2:]))})", array.shape)
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise FiniteError("states", bad, "A roll-out that has left every bound has no place in a file: cut it.")
        kept = {name: c for name, c in self.coordinates.items() if time not in c.dims}
        if time in self.coordinates:
            given = self.coordinates[time]
            step = given.values[1] - given.values[0] if len(given.values) > 1 else 0 * given.values[0]
            # One by one: datetimes of calendars are objects; the given ones to the last bit.
            later = [
                given.values[k] if k < len(given.values) else given.values[0] + k * step
                for k in range(first, first + array.shape[1])
            ]
            kept[time] = replace(given, values=np.array(later, dtype=given.values.dtype))
        return replace(self, states=array, coordinates={name: kept[name] for name in self.coordinates if name in kept})

    def cut(self, length: int) -> FieldRuns:
        """Every run cut into pieces of `length` times, each a run of its own, in their order; what is left over goes.

        Times count from the start of a piece, and coordinates along runs are left out.

        Raises
        ------
        DesignError
            For runs that are shorter.
        """
        n, times = self.states.shape[:2]
        pieces = times // count(length, "length", 2)
        if not pieces:
            raise DesignError(f"Expected runs of at least {length} times to cut, got {times}.")
        run, time = self.dims[:2]
        states = self.states[:, : pieces * length].reshape(n * pieces, length, *self.states.shape[2:])
        kept = {name: c for name, c in self.coordinates.items() if not {run, time} & set(c.dims)}
        if time in self.coordinates:
            given = self.coordinates[time]
            since = np.array([value - given.values[0] for value in given.values[:length]])
            dtype = "timedelta64[ns]" if since.dtype.kind in "mO" else since.dtype
            kept[time] = replace(given, values=since.astype(dtype))
        fixed = None if self.fixed is None else np.repeat(self.fixed, pieces, 0)
        return replace(
            self, states=states, fixed=fixed, coordinates=kept,
            variables=_along(self.variables, run), fixed_variables=_along(self.fixed_variables, run),
        )  # fmt: skip

    def __repr__(self) -> str:
        n, times = self.states.shape[:2]
        grid = " × ".join(map(str, self.states.shape[3:]))
        driven = f", fixed: {', '.join(v.name for v in self.fixed_variables)}" if self.fixed_variables else ""
        return f"FieldRuns({n} runs, {times} times, {grid} grid; {', '.join(self.names)}{driven})"


def check_regular(values: Array, name: str) -> None:
    """Raise `DesignError` unless a coordinate runs in equal steps."""
    if len(values) < 2:
        return
    steps = np.diff(values)
    relative = np.array([step / steps[0] for step in steps], dtype=np.float64) if steps[0] else np.zeros(len(steps))
    if not (np.abs(relative - 1) <= UNEQUAL * np.abs(relative).max()).all():
        raise DesignError(
            f"coordinate {name!r}: expected equal steps, got steps of {relative.min():.4g} to {relative.max():.4g} "
            "times the first. Interpolate to a regular grid first, such as by Dataset.interp."
        )


def _step(values: Array) -> float:
    return float(values[1] - values[0]) if len(values) > 1 else 1.0


def _along(variables: tuple[FieldVariable, ...], run: str) -> tuple[FieldVariable, ...]:
    """The variables with an axis of runs: pieces of one run are several."""
    return tuple(v if run in v.dims else replace(v, dims=(run, *v.dims)) for v in variables)
