"""Bounds for every element at once, and tests whose burden of proof is on equivalence."""

import math

import numpy as np
import pytest
from scipy import stats

from geodis.bounds import equivalence_test, simultaneous_bound
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.statistics import clustered_estimate, clustered_t, pair_t, two_way_estimate, two_way_t


def design(n, m, seed=0, mean=1.0, sd=(0.3, 0.3, 0.3)):
    rng = np.random.default_rng(seed)
    return mean + sd[0] * rng.normal(size=(n, 1)) + sd[1] * rng.normal(size=(1, m)) + sd[2] * rng.normal(size=(n, m))


# --- for every g ------------------------------------------------------------------------------------------------------
def test_one_column_has_the_bound_of_one_mean():
    x = design(30, 1)
    bound = simultaneous_bound(x)
    assert bound.upper[0] == pytest.approx(clustered_t(x[:, 0], side="upper").high)
    assert bound.worst == 0


def test_copies_of_a_column_cost_nothing_and_independent_columns_cost_bonferroni():
    x = np.random.default_rng(0).normal(size=(40, 8))
    single = clustered_t(x[:, 0], side="upper").high
    copies = simultaneous_bound(np.repeat(x[:, :1], 8, axis=1))
    np.testing.assert_allclose(copies.upper, single, atol=0.02)
    quantile = stats.t.ppf(1 - 0.05 / 8, 39)
    bonferroni = x.mean(axis=0) + quantile * x.std(axis=0, ddof=1) / math.sqrt(40)
    free = simultaneous_bound(x).upper
    assert (free <= bonferroni + 1e-12).all()
    np.testing.assert_allclose(free, bonferroni, atol=0.03)
    assert (free > simultaneous_bound(x, level=0.8).upper).all()


def test_all_bounds_hold_together_as_often_as_they_say_and_single_ones_do_not():
    together = apart = 0
    for seed in range(300):
        e = design(25, 10, seed, mean=0.0, sd=(0.3, 0.0, 0.5))
        together += bool((simultaneous_bound(e, n_draws=500, seed=seed).upper >= 0).all())
        single = e.mean(axis=0) + stats.t.ppf(0.95, 24) * e.std(axis=0, ddof=1) / 5
        apart += bool((single >= 0).all())
    assert 0.91 <= together / 300 <= 0.985
    assert apart / 300 < 0.85


def test_the_worst_element_is_found_where_the_mean_hides_it():
    e = design(60, 12, sd=(0.1, 0.0, 0.1), mean=0.1)
    e[:, 7] += 2.0
    bound = simultaneous_bound(e)
    assert bound.worst == 7
    assert bound.upper[7] > 2.0
    assert clustered_t(e.mean(axis=1), side="upper").high < 0.5


def test_a_ratio_is_scale_free_and_takes_shared_denominators():
    num, den = design(30, 4), design(30, 4, 1) + 2
    ratio = simultaneous_bound(num, den)
    np.testing.assert_allclose(simultaneous_bound(3 * num, 3 * den).upper, ratio.upper)
    np.testing.assert_allclose(ratio.values, num.mean(0) / den.mean(0))
    shared = simultaneous_bound(num, den[:, 0])
    np.testing.assert_allclose(shared.upper, simultaneous_bound(num, np.repeat(den[:, :1], 4, axis=1)).upper)
    np.testing.assert_allclose(simultaneous_bound(num, np.ones(30)).upper, simultaneous_bound(num).upper)


def test_the_same_seed_gives_the_same_bound():
    e = design(20, 5)
    np.testing.assert_array_equal(simultaneous_bound(e, seed=3).upper, simultaneous_bound(e, seed=3).upper)


@pytest.mark.parametrize(("num", "den"), [(np.ones((1, 4)), None), (np.ones((5, 2)), np.zeros((5, 2)))])
def test_where_nothing_can_be_said_the_bound_is_nan(num, den):
    assert np.isnan(simultaneous_bound(num, den).upper).all()


def test_columns_without_variation_are_bounded_by_their_value():
    assert (simultaneous_bound(np.full((6, 3), 2.0)).upper == 2.0).all()
    mixed = design(20, 3)
    mixed[:, 1] = 0.5
    assert simultaneous_bound(mixed).upper[1] == 0.5


# --- equivalence ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("delta", [0.7, 0.95, 1.3, 1.6, 3.0])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_p_falls_below_its_level_exactly_where_the_bound_falls_below_delta(delta, level):
    e = design(20, 8)
    test = equivalence_test(e, delta, level=level)
    assert test.upper == two_way_t(e, level, "upper").high
    assert test.equivalent == (test.p_value < 1 - level) == (test.upper < delta)
    flat = equivalence_test(e[:, 0], delta, level=level)
    assert flat.equivalent == (flat.p_value < 1 - level) == (clustered_t(e[:, 0], level, "upper").high < delta)


