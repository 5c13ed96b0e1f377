"""Encoders that carry nothing get no block and score zero; too little is insufficient."""

import numpy as np
import pytest
from planted_rows import acting, orbits_of, plane

from geodis import LinearCoordinates, isotypic_spectrum
from geodis.groups import SO2, Cyclic, Dihedral, Translation
from geodis.simulators import planted


def encoders():
    rng = np.random.default_rng(0)
    return {
        "constant": lambda n, m: np.full((n * m, 5), 3.0),
        "zero": lambda n, m: np.zeros((n * m, 5)),
        "constant up to 1e-12": lambda n, m: 3.0 + 1e-12 * rng.normal(size=(n * m, 5)),
        "invariant": lambda n, m: np.repeat(rng.normal(size=(n, 5)), m, axis=0),
        "invariant with noise": lambda n, m: (
            np.repeat(rng.normal(size=(n, 5)), m, 0) + 0.1 * rng.normal(size=(n * m, 5))
        ),
        "noise": lambda n, m: rng.normal(size=(n * m, 5)),
        "tiny noise": lambda n, m: 1e-12 * rng.normal(size=(n * m, 5)),
    }


@pytest.mark.parametrize("encoder", encoders())
@pytest.mark.parametrize("group", [SO2(), Cyclic(6), Translation(1)], ids=repr)
def test_degenerate_encoders_get_no_block_and_score_zero(group, encoder):
    params = group.orbit(40, 8)
    n, m = params.shape[:2]
    orbits = orbits_of(encoders()[encoder](n, m), params, group)
    est = LinearCoordinates(group, max_order=2).fit_orbits(orbits)
    assert acting(est.coordinates_) == []
    assert est.status_ == "degenerate"
    assert est.score(orbits.z, orbits.params) == 0.0
    other = orbits_of(np.random.default_rng(9).normal(size=orbits.z.shape), params, group)
    assert np.array_equal(est.coordinates_.edit(other.z, other.params), other.z)


def test_an_exactly_equivariant_encoder_is_not_degenerate():
    group = Cyclic(6)
    params = group.orbit(40, 6)
    z = 3.0 + plane(params[..., 0] * np.pi / 3, d=5, noise=1e-6)
    est = LinearCoordinates(group, max_order=2).fit_orbits(orbits_of(z, params, group))
    assert acting(est.coordinates_) == ["k=1"]
    assert est.status_ == "ok"


@pytest.mark.parametrize("group", [Cyclic(2), Dihedral(1)], ids=repr)
def test_a_group_of_two_elements_has_its_sign(group):
    # Exchanging the labels of (e, s) leaves every pair as it is: permuted labels cannot be the null here.
    params = group.orbit(100, 2)
    sign = group.irreps(1)[1]
    code = planted([(group.irreps(0)[0], 1), (sign, 1)], params, n_features=6)
    est = LinearCoordinates(group, max_order=1).fit(code.z, code.params, items=code.items)
    assert acting(est.coordinates_) == [sign.name]
    assert est.spectrum_.multiplicity(group.irreps(0)[0].name) == 1
    for dull in (np.random.default_rng(0).normal(size=code.z.shape), np.repeat(code.z[::2], 2, axis=0)):
        assert acting(LinearCoordinates(group, max_order=1).fit(dull, code.params, items=code.items).coordinates_) == []


@pytest.mark.parametrize(("n", "m"), [(1, 8), (30, 1), (1, 1)])
def test_one_item_or_one_element_is_insufficient(n, m):
    for group in (SO2(), Cyclic(8), Translation(1)):
        params = group.sample(n * m).reshape(n, m, 1)
        orbits = orbits_of(np.random.default_rng(0).normal(size=(n * m, 4)), params, group)
        est = LinearCoordinates(group, max_order=1).fit_orbits(orbits)
        assert est.status_ == "insufficient"
        assert est.coordinates_.blocks == ()
        assert est.transform(orbits.z).shape == (n * m, 0)
        assert isotypic_spectrum(orbits, max_order=1).status == "insufficient"
