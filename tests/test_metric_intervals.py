"""Intervals follow the design, cover, and narrow with items, not with repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from circle_codes import PAIR_METRICS, RHO, G, orbits_of, planted

from geodis.metrics import equivariance_error
from geodis.orbits import Orbits


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
