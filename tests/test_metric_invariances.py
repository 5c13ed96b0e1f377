"""What must not change a metric does not; what must, does."""

from __future__ import annotations

import numpy as np
import pytest
from circle_codes import MOTION_METRICS, PAIR_METRICS, RHO, ROUNDING, G, eye, independent, planted
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.metrics import content_retention, energy, equivariance_error
from geodis.metrics.baselines import haar_orthogonal
from geodis.orbits import Orbits

FEW = settings(max_examples=15, deadline=None)


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
