"""The actions on texts: e does nothing, gh is g after h, on every value; wrong input is a named error."""

import numpy as np
import pytest

from geodis.actions import MinimalPairs, OrderedSlotAction, SlotAction, SlotText, slot_texts
from geodis.errors import GeodisError, LengthError, ParameterError
from geodis.groups import SO2, Cyclic, Translation
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


def test_the_name_holds_every_value():
    """Stored embeddings are found by it."""
    assert repr(SlotAction(("a", "b, c"))) == "SlotAction(['a', 'b, c'], Cyclic(2))"
    lists = (MONTHS, MONTHS[::-1], (*MONTHS[:5], "Juin", *MONTHS[6:]))
    names = {repr(SlotAction(values, group)) for values in lists for group in (None, Cyclic(4))}
    assert len(names) == 6


# --- ordered lists ----------------------------------------------------------------------------------------------------
SIZES = ("tiny", "small", "large", "huge")


def sizes(*values):
    return [SlotText("A {} box.", SIZES, value) for value in values]


def test_every_value_reaches_every_value_by_its_steps():
    action = OrderedSlotAction(SIZES)
    assert action.group == Translation(1)
    items = sizes(0, 3, 1)
    for n_elements in (4, 9):
        steps = action.orbit(items, n_elements)
        assert steps.shape == (3, 4, 1)
        assert steps.dtype == np.float64
        assert steps[:, :, 0].tolist() == [[0, 1, 2, 3], [-3, -2, -1, 0], [-1, 0, 1, 2]]
    for item, mine in zip(items, action.orbit(items, 4), strict=True):
        assert [text.value for text in action.act(mine, [item] * 4)] == [0, 1, 2, 3]


def test_a_long_list_is_sampled_without_replacement():
    values = tuple(str(i) for i in range(30))
    action = OrderedSlotAction(values)
    items = [SlotText("{}", values, value) for value in (0, 7, 29, 7)]
    steps = action.orbit(items, 5, seed=3)
    assert steps.shape == (4, 5, 1)
    reached = steps[:, :, 0] + [[0], [7], [29], [7]]
    assert all(len(set(row)) == 5 for row in reached)
    assert reached.min() >= 0
    assert reached.max() <= 29
    assert not np.array_equal(reached[1], reached[3])  # each item has its own
    assert np.array_equal(steps, action.orbit(items, 5, seed=3))
    assert not np.array_equal(steps, action.orbit(items, 5, seed=4))
    assert action.orbit([], 5).shape == (0, 5, 1)


@pytest.mark.parametrize(
    ("value", "step", "possible"), [(0, -1.0, "0 to 3"), (3, 1.0, "-3 to 0"), (1, 3.0, "-1 to 2"), (1, 0.5, "-1 to 2")]
)
def test_a_step_out_of_the_list_says_which_are_possible(value, step, possible):
    with pytest.raises(ParameterError, match=f"whole step from {possible}"):
        OrderedSlotAction(SIZES).act([step], sizes(value))


def test_ordered_slots_refuse_what_slots_refuse():
    action = OrderedSlotAction(SIZES)
    for items in (["tiny"], [None], slot_texts(["{}"], SIZES[::-1])):
        with pytest.raises(ParameterError):
            action.act([0.0], items)
        with pytest.raises(ParameterError):
            action.orbit(items, 2)
    for n_elements in (0, -1, 1.5, None):
        with pytest.raises(ParameterError, match="n_elements"):
            action.orbit(sizes(0), n_elements)
    for values in ((), ("a",), "ab", (1, 2), None):
        with pytest.raises(ParameterError, match="at least two strings"):
            OrderedSlotAction(values)
    with pytest.raises(LengthError):
        action.act([0.0, 0.0], sizes(1))
    with pytest.raises(GeodisError):
        action.act([np.nan], sizes(1))
    assert repr(action) == "OrderedSlotAction(['tiny', 'small', 'large', 'huge'])"


