"""Baselines and ceilings stand where they must, and the free linear map finds what it was not given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circle_codes import RHO, G, independent, orbits_of, planted

from geodis.errors import ParameterError
from geodis.groups import Cyclic
from geodis.metrics import best_linear_error, equivariance_error


def test_baselines_stand_where_they_must():
    result = equivariance_error(planted(n=200, noise=0.2), RHO, n_draws=99)
    base = result.baselines
    assert result.value < base["best_linear"] * 1.1
    assert base["chance"] == 1.0
    assert base["mean"] == pytest.approx(0.5, abs=0.05)
    assert base["relabelled"] == pytest.approx(1.0, abs=0.1)
    assert base["random_orthogonal"] == pytest.approx(1.0, abs=0.1)
    assert result.p_value == 0.01
    assert result.skill == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("n", "d"), [(60, 10), (100, 5)])
def test_best_linear_map_on_independent_codes_is_worse_than_the_mean(n, d):
    """Held-out unexplained variance 1 + (d+1)/(n_train − d − 2), in-sample 1 − d/n: the artefact must not come back."""
    values = []
    for seed in range(20):
        g = np.tile([[[0.0], [1.0]]], (n, 1, 1))
        z = np.random.default_rng(seed).normal(size=(n, 2, d))
        values.append(best_linear_error(orbits_of(z, g, Cyclic(2)), ridge=0.0, n_folds=2, seed=seed) / d)
    train = n // 2
    # Independent data: intercept adds 1/n_train, and d predictors their own share.
    oracle = (1 + 1 / train) * (1 + d / (train - d - 2))
    assert np.mean(values) == pytest.approx(oracle, rel=0.1)
    z = np.random.default_rng(0).normal(size=(n, 2, d))
    x = np.concatenate([z[:, 0], np.ones((n, 1))], axis=1)
    in_sample = z[:, 1] - x @ np.linalg.lstsq(x, z[:, 1], rcond=None)[0]
    assert (in_sample**2).mean() < 1 - 0.5 * d / n


def test_ridge_choice_returns_to_the_mean_where_nothing_is_to_learn():
    orbits = independent(n=60, m=2, d=20, crossed=True)
    assert best_linear_error(orbits) / 20 == pytest.approx(1.0, abs=0.2)
    assert best_linear_error(orbits, ridge=0.0) / 20 > 1.3


@pytest.mark.parametrize("crossed", [True, False])
def test_best_linear_map_finds_a_representation_it_was_not_given(crossed):
    orbits = planted(n=200, m=6, noise=0.1, crossed=crossed)
    found = best_linear_error(orbits, RHO)
    assert found < 0.06  # σ²-level: 2·.01 from the target, as much from the source
    basis = lambda h: np.stack([np.cos(h[:, 0]), np.sin(h[:, 0])], axis=1)  # noqa: E731
    assert best_linear_error(orbits, basis=basis) < 0.06
    if not crossed:
        assert best_linear_error(orbits) > 0.5  # one map for all steps cannot


def test_items_of_two_elements_exchange_labels_across_items():
    """A swap within the item only inverts the step; where all steps are one, labels carry no evidence."""
    rng = np.random.default_rng(0)
    g = np.tile([[[0.0], [0.7]]], (50, 1, 1))
    z = np.einsum("nmab,nb->nma", RHO(g), rng.normal(size=(50, 2)))
    same = equivariance_error(orbits_of(z, g), RHO, n_draws=19)
    assert same.p_value == 1.0
    assert same.baselines["relabelled"] == pytest.approx(same.value, abs=1e-20)
    g = np.stack([np.zeros((50, 1)), rng.uniform(-1, 1, size=(50, 1))], axis=1)
    z = np.einsum("nmab,nb->nma", RHO(g), rng.normal(size=(50, 2)))
    assert equivariance_error(orbits_of(z, g), RHO, n_draws=19).p_value == 0.05


def test_a_wrong_representation_is_told_from_a_nonlinear_code():
    """Ceiling low and error high: linear, but not this ρ."""
    result = equivariance_error(planted(n=100, m=6, noise=0.05, crossed=True), G.irrep("m=2"), n_draws=19)
    assert result.baselines["best_linear"] < 0.05
    assert result.value > 0.5
    assert result.skill < 0.1


def test_best_linear_needs_four_items_and_names_bad_options():
    assert math.isnan(best_linear_error(planted(n=3)))
    for options in ({"ridge": -1.0}, {"ridge": "cv"}, {"n_folds": 1}):
        with pytest.raises(ParameterError):
            best_linear_error(planted(n=8), **options)


def test_many_elements_are_thinned_for_the_ceiling(monkeypatch):
    orbits = planted(n=60, m=20, noise=0.05, crossed=True)
    whole = best_linear_error(orbits)
    monkeypatch.setattr("geodis.metrics.best_linear.MAX_GRAM", 16)
    assert best_linear_error(orbits) != whole
    assert best_linear_error(orbits) == pytest.approx(whole, rel=0.3)
