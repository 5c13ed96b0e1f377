"""Sentences whose month or weekday is turned by a cyclic group: subjects × templates, each with one slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodis.actions.text import SlotAction, SlotText, slot_texts
from geodis.linalg import Array

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


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences that a cyclic group turns: item i is subject i // n_templates in template i % n_templates.

    Attributes
    ----------
    texts : tuple of SlotText
        The items, all at the first value of the slot: element k of the group shows value k.
    subjects : ndarray (n,) of str
        The subject of each item; split by subject to score on subjects that the fit has not seen.
    templates : ndarray (n,) of str
        The template of each item, subject and slot left open.
    action : SlotAction
        How the group moves the slot.

    Examples
    --------
    >>> months = month_sentences()
    >>> len(months.texts), str(months.action.act([3.0], months.texts[:1])[0])
    (216, 'The festival takes place in April.')
    """

    texts: tuple[SlotText, ...]
    subjects: Array
    templates: Array
    action: SlotAction

    def __len__(self) -> int:
        return len(self.texts)


def month_sentences() -> Sentences:
    """36 subjects × 6 templates whose month Z₁₂ turns: 216 items, January first."""
    return _crossed(SUBJECTS, MONTH_TEMPLATES, MONTHS)


def weekday_sentences() -> Sentences:
    """36 subjects × 6 templates whose weekday Z₇ turns: 216 items, Monday first."""
    return _crossed(SUBJECTS, WEEKDAY_TEMPLATES, WEEKDAYS)


def _crossed(subjects: tuple[str, ...], templates: tuple[str, ...], values: tuple[str, ...]) -> Sentences:
    filled = [template.replace("{subject}", subject) for subject in subjects for template in templates]
    return Sentences(
        texts=slot_texts(filled, values),
        subjects=np.repeat(np.array(subjects), len(templates)),
        templates=np.tile(np.array(templates), len(subjects)),
        action=SlotAction(values),
    )
