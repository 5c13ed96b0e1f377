"""The catalogue has one entry for every public metric, says all of it in words, and `geodis metrics` prints it."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from user_files import refused, run

from geodis import metrics
from geodis.metrics import CATALOGUE

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "experiments"))

import catalogue_existing as existing  # noqa: E402
import catalogue_formulas as formulas  # noqa: E402

# Public functions that measure nothing themselves: they make what a metric takes, or describe.
HELPERS = {
    "action_flow", "algebra_invariants", "circle_embedding", "latent_generator", "layer_tangents", "linear_flow",
    "one_hot_embedding", "pair_concatenation", "pair_products", "spectral_flow", "spectral_generator", "split_compose",
    "split_extrapolate", "split_interpolate", "split_items", "tangents_by_central_differences", "tangents_by_jvp",
    "tangents_by_spectral_generator",
}  # fmt: skip
POINTING = (
    "best_linear_error", "care_gamma", "cause_isolate", "concept_direction", "concept_erasure_residual", "d_lsbd",
    "d_lsbd_paper", "dci", "debiased_cka", "equivariance_error", "explicitness", "gram_error", "hits_at_k",
    "independence_score", "irrep_energy", "lie_derivative_error", "local_equivariance_error", "map_equivariance_error",
    "mean_correlation_coefficient", "mean_reciprocal_rank", "mixture_index", "modularity", "mutual_information_gap",
    "parameter_probe", "prediction_retrieval_error", "procrustes_error", "separability",
    "separated_attribute_predictability", "steerability_slope",
)  # fmt: skip
FUNCTIONS = {name for name, found in vars(metrics).items() if inspect.isfunction(found) and not name.startswith("_")}


def test_every_public_metric_has_exactly_one_entry():
    names = [entry.name for entry in CATALOGUE]
    assert len(names) == len(set(names))
    assert set(names) == FUNCTIONS - HELPERS
    assert HELPERS <= FUNCTIONS, "no helper that is gone"
    assert all(entry.function is getattr(metrics, entry.name) for entry in CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_an_entry_says_all_in_short_words(entry):
    said = entry.to_dict()
    assert all(text.strip() == text and text for text in said.values())
    assert len(entry.formula) < 110
    assert len(entry.pitfalls) < 260
    assert entry.pitfalls.endswith(".")


# --- the command ------------------------------------------------------------------------------------------------------
def test_the_command_lists_all(tmp_path):
    done = run("metrics", "--json", tmp_path / "all.json")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    missing = [entry.name for entry in CATALOGUE if entry.name not in shown]
    assert not missing
    assert f"{len(CATALOGUE)} metrics" in shown
    assert json.loads((tmp_path / "all.json").read_text()) == [entry.to_dict() for entry in CATALOGUE]


def test_the_command_shows_one_in_full(tmp_path):
    done = run("metrics", "closure_residual", "--json", tmp_path / "one.json")
    shown = " ".join(done.output.split())
    entry = next(entry for entry in CATALOGUE if entry.name == "closure_residual")
    for text in (*entry.to_dict().values(), "closure_residual(generators, *, seed=0)", "Parameters", "[A_i, A_j]"):
        assert " ".join(text.split()) in shown
    assert [one["name"] for one in json.loads((tmp_path / "one.json").read_text())] == ["closure_residual"]
    assert run("metrics", "closure_residual", "--quiet").output == ""


def test_what_is_no_metric_is_refused(tmp_path):
    assert refused(run("metrics", "closure"), "closure", "closure_residual")
    assert refused(run("metrics", "--json", tmp_path / "all.txt"), ".json")


# --- the page ---------------------------------------------------------------------------------------------------------
def test_the_page_shows_every_input_that_fools_a_score():
    rows = json.loads((ROOT / "experiments" / "results" / "catalogue.json").read_text())["rows"]
    names = {
        row["key"].split(".")[1] for row in rows if row["key"].startswith("failures.") and row["key"].count(".") == 2
    }
    page = (ROOT / "docs" / "catalogue.md").read_text()
    in_words = {"psnr_constant", "independence_no_displacement"}  # ∞ and NaN have no row
    assert len(names) > 40
    assert not [name for name in names - in_words if f"catalogue:failures.{name}." not in page]


def test_a_metric_whose_published_form_is_fooled_points_to_the_page():
    for name in POINTING:
        assert ":doc:`/catalogue`" in inspect.getdoc(getattr(metrics, name)), name


# --- what fools the published formulas --------------------------------------------------------------------------------
def test_inputs_that_fool_a_published_score_are_flagged():
    found = existing.failures(0)
    assert not [name for name, row in found.items() if not row.flagged]
    perfect = {name for name, row in found.items() if row.published < 0.1} | {"psnr_constant"}
    assert set(found) - perfect == {"dlsbd_absent"}, "the others print nearly their best value"
    assert found["dlsbd_absent"].published == pytest.approx(0.49, abs=0.02)
    statuses = {name: row.status for name, row in found.items() if row.status != "ok"}
    degenerate = ("emlp_zero", "e3nn_constant", "escnn_constant", "psnr_constant", "liegg_constant")
    assert statuses == dict.fromkeys(degenerate, "degenerate") | {
        "dlsbd_radius": "partial", "dlsbd_absent": "partial", "lee_stretch": "refused",
    }  # fmt: skip


def test_what_is_good_is_not_flagged():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(400, 2)), existing.G.sample(400, seed=0)
    moved = np.einsum("nab,nb->na", existing.RHO(g), x) + 0.3 * rng.normal(size=x.shape)
    pairs = existing.Orbits.from_pairs(x, moved, g, existing.G)
    good = metrics.equivariance_error(pairs, existing.RHO, baselines=())
    assert not existing._told("good", "a noisy code", 0.0, good).flagged
    bad = metrics.equivariance_error(pairs.map(lambda z: rng.normal(size=z.shape)), existing.RHO, baselines=())
    assert existing._told("bad", "noise", 0.0, bad).flagged


def test_the_transcriptions_agree_and_a_wrong_one_would_not():
    # The first forward-mode derivative of a process takes a second; the slow tests compare that one too.
    quick = {name: compare for name, compare in existing.COMPARISONS.items() if name != "local_equivariance_error"}
    for name, compare in quick.items():
        assert max(compare(0, i) for i in range(2)) < 1e-10, name
    orbits, z, rho = existing._codes(0, 1)
    value = metrics.equivariance_error(orbits, existing.SO3().irrep("l=1"), center=False, baselines=()).value
    wrong = np.swapaxes(rho, -1, -2)
    assert abs(formulas.pair_error(z, wrong) / formulas.mismatch_error(z, wrong) - value) > 0.01


def test_oracles_hold():
    exact = existing.own_rows(1)
    assert len(exact) == 5
    assert max(abs(measured - expected) for measured, expected in exact.values()) < 1e-9


@pytest.mark.slow
def test_all_agree_on_twenty_inputs():
    assert max(existing.agreement(1).values()) < 1e-10


@pytest.mark.slow
def test_expectations_hold():
    drawn = existing.expectations(1)
    assert max(abs(measured - expected) / error for measured, expected, error in drawn.values()) < 4.5
