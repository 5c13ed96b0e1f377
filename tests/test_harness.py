"""The experiments' harness: what is finished is kept, what is not asked for stays, --quick writes nothing."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from geodis.errors import FileFormatError, FiniteError, ParameterError, UnknownNameError


@pytest.fixture(scope="module")
def harness():
    path = Path(__file__).parent.parent / "experiments" / "harness.py"
    spec = importlib.util.spec_from_file_location("experiments_harness", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(tmp_path):
    return tmp_path / "new" / "toy.json"


class Counter:
    """A measure that counts its calls and is killed at one seed."""

    def __init__(self, scale=1.0, kill_at=None):
        self.calls, self.scale, self.kill_at = [], scale, kill_at

    def __call__(self, seed):
        if seed == self.kill_at:
            raise KeyboardInterrupt
        self.calls.append(seed)
        return self.scale * seed


def rows_of(path):
    return {row["key"]: row for row in json.loads(path.read_text())["rows"]}


def test_the_record_holds_means_sds_and_where_they_come_from(harness, results):
    record = harness.run({"a": Counter(), "b": Counter(2.0)}, results=results, seeds=range(3), argv=[])
    assert json.loads(results.read_text()) == record
    assert set(record) == {"rows", "seed", "versions", "machine", "command"}
    assert record["seed"] == [0, 1, 2]
    assert {"python", "numpy", "scipy", "torch", "sklearn", "geodis"} == set(record["versions"])
    assert {"cpu", "cores", "threads"} == set(record["machine"])
    b = rows_of(results)["b"]
    assert (b["value"], b["sd"], b["n_seeds"]) == (2.0, 2.0, 3)
    assert list(results.parent.iterdir()) == [results]


def test_one_seed_has_no_sd(harness, results):
    harness.run({"a": Counter()}, results=results, seeds=[4], argv=[])
    assert rows_of(results)["a"]["sd"] is None


def test_a_killed_run_goes_on_where_it_was(harness, results):
    a, b = Counter(), Counter(kill_at=1)
    with pytest.raises(KeyboardInterrupt):
        harness.run({"a": a, "b": b}, results=results, seeds=range(3), argv=[])
    assert not results.exists()
    b.kill_at = None
    harness.run({"a": a, "b": b}, results=results, seeds=range(3), argv=[])
    assert a.calls == [0, 1, 2]
    assert b.calls == [0, 1, 2]
    harness.run({"a": a, "b": b}, results=results, seeds=range(3), argv=[])
    assert a.calls == [0, 1, 2] * 2, "finished results are measured anew when asked again"


def test_fresh_forgets_a_killed_run(harness, results):
    a = Counter(kill_at=2)
    with pytest.raises(KeyboardInterrupt):
        harness.run({"a": a}, results=results, seeds=range(3), argv=[])
    a.kill_at = None
    harness.run({"a": a}, results=results, seeds=range(3), argv=["--fresh"])
    assert a.calls == [0, 1, 0, 1, 2]


def test_quick_runs_one_seed_and_writes_nothing(harness, results):
    a = Counter()
    record = harness.run({"a": a}, results=results, seeds=range(3), argv=["--quick"])
    assert a.calls == [0]
    assert record["rows"][0]["n_seeds"] == 1
    assert not results.parent.exists()


def test_only_keeps_the_other_rows(harness, results):
    table = {"a": Counter(), "b": Counter(), "c": Counter()}
    harness.run(table, results=results, seeds=[1, 2], argv=[])
    before = rows_of(results)
    again = {key: Counter(10.0) for key in table}
    harness.run(again, results=results, seeds=[1, 2], argv=["--only", "b", "--only", "c"])
    after = rows_of(results)
    assert after["a"] == before["a"]
    assert (after["b"]["value"], after["c"]["value"]) == (15.0, 15.0)
    assert list(after) == ["a", "b", "c"]
    assert again["a"].calls == []
    with pytest.raises(UnknownNameError):
        harness.run(table, results=results, seeds=[1], argv=["--only", "d"])


def test_only_leaves_what_another_killed_run_stored(harness, results):
    a, b = Counter(), Counter(kill_at=1)
    with pytest.raises(KeyboardInterrupt):
        harness.run({"b": b, "a": a}, results=results, seeds=[0, 1], argv=[])
    harness.run({"b": b, "a": a}, results=results, seeds=[0, 1], argv=["--only", "a"])
    b.kill_at = None
    harness.run({"b": b, "a": a}, results=results, seeds=[0, 1], argv=["--only", "b"])
    assert b.calls == [0, 1]
    assert list(rows_of(results)) == ["b", "a"]


def test_one_run_may_yield_several_rows(harness, results):
    calls = []

    def both(seed):
        calls.append(seed)
        return {"x": seed, "y": -seed}

    harness.run({"both": both, "a": Counter()}, results=results, seeds=[1, 3], argv=[])
    found = rows_of(results)
    assert (found["x"]["value"], found["y"]["value"], found["a"]["value"]) == (2.0, -2.0, 2.0)
    assert calls == [1, 3]
    harness.run({"both": both, "a": Counter(9.0)}, results=results, seeds=[1, 3], argv=["--only", "y"])
    assert calls == [1, 3, 1, 3]
    assert rows_of(results)["a"]["value"] == 2.0


def test_what_cannot_be_a_result_is_a_named_error(harness, results):
    with pytest.raises(FiniteError, match="seed 0"):
        harness.run({"a": lambda seed: float("nan")}, results=results, seeds=[0], argv=[])
    with pytest.raises(ParameterError, match="distinct names"):
        harness.run({"a": lambda s: {"x": 1}, "b": lambda s: {"x": 2}}, results=results, seeds=[0], argv=[])
    with pytest.raises(ParameterError):
        harness.run({"a": Counter()}, results=results, seeds=[], argv=[])
    results.write_text("{")
    with pytest.raises(FileFormatError):
        harness.run({"a": Counter()}, results=results, seeds=[0], argv=[])


def test_a_measure_may_have_seeds_of_its_own(harness, tmp_path):
    seen = {"dear": [], "cheap": []}
    table = {name: lambda seed, name=name: seen[name].append(seed) or float(seed) for name in seen}
    record = harness.run(table, results=tmp_path / "t.json", seeds=range(3), fewer={"dear": [2]}, argv=[])
    assert seen == {"dear": [2], "cheap": [0, 1, 2]}
    assert [(row["key"], row["value"], row["n_seeds"]) for row in record["rows"]] == [
        ("dear", 2.0, 1),
        ("cheap", 1.0, 3),
    ]


def test_two_processes_may_measure_one_table(harness, tmp_path):
    """What another process stores while a measure runs is neither lost nor measured again."""
    results = tmp_path / "t.json"
    table = {"a": lambda seed: 1.0}

    def during(seed):
        harness.run(table, results=results, argv=["--only", "a"])
        return 2.0

    record = harness.run(table | {"b": during}, results=results, argv=["--only", "b"])
    assert {row["key"]: row["value"] for row in record["rows"]} == {"a": 1.0, "b": 2.0}
