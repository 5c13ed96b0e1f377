"""Samples are seeded and Haar, orbits regular grids."""

from __future__ import annotations

import numpy as np
import pytest
from groups_zoo import ZOO, Case, zoo

from geodis.groups import SO2, SO3, Translation


# --- sampling ---------------------------------------------------------------------------------------------------------
@zoo
def test_samples_are_seeded_elements(case: Case) -> None:
    group = case.make()
    g = group.sample(50, seed=3)
    assert g.shape == (50, group.n_params)
    assert g.dtype == np.float64
    assert group.contains(g).all()
    np.testing.assert_array_equal(g, group.sample(50, seed=3))
    np.testing.assert_array_equal(g, group.sample(50, seed=np.random.default_rng(3)))
    if group.order != 1:
        assert not np.array_equal(g, group.sample(50, seed=4))
    assert group.sample(0).shape == (0, group.n_params)
    assert group.compose(group.sample(0), group.sample(0)).shape == (0, group.n_params)
    assert group.inverse(group.sample(0)).shape == (0, group.n_params)


@pytest.mark.parametrize("case", [c for c in ZOO if c.make().compact], ids=str)
def test_samples_are_haar(case: Case) -> None:
    """Means of nontrivial irreps vanish; six standard deviations of an entry of variance ≤ 1."""
    group, n = case.make(), 3000
    g = group.sample(n, seed=0)
    for rep in group.irreps(min(case.max_order, 2)):
        if not rep.trivial:
            assert np.abs(rep(g).mean(0)).max() < 6 / np.sqrt(n), rep.name


def test_haar_check_has_power() -> None:
    """Negative control: uniform rotation angles are not Haar on SO(3)."""
    v = SO3().sample(3000, 0)
    v *= np.random.default_rng(1).uniform(0, np.pi, (3000, 1)) / np.linalg.norm(v, axis=-1, keepdims=True)
    assert np.abs(SO3().irrep("l=1")(v).mean(0)).max() > 6 / np.sqrt(3000)


# --- orbits -----------------------------------------------------------------------------------------------------------
@zoo
def test_orbit_designs(case: Case) -> None:
    group = case.make()
    orbit = group.orbit(4, 9, seed=0)
    assert orbit.shape[0] == 4
    assert orbit.shape[2] == group.n_params
    assert group.contains(orbit).all()
    np.testing.assert_array_equal(orbit, group.orbit(4, 9, seed=0))
    if group.order is None:
        assert orbit.shape[1] == 9
        assert np.abs(orbit[0] - orbit[1]).max() > 1e-3  # no design shared by the items
        return
    assert orbit.shape[1] == min(9, group.order)
    distinct = {tuple(g) for g in orbit[1]}
    assert len(distinct) == orbit.shape[1]
    full = group.orbit(2, group.order + 5, seed=1)
    assert full.shape == (2, group.order, group.n_params)
    np.testing.assert_array_equal(full[0], full[1])
    assert {tuple(g) for g in full[0]} == {tuple(g) for g in group.quadrature(0)[0]}


@pytest.mark.parametrize(
    ("group", "m"), [(SO2(), 8), (Translation(1, period=1.5), 8), (Translation(2, period=(1.0, 2.0)), 16)], ids=str
)
def test_orbits_of_tori_are_regular_grids(group: SO2 | Translation, m: int) -> None:
    orbit = group.orbit(5, m, seed=0)
    for rep in group.irreps(3 if group.n_params == 2 else 7):
        if not rep.trivial:
            expected = rep.order % 4 == 0 if group.n_params == 2 else False
            assert expected or np.abs(rep(orbit).mean(1)).max() < 1e-12
    assert len({round(float(x), 6) for x in orbit[:, 0, 0]}) == 5
    irregular = Translation(2, period=1.0).orbit(2, 15, seed=0)
    assert irregular.shape == (2, 15, 2)
