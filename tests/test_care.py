"""Scores of one map per element: judged on other items, and a code that does not move is not a good one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circle_codes import G, constant, independent, orbits_of, planted

from geodis.errors import DesignError, FiniteError, ParameterError
from geodis.groups import Cyclic
from geodis.metrics import LinearMap, OrthogonalMap, RotationMap, care_gamma, gram_error, procrustes_error
from geodis.metrics.procrustes import unexplained
from geodis.orbits import Orbits

SCORES = (gram_error, procrustes_error, care_gamma)
ROUNDING = {gram_error: 1e-13, procrustes_error: 1e-24, care_gamma: 1e-24}
MAPS = (OrthogonalMap(), RotationMap(), LinearMap(), LinearMap(0.01))


def shared(*codes):
    """Codes (n, d) of all items at each element."""
    z = np.stack(codes, axis=1)
    g = np.tile(np.arange(float(len(codes)))[None, :, None], (len(z), 1, 1))
    return orbits_of(z, g, Cyclic(max(len(codes), 2)))


def haar(d, seed=0, determinant=1.0):
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    q[:, 0] *= np.sign(np.linalg.det(q)) * determinant
    return q


def normal(n=150, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("score", SCORES)
def test_turned_codes_are_exact_and_independent_ones_at_chance(score):
    z = normal()
    exact = score(shared(z, z @ haar(3), z @ haar(3, 1)))
    assert exact.value < ROUNDING[score]
    assert exact.status == "ok"
    alone = score(shared(z, normal(seed=1), normal(seed=2)), level=0.999)
    assert alone.ci[0] <= alone.baselines["chance"] <= alone.ci[1]
    assert score(planted(n=60, m=5, crossed=True)).value < ROUNDING[score]


@pytest.mark.parametrize("score", SCORES)
def test_a_constant_and_an_invariant_code_are_degenerate(score):
    still = normal()
    flat = np.full((150, 3), 2.0)
    assert score(shared(flat, flat, flat)).status == "degenerate"
    assert math.isnan(score(shared(flat, flat, flat)).value)
    for noise in (0.0, 1e-3):
        result = score(shared(still, still + noise * normal(seed=1), still + noise * normal(seed=2)))
        assert result.status == "degenerate"
    moving = score(shared(still, still + 0.5 * normal(seed=1)))
    assert moving.status == "ok"
    assert any("orbit signal" in note for note in moving.notes)


@pytest.mark.parametrize("score", SCORES)
def test_scale_frame_and_names_of_items_change_nothing(score):
    codes = [normal(40), normal(40) @ haar(3) + 0.4 * normal(40, seed=1)]
    before = score(shared(*codes))
    frame = haar(3, 5, determinant=-1.0)
    after = score(shared(*(1e3 * x @ frame for x in codes)))
    assert after.value == pytest.approx(before.value, rel=1e-9)
    assert after.ci == pytest.approx(before.ci, rel=1e-6)
    renamed = Orbits.from_arrays(*shared(*codes).arrays()[:2], np.repeat(np.arange(40) + 7, 2), Cyclic(2))
    assert score(renamed).value == pytest.approx(before.value, rel=1e-12)
    assert score(shared(*codes)).to_dict() == before.to_dict()


@pytest.mark.parametrize("score", [gram_error, procrustes_error])
def test_an_offset_of_each_element_counts_for_nothing(score):
    codes = [normal(80), normal(80) @ haar(3) + 0.4 * normal(80, seed=1)]
    far = [x + 10.0 * (k + 1) for k, x in enumerate(codes)]
    assert score(shared(*far)).value == pytest.approx(score(shared(*codes)).value, rel=1e-9)
    # Uncentred, the offset would explain nearly everything.
    alone = score(shared(normal(80) + 10.0, normal(80, seed=3) + 10.0))
    assert alone.value > 0.8


@pytest.mark.parametrize("score", SCORES)
def test_more_noise_is_never_better(score):
    z, noise = normal(80), normal(80, seed=1)
    values = [score(shared(z, z @ haar(3) + s * noise)).value for s in (0.0, 0.1, 0.3, 1.0)]
    assert values == sorted(values)


@pytest.mark.parametrize("score", SCORES)
def test_features_of_noise_are_no_help(score):
    z = normal(80)
    codes = [z, z @ haar(3) + 0.2 * normal(80, seed=1)]
    wider = [np.hstack([x, normal(80, 2, seed)]) for seed, x in enumerate(codes, start=7)]
    assert score(shared(*wider)).value > score(shared(*codes)).value


# --- maps -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", [2, 3, 6])
def test_a_true_reflection_is_charged_over_SO_and_free_over_O(d):
    z = normal(200, d) * np.linspace(2.0, 1.0, d)
    mirrored, turned = z @ haar(d, determinant=-1.0), z @ haar(d, determinant=1.0)
    for maps in MAPS[:3]:
        assert procrustes_error(shared(z, turned), maps).value < 1e-20
    assert procrustes_error(shared(z, mirrored), OrthogonalMap()).value < 1e-20
    assert procrustes_error(shared(z, mirrored), LinearMap()).value < 1e-20
    # One flip of the shortest axis: 4 σ_min/Σσ of the variance.
    shares = np.linspace(2.0, 1.0, d) ** 2
    assert procrustes_error(shared(z, mirrored), RotationMap()).value == pytest.approx(4 / shares.sum(), rel=0.25)
    assert gram_error(shared(z, mirrored)).value < ROUNDING[gram_error]


@pytest.mark.parametrize(("n", "d"), [(120, 4), (120, 40)])
def test_independent_codes_score_as_the_law_of_held_out_maps_says(n, d):
    linear, orthogonal, inside = [], [], []
    for seed in range(12):
        codes = normal(n, d, seed), normal(n, d, seed + 100)
        linear.append(procrustes_error(shared(*codes), LinearMap(), n_draws=1).value)
        orthogonal.append(procrustes_error(shared(*codes), n_draws=1).value)
        inside.append(unexplained(LinearMap(), codes, codes).sum() / ((codes[1] - codes[1].mean(0)) ** 2).sum())
    half = n // 2
    assert np.mean(linear) == pytest.approx(1 + d / (half - d - 2), rel=0.05)
    assert np.mean(orthogonal) == pytest.approx(2.0, rel=0.05)
    assert np.mean(inside) == pytest.approx(1 - d / (n - 1), rel=0.05)  # what the sample of the fit would say


def test_chance_is_that_of_the_same_fit_to_other_items():
    z, other = normal(60, 25), normal(60, 25, seed=1)
    result = procrustes_error(shared(z, other), LinearMap(), n_draws=8)
    assert result.baselines["chance"] == pytest.approx(1 + 25 / (30 - 25 - 2), rel=0.6)
    assert result.baselines["chance"] > 3.0  # never 1 by decree
    known = procrustes_error(shared(z, z @ haar(25) + 0.1 * other), OrthogonalMap())
    assert known.value < 0.05 < known.baselines["mean"] == 1.0 < known.baselines["identity"]


def test_a_ridge_helps_where_items_are_few():
    z = normal(50, 20)
    noisy = shared(z, 0.5 * z + normal(50, 20, seed=1))
    assert procrustes_error(noisy, LinearMap(1.0)).value < procrustes_error(noisy, LinearMap()).value
    for ridge in (-1.0, math.nan, True):
        with pytest.raises(ParameterError):
            LinearMap(ridge)


def test_folds_and_intervals_go_by_cluster():
    z, labels = np.repeat(normal(30), 4, axis=0), np.repeat(np.arange(30), 4)
    codes = [z + 0.01 * normal(120, seed=1), np.repeat(normal(30, seed=2), 4, axis=0)]
    plain = shared(*codes)
    rows = plain.arrays()
    grouped = Orbits.from_arrays(*rows, Cyclic(2), clusters=np.repeat(labels, 2))
    # Copies of fitted items among the judged ones let any matrix remember them; clusters keep them apart.
    assert procrustes_error(grouped, LinearMap()).value > 1.0
    widths = [np.diff(procrustes_error(orbits, OrthogonalMap()).ci)[0] for orbits in (plain, grouped)]
    assert widths[1] > 1.2 * widths[0]


# --- gamma ------------------------------------------------------------------------------------------------------------
def test_gamma_of_independent_codes_falls_with_the_dimension_and_chance_with_it():
    for d, printed in ((16, 0.0345), (64, 0.0080), (256, 0.00196)):
        codes = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (normal(200, d), normal(200, d, seed=1))]
        result = care_gamma(shared(*codes))
        assert result.value == pytest.approx(printed, rel=0.07)
        assert result.value == pytest.approx(result.baselines["chance"], rel=0.07)
        assert result.baselines["isotropic"] == 1 / (2 * d)
        assert result.value == pytest.approx(1 / (2 * d), rel=0.15)
        assert abs(result.skill) < 0.07


def test_gamma_of_a_nearly_invariant_code_is_worse_than_chance_and_said_so():
    z = normal()
    result = care_gamma(shared(z, z + 1e-3 * normal(seed=1)))
    assert result.value > 1000 * result.baselines["chance"]
    assert result.baselines["chance"] < 1.0  # no item is its own chance
    assert result.status == "degenerate"


def test_many_items_are_thinned_for_gamma():
    z, noise = normal(600, 8), normal(600, 8, seed=1)
    moved = z @ haar(8) + 0.3 * noise
    thinned = care_gamma(shared(z, moved), n_draws=1)
    few = care_gamma(shared(z[:300], moved[:300]), n_draws=1)
    assert thinned.value == pytest.approx(few.value, rel=0.1)
    assert any("512" in note for note in thinned.notes)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("score", SCORES)
def test_what_does_not_fit_is_an_error_with_a_sentence(score):
    with pytest.raises(ParameterError, match="Orbits"):
        score(normal())
    with pytest.raises(DesignError, match="share their elements"):
        score(independent(n=10))
    with pytest.raises(ParameterError):
        score(shared(normal(), normal()), level=0.0)
    broken = shared(normal(), normal())
    broken.z[0, 0] = np.nan
    with pytest.raises(FiniteError):
        score(broken)
    assert score(shared(normal(2), normal(2))).status == "insufficient"
    assert score(shared(normal())).status == "insufficient"
    assert constant().crossed is False  # G.orbit turns each item's grid


def test_options_are_checked():
    orbits = shared(normal(), normal(seed=1))
    for wrong in ("SO", OrthogonalMap, None):
        with pytest.raises(ParameterError, match="OrthogonalMap"):
            procrustes_error(orbits, wrong)
    for score in (procrustes_error, gram_error):
        with pytest.raises(ParameterError):
            score(orbits, n_folds=1)  # judged where it was fitted
    with pytest.raises(ParameterError):
        care_gamma(orbits, n_draws=0)
    assert G.n_params == 1


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
def test_intervals_cover_over_items_and_elements(score):
    """60 items × 8 random elements of different noise; with the target elements alone it would be 72 %."""

    def draw(seed, n=60, m=8, d=4):
        rng = np.random.default_rng(seed)
        turns = np.linalg.qr(rng.normal(size=(m, d, d)))[0]
        z = np.einsum("mab,nb->nma", turns, rng.normal(size=(n, d)))
        z = z + rng.uniform(0.3, 0.5, size=(1, m, 1)) * rng.normal(size=z.shape)
        result = score(shared(*z.transpose(1, 0, 2)), seed=seed)
        return result.value, result.ci

    truth = np.mean([draw(1000 + seed)[0] for seed in range(80)])
    covered = [low <= truth <= high for _, (low, high) in (draw(seed) for seed in range(80))]
    assert np.mean(covered) >= 0.85
