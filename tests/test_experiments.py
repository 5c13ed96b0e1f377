"""The core's experiment: its results hold every quoted number and where it comes from; --quick writes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
QUOTED = {
    "planted.energy_min",
    "planted.seconds",
    "months.energy",
    "months.null_mean",
    "months.p",
    "months.edit_top1",
    "months.edit_top1_ridge",
    "weekdays.edit_top1",
    "interval.coverage_min",
    "interval.coverage_max",
    "fit.gram_ratio",
    "fit.extra_mb",
    "isometric.captured",
}


@pytest.fixture(scope="module")
def record():
    return json.loads((RESULTS / "core.json").read_text())


def test_the_results_say_where_they_come_from(record):
    assert set(record) == {"rows", "seed", "versions", "machine", "command"}
    assert {"python", "numpy", "scipy", "torch", "sklearn", "geodis"} == set(record["versions"])
    assert {"cpu", "cores", "threads"} == set(record["machine"])
    assert "core.py" in record["command"]
    assert len(record["seed"]) >= 5


def test_every_quoted_number_is_there_once(record):
    keys = [row["key"] for row in record["rows"]]
    assert set(keys) >= QUOTED
    assert len(keys) == len(set(keys))
    for row in record["rows"]:
        assert {"key", "value", "sd", "n_seeds", "seconds"} <= set(row)
        assert row["n_seeds"] == len(record["seed"])


def contents():
    return {path.name: path.read_bytes() for path in RESULTS.iterdir()}


def test_a_quick_run_writes_nothing():
    before = contents()
    command = [sys.executable, "experiments/core.py", "--quick", "--only", "planted.seconds"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "planted.seconds" in done.stdout
    assert contents() == before
