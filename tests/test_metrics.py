"""Oracles, invariances and controls of the metrics: every good score has a bad twin that must not pass."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic, Lorentz
from geodis.metrics import (
    MetricResult,
    best_linear_error,
    content_retention,
    energy,
    equivariance_error,
    homomorphism_error,
    identity_error,
    invariance_error,
    inverse_error,
    orbit_signal,
    orthogonality_defect,
    relative_equivariance,
)
from geodis.metrics.baselines import haar_orthogonal
from geodis.orbits import Orbits

G = SO2()
RHO = G.irrep("m=1")
PAIR_METRICS = (equivariance_error, relative_equivariance, energy)
MOTION_METRICS = (orbit_signal, invariance_error, content_retention)
ROUNDING = 1e-24  # squares of float64 rounding on codes of size 1
FEW = settings(max_examples=15, deadline=None)


def eye(d):
    return lambda params: np.broadcast_to(np.eye(d), (len(params), d, d))


def orbits_of(z, g, group=G):
    """(n, m, D) codes and (n, m, p) parameters → Orbits."""
    n, m = z.shape[:2]
    return Orbits.from_arrays(z.reshape(n * m, -1), g.reshape(n * m, -1), np.repeat(np.arange(n), m), group)


def planted(n=40, m=8, noise=0.0, seed=0, group=G, rho=RHO, crossed=False, offset=0.0):
    """Codes ρ(g)x_i + noise with Gaussian x_i."""
    rng = np.random.default_rng(seed)
    g = np.repeat(group.orbit(1, m, seed=seed), n, axis=0) if crossed else group.orbit(n, m, seed=seed)
    x = rng.normal(size=(n, rho.dim))
    z = np.einsum("nmab,nb->nma", rho(g), x) + noise * rng.normal(size=(*g.shape[:2], rho.dim)) + offset
    return orbits_of(z, g, group)


def independent(n=200, m=6, d=2, offset=0.0, seed=0, crossed=False):
    g = np.repeat(G.orbit(1, m, seed=seed), n, axis=0) if crossed else G.orbit(n, m, seed=seed)
    return orbits_of(np.random.default_rng(seed).normal(size=(n, m, d)) + offset, g)


def invariant(n=60, m=6, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 1, 2))
    return orbits_of(np.repeat(x, m, axis=1), G.orbit(n, m, seed=seed))


def constant(noise=0.0, dtype=np.float64, offset=3.0):
    z = offset + noise * np.random.default_rng(0).normal(size=(20, 5, 2))
    return orbits_of(z.astype(dtype), G.orbit(20, 5, seed=0))


# --- oracles (metrics.md §11) -------------------------------------------------------------------------------------
@pytest.mark.parametrize("crossed", [True, False])
def test_a_code_of_the_element_alone_knows_nothing_of_its_item(crossed):
    # Every item has the code f(g) + noise: other items predict it exactly as well, also on shared elements.
    n, m = 400, 6
    rng = np.random.default_rng(5)
    # Nested elements are drawn one by one: on grids, other items are nearer than an item's own elements ever are.
    g = np.repeat(G.orbit(1, m, seed=3), n, axis=0) if crossed else G.sample(n * m, seed=3).reshape(n, m, 1)
    z = np.concatenate([np.cos(3 * g), np.sin(2 * g)], axis=-1) + 0.5 * rng.normal(size=(n, m, 2))
    result = equivariance_error(orbits_of(z, g), RHO, baselines=())
    assert result.value == pytest.approx(1.0, abs=0.02)
    assert orbit_signal(orbits_of(z, g), n_draws=19).value == pytest.approx(1.0, abs=0.02)
    of_items = equivariance_error(planted(n, m, 0.5, crossed=crossed), RHO, baselines=())
    assert of_items.value == pytest.approx(0.2, abs=0.02)  # σ²/(1 + σ²)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_noisy_rotation_has_error_s2_over_2_plus_s2(sigma):
    n = 6000
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(n, 2)), G.sample(n, seed=7)
    gz = np.einsum("nab,nb->na", RHO(g), x) + sigma * rng.normal(size=(n, 2))
    result = equivariance_error(Orbits.from_pairs(x, gz, g, G), RHO, baselines=())
    oracle = sigma**2 / (2 + sigma**2)
    assert result.value == pytest.approx(oracle, rel=0.06)
    assert abs(result.value - oracle) < 3 * (result.ci[1] - result.value) / 1.96


@pytest.mark.parametrize("offset", [0.0, 10.0])
@pytest.mark.parametrize("crossed", [False, True])
def test_independent_codes_score_one_whatever_their_offset(offset, crossed):
    result = equivariance_error(independent(offset=offset, crossed=crossed), RHO, n_draws=19)
    se = (result.ci[1] - result.ci[0]) / 4
    assert abs(result.value - 1.0) < 4 * se
    assert result.value == pytest.approx(1.0, abs=0.03)
    assert result.p_value > 0.05
    # Uncentred, an offset that ρ does move is an error that independence does not explain.
    assert energy(independent(offset=offset, crossed=crossed), RHO, baselines=()).value == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize(
    ("group", "name"), [(G, "m=1"), (G, "m=3"), (SO3(), "l=1"), (SO3(), "l=2"), (Cyclic(7), "k=2")]
)
def test_exact_representations_score_zero_and_energy_one(group, name, crossed):
    orbits = planted(group=group, rho=group.irrep(name), crossed=crossed, offset=2.0)
    rho = group.irrep(name)
    assert equivariance_error(orbits, rho, baselines=()).value < ROUNDING
    assert relative_equivariance(orbits, rho, baselines=()).value < ROUNDING
    assert energy(orbits, rho, baselines=()).value == pytest.approx(1.0, abs=0.05 if not crossed else 0.5)
    wrong = group.irreps(4)[-1]
    if wrong.dim == rho.dim and wrong.name != name:
        assert equivariance_error(orbits, wrong, baselines=()).value > 0.5


def test_an_exact_nonorthogonal_representation_scores_zero_with_an_offset():
    L = Lorentz()
    rho = L.irreps(1)[1]
    orbits = planted(n=60, m=5, group=L, rho=rho, offset=5.0)
    assert equivariance_error(orbits, rho, baselines=()).value < 1e-18
    assert equivariance_error(orbits, eye(4), baselines=()).value > 0.1


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_energy_of_a_noisy_circle_is_its_signal_share(sigma):
    result = energy(planted(n=800, m=12, noise=sigma), RHO, n_draws=19)
    share = 1 / (1 + sigma**2)  # L/2 = 2σ², T = 2(1 + σ²)
    assert result.value == pytest.approx(share, abs=0.01)
    assert result.ci[0] < share < result.ci[1]
    assert result.p_value == 0.05
    assert result.skill == pytest.approx(1.0, abs=0.1)  # a ridge map may shrink, ρ may not
    assert not result.lower_is_better


def test_energy_error_and_ratio_of_theory_1_agree():
    """L/I = (1 − λ_ρ)/(1 − λ_0), with λ_0 the energy of the identity."""
    orbits = planted(noise=0.4)
    kept = {"baselines": ()}
    ratio = (1 - energy(orbits, RHO, **kept).value) / (1 - energy(orbits, eye(2), **kept).value)
    assert relative_equivariance(orbits, RHO, **kept).value == pytest.approx(ratio, rel=1e-10)
    assert invariance_error(orbits).value == pytest.approx(1 - energy(orbits, eye(2), **kept).value, rel=1e-10)


def test_invariant_encoder_is_perfect_for_the_identity_and_has_no_signal():
    orbits = invariant()
    assert equivariance_error(orbits, eye(2), baselines=()).value < ROUNDING
    assert orbit_signal(orbits).value < ROUNDING
    assert invariance_error(orbits).value < ROUNDING
    assert invariance_error(orbits).p_value == 0.01
    # A rotation does not explain it, and labels tell nothing: p is not small.
    wrong = equivariance_error(orbits, RHO, n_draws=39)
    assert wrong.value > 0.7
    assert wrong.p_value > 0.5
    still = equivariance_error(orbits, eye(2), n_draws=19)
    assert still.p_value == 1.0
    assert relative_equivariance(orbits, RHO).status == "degenerate"


def test_orbit_signal_of_a_full_rotation_is_near_one():
    assert orbit_signal(planted(n=300)).value == pytest.approx(8 / 7, abs=0.1)  # m/(m−1): lags ≠ e only


@pytest.mark.parametrize("orbits", [constant(), constant(1e-12), constant(0.0, offset=0.0), constant(1e-5, np.float32)])
@pytest.mark.parametrize("metric", PAIR_METRICS)
def test_a_constant_is_degenerate_never_perfect(metric, orbits):
    result = metric(orbits, RHO)
    assert result.status == "degenerate"
    assert math.isnan(result.value)


@pytest.mark.parametrize("metric", MOTION_METRICS[:2])
def test_a_constant_is_no_invariant(metric):
    assert metric(constant(1e-12)).status == "degenerate"
    assert math.isnan(metric(constant()).value)


def test_codes_common_to_all_items_are_pose_only():
    g = G.orbit(20, 8, seed=0)
    orbits = orbits_of(np.einsum("nmab,b->nma", RHO(g), [1.0, 0.5]), g)
    result = equivariance_error(orbits, RHO)
    assert result.status == "pose-only"
    assert math.isnan(result.value)
    assert result.notes
    assert energy(orbits, RHO, baselines=()).value == pytest.approx(1.0)


# --- invariances P1-P6, P16-P18 -----------------------------------------------------------------------------------
@FEW
@given(
    st.integers(0, 10**6),
    st.floats(-6, 6).map(lambda x: 10.0**x),
    st.floats(-50, 50),
    st.booleans(),
)
def test_scale_offset_and_frame_change_nothing(seed, scale, offset, crossed):
    rng = np.random.default_rng(seed)
    orbits = planted(n=12, m=5, noise=0.5, seed=seed, crossed=crossed)
    q = haar_orthogonal(1, 2, rng)[0]
    moved = orbits.map(lambda z: scale * (z @ q.T + offset))
    turned = lambda params: q @ RHO(params) @ q.T  # noqa: E731
    for metric in PAIR_METRICS:
        before, after = metric(orbits, RHO, baselines=()), metric(moved, turned, baselines=())
        assert after.value == pytest.approx(before.value, rel=1e-7, abs=1e-9)
        np.testing.assert_allclose(after.ci, before.ci, rtol=1e-6, atol=1e-8)
    for metric in MOTION_METRICS:
        assert metric(moved).value == pytest.approx(metric(orbits).value, rel=1e-7, abs=1e-9)


@FEW
@given(st.integers(0, 10**6), st.booleans())
def test_order_of_rows_and_names_of_items_change_nothing(seed, crossed):
    rng = np.random.default_rng(seed)
    orbits = planted(n=10, m=5, noise=0.5, seed=seed, crossed=crossed)
    names = rng.permutation(1000)[:10]
    order = rng.permutation(10)[np.repeat(np.arange(10), 5)] if crossed else rng.permutation(50)
    rows = (np.argsort(order, kind="stable")) if crossed else order
    mixed = Orbits.from_arrays(orbits.z[rows], orbits.params[rows], names[orbits.items[rows]], G)
    for metric in PAIR_METRICS:
        before, after = metric(orbits, RHO, baselines=()), metric(mixed, RHO, baselines=())
        assert after.value == pytest.approx(before.value, rel=1e-9)
        np.testing.assert_allclose(after.ci, before.ci, rtol=1e-7)
    assert content_retention(mixed).value == pytest.approx(content_retention(orbits).value)


@FEW
@given(st.integers(0, 10**6))
def test_more_noise_is_never_better(seed):
    values = [equivariance_error(planted(n=30, noise=s, seed=seed), RHO, baselines=()).value for s in (0, 0.1, 0.4, 1)]
    assert values == sorted(values)


@FEW
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_independent_codes_are_at_chance_in_any_dimension(d, seed):
    result = equivariance_error(independent(n=400, m=4, d=d, seed=seed), eye(d), baselines=())
    se = (result.ci[1] - result.ci[0]) / 4
    assert abs(result.value - 1.0) < 5 * se


@pytest.mark.parametrize("metric", PAIR_METRICS)
def test_same_seed_same_result(metric):
    orbits = planted(noise=0.3, n=20)
    a, b = (metric(orbits, RHO, seed=4, n_draws=9).to_dict() for _ in range(2))
    assert a == b


def test_float32_codes_give_the_same_number():
    orbits = planted(noise=0.3)
    single = orbits.map(lambda z: z.astype(np.float32))
    assert equivariance_error(single, RHO).value == pytest.approx(equivariance_error(orbits, RHO).value, rel=1e-5)
    exact = planted().map(lambda z: z.astype(np.float32))
    assert equivariance_error(exact, RHO, baselines=()).value < 1e-12  # squares of 1e-7


def test_ragged_items_weigh_the_same():
    rng = np.random.default_rng(0)
    g, x = G.sample(400, seed=0), rng.normal(size=(60, 2))
    items = np.concatenate([np.repeat(np.arange(40), 2), np.repeat(np.arange(40, 60), 16)])
    z = np.einsum("nab,nb->na", RHO(g), x[items])
    assert equivariance_error(Orbits.from_arrays(z, g, items, G), RHO, n_draws=9).value < ROUNDING
    noisy = Orbits.from_arrays(z + 0.5 * rng.normal(size=z.shape), g, items, G)
    result = energy(noisy, RHO, n_draws=9)
    assert result.value == pytest.approx(0.8, abs=0.08)
    assert result.per_item.mean() == pytest.approx(result.value)


# --- statuses and malformed input ---------------------------------------------------------------------------------
@pytest.mark.parametrize("metric", PAIR_METRICS)
@pytest.mark.parametrize(("n", "m"), [(1, 8), (8, 1), (1, 1)])
def test_one_item_or_one_element_is_insufficient(metric, n, m):
    result = metric(planted(n=n, m=m, noise=0.1), RHO)
    assert result.status == "insufficient"
    assert np.isnan(result.ci).all()
    assert str(result)


@pytest.mark.parametrize("metric", MOTION_METRICS)
@pytest.mark.parametrize(("n", "m"), [(1, 8), (8, 1), (1, 1)])
def test_one_item_or_one_element_is_insufficient_for_motion_and_content(metric, n, m):
    assert metric(planted(n=n, m=m, noise=0.1)).status == "insufficient"


def test_items_with_one_element_are_left_out_and_named():
    orbits = planted(n=20, noise=0.2)
    keep = (orbits.items >= 3) | (np.arange(len(orbits)) % 8 == 0)
    ragged = Orbits.from_arrays(orbits.z[keep], orbits.params[keep], orbits.items[keep], G)
    result = equivariance_error(ragged, RHO, n_draws=9)
    assert result.n_items == 17
    assert any("3 items" in note for note in result.notes)
    assert any("3 items" in note for note in content_retention(ragged).notes)


@pytest.mark.parametrize("metric", PAIR_METRICS)
@pytest.mark.parametrize(
    ("rho", "options", "error"),
    [
        (eye(3), {}, ShapeError),
        (lambda p: np.eye(2), {}, ShapeError),
        (lambda p: np.full((len(p), 2, 2), np.nan), {}, FiniteError),
        (lambda p: np.zeros((len(p), 2, 2)), {}, ParameterError),
        ("m=1", {}, ParameterError),
        (RHO, {"level": 1.0}, ParameterError),
        (RHO, {"n_draws": 0}, ParameterError),
        (RHO, {"baselines": ("ceiling",)}, ParameterError),
        (RHO, {"baselines": "identity"}, ParameterError),
        (RHO, {"basis": lambda h: np.ones(3)}, ShapeError),
    ],
)
def test_malformed_input_is_a_named_error(metric, rho, options, error):
    with pytest.raises(error):
        metric(planted(n=8, m=4, noise=0.1), rho, **options)


def test_codes_that_are_no_orbits_are_named_errors():
    for metric in PAIR_METRICS:
        with pytest.raises(ParameterError, match="Orbits"):
            metric(np.zeros((4, 2)), RHO)
    for metric in MOTION_METRICS:
        with pytest.raises(ParameterError, match="Orbits"):
            metric(np.zeros((4, 2)))
        with pytest.raises(ParameterError):
            metric(planted(n=4), level=0.0)
    with pytest.raises(FiniteError):
        equivariance_error(planted().map(lambda z: z * np.nan), RHO)
    with pytest.raises(ParameterError):
        orbit_signal(planted(n=4), n_draws=0)


def test_nan_that_slips_into_orbits_is_found():
    orbits = planted()
    orbits.z[3, 1] = np.nan
    for metric in PAIR_METRICS:
        with pytest.raises(FiniteError):
            metric(orbits, RHO)
    for metric in MOTION_METRICS:
        with pytest.raises(FiniteError):
            metric(orbits)


# --- baselines ----------------------------------------------------------------------------------------------------
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


# --- intervals ----------------------------------------------------------------------------------------------------
def scaled_elements(seed, n=60, m=24):
    """Crossed orbits whose random elements scale the code: error (s² + σ²)/(1 + s² + σ²) with s² = σ² = .09."""
    rng = np.random.default_rng(seed)
    g = np.repeat(G.sample(m, seed=seed)[None], n, axis=0)
    x = rng.normal(size=(n, 2))
    z = np.einsum("nmab,nb->nma", RHO(g), x) * (1 + 0.3 * rng.normal(size=(1, m, 1)))
    return orbits_of(z + 0.3 * rng.normal(size=z.shape), g)


def test_design_chooses_the_interval():
    assert "two-way" in equivariance_error(planted(crossed=True, noise=0.1), RHO, baselines=()).ci_method
    nested = equivariance_error(planted(noise=0.1), RHO, baselines=())
    assert "item-clustered" in nested.ci_method
    assert nested.per_g is None


def test_crossed_intervals_cover_and_element_effects_count_twice(monkeypatch):
    import geodis.metrics.evaluate as module

    truth = 0.18 / 1.18

    def share():
        results = [equivariance_error(scaled_elements(s), RHO, baselines=()) for s in range(150)]
        return np.mean([r.ci[0] <= truth <= r.ci[1] for r in results])

    assert share() > 0.86
    monkeypatch.setattr(module, "influence", lambda cells, compares, mean=0.0: cells)
    assert share() < 0.82


def test_nested_intervals_cover():
    truth = 0.25 / 1.25
    results = [equivariance_error(planted(n=60, m=6, noise=0.5, seed=s), RHO, baselines=()) for s in range(200)]
    assert 0.90 <= np.mean([r.ci[0] <= truth <= r.ci[1] for r in results]) <= 0.99


def test_more_items_narrow_the_interval_but_repeating_rows_does_not():
    small, large = (equivariance_error(planted(n=n, noise=0.5), RHO, baselines=()) for n in (50, 450))
    width = [r.ci[1] - r.ci[0] for r in (small, large)]
    assert width[0] / width[1] == pytest.approx(3.0, rel=0.4)
    orbits = planted(n=50, noise=0.5)
    again = Orbits.from_arrays(np.tile(orbits.z, (2, 1)), np.tile(orbits.params, (2, 1)), np.tile(orbits.items, 2), G)
    # Copies of rows within their item are not new items (pairs of equal rows do lower the error itself).
    repeated = equivariance_error(again, RHO, baselines=())
    assert (repeated.ci[1] - repeated.ci[0]) / repeated.value == pytest.approx(width[0] / small.value, rel=0.1)


def test_contributions_average_to_the_value():
    for metric in PAIR_METRICS:
        result = metric(planted(crossed=True, noise=0.4), RHO, baselines=())
        assert result.per_item.mean() == pytest.approx(result.value)
        assert result.per_g.mean() == pytest.approx(result.value)


# --- content ------------------------------------------------------------------------------------------------------
def test_content_of_separate_items_is_one_and_of_noise_is_chance():
    far = orbits_of(
        100.0 * np.arange(20)[:, None, None] + np.random.default_rng(0).normal(size=(20, 5, 3)), G.orbit(20, 5)
    )
    assert content_retention(far).value == 1.0
    noise = content_retention(independent(n=300, m=8))
    assert noise.baselines["chance"] == pytest.approx(7 / (8 * 300 - 1))
    assert noise.value == pytest.approx(7 / 2399, abs=0.004)


def test_ties_count_as_their_expected_share():
    flat = content_retention(constant())
    assert flat.status == "degenerate"
    assert flat.value == pytest.approx(4 / 99)
    # Two values: every row ties with the half that shares its value, 49 rows of which 4 are its item's.
    z = np.repeat(np.arange(20) % 2, 5).reshape(20, 5, 1).astype(float)
    half = content_retention(orbits_of(z, G.orbit(20, 5)))
    assert half.value == pytest.approx(4 / 49)
    assert half.status == "ok"
    assert content_retention(orbits_of(np.repeat(z, 20, axis=2), G.orbit(20, 5))).value == pytest.approx(4 / 49)


def test_content_is_the_double_loop():
    orbits = independent(n=15, m=4, d=3)
    distances = ((orbits.z[:, None] - orbits.z[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    assert content_retention(orbits).value == np.mean(orbits.items[distances.argmin(1)] == orbits.items)


def test_pose_without_item_has_no_content():
    g = np.repeat(G.orbit(1, 8, seed=0), 20, axis=0)
    z = np.einsum("nmab,b->nma", RHO(g), [1.0, 0.0])
    assert content_retention(orbits_of(z, g)).value == 0.0  # the same pose of other items is nearer


def test_cosine_content_ignores_length():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    z = np.stack([np.cos(x), np.sin(x)], axis=1)[:, None] * rng.uniform(0.1, 10, size=(12, 5, 1))
    orbits = orbits_of(z, G.orbit(12, 5))
    assert content_retention(orbits, distance="cosine").value == 1.0
    assert content_retention(orbits).value < 0.9
    with pytest.raises(ParameterError):
        content_retention(orbits, distance="manhattan")


# --- group law ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("group", "rho"), [(G, RHO), (SO3(), SO3().irrep("l=2")), (Cyclic(5), Cyclic(5).irrep("k=2"))])
def test_representations_obey_the_law(group, rho):
    assert homomorphism_error(rho, group).value < 1e-10
    assert inverse_error(rho, group).value < 1e-10
    assert identity_error(rho, group).value < 1e-10
    assert orthogonality_defect(rho, group).value < 1e-10
    z = np.random.default_rng(0).normal(size=(50, rho.dim))
    assert homomorphism_error(rho, group, z=z).value < 1e-20


@pytest.mark.parametrize("d", [2, 4, 16])
def test_independent_haar_matrices_score_root_two(d):
    rng = np.random.default_rng(0)
    random = lambda params: haar_orthogonal(len(params), d, rng)  # noqa: E731
    result = homomorphism_error(random, G, n_pairs=2000)
    assert result.value == pytest.approx(math.sqrt(2), abs=0.03)
    assert result.baselines["random_orthogonal"] == math.sqrt(2)
    assert inverse_error(random, G, n_draws=2000).value == pytest.approx(math.sqrt(2), abs=0.03)
    z = rng.normal(size=(200, d))
    assert homomorphism_error(random, G, z=z, n_pairs=2000).value == pytest.approx(1.0, abs=0.05)
    assert orthogonality_defect(random, G).value < 1e-10


def test_a_frequency_error_grows_and_the_weight_ignores_empty_directions():
    bent = lambda g: RHO(g + 0.2 * np.sin(g))  # noqa: E731
    assert homomorphism_error(bent, G).value > 0.05

    def with_dead_block(g):
        out = np.zeros((len(g), 3, 3))
        out[:, :2, :2] = RHO(g)
        out[:, 2, 2] = np.random.default_rng(0).normal(size=len(g))
        return out

    z = np.zeros((40, 3))
    z[:, :2] = np.random.default_rng(0).normal(size=(40, 2))
    assert homomorphism_error(with_dead_block, G).value > 0.1
    assert homomorphism_error(with_dead_block, G, z=z).value < 1e-20


def test_operators_that_vanish_or_do_nothing_are_no_success():
    zero = lambda g: np.zeros((len(g), 2, 2))  # noqa: E731
    assert homomorphism_error(zero, G).status == "degenerate"
    assert homomorphism_error(RHO, G, z=np.zeros((4, 2))).status == "degenerate"
    assert identity_error(zero, G).value == 1.0
    assert inverse_error(zero, G).value == 1.0
    assert any("says nothing" in note for note in homomorphism_error(eye(2), G).notes)


@pytest.mark.parametrize("law", [homomorphism_error, inverse_error, identity_error, orthogonality_defect])
def test_malformed_operators_are_named_errors(law):
    for rho, group in [(lambda g: np.ones((len(g), 2, 3)), G), (lambda g: np.eye(2), G), (None, G), (RHO, "SO2")]:
        with pytest.raises(GeodisError):
            law(rho, group)
    with pytest.raises(FiniteError):
        law(lambda g: np.full((len(g), 2, 2), np.inf), G)


def test_malformed_law_options_are_named_errors():
    with pytest.raises(ShapeError):
        homomorphism_error(RHO, G, z=np.zeros((4, 3)))
    with pytest.raises(FiniteError):
        homomorphism_error(RHO, G, z=np.full((4, 2), np.nan))
    for options in ({"n_pairs": 0}, {"level": 2.0}):
        with pytest.raises(ParameterError):
            homomorphism_error(RHO, G, **options)
    assert homomorphism_error(RHO, G, n_pairs=1).status == "insufficient"


# --- the result ---------------------------------------------------------------------------------------------------
def test_result_is_frozen_prints_one_line_and_becomes_json():
    result = equivariance_error(planted(noise=0.2, n=12), RHO, n_draws=9)
    assert "\n" not in str(result)
    assert "equivariance_error" in str(result)
    assert result.status in str(result)
    with pytest.raises(FrozenInstanceError):
        result.value = 0.0
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(data) == set(MetricResult.__dataclass_fields__)
    json.dumps(equivariance_error(constant(), RHO).to_dict(), allow_nan=False)
