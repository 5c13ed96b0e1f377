"""One action of the zoo, with items that it moves and how exact it claims to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geodis.actions.action import AbstractAction


@dataclass(frozen=True)
class ActionCase:
    """An action, items that it moves (float64 arrays, or objects compared by equality) and its tolerance.

    Attributes
    ----------
    name : str
        Names the case in test ids.
    make : callable
        Builds the action (building is part of the test).
    items : callable
        Seed → a batch of a few items.
    floor : float
        For an inexact action (`exact` False): what the worst deviation from the laws stays below on these items.
    """

    name: str
    make: Callable[[], AbstractAction]
    items: Callable[[int], Any]
    floor: float = 0.0

    def __str__(self) -> str:
        return self.name