def test_two_one_sided_tests_need_both_ends():
    e = design(40, 12, sd=(0.1, 0.1, 0.1), mean=0.3)
    value = e.mean()
    assert equivalence_test(e, 0.2, target=value).equivalent
    assert not equivalence_test(e, 0.2, target=value + 0.19).equivalent
    assert not equivalence_test(e, 0.2, target=value - 0.19).equivalent
    one = equivalence_test(e, 0.2, target=value + 0.05)
    lower, upper = two_way_t(e, 0.95, "lower").low, two_way_t(e, 0.95, "upper").high
    assert (one.lower, one.upper) == (lower, upper)
    assert one.p_value == max(
        two_way_estimate(-e).p_below(0.2 - value - 0.05), two_way_estimate(e).p_below(value + 0.05 + 0.2)
    )


def test_no_difference_found_is_no_equivalence():
    few = equivalence_test(design(4, 3, sd=(1, 1, 1), mean=0.0), 0.3, target=0.0)
    assert not few.equivalent
    assert few.lower < 0 < few.upper


def test_false_claims_are_as_rare_as_promised_and_true_ones_are_made():
    """metrics.md §6: false claims .044 two-way, .399 with pairs as independent; power .995 at .6 δ."""
    false, naive, far = 0, 0, 0
    for seed in range(400):
        e = design(100, 16, seed)
        false += equivalence_test(e, 1.0).equivalent
        naive += pair_t(e, side="upper").high < 1.0
        far += equivalence_test(e - 0.4, 1.0).equivalent
    assert 0.02 <= false / 400 <= 0.08
    assert naive / 400 > 0.25
    assert far / 400 > 0.97


def test_a_ratio_claim_is_the_claim_on_scaled_cells():
    e, den = design(20, 8), np.full((20, 8), 2.0)
    assert equivalence_test(e, 0.6, den).p_value == pytest.approx(equivalence_test(e / 2, 0.6).p_value)
    assert equivalence_test(e[:, 0], 0.6, den[:, 0]).value == pytest.approx(e[:, 0].mean() / 2)


@pytest.mark.parametrize("e", [np.ones((1, 5)), np.ones((5, 1)), np.ones(1)])
def test_one_item_or_one_element_shows_nothing(e):
    test = equivalence_test(0 * e, 1.0)
    assert not test.equivalent
    assert math.isnan(test.p_value)


def test_constants_are_decided_without_variance():
    assert equivalence_test(np.full((4, 3), 0.5), 0.6)[0] == 0.0
    assert equivalence_test(np.full((4, 3), 0.5), 0.5).p_value == 1.0
    assert not equivalence_test(np.full((4, 3), 0.5), 0.5).equivalent
    assert clustered_estimate([1.0, 1.0]).p_below(2.0) == 0.0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: simultaneous_bound(np.ones(3)), ShapeError),
        (lambda: simultaneous_bound(np.ones((3, 2)), np.ones((2, 2))), ShapeError),
        (lambda: simultaneous_bound(np.ones((3, 2)), np.ones(2)), ShapeError),
        (lambda: simultaneous_bound(np.full((3, 2), np.nan)), FiniteError),
        (lambda: simultaneous_bound(np.ones((3, 2)), level=1.0), ParameterError),
        (lambda: simultaneous_bound(np.ones((3, 2)), n_draws=10), ParameterError),
        (lambda: simultaneous_bound(np.ones((3, 2)), n_draws=True), ParameterError),
        (lambda: equivalence_test(np.ones((3, 2)), 0.0), ParameterError),
        (lambda: equivalence_test(np.ones((3, 2)), math.nan), ParameterError),
        (lambda: equivalence_test(np.ones((3, 2)), 1.0, target=math.inf), ParameterError),
        (lambda: equivalence_test(np.ones((3, 2)), 1.0, level=2.0), ParameterError),
        (lambda: equivalence_test(np.ones((3, 2, 2)), 1.0), ShapeError),
        (lambda: equivalence_test(np.ones((3, 2)), 1.0, np.ones((2, 3))), ShapeError),
        (lambda: equivalence_test(np.ones(3), 1.0, np.ones(2)), LengthError),
        (lambda: equivalence_test([np.inf, 1.0], 1.0), FiniteError),
    ],
)
def test_malformed_input_is_a_named_error(call, error):
    with pytest.raises(error):
        call()
