"""Edits of concepts: cause and isolate, steering, linear erasure, the causal inner product."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from geodis.errors import DesignError, FiniteError, LengthError, MissingExtraError, ParameterError, ShapeError
from geodis.metrics import (
    causal_cosine,
    causal_inner_product,
    cause_isolate,
    concept_direction,
    concept_erasure_residual,
    steerability_slope,
)
from geodis.metrics.erasure import leace

RNG = np.random.default_rng(0)
CONCEPT = RNG.integers(0, 3, 300)
CODES = RNG.normal(size=(300, 6)) + 3.0 * RNG.normal(size=(3, 6))[CONCEPT]
WORDS = RNG.normal(size=(200, 5)) @ (RNG.normal(size=(5, 5)) + 3 * np.eye(5))


# --- cause and isolate ------------------------------------------------------------------------------------------------
def test_cause_isolate_is_not_rounded_and_attributes_count_alike():
    ones = np.ones(401, dtype=int)
    caused = np.where(np.arange(401) < 202, 1, 0)  # .50374…, published as .5
    isolated = np.concatenate([np.ones(10, dtype=int), np.zeros(5, dtype=int)])
    found = cause_isolate(
        caused, ones, isolated, np.ones(15, dtype=int), unedited=0 * ones, attributes=["city"] * 10 + ["river"] * 5
    )
    assert found.cause.value == pytest.approx(202 / 401)
    assert found.isolate.value == pytest.approx(0.5)  # cities all, rivers none
    assert found.disentangle.value == pytest.approx(0.5 * (202 / 401 + 0.5), abs=1e-12)
    assert found.disentangle.ci[0] < found.disentangle.value < found.disentangle.ci[1]


def test_no_edit_and_a_copy_of_the_source_are_baselines():
    base, source = np.arange(60) % 3, (np.arange(60) + 1) % 3
    nothing = cause_isolate(base, source, base, base, unedited=base)
    assert nothing.disentangle.value == pytest.approx(0.5)
    assert nothing.disentangle.skill == pytest.approx(0.0)
    assert nothing.cause.baselines["chance"] == pytest.approx(1 / 3)
    perfect = cause_isolate(source, source, base, base, unedited=base)
    assert (perfect.disentangle.value, perfect.disentangle.skill) == (1.0, 1.0)
    same = cause_isolate(base, base, base, base, unedited=base)
    assert (same.disentangle.status, math.isnan(same.disentangle.value)) == ("degenerate", True)
    assert cause_isolate([1], [1], [0], [0], unedited=[0]).disentangle.status == "insufficient"
    with pytest.raises(LengthError):
        cause_isolate(base, source[:-1], base, base, unedited=base)
    with pytest.raises(LengthError):
        cause_isolate(base, source, base, base[:-1], unedited=base)
    with pytest.raises(LengthError):
        cause_isolate([], [], [], [], unedited=[])


# --- steering ---------------------------------------------------------------------------------------------------------
def test_slopes_are_found_item_by_item():
    slopes, at = np.array([2.0, 1.0, -0.5, 0.0]), np.array([-1.5, -1.0, 0.0, 2.0])
    found = steerability_slope(slopes[:, None] * at + np.array([[3.0], [-1.0], [0.0], [5.0]]), at)
    assert found.slope.per_item == pytest.approx(slopes, abs=1e-12)
    assert found.slope.value == pytest.approx(0.625)
    assert found.negative.value == 0.25
    assert "0.250" in found.slope.notes[0]
    noise = steerability_slope(np.random.default_rng(1).normal(size=(200, 5)), np.arange(5))
    assert noise.slope.ci[0] < 0.0 < noise.slope.ci[1]
    assert noise.negative.ci[0] < 0.5 < noise.negative.ci[1]
    flat = steerability_slope(np.ones((5, 3)) * [[1], [2], [3], [4], [5]], [0, 1, 2])
    assert (flat.slope.status, math.isnan(flat.negative.value)) == ("degenerate", True)
    assert steerability_slope([[0.0, 1.0]], [0, 1]).slope.status == "insufficient"


@pytest.mark.parametrize(
    ("y", "x", "error"),
    [
        (np.ones((3, 4)), np.arange(3), LengthError),
        (np.ones((3, 4)), np.ones(4), ParameterError),
        (np.ones(4), np.arange(4), ShapeError),
        (np.full((3, 4), np.nan), np.arange(4), FiniteError),
    ],
)
def test_malformed_steering_is_refused(y, x, error):
    with pytest.raises(error):
        steerability_slope(y, x)


# --- erasure ----------------------------------------------------------------------------------------------------------
def test_erasure_leaves_no_covariance_in_any_unit():
    for scale in (1e-6, 1e6):
        found = concept_erasure_residual(scale * CODES + scale, CONCEPT, n_null=1)
        assert found.covariance < 1e-10
        assert found.unseen_covariance > 1e-4
        assert found.probe.baselines["before"] > 0.9
        assert found.probe.value < 0.55
        assert found.probe.skill > 0.7
        assert found.probe.baselines["chance"] == pytest.approx(1 / 3, abs=0.1)


def test_erasure_is_exact_where_the_codes_have_no_full_rank():
    wide = np.hstack([CODES, CODES[:, :2], np.ones((300, 1))])
    levels = np.eye(3)[CONCEPT]
    erased = leace(wide, levels)(wide)
    assert np.abs((erased - erased.mean(0)).T @ (levels - levels.mean(0))).max() / 300 < 1e-10
    assert erased[:, 6:8] == pytest.approx(erased[:, :2], abs=1e-8)
    assert erased.mean(axis=0) == pytest.approx(wide.mean(axis=0), abs=1e-10)


def test_linear_erasure_leaves_what_a_forest_finds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    concept = (x[:, 0] * x[:, 1] > 0).astype(int)
    z = np.hstack([x, concept[:, None] + 0.3 * rng.normal(size=(400, 1))])
    linear = concept_erasure_residual(z, concept, n_null=1)
    forest = concept_erasure_residual(z, concept, probe=RandomForestClassifier(5, random_state=0), n_null=1)
    assert linear.probe.value < 0.65
    assert forest.probe.value > 0.8


def test_a_concept_that_was_never_there_tests_nothing():
    rng = np.random.default_rng(0)
    found = concept_erasure_residual(rng.normal(size=(300, 3)), rng.integers(0, 2, 300), n_null=4)
    assert found.probe.status == "degenerate"
    assert found.probe.skill is None
    flat = concept_erasure_residual(np.ones((300, 3)), CONCEPT)
    assert (flat.probe.status, math.isnan(flat.probe.value)) == ("degenerate", True)
    assert concept_erasure_residual(CODES[:4], [0, 1, 0, 1]).probe.status == "insufficient"


def test_erasure_without_its_package_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "concept_erasure", None)
    with pytest.raises(MissingExtraError, match=r"geodis\[erasure\]"):
        concept_erasure_residual(CODES, CONCEPT)


@pytest.mark.parametrize(
    ("z", "concept", "options", "error"),
    [
        (CODES[:-1], CONCEPT, {}, LengthError),
        (CODES, CONCEPT, {"items": np.arange(4)}, LengthError),
        (CODES, 0 * CONCEPT, {}, ParameterError),
        (CODES * np.nan, CONCEPT, {}, FiniteError),
        (CODES, CONCEPT[:, None], {}, ShapeError),
        (CODES, CONCEPT, {"probe": "linear"}, ParameterError),
        (CODES, CONCEPT, {"n_null": 0}, ParameterError),
    ],
)
def test_malformed_erasure_is_refused(z, concept, options, error):
    with pytest.raises(error):
        concept_erasure_residual(z, concept, **options)


# --- the causal inner product -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(5))
def test_the_causal_cosine_does_not_know_the_units_of_the_unembedding(seed):
    rng = np.random.default_rng(seed)
    u, v, a = rng.normal(size=(3, 5)), rng.normal(size=(4, 5)), rng.normal(size=(5, 5))
    plain = causal_cosine(u, v, WORDS)
    assert causal_cosine(u @ a.T, v @ a.T, WORDS @ a.T + rng.normal(size=5)) == pytest.approx(plain, abs=1e-9)
    assert np.abs(plain).max() <= 1.0
    euclidean = (u @ v.T) / np.outer(np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1))
    assert np.abs(euclidean - plain).max() > 0.05
    products = causal_inner_product(u @ a.T, v @ a.T, WORDS @ a.T)
    assert products == pytest.approx(causal_inner_product(u, v, WORDS), rel=1e-8, abs=1e-9)
    inverse = np.linalg.inv(np.cov(WORDS.T, ddof=0))
    assert causal_inner_product(u, v, WORDS) == pytest.approx(u @ inverse @ v.T, abs=1e-10)
    assert np.isnan(causal_cosine(np.zeros((1, 5)), v, WORDS)).all()


def test_pairs_of_one_concept_agree_and_random_pairs_do_not():
    rng = np.random.default_rng(0)
    shared = concept_direction(np.eye(5)[0] * 5 + rng.normal(size=(20, 5)), WORDS, n_draws=99)
    assert shared.value > 0.7
    assert shared.p_value == 0.01
    assert shared.ci[0] > shared.baselines["random_pairs"]
    random = concept_direction(rng.normal(size=(20, 5)), WORDS, n_draws=99)
    assert random.p_value > 0.05
    assert abs(random.baselines["chance"]) < 0.1
    some = concept_direction(np.vstack([np.zeros((1, 5)), np.eye(5)[:2]]), WORDS, n_draws=9)
    assert "1 pairs" in some.notes[0]
    assert concept_direction(np.zeros((3, 5)), WORDS).status == "degenerate"
    assert concept_direction(np.ones((1, 5)), WORDS).status == "insufficient"


def test_the_null_of_random_signs_is_uniform():
    rng = np.random.default_rng(0)
    p = [concept_direction(rng.normal(size=(8, 5)), WORDS, n_draws=39, seed=s).p_value for s in range(60)]
    assert 0.35 < np.mean(p) < 0.68


@pytest.mark.parametrize(
    ("u", "words", "error"),
    [
        (np.ones((2, 4)), WORDS, ShapeError),
        (np.ones((2, 5)), WORDS[:5], DesignError),
        (np.ones((2, 5)), WORDS * [1, 1, 1, 1, 0], DesignError),
        (np.ones((2, 5)), WORDS[:1], ShapeError),
        (np.full((2, 5), np.inf), WORDS, FiniteError),
    ],
)
def test_malformed_directions_are_refused(u, words, error):
    for call in (lambda: causal_inner_product(u, u, words), lambda: concept_direction(u, words)):
        with pytest.raises(error):
            call()
