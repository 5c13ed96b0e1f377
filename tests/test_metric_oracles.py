"""Oracles of the metrics: codes whose score is known, and every good score has a bad twin that must not pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circle_codes import MOTION_METRICS, PAIR_METRICS, RHO, ROUNDING, G, constant, eye, independent, orbits_of, planted

from geodis.groups import SO3, Cyclic, Lorentz
from geodis.metrics import energy, equivariance_error, invariance_error, orbit_signal, relative_equivariance
from geodis.orbits import Orbits


def invariant(n=60, m=6, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 1, 2))
    return orbits_of(np.repeat(x, m, axis=1), G.orbit(n, m, seed=seed))


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
