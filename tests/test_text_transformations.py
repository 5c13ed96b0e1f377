"""Sentences in pairs and under two groups at once: laws, grammar, counts; the experiment finds what was planted."""

import re
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from geodis import Orbits
from geodis.actions import MinimalPairs, SlotAction, SlotText, law_errors
from geodis.actions.slot_pairs import SlotPairs
from geodis.errors import GeodisError, LengthError, ParameterError
from geodis.groups import Cyclic
from geodis.simulators import (
    month_negation_sentences,
    month_sentences,
    month_tense_sentences,
    negation_sentences,
    plural_sentences,
    politeness_sentences,
    tense_sentences,
)
from geodis.simulators.sentences import MONTHS, SUBJECTS

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import sentence_edits as edits
import text_transformations as experiment

PAIRS = {"tense": tense_sentences, "politeness": politeness_sentences, "plural": plural_sentences}
COMPOSED = {"month × tense": month_tense_sentences, "month × negation": month_negation_sentences}
SOURCES = PAIRS | COMPOSED
ENDED = re.compile(r"^[A-Z].*[.?]$")


def moved(source, *params, item=0):
    sentences = source()
    return str(sentences.action.act([list(params)], sentences.texts[item : item + 1])[0])


def all_texts(source):
    """Every sentence of a source, a row an item and a column an element."""
    sentences = source()
    steps = sentences.action.group.orbit(len(sentences), 24)
    columns = [sentences.action.act(steps[:, k], sentences.texts) for k in range(steps.shape[1])]
    return [[str(text) for text in row] for row in zip(*columns, strict=True)]


# --- the sources ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SOURCES)
def test_the_action_keeps_its_laws(name):
    sentences = SOURCES[name]()
    assert law_errors(sentences.action, sentences.texts, n_pairs=24).worst == 0.0


@pytest.mark.parametrize("name", SOURCES)
def test_subjects_and_templates_are_crossed(name):
    sentences = SOURCES[name]()
    subjects, templates = np.unique(sentences.subjects), np.unique(sentences.templates)
    assert len(subjects) == 36
    assert len(templates) == (18 if name in PAIRS else 6)
    assert len(sentences) == len(sentences.subjects) == len(sentences.templates) == len(subjects) * len(templates)
    assert len(set(zip(sentences.subjects, sentences.templates, strict=True))) == len(sentences)
    for text, subject, template in zip(sentences.texts, sentences.subjects, sentences.templates, strict=True):
        assert re.search(rf"\b{subject}\b", str(text))
        assert str(text) == template.replace("{subject}", subject).replace("{slot}", "January")


@pytest.mark.parametrize("name", SOURCES)
def test_no_sentence_stands_twice(name):
    texts = [text for row in all_texts(SOURCES[name]) for text in row]
    assert len(set(texts)) == len(texts)
    assert all(ENDED.match(text) and "{" not in text and "  " not in text for text in texts)


def changed_words(one, other):
    """The words of both, which have to be equally many, where they differ."""
    return [(a, b) for a, b in zip(one.split(), other.split(), strict=True) if a != b]


def test_the_past_changes_verbs_alone():
    for present, past in all_texts(tense_sentences):
        assert 1 <= len(changed_words(present, past)) <= 2
    for row in all_texts(month_tense_sentences):
        assert all(len(changed_words(row[i], row[i + 1])) == 1 for i in range(0, 24, 2))


def test_the_plural_changes_the_noun_and_what_agrees_with_it():
    agreeing = {"was", "sleeps", "That", "is", "This", "comes", "has", "Does", "hides", "looks", "arrives", "does"}
    nouns = set(plural_sentences().subjects)
    for one, many in all_texts(plural_sentences):
        words = [word.strip(".,?") for word, _ in changed_words(one, many)]
        assert nouns.intersection(words)
        assert set(words) - nouns <= agreeing


def test_negation_adds_not():
    for row in all_texts(month_negation_sentences):
        for plain, negated in zip(row[::2], row[1::2], strict=True):
            assert "not" not in plain.split()
            assert negated.split().count("not") == 1


def test_polite_requests_are_longer_and_few_share_their_words():
    first = [pair for pair in all_texts(politeness_sentences)[:18]]
    assert all(len(polite.split()) >= len(plain.split()) for plain, polite in first)
    starts = [" ".join(polite.split()[:3]) for _, polite in first]
    assert len(set(starts)) >= 16