# --- minimal pairs ----------------------------------------------------------------------------------------------------
TABLE = (("It is hot.", "It is cold."), ("She won, twice.", "She lost, twice."))


def test_a_pair_swaps_and_swaps_back():
    pairs = MinimalPairs(TABLE)
    assert pairs.group == Cyclic(2)
    assert pairs.table == TABLE
    assert pairs.firsts == ("It is hot.", "She won, twice.")
    for first, second in TABLE:
        texts = [first, first, second, second]
        assert pairs.act([0.0, 1.0, 0.0, 1.0], texts) == [first, second, second, first]
        assert pairs.act([3.0, -1.0, 2.0, -2.0], texts) == [second, second, second, second]
    assert pairs.orbit(pairs.firsts, 8)[..., 0].tolist() == [[0, 1], [0, 1]]


def test_rows_may_be_lists_or_arrays():
    for rows in ([list(row) for row in TABLE], np.array(TABLE), iter(TABLE)):
        assert repr(MinimalPairs(rows)) == f"MinimalPairs({list(TABLE)!r})"
    assert repr(MinimalPairs(TABLE)) != repr(MinimalPairs(TABLE[::-1]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ((), "at least one pair"),
        (None, "at least one pair"),
        ("ab", "at least one pair"),
        (5, "at least one pair"),
        ((("a",),), "pair 0.*two texts"),
        ((("a", "b", "c"),), "two texts"),
        ((("a", "b"), "cd"), "pair 1.*two texts"),
        ((("a", 1),), "two texts"),
        ((("a", None),), "two texts"),
        ((("a", " "),), "not empty"),
        ((("a", "a"),), "different"),
        ((("a", "b"), ("b", "c")), "pair 1.*no other pair.*'b'"),
        ((("a", "b"), ("c", "a")), "pair 1.*no other pair.*'a'"),
        ((("a", "b"), ("a", "b")), "pair 1.*no other pair"),
    ],
)
def test_malformed_tables(table, message):
    with pytest.raises(ParameterError, match=message):
        MinimalPairs(table)


def test_texts_that_are_not_in_the_table():
    for item in ("It is warm.", "", None, 3, ("It is hot.", "It is cold.")):
        with pytest.raises(ParameterError, match="2 pairs"):
            MinimalPairs(TABLE).act([1.0], [item])
    with pytest.raises(LengthError):
        MinimalPairs(TABLE).act([1.0, 0.0], ["It is hot."])
    with pytest.raises(ParameterError):
        MinimalPairs(TABLE).act([0.5], ["It is hot."])


FILES = {
    "pairs.csv": 'It is hot., It is cold.\n"She won, twice.","She lost, twice."\n',
    "windows.csv": '\ufeffIt is hot.,It is cold.\r\n\r\n"She won, twice.","She lost, twice."\r\n',
    "pairs.tsv": "It is hot.\tIt is cold.\nShe won, twice.\tShe lost, twice.",
    "pairs.TSV": "It is hot.\tIt is cold.\n\t\nShe won, twice.\tShe lost, twice.\n",
}


@pytest.mark.parametrize("name", FILES)
def test_tables_from_files(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode())
    assert MinimalPairs.read_csv(path).table == TABLE
    assert MinimalPairs.read_csv(str(path)).table == TABLE
    assert MinimalPairs.read_csv(path, header=True).table == TABLE[1:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "at least one pair"),
        (b"\n\n", "at least one pair"),
        (b"a,b\n\nc,d,e\n", "line 3: expected two columns, got 3.*quotes"),
        (b"only one column\n", "line 1: expected two columns, got 1"),
        (b"a,b\nb,c\n", "no other pair"),
        (b"a,\n", "not empty"),
        (b"\xff\xfe,\xfa\n", "UTF-8"),
        (b'"a,b\nc,d\n', "two columns of texts"),
    ],
)
def test_malformed_files(content, message, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=message):
        MinimalPairs.read_csv(path)


def test_missing_files(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(FileNotFoundError, match="two columns"):
            MinimalPairs.read_csv(path)
