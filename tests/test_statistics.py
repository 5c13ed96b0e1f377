"""Laws of intervals, permutation p-values and their adjustment; pair errors against brute-force double loops."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from geodis.coordinates.pair_error import (
    canonical,
    identity_error_cells,
    mismatch_cells,
    pair_error_cells,
    variation_cells,
)
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.multiplicity import benjamini_hochberg, holm, westfall_young
from geodis.statistics import (
    clustered_t,
    label_permutation_test,
    pair_t,
    permutation_p,
    pigeonhole_bootstrap,
    ratio_clustered_t,
    ratio_two_way_t,
    two_way_t,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from interval_coverage import DESIGNS, coverage

TIGHT = 1e-12  # the same sum in another order, in float64


# --- pair errors --------------------------------------------------------------------------------------------------
def orbit_stack(n, m, d, orthogonal, seed=0):
    rng = np.random.default_rng(seed)
    c, rho = rng.normal(size=(n, m, d)) + 3.0, rng.normal(size=(n, m, d, d))
    return c, np.linalg.qr(rho)[0] if orthogonal else rho + 2.0 * np.eye(d)


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize(("n", "m", "d"), [(3, 2, 1), (4, 5, 3), (2, 7, 4)])
def test_pair_error_is_the_double_loop(n, m, d, orthogonal):
    c, rho = orbit_stack(n, m, d, orthogonal)
    u = canonical(c, rho, orthogonal=orthogonal)
    brute = np.zeros((n, m))
    for i in range(n):
        for k in range(m):
            others = [j for j in range(m) if j != k]
            step = [rho[i, k] @ np.linalg.inv(rho[i, j]) @ c[i, j] for j in others]
            brute[i, k] = np.mean([np.sum((c[i, k] - s) ** 2) for s in step])
    np.testing.assert_allclose(pair_error_cells(u, rho, orthogonal), brute, rtol=1e-9)
    by_u = [[np.mean([np.sum((rho[i, k] @ (u[i, k] - u[i, j])) ** 2) for j in range(m) if j != k])
             for k in range(m)] for i in range(n)]  # fmt: skip
    np.testing.assert_allclose(pair_error_cells(u, rho, orthogonal), by_u, rtol=TIGHT)


def test_orthogonal_needs_no_operators_and_agrees_with_the_general_formula():
    c, rho = orbit_stack(4, 6, 3, True)
    u = canonical(c, rho)
    np.testing.assert_allclose(pair_error_cells(u), pair_error_cells(u, rho, False), rtol=TIGHT)
    np.testing.assert_allclose(mismatch_cells([u])[0], mismatch_cells([u], [rho], False)[0], rtol=TIGHT)


def test_identity_error_and_variation_are_the_double_loop():
    c, _ = orbit_stack(3, 4, 2, True)
    brute = [[np.mean([np.sum((c[i, k] - c[i, j]) ** 2) for j in range(4) if j != k]) for k in range(4)]
             for i in range(3)]  # fmt: skip
    np.testing.assert_allclose(identity_error_cells(c), brute, rtol=TIGHT)
    mean = c.mean(axis=(0, 1))
    np.testing.assert_allclose(variation_cells(c, mean), ((c - mean) ** 2).sum(-1), rtol=TIGHT)
    # I/2 = m/(m−1) of the within-item variance: the orthogonal identity of theory §1.
    within = ((c - c.mean(axis=1, keepdims=True)) ** 2).sum(-1).mean()
    assert identity_error_cells(c).mean() == pytest.approx(2 * within * 4 / 3, rel=TIGHT)


@pytest.mark.parametrize("orthogonal", [True, False])
def test_mismatch_is_the_double_loop_over_ragged_items(orthogonal):
    stacks = [orbit_stack(3, 2, 3, orthogonal, 1), orbit_stack(2, 5, 3, orthogonal, 2)]
    us = [canonical(c, rho, orthogonal=orthogonal) for c, rho in stacks]
    rhos = [rho for _, rho in stacks]
    flat = [(s, i) for s, u in enumerate(us) for i in range(len(u))]
    cells = mismatch_cells(us, rhos, orthogonal)
    for s, i in flat:
        for k in range(us[s].shape[1]):
            per_item = [
                np.mean([np.sum((rhos[s][i, k] @ (us[s][i, k] - u)) ** 2) for u in us[t][j]])
                for t, j in flat
                if (t, j) != (s, i)
            ]
            assert cells[s][i, k] == pytest.approx(np.mean(per_item), rel=TIGHT)


@pytest.mark.parametrize("orthogonal", [True, False])
def test_mismatch_of_crossed_items_leaves_out_the_same_element(orthogonal):
    c, rho = orbit_stack(4, 3, 2, orthogonal, 7)
    rho = np.repeat(rho[:1], 4, axis=0)
    u = canonical(c, rho, orthogonal=orthogonal)
    cells = mismatch_cells([u], [rho], orthogonal, crossed=True)[0]
    for i in range(4):
        for k in range(3):
            others = [u[a, b] for a in range(4) for b in range(3) if a != i and b != k]
            expected = np.mean([np.sum((rho[i, k] @ (u[i, k] - v)) ** 2) for v in others])
            assert cells[i, k] == pytest.approx(expected, rel=1e-10)
    assert not np.allclose(cells, mismatch_cells([u], [rho], orthogonal)[0])


def test_sums_do_not_cancel_on_a_large_offset():
    rng = np.random.default_rng(0)
    u = 1e-6 * rng.normal(size=(5, 4, 2))
    np.testing.assert_allclose(pair_error_cells(u + 100.0), pair_error_cells(u), rtol=1e-5)
    np.testing.assert_allclose(mismatch_cells([u + 100.0])[0], mismatch_cells([u])[0], rtol=1e-5)


def test_canonical_undoes_an_affine_action():
    c, rho = orbit_stack(3, 4, 2, False)
    t = np.random.default_rng(3).normal(size=c.shape)
    moved = np.einsum("nmab,nmb->nma", rho, c) + t
    np.testing.assert_allclose(canonical(moved, rho, t, orthogonal=False), c, atol=1e-10)


def test_one_element_or_one_item_has_no_pair():
    assert np.isnan(pair_error_cells(np.zeros((2, 1, 3)))).all()
    assert np.isnan(mismatch_cells([np.zeros((1, 4, 3))])[0]).all()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pair_error_cells(np.zeros((2, 3))), ShapeError),
        (lambda: pair_error_cells(np.full((2, 3, 1), np.nan)), FiniteError),
        (lambda: pair_error_cells(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), False), ShapeError),
        (lambda: pair_error_cells(np.zeros((2, 3, 2)), None, False), ParameterError),
        (lambda: canonical(np.zeros((2, 3, 2)), np.zeros((2, 3, 3, 3))), ShapeError),
        (lambda: canonical(np.zeros((2, 3, 2)), np.zeros((2, 3, 2, 2)), orthogonal=False), ParameterError),
        (lambda: canonical(np.zeros((2, 3, 1)), np.ones((2, 3, 1, 1)), np.zeros((2, 2, 1))), ShapeError),
        (lambda: identity_error_cells(np.zeros(3)), ShapeError),
        (lambda: variation_cells(np.zeros((2, 3, 2)), np.zeros(3)), ShapeError),
        (lambda: mismatch_cells([]), ShapeError),
        (lambda: mismatch_cells([np.zeros((2, 3, 2)), np.zeros((2, 3, 1))]), ShapeError),
        (lambda: mismatch_cells([np.zeros((2, 3, 2))], None, False), ParameterError),
        (lambda: mismatch_cells([np.zeros((2, 3, 2))], []), LengthError),
    ],
)
def test_malformed_stacks_are_named_errors(call, error):
    with pytest.raises(error):
        call()


# --- intervals ----------------------------------------------------------------------------------------------------
def crossed(n, m, seed=0, sd=(0.3, 0.3, 0.3)):
    rng = np.random.default_rng(seed)
    return 1 + sd[0] * rng.normal(size=(n, 1)) + sd[1] * rng.normal(size=(1, m)) + sd[2] * rng.normal(size=(n, m))


def test_two_way_variance_is_the_sum_of_mean_squares():
    e = crossed(9, 5)
    n, m = e.shape
    rows, cols = e.mean(1), e.mean(0)
    residual = e - rows[:, None] - cols + e.mean()
    a, b = rows.var(ddof=1) / n, cols.var(ddof=1) / m
    v = a + b - (residual**2).sum() / ((n - 1) * (m - 1) * n * m)
    df = v**2 / (a**2 / (n - 1) + b**2 / (m - 1))
    interval = two_way_t(e)
    assert interval.df == pytest.approx(df)
    assert interval.high - e.mean() == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(v))


def test_two_way_variance_is_unbiased():
    widths = [(two_way_t(crossed(12, 6, s)), crossed(12, 6, s).mean()) for s in range(400)]
    estimated = np.mean([((i.high - mean) / stats.t.ppf(0.975, i.df)) ** 2 for i, mean in widths])
    assert estimated == pytest.approx(0.09 / 12 + 0.09 / 6 + 0.09 / 72, rel=0.15)


def test_two_way_falls_back_where_no_effect_is_left():
    e = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])  # residual only: v < 0
    interval = two_way_t(e)
    assert math.isfinite(interval.low)
    assert interval.low < e.mean() < interval.high


@pytest.mark.parametrize("e", [np.ones((1, 5)), np.ones((5, 1))])
def test_one_item_or_one_element_gives_no_interval(e):
    assert math.isnan(two_way_t(e).low)
    assert math.isnan(ratio_two_way_t(e, e).low)
    assert math.isnan(pigeonhole_bootstrap(e, np.mean).high)


def test_one_item_gives_no_clustered_interval():
    assert math.isnan(clustered_t([1.0]).low)
    assert math.isnan(ratio_clustered_t([1.0], [2.0]).low)


def test_a_constant_gives_a_point():
    assert two_way_t(np.full((3, 4), 2.0))[:2] == (2.0, 2.0)


def test_clustered_t_is_scipys():
    x = np.random.default_rng(0).normal(size=20)
    low, high = stats.t.interval(0.9, 19, x.mean(), stats.sem(x))
    assert clustered_t(x, 0.9)[:2] == pytest.approx((low, high))


def test_one_sided_bounds_are_tighter_and_at_the_right_quantile():
    e = crossed(10, 6)
    both, upper, lower = two_way_t(e, 0.9), two_way_t(e, 0.95, "upper"), two_way_t(e, 0.95, "lower")
    assert upper.high == pytest.approx(both.high)
    assert lower.low == pytest.approx(both.low)
    assert (upper.low, lower.high) == (-math.inf, math.inf)
    x = e.mean(axis=1)
    assert clustered_t(x, side="upper").high < clustered_t(x).high
    assert ratio_clustered_t(x, x + 1, side="upper").high < ratio_clustered_t(x, x + 1).high


def test_ratio_intervals_are_scale_free_and_agree_with_the_mean_for_a_constant_denominator():
    e = crossed(10, 6)
    assert ratio_two_way_t(e, np.full_like(e, 2.0))[:2] == pytest.approx(tuple(x / 2 for x in two_way_t(e)[:2]))
    assert ratio_two_way_t(3 * e, 3 * e + 3)[:2] == pytest.approx(ratio_two_way_t(e, e + 1)[:2])
    x = e[:, 0]
    assert ratio_clustered_t(x, np.ones(10))[:2] == pytest.approx(clustered_t(x)[:2])
    assert math.isnan(ratio_two_way_t(e, 0 * e).low)
    assert math.isnan(ratio_clustered_t(x, 0 * x).low)


def test_ratio_weights_equal_repeated_totals():
    num, den, w = np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])
    weighted = ratio_clustered_t(num, den, weights=w)
    assert (weighted.low + weighted.high) / 2 == pytest.approx((w * num).sum() / (w * den).sum())
    assert weighted[:2] == pytest.approx(ratio_clustered_t(w * num, w * den)[:2])


def test_ratio_interval_covers():
    held = 0
    for s in range(200):
        rng = np.random.default_rng(s)
        den = rng.gamma(4.0, size=60)
        interval = ratio_clustered_t(0.3 * den + 0.2 * rng.normal(size=60), den)
        held += interval.low <= 0.3 <= interval.high
    assert 0.90 <= held / 200 <= 0.99


def test_pigeonhole_agrees_with_two_way_on_a_mean_and_repeats_with_its_seed():
    e = crossed(60, 15)
    a, b = pigeonhole_bootstrap(e, np.mean, seed=3), pigeonhole_bootstrap(e, np.mean, seed=3)
    assert a == pytest.approx(b, nan_ok=True)
    two_way = two_way_t(e)
    assert (a.high - a.low) / (two_way.high - two_way.low) == pytest.approx(1.0, abs=0.25)


def test_pigeonhole_takes_a_ratio():
    pair = np.stack([crossed(30, 8), crossed(30, 8, 1)], axis=2)
    interval = pigeonhole_bootstrap(pair, lambda e: e[..., 0].mean() / e[..., 1].mean(), n_draws=100)
    assert interval.low < pair[..., 0].mean() / pair[..., 1].mean() < interval.high


def test_two_way_covers_where_pairs_do_not():
    """The fast form of the coverage simulation: 200 repetitions tell .95 from .17 and .47."""
    assert 0.90 <= coverage(40, 10, 0.3, 0.3, 0.3, repetitions=200) <= 0.99
    assert coverage(40, 10, 0.3, 0.3, 0.3, repetitions=200, method="pairs") < 0.5
    assert coverage(40, 10, 0.1, 0.4, 0.3, repetitions=200, method="items") < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_two_way_coverage_on_the_published_designs(design):
    assert 0.92 <= coverage(*design, repetitions=2000) <= 0.98
    assert coverage(*design, repetitions=2000, method="pairs") < 0.55


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: two_way_t(np.ones(3)), ShapeError),
        (lambda: two_way_t(np.ones((0, 3))), ShapeError),
        (lambda: two_way_t([[np.nan, 1.0]]), FiniteError),
        (lambda: two_way_t(np.ones((3, 3)), 0.0), ParameterError),
        (lambda: two_way_t(np.ones((3, 3)), 1.0), ParameterError),
        (lambda: two_way_t(np.ones((3, 3)), side="left"), ParameterError),
        (lambda: clustered_t(np.ones((3, 3))), ShapeError),
        (lambda: clustered_t([np.inf]), FiniteError),
        (lambda: pair_t(np.ones(3)), ShapeError),
        (lambda: ratio_two_way_t(np.ones((3, 3)), np.ones((3, 2))), ShapeError),
        (lambda: ratio_clustered_t(np.ones(3), np.ones(2)), LengthError),
        (lambda: ratio_clustered_t(np.ones(3), np.ones(3), -np.ones(3)), ParameterError),
        (lambda: pigeonhole_bootstrap(np.ones(3), np.mean), ShapeError),
        (lambda: pigeonhole_bootstrap(np.ones((3, 3)), np.mean, n_draws=0), ParameterError),
        (lambda: permutation_p(np.nan, [1.0]), FiniteError),
        (lambda: permutation_p(1.0, []), ShapeError),
        (lambda: label_permutation_test(np.ones((3, 2))), ShapeError),
        (lambda: label_permutation_test(np.ones((3, 3)), n_draws=0), ParameterError),
        (lambda: holm([1.5]), ParameterError),
        (lambda: holm([]), ShapeError),
        (lambda: benjamini_hochberg([np.nan]), FiniteError),
        (lambda: westfall_young([1.0, 2.0], np.ones((5, 3))), ShapeError),
    ],
)
def test_malformed_input_is_a_named_error(call, error):
    with pytest.raises(error):
        call()


# --- p-values -----------------------------------------------------------------------------------------------------
def test_permutation_p_counts_ties_and_is_never_zero():
    assert permutation_p(1.0, np.zeros(99)) == 0.01
    assert permutation_p(1.0, np.ones(99)) == 1.0
    assert permutation_p(1.0 + 1e-14, np.ones(99)) == 1.0  # a tie up to rounding is a tie


def test_permutation_p_is_uniform_under_the_null():
    rng = np.random.default_rng(0)
    ps = [permutation_p(x[0], x[1:]) for x in rng.normal(size=(1000, 20))]
    counts = np.bincount(np.round(np.array(ps) * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 0.01


def test_label_permutation_test_enumerates_small_groups_exactly():
    cost = np.random.default_rng(0).normal(size=(4, 4))
    from itertools import permutations

    null = [cost[range(4), order].sum() for order in permutations(range(4))]
    test = label_permutation_test(cost)
    assert test.p_value == np.mean(np.array(null) <= np.trace(cost) + 1e-12)
    assert test.floor == 1 / 24
    assert label_permutation_test(np.ones((4, 4))).p_value == 1.0


@pytest.mark.parametrize("scale", [1e-14, 1e-100, 1e14])
def test_label_permutation_test_does_not_depend_on_the_unit_of_the_cost(scale):
    assert label_permutation_test(scale * (1.0 - np.eye(4))).p_value == 1 / 24
    assert label_permutation_test(scale * np.ones((4, 4))).p_value == 1.0


def test_label_permutation_test_has_its_size_and_power():
    rng = np.random.default_rng(0)
    null = [label_permutation_test(rng.normal(size=(8, 8)), n_draws=99, seed=s).p_value for s in range(300)]
    assert np.mean(np.array(null) <= 0.05) == pytest.approx(0.05, abs=0.035)
    effect = rng.normal(size=(8, 8)) - 3 * np.eye(8)
    test = label_permutation_test(effect, n_draws=199)
    assert test.p_value == test.floor == 1 / 200


def test_holm_and_benjamini_hochberg():
    p = np.array([0.01, 0.02, 0.03, 0.5])
    np.testing.assert_allclose(holm(p), [0.04, 0.06, 0.06, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(holm(p[order]), holm(p)[order])
    assert (holm(p) >= benjamini_hochberg(p)).all()
    assert holm([0.9, 0.9]).max() == 1.0


def test_westfall_young_is_holms_for_one_test_and_milder_for_copies():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(199, 1))
    assert westfall_young([1.5], null)[0] == permutation_p(1.5, null[:, 0])
    copies = np.repeat(null, 5, axis=1)
    np.testing.assert_allclose(westfall_young([1.5] * 5, copies), permutation_p(1.5, null[:, 0]))
    independent = rng.normal(size=(199, 5))
    adjusted = westfall_young([2.5, 0.0, 1.0, -1.0, 0.5], independent)
    assert adjusted[0] == permutation_p(2.5, independent.max(axis=1))
    assert (np.diff(adjusted[[0, 2, 4, 1, 3]]) >= 0).all()


def test_westfall_young_controls_the_family():
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(300):
        common = rng.normal(size=(100, 1))
        draws = common + rng.normal(size=(100, 6))
        wrong += westfall_young(draws[0], draws[1:]).min() <= 0.05
    assert wrong / 300 == pytest.approx(0.05, abs=0.035)