BY_HAND = [
    (tense_sentences, (1.0,), 1, "The doctor wrote long letters to an old friend."),
    (tense_sentences, (1.0,), 7, "Everyone laughed when the doctor told this story."),
    (tense_sentences, (0.0,), 18, "The teacher walks to the station every morning."),
    (politeness_sentences, (1.0,), 1, "Would you mind telling me where the key is?"),
    (politeness_sentences, (1.0,), 11, "With all due respect, I believe you are mistaken about the key."),
    (plural_sentences, (1.0,), 4, "Those dogs are afraid of the storm."),
    (plural_sentences, (1.0,), 32 * 18, "The children were standing near the fence."),
    (plural_sentences, (1.0,), 33 * 18 + 10, "Do the mice still come here?"),
    (plural_sentences, (1.0,), 28 * 18 + 3, "The thieves sleep in the shade at noon."),
    (plural_sentences, (1.0,), 35 * 18 + 15, "When the oxen arrive, the gate is opened."),
    (month_tense_sentences, (3.0, 1.0), 0, "The festival began in April."),
    (month_tense_sentences, (11.0, 1.0), 5, "In December the festival took all our time."),
    (month_negation_sentences, (0.0, 1.0), 5, "In January she did not remember the festival."),
    (month_negation_sentences, (1.0, 0.0), 6, "The harvest will begin in February."),
]


@pytest.mark.parametrize(("source", "params", "item", "expected"), BY_HAND, ids=[row[-1] for row in BY_HAND])
def test_sentences_by_hand(source, params, item, expected):
    assert moved(source, *params, item=item) == expected


def test_composed_templates_are_new():
    """A fit on sentences that only one group moves has seen no sentence that both move."""
    alone = {str(t) for source in (month_sentences, tense_sentences, negation_sentences) for t in source().texts}
    for source in COMPOSED.values():
        assert not alone.intersection(text for row in all_texts(source) for text in row)
        assert set(source().subjects) == set(SUBJECTS)


# --- the action of a product ------------------------------------------------------------------------------------------
SEASONS = SlotAction(("spring", "summer", "autumn"))
TEMPLATES = MinimalPairs([("It is {slot}.", "It was {slot}."), ("{} comes.", "{} came.")])


def seasons():
    action = SlotPairs(SEASONS, TEMPLATES)
    texts = [SlotText(t, SEASONS.values, v) for pair in TEMPLATES.table for t in pair for v in range(3)]
    return action, texts


def test_gh_is_g_after_h_and_the_factors_commute():
    action, texts = seasons()
    assert action.group == Cyclic(3) * Cyclic(2)
    elements = [list(map(float, g)) for g in product(range(3), range(2))]
    for g, h in product(elements, elements):
        left, right = np.array([g] * len(texts)), np.array([h] * len(texts))
        assert action.act(left, action.act(right, texts)) == action.act(action.group.compose(left, right), texts)
    turn, swap = np.array([[1.0, 0.0]] * len(texts)), np.array([[0.0, 1.0]] * len(texts))
    assert action.act(turn, action.act(swap, texts)) == action.act(swap, action.act(turn, texts))


def test_each_factor_is_the_action_alone():
    action, texts = seasons()
    n = len(texts)
    assert action.act([[2.0, 0.0]] * n, texts) == SEASONS.act([[2.0]] * n, texts)
    swapped = action.act([[0.0, 1.0]] * n, texts)
    assert [t.template for t in swapped] == TEMPLATES.act([[1.0]] * n, [t.template for t in texts])
    assert len({str(t) for g in product(range(3), range(2)) for t in action.act([list(g)], texts[:1])}) == 6
    assert [str(t) for t in action.firsts] == ["It is spring.", "spring comes."]
    assert repr(action) == f"SlotPairs({SEASONS!r}, {TEMPLATES!r})"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SlotPairs(TEMPLATES, TEMPLATES), "slots"),
        (lambda: SlotPairs(SEASONS, SEASONS), "templates"),
        (lambda: SlotPairs(SEASONS, MinimalPairs([("It is {slot}.", "It was.")])), "exactly one"),
    ],
)
def test_a_product_of_other_things(build, message):
    with pytest.raises(ParameterError, match=message):
        build()


