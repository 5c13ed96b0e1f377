"""Text that two groups move at once: the slot turns through its values, the sentence around it swaps with another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

from geodis.actions.action import AbstractAction
from geodis.actions.minimal_pairs import MinimalPairs
from geodis.actions.text import SlotAction, SlotText, check_text
from geodis.errors import ParameterError
from geodis.linalg import Array


@final
class SlotPairs(AbstractAction):
    """(s, t) ∈ C × Z₂ turns the slot by s and, for t = 1, swaps the template for its partner: the two commute.

    One changes only the value and the other only the template of a `SlotText`, so that this is an action of the direct
    product, parameters concatenated.

    Parameters
    ----------
    slots : SlotAction
        How the slot turns.
    templates : MinimalPairs
        Pairs of templates, each with exactly one ``{slot}`` or ``{}``.

    Raises
    ------
    ParameterError
        For other kinds of actions, a template without exactly one slot, or in `act`: for items that are not `SlotText`
        over the same values, or whose template is not in the table.

    Examples
    --------
    >>> action = SlotPairs(SlotAction(["May", "June", "July"]), MinimalPairs([("It is {slot}.", "It was {slot}.")]))
    >>> action.group
    Cyclic(3) * Cyclic(2)
    >>> [str(text) for text in action.act([[1.0, 0.0], [2.0, 1.0]], action.firsts * 2)]
    ['It is June.', 'It was July.']
    """

    def __init__(self, slots: SlotAction, templates: MinimalPairs) -> None:
        if not isinstance(slots, SlotAction):
            raise ParameterError("slots", "a SlotAction", type(slots).__name__)
        if not isinstance(templates, MinimalPairs):
            raise ParameterError("templates", "MinimalPairs of templates", type(templates).__name__)
        for template in (template for pair in templates.table for template in pair):
            SlotText(template, slots.values)  # it says what is wrong with a template
        self.slots = slots
        self.templates = templates
        self.group = slots.group * templates.group

    @property
    def firsts(self) -> tuple[SlotText, ...]:
        """The first template of every pair, at the first value: items for `sample_orbits`."""
        return tuple(SlotText(template, self.slots.values) for template in self.templates.firsts)

    def _act(self, params: Array, items: Any) -> list[SlotText]:
        texts = [check_text(item, self.slots.values) for item in items]
        templates = self.templates.act(params[:, 1:], [text.template for text in texts])
        swapped = [replace(text, template=template) for text, template in zip(texts, templates, strict=True)]
        return list(self.slots.act(params[:, :1], swapped))

    def __repr__(self) -> str:
        return f"SlotPairs({self.slots!r}, {self.templates!r})"
