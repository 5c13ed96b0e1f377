"""Text that a cyclic group moves: a sentence with one slot, whose value turns through an ordered list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.errors import ParameterError
from geodis.groups import AbstractGroup, Cyclic
from geodis.linalg import Array

SLOT = re.compile(r"\{(?:slot)?\}")


@dataclass(frozen=True)
class SlotText:
    """A sentence with one slot, `template` with ``{slot}`` or ``{}``, filled with ``values[value]``.

    `str(text)` is the sentence; encoders read texts that way. Equal texts have equal template, values and value.

    Parameters
    ----------
    template : str
        Text with exactly one ``{slot}`` or ``{}``; other braces are plain text.
    values : tuple of str
        What can stand in the slot, in the order in which the group steps: at least two distinct values.
    value : int
        Which value stands there, 0 … n − 1.

    Raises
    ------
    ParameterError
        For a template without exactly one slot, fewer than two distinct values, or a value out of range.

    Examples
    --------
    >>> print(SlotText("The fair is in {slot}.", ("spring", "summer", "autumn", "winter"), 2))
    The fair is in autumn.
    """

    template: str
    values: tuple[str, ...]
    value: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.template, str) or len(SLOT.findall(self.template)) != 1:
            raise ParameterError("template", "a text with exactly one {slot} (or {})", repr(self.template))
        object.__setattr__(self, "values", check_values(self.values))
        n = len(self.values)
        if isinstance(self.value, bool) or not isinstance(self.value, (int, np.integer)) or not 0 <= self.value < n:
            raise ParameterError("value", f"an index 0 … {n - 1} into the {n} values", repr(self.value))
        object.__setattr__(self, "value", int(self.value))

    def __str__(self) -> str:
        # A function as replacement: backslashes in a value are text, not escapes.
        return SLOT.sub(lambda _: self.values[self.value], self.template)


class SlotAction(AbstractAction):
    """Step s moves the slot from value v to v + s·(n/|G|) mod n: the cyclic group acting on a sentence's slot.

    By default G = Cyclic(n) visits all n values one by one. A smaller cyclic group whose order divides n takes larger
    steps: Cyclic(4) on the months moves by a quarter of the year.

    Parameters
    ----------
    values : sequence of str
        The n values in the order of the group's steps.
    group : Cyclic, optional
        A cyclic group whose order divides n; Cyclic(n) by default.

    Raises
    ------
    ParameterError
        For fewer than two distinct values, another kind of group, an order that does not divide n, or (in `act`)
        items that are not `SlotText` over the same values.

    Examples
    --------
    >>> action = SlotAction(["Monday", "Tuesday", "Wednesday"])
    >>> [str(text) for text in action.act([1.0, 2.0], slot_texts(["See you on {slot}."] * 2, action.values))]
    ['See you on Tuesday.', 'See you on Wednesday.']
    """

    def __init__(self, values: Sequence[str], group: AbstractGroup | None = None) -> None:
        self.values = check_values(values)
        n = len(self.values)
        self.group = Cyclic(n) if group is None else group
        if not isinstance(self.group, Cyclic) or self.group.order is None or n % self.group.order != 0:
            raise ParameterError("group", f"a cyclic group whose order divides the {n} values", repr(group))
        self.stride = n // self.group.order

    def _act(self, params: Array, items: Any) -> list[SlotText]:
        steps = np.rint(params[:, 0]).astype(int) * self.stride
        return [self._moved(item, int(step)) for item, step in zip(items, steps, strict=True)]

    def _moved(self, item: Any, step: int) -> SlotText:
        text = check_text(item, self.values)
        return replace(text, value=(text.value + step) % len(self.values))

    def __repr__(self) -> str:
        return f"SlotAction({list(self.values)!r}, {self.group!r})"


def slot_texts(templates: Iterable[str], values: Sequence[str], start: int = 0) -> tuple[SlotText, ...]:
    """One `SlotText` per template, all showing ``values[start]``."""
    if isinstance(templates, str):
        raise ParameterError("templates", "several templates", "one string", "Put it into a list.")
    checked = check_values(values)
    return tuple(SlotText(template, checked, start) for template in templates)


def check_values(values: Any) -> tuple[str, ...]:
    """`values` as a tuple of at least two distinct strings."""
    # A tuple comes back unchanged, so that moved texts share it and compare fast.
    listed = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
    if len(listed) < 2 or not all(isinstance(value, str) for value in listed):
        raise ParameterError("values", "at least two strings", repr(values))
    if len(set(listed)) != len(listed):
        raise ParameterError("values", "distinct strings", repr(listed), "With repeats the action is not faithful.")
    return listed


def check_text(item: Any, values: tuple[str, ...]) -> SlotText:
    """`item` if it is a sentence with a slot over `values`."""
    if not isinstance(item, SlotText):
        raise ParameterError(
            "items", "SlotText objects", type(item).__name__, "Make them with slot_texts(templates, values)."
        )
    if item.values != values:
        raise ParameterError("items", f"a slot over the action's values {values}", item.values)
    return item
