"""Sentences that two groups move at once: the month turns, and the tense changes or the verb is negated."""

from __future__ import annotations

from geodis.actions.slot_pairs import SlotPairs
from geodis.actions.text import SlotAction
from geodis.simulators.minimal_pair_sentences import Pair, paired
from geodis.simulators.sentences import MONTHS, SUBJECTS, Sentences

# None of them is a template of the sentences that only one group moves, so that a fit on those has not seen them.
MONTH_TENSE_TEMPLATES = (
    ("The {subject} begins in {slot}.", "The {subject} began in {slot}."),
    ("People talk about the {subject} in {slot}.", "People talked about the {subject} in {slot}."),
    ("The {subject} in {slot} attracts many visitors.", "The {subject} in {slot} attracted many visitors."),
    ("Our neighbors pay for the {subject} in {slot}.", "Our neighbors paid for the {subject} in {slot}."),
    ("He plans the {subject} for {slot}.", "He planned the {subject} for {slot}."),
    ("In {slot} the {subject} takes all our time.", "In {slot} the {subject} took all our time."),
)
MONTH_NEGATION_TEMPLATES = (
    ("The {subject} will begin in {slot}.", "The {subject} will not begin in {slot}."),
    ("They have planned the {subject} for {slot}.", "They have not planned the {subject} for {slot}."),
    ("The {subject} in {slot} was a success.", "The {subject} in {slot} was not a success."),
    ("We could attend the {subject} in {slot}.", "We could not attend the {subject} in {slot}."),
    ("The {subject} is open to everyone in {slot}.", "The {subject} is not open to everyone in {slot}."),
    ("In {slot} she remembered the {subject}.", "In {slot} she did not remember the {subject}."),
)


def month_tense_sentences() -> Sentences[SlotPairs]:
    """36 subjects × 6 templates that Z₁₂ × Z₂ moves: the month turns, the present becomes the past: 216 items.

    Examples
    --------
    >>> sentences = month_tense_sentences()
    >>> [str(text) for text in sentences.action.act([[3.0, 0.0], [3.0, 1.0]], sentences.texts[:1] * 2)]
    ['The festival begins in April.', 'The festival began in April.']
    """
    return _composed(MONTH_TENSE_TEMPLATES)


def month_negation_sentences() -> Sentences[SlotPairs]:
    """36 subjects × 6 templates that Z₁₂ × Z₂ moves: the month turns, the verb is negated: 216 items.

    Examples
    --------
    >>> sentences = month_negation_sentences()
    >>> str(sentences.action.act([[3.0, 1.0]], sentences.texts[:1])[0])
    'The festival will not begin in April.'
    """
    return _composed(MONTH_NEGATION_TEMPLATES)


def _composed(templates: tuple[Pair, ...]) -> Sentences[SlotPairs]:
    pairs = paired([(subject, subject) for subject in SUBJECTS], templates)
    action = SlotPairs(SlotAction(MONTHS), pairs.action)
    return Sentences(action.firsts, pairs.subjects, pairs.templates, action)