def test_items_that_a_product_cannot_move():
    action, texts = seasons()
    for item in ("It is spring.", None, SlotText("It is {slot}.", MONTHS), SlotText("Now {slot}.", SEASONS.values)):
        with pytest.raises(ParameterError):
            action.act([[1.0, 1.0]], [item])
    with pytest.raises(LengthError):
        action.act([[1.0, 1.0]], texts[:2])
    for params in ([[1.0]], [[0.5, 0.0]], [[np.nan, 0.0]]):
        with pytest.raises(GeodisError):
            action.act(params, texts[:1])


# --- the experiment on planted embeddings -----------------------------------------------------------------------------
N_SUBJECTS, N_TEMPLATES, DIMENSION = 12, 6, 20


def planted(code, order, noise=0.05):
    """A corpus: `code(template, element)` of every cell, what belongs to subject and template in other directions."""
    rng = np.random.default_rng(0)
    cells = np.array(list(product(range(N_SUBJECTS), range(N_TEMPLATES), range(order))))
    signal = np.array([code(t, k) for _, t, k in cells])
    topics, forms = 0.5 * rng.normal(size=(N_SUBJECTS, 4)), 0.5 * rng.normal(size=(N_TEMPLATES, 4))
    z = np.hstack([signal, topics[cells[:, 0]], forms[cells[:, 1]]])
    z = z @ np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0][: z.shape[1]]
    z = z + noise * rng.normal(size=z.shape)
    items = cells[:, 0] * N_TEMPLATES + cells[:, 1]
    orbits = Orbits.from_arrays(z, cells[:, 2:].astype(float), items, Cyclic(order))
    subjects = np.repeat([f"s{i}" for i in range(N_SUBJECTS)], N_TEMPLATES)
    return edits.Corpus(orbits, subjects, np.tile([f"t{i}" for i in range(N_TEMPLATES)], N_SUBJECTS))


def circle(*frequencies):
    return lambda _, k: np.array([f(2 * np.pi * m * k / 12) for m in frequencies for f in (np.cos, np.sin)])


def own_direction(template, k):
    """Every template has its own: whatever works in some of them says nothing about the others."""
    return (2 * k - 1) * np.eye(N_TEMPLATES)[template]


def found(code, order, **spec):
    out = experiment.measured(planted(code, order), experiment.Transformation("planted", **spec), seed=0)
    return out | {"verdict": experiment.verdict(out)}


def test_a_planted_circle_is_linear_and_edits_by_it_arrive():
    out = found(circle(1), 12, max_order=2, steps=((3,),), lifts=False)
    assert out["verdict"] == 2.0
    assert out["low"] > 0.9
    assert out["structure_p"] <= 0.05
    assert out["null_mean"] < 0.5
    assert out["edit_top1"] > 0.8
    assert out["edit_top1_difference"] > 0.8
    assert out["chance"] == 1 / (4 * 6 * 12)


def test_a_planted_product_needs_a_lift():
    """Frequencies 5 and 6 multiply to 11, which is frequency 1 backwards."""
    out = found(circle(5, 6), 12, steps=())
    assert out["verdict"] == 1.0
    assert out["energy"] < 0.3
    assert out["quadratic.low"] > 0.5
    assert "edit_top1" not in out


def test_a_planted_reflection_is_linear():
    out = found(lambda _, k: np.array([2.0 * k - 1.0]), 2, lifts=False)
    assert out["verdict"] == 2.0
    assert out["edit_top1"] > 0.95
    assert out["linear_splits"] == 1.0
    assert "structure_p" not in out, "two elements cannot be relabelled"


def test_what_every_template_does_in_its_own_way_is_not_there():
    """Negative control, and why templates are held out: known templates would promise a linear code."""
    out = found(own_direction, 2)
    assert out["known_templates"] > 0.8
    assert out["energy"] < 0.3
    assert out["verdict"] == 0.0


def test_noise_is_not_there():
    rng = np.random.default_rng(1)
    out = found(lambda *_: rng.normal(size=3), 2)
    assert out["verdict"] == 0.0
    assert out["edit_top1"] < 0.2


