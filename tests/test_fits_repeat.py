"""Fits repeat: bit by bit under one seed, in any order of rows, in single precision, streamed; clusters stay whole."""

import numpy as np
import pytest
from fitted_codes import fitted, same, some

from geodis import LinearCoordinates
from geodis.errors import DesignError, OverlapError
from geodis.groups import Cyclic
from geodis.simulators import planted_cases


@pytest.mark.parametrize(("name", "isometric"), [("SO3", False), ("SO3", True), ("SE(2)", False)])
def test_the_same_seed_gives_the_same_bits(name, isometric):
    case, code, est = fitted(name, isometric)
    again = LinearCoordinates(case.group, max_order=2, isometric=isometric, n_null=39)
    again.fit(code.z.copy(), code.params.copy(), items=code.items.copy())
    assert same(est.coordinates_, again.coordinates_)
    other = LinearCoordinates(case.group, max_order=2, isometric=isometric, n_null=39, random_state=1)
    other.fit(code.z, code.params, items=code.items)
    assert not same(est.coordinates_, other.coordinates_), "other folds, other energies"
    gap = [abs(a.energy - b.energy) for a, b in zip(est.coordinates_.blocks, other.coordinates_.blocks, strict=True)]
    assert max(gap) < 0.05


def test_items_may_come_in_any_order_of_rows():
    case, code, est = fitted("SO2")
    order = np.argsort(np.random.default_rng(0).permutation(60)[code.items], kind="stable")
    again = LinearCoordinates(case.group, max_order=2, n_null=39)
    again.fit(code.z[order], code.params[order], items=code.items[order])
    assert same(est.coordinates_, again.coordinates_)
    scattered = np.random.default_rng(0).permutation(len(code.z))
    again.fit(code.z[scattered], code.params[scattered], items=code.items[scattered])
    for a, b in zip(est.coordinates_.blocks, again.coordinates_.blocks, strict=True):
        assert a.irrep.name == b.irrep.name
        assert a.energy == pytest.approx(b.energy, abs=1e-8)


def test_single_precision_finds_the_same():
    case, code, est = fitted("SO3")
    single = LinearCoordinates(case.group, max_order=2, n_null=39)
    single.fit(code.z.astype(np.float32), code.params, items=code.items)
    assert single.transform(code.z.astype(np.float32)).dtype == np.float32
    for a, b in zip(est.coordinates_.blocks, single.coordinates_.blocks, strict=True):
        assert a.irrep.name == b.irrep.name
        assert a.energy == pytest.approx(b.energy, abs=1e-4)
    z, g = some("SO3")
    np.testing.assert_allclose(single.coordinates_.edit(z, g), est.coordinates_.edit(z, g), atol=1e-2)


@pytest.mark.parametrize("max_components", [192, 16])
def test_streamed_moments_give_the_same_fit(max_components):
    case, code, _ = fitted("SO2")
    options = {"max_order": 2, "n_null": 39, "max_components": max_components}
    whole = LinearCoordinates(case.group, **options).fit(code.z, code.params, items=code.items)
    est = LinearCoordinates(case.group, **options)
    moments = est.new_moments(code.z)
    for rows in np.array_split(np.arange(len(code.z)), 7):
        moments.update(code.z[rows], code.params[rows], code.items[rows])
    est.fit_moments(moments)
    assert [b.irrep.name for b in est.coordinates_.blocks] == [b.irrep.name for b in whole.coordinates_.blocks]
    for a, b in zip(est.coordinates_.blocks, whole.coordinates_.blocks, strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-8)
    z, g = some("SO2")
    np.testing.assert_allclose(est.coordinates_.edit(z, g), whole.coordinates_.edit(z, g), atol=1e-6)
    assert est.n_features_in_ == 24
    with pytest.raises(OverlapError):
        est.score(code.z, code.params, items=code.items)


def test_streamed_limited_designs_are_refused():
    case = planted_cases()["SO2 limited"]()
    code = case.code(0, n_items=40, n_elements=8)
    est = LinearCoordinates(case.group, max_order=2)
    moments = est.new_moments(code.z)
    with pytest.raises(DesignError, match="at least one item"):
        est.fit_moments(moments)
    moments.update(code.z, code.params, code.items)
    with pytest.raises(DesignError, match="fit on arrays"):
        est.fit_moments(moments)


def test_clusters_are_not_split_over_folds():
    # Twenty subjects, three sentences each, whose code is the subject's own random function of the element: nothing
    # carries over to another subject, but within a subject it is learnt by heart.
    group, rng = Cyclic(6), np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), 3 * 6)
    items = np.repeat(np.arange(60), 6)
    params = np.tile(np.arange(6.0), 60)
    own = rng.normal(size=(20, 6, 100))
    z = np.repeat(own[:, None], 3, axis=1).reshape(360, 100) + 0.01 * rng.normal(size=(360, 100))
    blind = LinearCoordinates(group, max_order=2).fit(z, params, items=items)
    aware = LinearCoordinates(group, max_order=2).fit(z, params, items=items, clusters=clusters)
    leading = [max(e[0] for n, e in est.spectrum_.energies.items() if n != "k=0") for est in (blind, aware)]
    assert leading[1] < 0.3
    assert leading[0] > leading[1] + 0.3, "folds that share subjects are deceived"
    assert not any(not b.irrep.trivial for b in aware.coordinates_.blocks)
