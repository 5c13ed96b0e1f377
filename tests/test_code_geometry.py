"""Similarity, rank, dimension and symplectic form of codes: planted values, true metrics, and nulls near them."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.errors import FiniteError, LengthError, MissingExtraError, ParameterError, ShapeError
from geodis.groups import SO3
from geodis.metrics import (
    debiased_cka,
    effective_rank,
    intrinsic_dimension,
    procrustes_shape_distance,
    symplecticity_error,
)
from geodis.metrics.cka import cka_of, unbiased_hsic
from geodis.metrics.jackknife import grouped_jackknife
from geodis.metrics.row_items import narrow
from geodis.metrics.shape_distance import shape_angle

PAIRS = (debiased_cka, procrustes_shape_distance)
FEW = settings(max_examples=6, deadline=None)


def normal(n=80, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def haar(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


# --- similarity of two codes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("score", PAIRS)
def test_turned_codes_are_alike_and_independent_ones_at_chance(score):
    z = normal()
    turned = np.hstack([3.0 * z @ haar(4) + 5.0, np.zeros((80, 2))])  # wider than z, too
    best = 1.0 if score is debiased_cka else 0.0
    assert score(z, turned).value == pytest.approx(best, abs=1e-12)
    assert score(z, turned).p_value <= 0.05
    alone = score(z, normal(seed=1), level=0.999)
    assert alone.ci[0] <= alone.baselines["chance"] <= alone.ci[1]
    assert alone.p_value > 0.05
    assert abs(alone.skill) < 0.15


@pytest.mark.parametrize("score", PAIRS)
@FEW
@given(st.integers(0, 10**6), st.floats(-6, 6).map(lambda x: 10.0**x))
def test_scale_offset_frame_order_and_sides_change_nothing(score, seed, scale):
    x, y = normal(30, 3, seed), normal(30, 3, seed) + 0.7 * normal(30, 3, seed + 1)
    before = score(x, y, n_draws=1)
    order = np.random.default_rng(seed).permutation(30)
    moved = score(scale * x @ haar(3, seed) + 20.0, y[:, ::-1] - 4.0, n_draws=1)
    assert moved.value == pytest.approx(before.value, rel=1e-8)
    assert moved.ci == pytest.approx(before.ci, rel=1e-6)
    assert score(x[order], y[order], n_draws=1).value == pytest.approx(before.value, rel=1e-9)
    assert score(y, x, n_draws=1).value == pytest.approx(before.value, rel=1e-9)


@pytest.mark.parametrize("score", PAIRS)
def test_more_noise_is_never_more_alike(score):
    z, noise = normal(), normal(seed=1)
    values = [score(z, z + s * noise, n_draws=1).value for s in (0.0, 0.2, 0.5, 1.0, 3.0)]
    assert values == sorted(values, reverse=score is debiased_cka)


def test_cka_of_independent_codes_is_zero_where_the_published_one_is_not():
    published, ours = [], []
    for seed in range(20):
        x, y = (narrow(normal(100, 1000, seed + 100 * k)) for k in range(2))
        published.append(((x.T @ y) ** 2).sum() / np.sqrt(((x.T @ x) ** 2).sum() * ((y.T @ y) ** 2).sum()))
        ours.append(cka_of(x, y))
    assert np.mean(published) == pytest.approx(0.906, abs=0.005)
    assert np.mean(ours) == pytest.approx(0.0, abs=0.015)


def test_hsic_is_unbiased_and_the_sum_over_four_different_rows():
    x, y = normal(7, 2), normal(7, 3, seed=1)
    k, m = x @ x.T, y @ y.T
    rows = [(i, j, q, r) for i in range(7) for j in range(7) for q in range(7) for r in range(7)]
    rows = [t for t in rows if len(set(t)) == 4]
    brute = np.mean([k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in rows])
    assert unbiased_hsic(x, y) == pytest.approx(brute, rel=1e-12)


@FEW
@given(st.integers(0, 10**6))
def test_shape_distance_is_a_metric(seed):
    a, b, c = (normal(12, d, seed + d) for d in (2, 3, 5))
    c[:, :2] += 2 * a
    ab, bc, ac = shape_angle(a, b), shape_angle(b, c), shape_angle(a, c)
    assert ac <= ab + bc + 1e-12
    assert ab <= ac + bc + 1e-12
    assert bc <= ab + ac + 1e-12
    assert 0.0 < ab <= math.pi / 2
    assert ab == pytest.approx(shape_angle(b, a), rel=1e-12)


def test_shape_distance_of_two_phases_is_their_difference():
    t = 2 * np.pi * np.arange(16) / 16
    for phase in (1e-9, 0.3, 1.2):  # a cosine would lose the first one
        found = shape_angle(np.cos(t)[:, None], np.cos(t + phase)[:, None])
        assert found == pytest.approx(phase, rel=1e-6)


def test_many_features_make_anything_alike_and_chance_says_so():
    result = procrustes_shape_distance(normal(20, 60), normal(20, 60, seed=1))
    assert result.value < 0.7
    assert result.value == pytest.approx(result.baselines["chance"], abs=0.05)
    assert result.p_value > 0.05


@pytest.mark.parametrize("score", PAIRS)
def test_items_with_several_rows_are_shuffled_whole(score):
    codes = [np.repeat(normal(20, 3, seed), 4, axis=0) for seed in range(2)]
    items = np.repeat(np.arange(20), 4)
    grouped, plain = score(*codes, items=items, n_draws=39), score(*codes, n_draws=39)
    assert grouped.value == plain.value
    assert grouped.p_value > 0.05
    assert np.diff(grouped.ci)[0] > 1.3 * np.diff(plain.ci)[0]
    ragged = score(*codes, items=np.minimum(items, 15), n_draws=3)
    assert (ragged.n_items, ragged.n_group) == (16, 20)


# --- rank and dimension -----------------------------------------------------------------------------------------------
def test_effective_rank_counts_directions_of_one_variance():
    for k in (1, 3, 6):
        cross = np.concatenate([np.eye(k, 8), -np.eye(k, 8)]) @ haar(8)
        assert effective_rank(5.0 * cross + 1.0).value == pytest.approx(k, rel=1e-12)
    wide = effective_rank(normal(20, 500))
    assert wide.value < 20
    assert wide.value == pytest.approx(wide.baselines["isotropic"], rel=0.05)
    nearly = effective_rank(10.0 + 1e-6 * normal())
    assert nearly.status == "ok"
    assert "variance/mean square" in nearly.notes[0]
    low, high = effective_rank(normal(400, 3) * [2.0, 1.0, 0.5]).ci
    assert low < np.exp(-sum(p * np.log(p) for p in np.array([4.0, 1.0, 0.25]) / 5.25)) < high


class Spread:
    """A stand-in estimator: how many coordinates move."""

    def fit(self, X):
        self.dimension_ = float((X.std(axis=0) > 0.1).sum())


def test_dimension_takes_any_estimator_and_names_it():
    result = intrinsic_dimension(normal(60, 2) @ np.eye(2, 7), Spread())
    assert (result.value, result.baselines["gaussian"]) == (2.0, 2.0)
    assert "Spread" in result.notes[0]
    twice = intrinsic_dimension(np.repeat(normal(60, 2), 2, axis=0), Spread())
    assert "60 rows repeat" in twice.notes[1]
    assert intrinsic_dimension(normal(60, 1), Spread()).value == 1.0
    assert intrinsic_dimension(normal(10, 2), Spread()).status == "insufficient"
    for wrong in (Spread, "TwoNN", 3):
        with pytest.raises(ParameterError, match="estimator"):
            intrinsic_dimension(normal(), wrong)


def test_dimension_of_known_manifolds_and_what_noise_does():
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 2 * np.pi, (1000, 2))
    torus = np.hstack([np.cos(a), np.sin(a)])
    rotations = SO3().matrix(SO3().sample(1000)).reshape(-1, 9)
    flat = intrinsic_dimension(torus)
    assert flat.value == pytest.approx(2.0, abs=0.15)
    assert flat.ci[0] < 2.0 < flat.ci[1]
    assert flat.baselines["gaussian"] > 3.0
    assert intrinsic_dimension(a[:, :1]).value == pytest.approx(1.0, abs=0.1)
    assert intrinsic_dimension(rotations).value == pytest.approx(2.93, abs=0.15)
    noisy = torus @ np.linalg.qr(rng.normal(size=(16, 4)))[0].T + 0.01 * rng.normal(size=(1000, 16))
    assert intrinsic_dimension(noisy).value > flat.value + 0.5


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skdim.id", None)
    with pytest.raises(MissingExtraError, match="geometry"):
        intrinsic_dimension(normal())


def test_the_jackknife_of_a_mean_is_its_t_interval():
    x = normal(20, 1)[:, 0]
    interval = grouped_jackknife(lambda rows: float(x[rows].mean()), float(x.mean()), np.arange(20), 0.95, 0)
    half = 2.093024 * x.std(ddof=1) / math.sqrt(20)
    assert (interval.low, interval.high) == pytest.approx((x.mean() - half, x.mean() + half), rel=1e-6)


# --- symplectic maps --------------------------------------------------------------------------------------------------
def symplectic(k, seed=0):
    a, b = (x + x.T for x in np.random.default_rng(seed).normal(size=(2, k, k)))
    eye, zero = np.eye(k), np.zeros((k, k))
    return np.block([[eye, a], [zero, eye]]) @ np.block([[eye, zero], [b, eye]])


def test_symplectic_maps_score_zero_and_others_do_not():
    for k in (1, 2, 5):
        S = symplectic(k)
        assert symplecticity_error(S).value < 1e-12
        assert symplecticity_error(2.0 * S).value == pytest.approx(3.0)  # |c² − 1|
        assert "c = 4" in symplecticity_error(2.0 * S).notes[0]
        assert symplecticity_error(S + 0.3 * normal(2 * k, 2 * k, 1)).value > 0.01
    assert symplecticity_error(np.eye(4)).baselines["random_orthogonal"] == pytest.approx(math.sqrt(2), rel=0.05)
    many = symplecticity_error(np.stack([symplectic(2, s) + 0.1 * normal(4, 4, s) for s in range(40)]))
    assert many.ci[0] < many.value < many.ci[1]
    assert many.n_items == 40


def test_another_form_changes_with_the_coordinates():
    T = normal(4, 4)
    S = symplectic(2)
    omega = symplectic_in(T)
    assert symplecticity_error(T @ S @ np.linalg.inv(T), form=omega).value < 1e-10
    assert symplecticity_error(T @ S @ np.linalg.inv(T)).value > 0.1


def symplectic_in(T):
    eye, zero = np.eye(2), np.zeros((2, 2))
    return T @ np.block([[zero, eye], [-eye, zero]]) @ T.T


# --- status and bad input ---------------------------------------------------------------------------------------------
def test_constants_are_degenerate_and_few_rows_insufficient():
    still = np.full((80, 4), 3.0) + 1e-14 * normal(seed=1)
    for score in PAIRS:
        for pair in ((still, normal()), (normal(), still), (still, still)):
            assert score(*pair).status == "degenerate"
            assert math.isnan(score(*pair).value)
        assert score(normal(2), normal(2)).status == "insufficient"
    assert effective_rank(still).status == "degenerate"
    assert effective_rank(normal(1)).status == "insufficient"
    assert intrinsic_dimension(still, Spread()).status == "degenerate"
    assert symplecticity_error(np.zeros((2, 2))).status == "degenerate"
    assert symplecticity_error(np.zeros((2, 2))).value == 1.0


@pytest.mark.parametrize("score", PAIRS)
def test_pairs_that_do_not_fit_are_an_error_with_a_sentence(score):
    x = normal()
    with pytest.raises(LengthError):
        score(x[:5], x)
    with pytest.raises(ShapeError):
        score(x[0], x)
    with pytest.raises(FiniteError):
        score(x, np.where(x > 2, np.inf, x))
    with pytest.raises(LengthError):
        score(x, x, items=np.arange(3))
    for wrong in ({"n_draws": 0}, {"level": 0.0}):
        with pytest.raises(ParameterError):
            score(x, x, **wrong)


def test_single_codes_that_do_not_fit_are_an_error_with_a_sentence():
    for score in (effective_rank, lambda z: intrinsic_dimension(z, Spread())):
        with pytest.raises(ShapeError):
            score(np.zeros(3))
        with pytest.raises(FiniteError):
            score(np.full((30, 2), np.nan))
    for wrong in (np.zeros((3, 3)), np.zeros((2, 4)), np.zeros(4)):
        with pytest.raises(ShapeError, match="jacobians"):
            symplecticity_error(wrong)
    with pytest.raises(ParameterError, match="skew"):
        symplecticity_error(np.eye(2), form=np.eye(2))
    with pytest.raises(FiniteError):
        symplecticity_error(np.full((2, 2), np.nan))
    with pytest.raises(ShapeError, match="form"):
        symplecticity_error(np.eye(4), form=np.eye(2))
