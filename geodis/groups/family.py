"""Representations with a continuous frequency, such as the characters e^{iω·t} of R^n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geodis.groups.representation import Representation


@dataclass(frozen=True)
class ContinuousFamily:
    """A family ω ↦ ρ_ω of representations, one for each ω ∈ R^dim.

    Parameters
    ----------
    dim : int
        The number of frequencies.
    make : callable
        Frequencies `(dim,)` → the representation, named and built from the frequency rounded to six digits.

    Examples
    --------
    >>> from geodis.groups import Scaling
    >>> Scaling().continuous_family().make([1.23456789]).name
    'a=1.23457'
    """

    dim: int
    make: Callable[[Any], Representation]