# --- its parts --------------------------------------------------------------------------------------------------------
def test_neither_subject_nor_template_of_the_unseen_is_fitted():
    whole = planted(circle(1), 12)
    judged = []
    for seed in range(2):
        for fitted, unseen in edits.template_folds(whole, seed):
            for labels in (whole.subjects, whole.templates):
                assert not set(labels[fitted.orbits.labels]) & set(labels[unseen.orbits.labels])
            assert set(fitted.orbits.clusters) == set(whole.templates[fitted.orbits.labels])
            judged += unseen.orbits.labels.tolist()
        aside = np.flatnonzero(edits.unseen_subjects(whole, seed))
        assert sorted(judged) == aside.tolist(), "every unseen subject once in every template"
        judged = []
    one = edits.Corpus(whole.orbits, whole.subjects, np.full(len(whole.templates), "t"))
    with pytest.raises(ParameterError, match="at least two"):
        next(edits.template_folds(one, 0))


def test_targets_and_top1_by_hand():
    orbits = Orbits.from_arrays(np.eye(4), [[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1], Cyclic(2))
    assert edits.shifted(orbits, (1,)).tolist() == [1, 0, 3, 2]
    assert edits.shifted(orbits, (2,)).tolist() == [0, 1, 2, 3]
    ragged = Orbits.from_arrays(np.eye(3), [[0.0], [1.0], [0.0]], [0, 0, 1], Cyclic(3))
    assert edits.shifted(ragged, (1,)).tolist() == [1, -1, -1]
    swapped = np.eye(4)[[1, 0, 3, 2]]
    assert edits.top1(swapped, edits.shifted(orbits, (1,)), orbits.z) == 1.0
    assert edits.top1(orbits.z, edits.shifted(orbits, (1,)), orbits.z) == 0.0, "an edit that does nothing"
    assert edits.retrieved(swapped[2:], orbits.select([1]), (1,), orbits) == 1.0


def test_mean_differences_and_ridge_maps_do_what_they_say():
    whole = planted(lambda _, k: np.array([2.0 * k - 1.0]), 2, noise=0.01)
    fitted, unseen = next(edits.template_folds(whole, 0))
    for edit in (edits.difference_edit, edits.ridge_edit):
        z = edit(fitted.orbits, unseen.orbits, (1,))
        assert edits.retrieved(z, unseen.orbits, (1,), unseen.orbits) > 0.95


def test_shares_of_an_additive_code():
    group = Cyclic(3) * Cyclic(2)
    steps = np.array(list(product(range(3), range(2))), dtype=float)
    z = np.array([[np.cos(2 * np.pi * a / 3), np.sin(2 * np.pi * a / 3), 3 * b] for a, b in steps])
    params, items = np.tile(steps, (4, 1)), np.repeat(np.arange(4), 6)
    out = experiment.shares(Orbits.from_arrays(np.tile(z, (4, 1)), params, items, group))
    assert out["share_both"] == pytest.approx(0.0, abs=1e-12)
    assert out["share_slot"] + out["share_pair"] == pytest.approx(1.0)
    assert out["share_pair"] == pytest.approx(2.25 / 3.25)
    mixed = z[:, :1] * (2 * steps[:, 1:] - 1)
    out = experiment.shares(Orbits.from_arrays(np.tile(mixed, (4, 1)), params, items, group))
    assert out["share_both"] == pytest.approx(1.0)


def test_the_control_joins_two_subjects_in_one_template():
    rng = np.random.default_rng(0)
    sentences = tense_sentences()
    orbits = Orbits.from_arrays(
        rng.normal(size=(2 * len(sentences), 4)), np.tile([[0.0], [1.0]], (len(sentences), 1)),
        np.repeat(np.arange(len(sentences)), 2), Cyclic(2),
    )  # fmt: skip
    control = experiment.another_subject(edits.Corpus(orbits, sentences.subjects, sentences.templates))
    assert control.orbits.n_items == len(control.subjects) == len(control.templates) == 18 * 18
    assert set(control.orbits.sizes) == {2}
    row_of = {row.tobytes(): i for i, row in enumerate(orbits.z)}
    for item in (0, 100, 323):
        rows = [row_of[z.tobytes()] // 2 for z in control.orbits.select([item]).z]
        assert sentences.templates[rows].tolist() == [control.templates[item]] * 2
        assert len(set(sentences.subjects[rows])) == 2


def test_the_picture_is_drawn(tmp_path):
    from text_transformations_chart import draw

    row = {"energy": 0.8, "low": 0.7, "high": 0.9, "known_templates": 0.95, "verdict": 2.0, "edit_top1": 0.5}
    draw({f"months.{key}": value for key, value in row.items()}, ["months", "absent"], tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 5000
