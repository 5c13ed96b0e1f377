"""What a mode of `geodis discover` hands back: rows, a sentence, numbers and pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True)
class Row:
    """One line of the table: what, how much, how sure, beside what it stands, and whether to believe it."""

    what: str
    found: float | int | str
    low: float = math.nan
    high: float = math.nan
    beside: float | int = math.nan
    meaning: str = ""
    status: str = ""


@final
@dataclass(frozen=True, eq=False)
class Discovery:
    """What a mode found.

    Attributes
    ----------
    status : str
        Of the result.
    rows : tuple of Row
    sentence : str
    numbers : mapping
        For the JSON: whatever `plain` in `geodis.cli.discover` takes.
    pictures : tuple of callable
        Each draws on the Axes that it is given.
    """

    status: str
    rows: tuple[Row, ...]
    sentence: str
    numbers: Mapping[str, Any]
    pictures: tuple[Callable[[Axes], Axes], ...]


class Options(NamedTuple):
    """What all modes are told."""

    level: float
    seed: int
    verbose: bool

    @property
    def chance(self) -> str:
        """1 − level in words."""
        return f"{100 * (1 - self.level):.3g} %"


def taken(result: Any, *names: str) -> dict[str, Any]:
    """Attributes by name."""
    return {name: getattr(result, name) for name in names}


def counted(n: int, word: str) -> str:
    """A number with its noun."""
    return f"{n} {word}{'s' * (n != 1)}"
