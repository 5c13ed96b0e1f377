"""Vectors with units → scalars with units: dot products and lengths, which generate the O(d)-invariant functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.emulators.monomial import stacked
from geodis.emulators.unit_text import exponents_of, units_text
from geodis.emulators.units import UnitsSystem
from geodis.errors import ParameterError, ShapeError, UnknownNameError
from geodis.linalg import check_finite, to_numpy

Values = dict[str, Any]


@final
class UnitScalars:
    """Named vectors and scalars → all scalars that O(d) leaves alone, with their units as a `UnitsSystem`.

    The scalars are those given, |v| for every length asked for, and v·w for all other pairs (where |v|, |w| and |v−w|
    are there, v·w is not: it would say nothing new). Every O(d)-invariant function of the vectors is one of these (H.
    Weyl, *The Classical Groups*, 1946).

    Parameters
    ----------
    vectors : mapping of str to str
        Units of every vector; all live in one space R^d.
    scalars : mapping of str to str
        Units of every number.
    lengths : sequence of str
        Vectors ``"q"`` and differences ``"q1-q2"`` whose lengths are taken in place of their squares.
    denominators : sequence of str, optional
        Names of resulting scalars that may be divided by; the given scalars by default.

    Raises
    ------
    ParameterError, UnknownNameError
        For units that cannot be read, names that occur twice or nothing carries, differences of unlike units.

    Examples
    --------
    >>> orbit = UnitScalars({"q": "m", "p": "kg m s^-1"}, {"m": "kg", "k": "kg s^-2"}, lengths=["q"])
    >>> orbit.names
    ('m', 'k', '|q|', 'q·p', 'p·p')
    >>> orbit.system.monomials("kg m^2 s^-2", max_degree=3)
    (p·p / m, k |q|^2)
    >>> orbit({"q": [3.0, 4.0], "p": [1.0, 0.0], "m": 2.0, "k": 1.0}).tolist()
    [2.0, 1.0, 5.0, 3.0, 1.0]
    """

    def __init__(
        self,
        vectors: Mapping[str, str],
        scalars: Mapping[str, str],
        *,
        lengths: Sequence[str] = (),
        denominators: Sequence[str] | None = None,
    ) -> None:
        self.vectors, self.scalars = dict(vectors), dict(scalars)
        both = set(self.vectors) & set(self.scalars)
        if both or not self.vectors:
            raise ParameterError("vectors", "at least one, with names of their own", sorted(both) or "none")
        names, base, rows = exponents_of(self.vectors | self.scalars)
        self._powers = {name: [row[j] for row in rows] for j, name in enumerate(names)}
        self._base = base
        self.lengths = tuple(dict.fromkeys(lengths))
        self._differences = {length: self._difference(length) for length in self.lengths}
        self._pairs = self._needed_pairs()
        units = {name: units_text(base, self._powers[name]) for name in self.scalars}
        units |= {f"|{length}|": units_text(base, self._powers[v]) for length, (v, _) in self._differences.items()}
        for v, w in self._pairs:
            units[f"{v}·{w}"] = units_text(base, [a + b for a, b in zip(self._powers[v], self._powers[w], strict=True)])
        below = tuple(self.scalars) if denominators is None else tuple(denominators)
        self.system = UnitsSystem(units, denominators=below)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scalars, in the order of their columns."""
        return self.system.names

    def __call__(self, x: Mapping[str, Any]) -> Any:
        """The scalars `(..., n)` of vectors `(..., d)` and numbers `(...)`, whose leading axes broadcast.

        Raises
        ------
        UnknownNameError, ParameterError, ShapeError, FiniteError
            For names that are missing or unknown, shapes that do not fit, NaN.
        """
        return self.of(self.checked(x))

    def of(self, values: Values) -> Any:
        """The scalars `(..., n)` of values that `checked` has seen."""
        columns = [self.column(values, j) for j in range(len(self.names))]
        level = torch.broadcast_tensors(*columns) if isinstance(columns[0], Tensor) else np.broadcast_arrays(*columns)
        return stacked(level)

    def column(self, values: Values, j: int) -> Any:
        """One scalar `(...)` of checked values."""
        first = len(self.scalars)
        if j < first:
            return values[self.names[j]]
        if j < first + len(self.lengths):
            return safe_length(self._arrow(values, self.lengths[j - first]))
        v, w = self._pairs[j - first - len(self.lengths)]
        return dot(values[v], values[w])

    def vectors_of(self, j: int) -> tuple[str, ...]:
        """The vectors that a scalar depends on."""
        first = len(self.scalars)
        if j < first:
            return ()
        if j < first + len(self.lengths):
            return tuple(name for name in self._differences[self.lengths[j - first]] if name)
        return self._pairs[j - first - len(self.lengths)]

    def pulled_back(self, values: Values, slopes: Mapping[int, Any], wanted: Sequence[str]) -> Values:
        """The gradient with respect to vectors, Σ_j (∂f/∂s_j) ∂s_j/∂v: arrays `(..., d)` by name.

        Parameters
        ----------
        values : dict
            What `checked` returned.
        slopes : mapping of int to array (...)
            ∂f/∂s_j by column; those that are not there are zero.
        wanted : sequence of str
            The vectors.
        """
        out = {name: values[name] * 0.0 for name in wanted}
        first = len(self.scalars)
        for j, slope in slopes.items():
            if j < first:
                continue
            if j < first + len(self.lengths):
                length = self.lengths[j - first]
                v, w = self._differences[length]
                arrow = self._arrow(values, length)
                size = safe_length(arrow)
                pull = (slope / (size + (size == 0)))[..., None] * arrow
                parts = [(v, pull)] + ([(w, -pull)] if w else [])
            else:
                v, w = self._pairs[j - first - len(self.lengths)]
                parts = [(v, slope[..., None] * values[w]), (w, slope[..., None] * values[v])]
            for name, part in parts:
                if name in out:
                    out[name] = out[name] + part
        return out

    def checked(self, x: Mapping[str, Any]) -> Values:
        """Arrays or tensors of one kind by name, of fitting shapes, finite."""
        known = (*self.vectors, *self.scalars)
        for name in x:
            if name not in known:
                raise UnknownNameError("quantity", name, ", ".join(known))
        missing = [name for name in known if name not in x]
        if missing:
            raise ParameterError("quantities", f"all of {', '.join(known)}", f"none of {', '.join(missing)}")
        some = next((value for value in x.values() if isinstance(value, Tensor) and value.is_floating_point()), None)
        if some is None:
            values: Values = {name: np.asarray(to_numpy(x[name]), dtype=np.float64) for name in known}
        else:
            values = {name: torch.as_tensor(x[name], dtype=some.dtype, device=some.device) for name in known}
        sides = {values[name].shape[-1] if values[name].ndim else 0 for name in self.vectors}
        if len(sides) != 1 or 0 in sides:
            shapes = {name: tuple(values[name].shape) for name in self.vectors}
            raise ShapeError("vectors", "(..., d) with one d for all", shapes)
        for name, value in values.items():
            check_finite(to_numpy(value), name)
        shapes = {n: tuple(v.shape[:-1] if n in self.vectors else v.shape) for n, v in values.items()}
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError as error:
            raise ShapeError("quantities", "batches that broadcast", shapes) from error
        return values

    def __repr__(self) -> str:
        return f"UnitScalars({', '.join(self.names)})"

    def _difference(self, length: str) -> tuple[str, str]:
        """The vectors v and w of |v − w|, w empty for |v|."""
        v, _, w = (part.strip() for part in length.partition("-"))
        for name in (v, w) if w else (v,):
            if name not in self.vectors:
                raise UnknownNameError("vector", name, ", ".join(self.vectors))
        if w and self._powers[v] != self._powers[w]:
            raise ParameterError("lengths", "differences of vectors of the same units", length)
        return v, w

    def _needed_pairs(self) -> list[tuple[str, str]]:
        have = {frozenset(pair) - {""} for pair in self._differences.values()}

        def told(v: str, w: str) -> bool:
            return all(part in have for part in (frozenset({v}), frozenset({w}), frozenset({v, w})))

        return [(v, w) for v, w in combinations_with_replacement(self.vectors, 2) if not told(v, w)]

    def _arrow(self, values: Values, length: str) -> Any:
        v, w = self._differences[length]
        return values[v] - values[w] if w else values[v]


def safe_length(v: Any) -> Any:
    """|v| `(..., d) → (...)`, whose gradient at zero is zero and not NaN.

    Examples
    --------
    >>> safe_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [5.0, 0.0]
    """
    square = dot(v, v)
    return (square + (square == 0)) ** 0.5 * (square != 0)


def dot(v: Any, w: Any) -> Any:
    """v·w `(..., d), (..., d) → (...)`."""
    return (v * w).sum(-1) if isinstance(v, Tensor) else np.einsum("...i,...i->...", v, w)
