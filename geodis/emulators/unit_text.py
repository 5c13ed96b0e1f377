"""Units as text: whole powers of base units, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from geodis.emulators.integer_lattice import Rows, integer_rows
from geodis.errors import LengthError, ParameterError

Units = dict[str, int]


def read_units(text: str) -> Units:
    """The exponents of the base units in ``"kg m^2 s^-2"``, ``"kg*m^2/s^2"`` or ``"1"``.

    Raises
    ------
    ParameterError
        For anything else; "/" divides by the next symbol only.

    Examples
    --------
    >>> read_units("kg m^2/s^2"), read_units("1")
    ({'kg': 1, 'm': 2, 's': -2}, {})
    """
    expected = 'units like "kg m^2 s^-2"'
    if not isinstance(text, str):
        raise ParameterError("units", expected, repr(text))
    found: Units = {}
    sign = 1
    for token in re.findall(r"[*/·]|[^\s*/·]+", text.replace("**", "^")):
        if token in "*·":
            continue
        if token == "/":
            sign = -1
            continue
        match = re.fullmatch(r"([^\W\d]\w*)(?:\^([+-]?\d+))?|1", token)
        if match is None:
            raise ParameterError("units", expected, repr(text), "Exponents are integers.")
        if match[1]:
            found[match[1]] = found.get(match[1], 0) + sign * int(match[2] or 1)
        sign = 1
    if sign < 0:
        raise ParameterError("units", expected, repr(text))
    return {symbol: power for symbol, power in found.items() if power}


def units_text(base: Sequence[str], powers: Iterable[int]) -> str:
    """The units that `read_units` reads back.

    Examples
    --------
    >>> units_text(("kg", "m", "s"), (1, 0, -2))
    'kg s^-2'
    """
    used = [(symbol, a) for symbol, a in zip(base, powers, strict=True) if a]
    return " ".join(symbol if a == 1 else f"{symbol}^{a}" for symbol, a in used) or "1"


def exponents_of(dimensions: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...], Rows]:
    """Names, base units in the order in which they come up, and the exponents: a row a base unit, a column a name."""
    if not dimensions:
        raise ParameterError("dimensions", "at least one quantity", "none")
    units = {name: read_units(text) for name, text in dimensions.items()}
    base = tuple(dict.fromkeys(symbol for one in units.values() for symbol in one))
    return tuple(dimensions), base, [[one.get(symbol, 0) for one in units.values()] for symbol in base]


def named_exponents(
    matrix: Iterable[Iterable[int]], names: Sequence[str] | None, base: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...], Rows]:
    """The same of a matrix of exponents, with names x1, x2, … and u1, u2, … where none are given."""
    rows = integer_rows(matrix)
    if not rows or not rows[0]:
        raise ParameterError("dimensions", "at least one base unit and one quantity", rows)
    columns = tuple(names) if names is not None else tuple(f"x{j + 1}" for j in range(len(rows[0])))
    symbols = tuple(base) if base is not None else tuple(f"u{b + 1}" for b in range(len(rows)))
    if len(columns) != len(rows[0]):
        raise LengthError(names=len(columns), **{"columns of the matrix": len(rows[0])})
    if len(symbols) != len(rows):
        raise LengthError(base=len(symbols), **{"rows of the matrix": len(rows)})
    for what, listed in (("names", columns), ("base", symbols)):
        if len(set(listed)) != len(listed):
            raise ParameterError(what, "different names", listed)
    return columns, symbols, rows
