"""Sentences that a group moves in one respect: months, weekdays and hours turn, numbers step, negation flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.actions.minimal_pairs import MinimalPairs
from geodis.actions.ordered import OrderedSlotAction
from geodis.actions.text import SlotAction, SlotText, slot_texts
from geodis.linalg import Array

Action = TypeVar("Action", bound=AbstractAction)

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Events that can happen in any month and on any weekday, so that no value of the slot is implausible.
SUBJECTS = (
    "festival", "harvest", "audit", "concert", "exam", "regatta", "election", "wedding", "conference",
    "auction", "marathon", "parade", "workshop", "tournament", "exhibition", "reunion", "carnival", "inspection",
    "lecture", "premiere", "trial", "excursion", "banquet", "rehearsal", "hearing", "fair", "ceremony",
    "retreat", "hackathon", "championship", "fundraiser", "symposium", "picnic", "recital", "meeting", "graduation",
)  # fmt: skip

MONTH_TEMPLATES = (
    "The {subject} takes place in {slot}.",
    "We are looking forward to the {subject} in {slot}.",
    "Last year the {subject} was held in {slot}.",
    "Every {slot} the whole town prepares for the {subject}.",
    "The {slot} {subject} was the best we have ever had.",
    "She wrote a long letter about the {subject} in {slot}.",
)
WEEKDAY_TEMPLATES = (
    "The {subject} takes place on {slot}.",
    "We are looking forward to the {subject} on {slot}.",
    "Last week the {subject} was held on {slot}.",
    "Every {slot} the whole town prepares for the {subject}.",
    "The {slot} {subject} was the best we have ever had.",
    "She wrote a long letter about the {subject} on {slot}.",
)

HOURS = (
    "midnight", *(f"{hour} a.m." for hour in range(1, 12)), "noon", *(f"{hour} p.m." for hour in range(1, 12)),
)  # fmt: skip
# What can happen at any hour.
HOUR_SUBJECTS = (
    "broadcast", "shift", "flight", "patrol", "inspection", "backup", "experiment", "operation", "rescue", "match",
    "vigil", "delivery", "launch", "landing", "download", "interview", "call", "meeting", "drill", "recording",
    "observation", "handover", "convoy", "negotiation", "journey", "repair", "search", "briefing", "update", "crossing",
)  # fmt: skip
HOUR_TEMPLATES = (
    "At {slot} the {subject} had already begun.",
    "They had moved the {subject} to {slot} without telling anyone.",
    "Because of the {subject} at {slot} nobody slept well.",
    "She noted that {slot} was the right time for the {subject}.",
)

NUMBERS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
NUMBER_SUBJECTS = (
    "apples", "books", "chairs", "letters", "tickets", "bottles", "horses", "bridges", "stamps", "lamps", "coins",
    "boats", "pictures", "keys", "trees", "islands", "songs", "doors", "hats", "knives", "maps", "clocks", "shirts",
    "stones", "birds", "flags", "cakes", "towers", "drums", "roses",
)  # fmt: skip
NUMBER_TEMPLATES = (
    "There were {slot} {subject} on the list.",
    "He counted {slot} {subject} on his way home.",
    "They had asked for {slot} {subject} and got none.",
    "Only {slot} of the {subject} were left in the end.",
)

NEGATION_SUBJECTS = (
    "doctor", "teacher", "neighbor", "driver", "singer", "lawyer", "farmer", "painter", "pilot", "baker", "nurse",
    "judge", "student", "manager", "writer", "guard", "sailor", "tailor", "miner", "waiter", "dancer", "editor",
    "mayor", "gardener", "carpenter", "librarian", "plumber", "referee", "translator", "postman",
)  # fmt: skip
NEGATION_TEMPLATES = (
    ("The {subject} is ready to leave.", "The {subject} is not ready to leave."),
    ("We have heard from the {subject} again.", "We have not heard from the {subject} again."),
    ("The {subject} will return tomorrow.", "The {subject} will not return tomorrow."),
    ("From the window she could see the {subject}.", "From the window she could not see the {subject}."),
)


@dataclass(frozen=True, eq=False)
class Sentences(Generic[Action]):
    """Sentences that a group moves: item i is subject i // n_templates in template i % n_templates.

    Attributes
    ----------
    texts : tuple of SlotText, or of str
        The items, all at the first value of the slot, and without negation: element k of the group shows value k.
    subjects : ndarray (n,) of str
        The subject of each item; split by subject to score on subjects that the fit has not seen.
    templates : ndarray (n,) of str
        The template of each item, subject and slot left open.
    action : AbstractAction
        How the group moves the items.

    Examples
    --------
    >>> months = month_sentences()
    >>> len(months.texts), str(months.action.act([3.0], months.texts[:1])[0])
    (216, 'The festival takes place in April.')
    """

    texts: tuple[SlotText | str, ...]
    subjects: Array
    templates: Array
    action: Action

    def __len__(self) -> int:
        return len(self.texts)


def month_sentences() -> Sentences[SlotAction]:
    """36 subjects × 6 templates whose month Z₁₂ turns: 216 items, January first."""
    return _crossed(SUBJECTS, MONTH_TEMPLATES, MONTHS)


def weekday_sentences() -> Sentences[SlotAction]:
    """36 subjects × 6 templates whose weekday Z₇ turns: 216 items, Monday first."""
    return _crossed(SUBJECTS, WEEKDAY_TEMPLATES, WEEKDAYS)


def hour_sentences() -> Sentences[SlotAction]:
    """30 subjects × 4 templates whose hour of the day Z₂₄ turns: 120 items, midnight first.

    Examples
    --------
    >>> hours = hour_sentences()
    >>> str(hours.action.act([13.0], hours.texts[:1])[0])
    'At 1 p.m. the broadcast had already begun.'
    """
    return _crossed(HOUR_SUBJECTS, HOUR_TEMPLATES, HOURS)


def number_sentences() -> Sentences[OrderedSlotAction]:
    """30 subjects × 4 templates whose number steps along a line from two to twenty: 120 items, two first.

    Examples
    --------
    >>> numbers = number_sentences()
    >>> str(numbers.action.act([3.0], numbers.texts[:1])[0])
    'There were five apples on the list.'
    """
    turned = _crossed(NUMBER_SUBJECTS, NUMBER_TEMPLATES, NUMBERS)
    return Sentences(turned.texts, turned.subjects, turned.templates, OrderedSlotAction(NUMBERS))


def negation_sentences() -> Sentences[MinimalPairs]:
    """30 subjects × 4 templates that Z₂ negates: 120 pairs, items without negation.

    Examples
    --------
    >>> pairs = negation_sentences()
    >>> pairs.action.act([1.0], pairs.texts[:1])
    ['The doctor is not ready to leave.']
    """
    pairs = [
        (plain.replace("{subject}", subject), negated.replace("{subject}", subject))
        for subject in NEGATION_SUBJECTS
        for plain, negated in NEGATION_TEMPLATES
    ]
    action = MinimalPairs(pairs)
    return Sentences(
        action.firsts, *_owners(NEGATION_SUBJECTS, [plain for plain, _ in NEGATION_TEMPLATES]), action=action
    )


def _crossed(subjects: tuple[str, ...], templates: tuple[str, ...], values: tuple[str, ...]) -> Sentences[SlotAction]:
    filled = [template.replace("{subject}", subject) for subject in subjects for template in templates]
    return Sentences(slot_texts(filled, values), *_owners(subjects, templates), action=SlotAction(values))


def _owners(subjects: Sequence[str], templates: Sequence[str]) -> tuple[Array, Array]:
    """`(subject, template)` of every item."""
    return np.repeat(np.array(subjects), len(templates)), np.tile(np.array(templates), len(subjects))
