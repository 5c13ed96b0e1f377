"""Text that steps through an ordered list with two ends: numbers, sizes, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.actions.text import SlotText, check_text, check_values
from geodis.errors import ParameterError
from geodis.groups import Translation
from geodis.groups.finite import INTEGER_TOLERANCE, distinct_draws
from geodis.groups.options import count
from geodis.linalg import Array


@final
class OrderedSlotAction(AbstractAction):
    """Step s ∈ Translation(1) moves the slot from value v to v + s, for whole s that stay in the list.

    A line has no period: the list ends, so that an item can be moved by those steps alone that `orbit` takes from it.
    Wherever act(h, x) and act(g, act(h, x)) exist, the latter is act(g + h, x).

    Parameters
    ----------
    values : sequence of str
        The n values in their order, at least two, distinct.

    Raises
    ------
    ParameterError
        For fewer than two distinct values, or in `act`: for a step that is not whole or leaves the list, and items
        that are not `SlotText` over the same values.

    Examples
    --------
    >>> from geodis.actions import slot_texts
    >>> action = OrderedSlotAction(["small", "medium", "large"])
    >>> [str(text) for text in action.act([2.0], slot_texts(["A {} cup."], action.values))]
    ['A large cup.']
    >>> action.act([3.0], slot_texts(["A {} cup."], action.values))
    Traceback (most recent call last):
    ...
    geodis.errors.ParameterError: step: expected a whole step from 0 to 2 at 'small', got 3.0. The list ends there.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self.values = check_values(values)
        self.group = Translation(1)

    def orbit(self, items: Any, n_elements: int, seed: int = 0) -> Array:
        """For each item the steps that reach every value `(n, m, 1)`, or those of n_elements values drawn at random."""
        start = np.array([check_text(item, self.values).value for item in items], dtype=np.int64)
        m = count(n_elements, "n_elements", 1)
        reached = distinct_draws(np.random.default_rng(seed), len(self.values), len(start), m)
        return (reached - start[:, None]).astype(np.float64)[..., None]

    def _act(self, params: Array, items: Any) -> list[SlotText]:
        return [self._moved(item, float(step)) for item, step in zip(items, params[:, 0], strict=True)]

    def _moved(self, item: Any, step: float) -> SlotText:
        text = check_text(item, self.values)
        value, last = text.value + round(step), len(self.values) - 1
        if abs(step - round(step)) > INTEGER_TOLERANCE or not 0 <= value <= last:
            possible = f"a whole step from {-text.value} to {last - text.value} at {self.values[text.value]!r}"
            raise ParameterError("step", possible, step, "The list ends there.")
        return replace(text, value=value)

    def __repr__(self) -> str:
        return f"OrderedSlotAction({list(self.values)!r})"
