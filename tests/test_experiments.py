"""The experiments: their results hold every quoted number and where it comes from; --quick writes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
BASELINES = ("simclr", "care", "msp", "lsbd", "quessard", "pca8", "pca16", "pca32", "random")
REQUIRED = {  # by issue and README
    "core": (
        "planted.energy_min planted.seconds months.energy months.null_mean months.p months.edit_top1 "
        "months.edit_top1_ridge weekdays.edit_top1 interval.coverage_min interval.coverage_max fit.gram_ratio "
        "fit.extra_mb isometric.captured"
    ),
    "modalities": (
        "digits.conv_error digits.last_error actions.exact_max actions.floor_rotation field.b2_energy "
        "field.shift_energy encoders.max_deviation store.kills_survived demo.seconds"
    ),
    "verification": (
        "oracles.max_deviation dlsbd.speedup certificate.refused_at_delta certificate.granted_at_06 "
        "permutation.type1 lie.relative_error lie.band_limited_error cost.ratio_to_ridge_map"
    ),
    "beyond_linear": (
        "outofplane.ratio outofplane.content ambiguous.ratio ambiguous.content so3.r2 mixing.r2_so3 mixing.r2_o3 "
        "mixing.r2_gl3 factors.overlap factors.share_min factors.swap_inflation deep_vs_linear.digits "
        "deep_vs_linear.solids invertible.cycle invertible.rollout_inflation laws.max_defect care.formula_deviation "
        + " ".join(f"outofplane.{name}.ratio outofplane.{name}.content" for name in BASELINES)
    ),
    "discovery": (
        "algebra.named_right algebra.span_angle_max none.false_claims doublebump.error doublebump.seconds "
        "blob.rollout_inflation blob.defect_max sequences.swap_inflation factorize.angle_1000 factorize.angle_2000 "
        "factorize.angle_5000 factorize.speedup factorize.max_points orbits.right_of_100 element.crlb_ratio"
    ),
    "points": (
        "charged.mse charged.mse_300 charged.seconds gravity.mse gravity.floor_ratio singleshot.ratio_egnn pendulum.1 "
        "pendulum.2 pendulum.3 lorentz.mse inertia.mse o5.mse velocities.r2 velocities.unexplained_ratio "
        "equivariance.max generator.deviation"
    ),
    "fields": (
        "swe2.step1 swe2.step5 swe2.step20 swe8.ratio1 swe8.ratio5 swe8.ratio20 swe32.ratio1 swe32.ratio5 "
        "swe32.ratio20 layer.ratio_plain layer.speedup_ginjax filters.ms equivariance.max sphere.zonal_error "
        "sphere.ratio_cnn20 project.ratio20"
    ),
    "catalogue": (
        "oracles.max_deviation failures.flagged failures.total mutations.killed mutations.total agreement.max_deviation"
    ),
    "text_transformations": "months.energy tense.energy negation.energy politeness.energy plural.energy",
}
SEEDS = dict.fromkeys(REQUIRED, 3) | {"core": 5}
ONE_SEED = {f"outofplane.{name}" for name in BASELINES} | {"xray", "irreducible", "care_table"}  # measures
# Those that count over many data sets, or need gigabytes.
ONE_SEED |= {"algebra.named", "algebra.by_count", "algebra.free", "algebra.harder", "orbits", "orbits.refused"}
ONE_SEED |= {"mutations", "fractional", "scan"}
ONE_SEED |= {"pendulum.equivariance", "pendulum.dimensional_network", "pendulum.network", "nbody.mesh_speedup"}
ONE_SEED |= {"velocities.equivariance_max", "velocities.r2_boxes", "pm.seconds_32", "flow.r2", "factors.every"}
ONE_SEED |= {"singleshot.ratio_gnn", "singleshot.ratio_egnn.forward", "singleshot.ratio_gnn.forward"}
ONE_SEED |= {"factorize.largest", "factorize.speedups", "factorize.angle_s2_s2_s2"}
OWN_SEEDS = {"doublebump.fresh_error": 5}  # seeds on which nothing was chosen


def record_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", REQUIRED)
def test_the_results_say_where_they_come_from(name):
    record = record_of(name)
    assert set(record) == {"rows", "seed", "versions", "machine", "command"}
    assert {"python", "numpy", "scipy", "torch", "sklearn", "geodis"} == set(record["versions"])
    assert {"cpu", "cores", "threads"} == set(record["machine"])
    assert f"{name}.py" in record["command"]
    assert len(record["seed"]) >= SEEDS[name]


@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_number_is_there_once(name):
    record = record_of(name)
    keys = [row["key"] for row in record["rows"]]
    assert set(keys) >= set(REQUIRED[name].split())
    assert len(keys) == len(set(keys))
    for row in record["rows"]:
        assert {"key", "value", "sd", "n_seeds", "seconds"} <= set(row)
        measure = row.get("measure", row["key"])
        expected = 1 if measure in ONE_SEED else OWN_SEEDS.get(measure, len(record["seed"]))
        assert row["n_seeds"] == expected, row["key"]


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
