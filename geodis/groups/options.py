"""What a constructor accepts: whole numbers and positive numbers, or a named error."""

from __future__ import annotations

from typing import Any

import numpy as np

from geodis.errors import ParameterError


def count(n: Any, what: str, minimum: int, maximum: int | None = None) -> int:
    """`n` as an int if it is a whole number from `minimum` to `maximum`; `ParameterError` otherwise."""
    whole = isinstance(n, (int, np.integer)) and not isinstance(n, bool)
    if not whole or n < minimum or (maximum is not None and n > maximum):
        upper = "" if maximum is None else f" and ≤ {maximum}"
        raise ParameterError(what, f"an integer ≥ {minimum}{upper}", n)
    return int(n)


def positive(x: Any, what: str) -> float:
    """`x` as a float if it is a finite number above zero; `ParameterError` otherwise."""
    number = isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)
    if not number or not np.isfinite(x) or x <= 0:
        raise ParameterError(what, "a finite number > 0", x)
    return float(x)
