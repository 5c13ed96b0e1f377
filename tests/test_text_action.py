"""The action on sentences: e does nothing, gh is g after h, on every value; wrong input is a named error."""

import numpy as np
import pytest

from geodis.actions import SlotAction, SlotText, slot_texts
from geodis.errors import GeodisError, LengthError, ParameterError
from geodis.groups import SO2, Cyclic
from geodis.simulators import month_sentences, weekday_sentences
from geodis.simulators.sentences import MONTHS, WEEKDAYS

CASES = {
    "months": lambda: SlotAction(MONTHS),
    "weekdays": lambda: SlotAction(list(WEEKDAYS)),
    "seasons": lambda: SlotAction(MONTHS, Cyclic(4)),
    "two": lambda: SlotAction(("on", "off")),
}


@pytest.fixture(params=CASES)
def action(request):
    return CASES[request.param]()


def all_texts(action):
    return [SlotText("Now it is {slot}.", action.values, value) for value in range(len(action.values))]


def test_the_identity_does_nothing(action):
    texts = all_texts(action)
    assert action.act(action.group.identity(len(texts)), texts) == texts


def test_gh_is_g_after_h(action):
    texts = all_texts(action)
    n = action.group.order
    for g in range(n):
        for h in range(n):
            left, right = np.full((len(texts), 1), float(g)), np.full((len(texts), 1), float(h))
            once = action.act(action.group.compose(left, right), texts)
            assert once == action.act(left, action.act(right, texts))
            assert [str(a) for a in once] == [str(b) for b in action.act(left, action.act(right, texts))]


def test_the_action_is_faithful(action):
    """Negative control: different elements give different sentences."""
    text = all_texts(action)[1]
    n = action.group.order
    moved = action.act(np.arange(n, dtype=float), [text] * n)
    assert len({str(t) for t in moved}) == n


def test_a_smaller_group_takes_larger_steps():
    assert str(SlotAction(MONTHS, Cyclic(4)).act([1.0], slot_texts(["{}"], MONTHS))[0]) == "April"


def test_element_k_shows_value_k():
    for sentences, values in ((month_sentences(), MONTHS), (weekday_sentences(), WEEKDAYS)):
        n = len(values)
        texts = sentences.action.act(np.arange(n, dtype=float), sentences.texts[:1] * n)
        assert [t.value for t in texts] == list(range(n))
        assert all(value in str(text) for value, text in zip(values, texts, strict=True))


def test_the_sentences_are_36_subjects_times_6_templates():
    for sentences in (month_sentences(), weekday_sentences()):
        assert len(sentences) == len(sentences.subjects) == len(sentences.templates) == 216
        assert len(set(sentences.subjects)) == 36
        assert len(set(sentences.templates)) == 6
        assert len({str(text) for text in sentences.texts}) == 216
        for text, subject in zip(sentences.texts, sentences.subjects, strict=True):
            assert subject in str(text)
            assert "{" not in str(text)


def test_the_slot_is_all_that_is_replaced():
    assert str(SlotText(r"{a} \1 {} {{x}}", (r"\g<0>", "b"))) == r"{a} \1 \g<0> {{x}}"


@pytest.mark.parametrize("template", ["no slot", "{} and {slot}", "{slot} {slot}", "{Slot}", "", None, 3])
def test_a_template_needs_exactly_one_slot(template):
    with pytest.raises(ParameterError, match="exactly one"):
        SlotText(template, ("a", "b"))


@pytest.mark.parametrize("values", [(), ("a",), "ab", (1, 2), None, 5, ("a", None)])
def test_values_are_at_least_two_strings(values):
    for build in (lambda: SlotText("{}", values), lambda: SlotAction(values), lambda: slot_texts(["{}"], values)):
        with pytest.raises(ParameterError, match="at least two strings"):
            build()


def test_values_are_distinct():
    with pytest.raises(ParameterError, match="distinct"):
        SlotAction(("a", "b", "a"))


@pytest.mark.parametrize("value", [-1, 2, 0.5, "a", None, True])
def test_the_value_is_an_index(value):
    with pytest.raises(ParameterError, match="index"):
        SlotText("{}", ("a", "b"), value)


def test_one_string_is_not_a_list_of_templates():
    with pytest.raises(ParameterError, match="list"):
        slot_texts("{}", ("a", "b"))


@pytest.mark.parametrize("group", [Cyclic(5), SO2(), "Cyclic(12)"])
def test_the_group_is_cyclic_and_divides(group):
    with pytest.raises(ParameterError, match="cyclic group"):
        SlotAction(MONTHS, group)


def test_items_that_the_action_cannot_move():
    action = SlotAction(MONTHS)
    for items in (["January"], [None], slot_texts(["{}"], WEEKDAYS), slot_texts(["{}"], MONTHS[::-1])):
        with pytest.raises(ParameterError):
            action.act([1.0], items)
    with pytest.raises(LengthError):
        action.act([1.0, 2.0], slot_texts(["{}"], MONTHS))
    for params in ([0.5], [np.nan], [[1.0, 2.0]]):
        with pytest.raises(GeodisError):
            action.act(params, slot_texts(["{}"], MONTHS))
