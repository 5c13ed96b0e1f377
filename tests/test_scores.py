"""A score is of unseen items: it is the pair loss by hand, and fitted items are refused."""

import numpy as np
import pytest
from fitted_codes import stretched

from geodis import LinearCoordinates
from geodis.errors import OverlapError
from geodis.groups import SO2


def test_score_is_one_minus_the_pair_loss_over_twice_the_variance():
    orbits, _ = stretched()
    train, test = orbits.split(0.4)
    est = LinearCoordinates(SO2(), max_order=2, n_null=39).fit_orbits(train)
    z, params, items = test.arrays()
    c = est.transform(z)
    loss = total = 0.0
    for block in est.coordinates_.blocks:
        if block.irrep.trivial:
            continue
        code, rho = c[:, block.columns], block.irrep(params)
        u = np.einsum("nba,nb->na", rho, code).reshape(test.n_items, 12, -1)
        gaps = np.square(u[:, :, None] - u[:, None]).sum(-1)
        mean = code.reshape(test.n_items, 12, -1).mean((0, 1))
        twice = 2 * np.square(code - mean).sum(-1).mean()
        scale = block.irrep.dim / twice  # unit variance a row
        loss, total = loss + scale * gaps.sum() / (12 * 11 * test.n_items), total + scale * twice
    score = est.score(z, params, items=items)
    assert score == pytest.approx(1 - loss / total, abs=1e-10)
    assert 0.9 < score < 1
    wrong = np.random.default_rng(0).permutation(params)
    assert est.score(z, wrong, items=items) < 0.3


def test_fitted_items_are_refused_whatever_their_labels_are_stored_as():
    orbits, _ = stretched(n=40)
    train, test = orbits.split(0.5)
    for names in (np.arange(40), np.arange(40.0), np.array([f"item {i}" for i in range(40)])):
        est = LinearCoordinates(SO2(), max_order=2, n_null=39)
        est.fit(train.z, train.params, items=names[train.items])
        assert est.score(test.z, test.params, items=names[test.items]) > 0.5
        with pytest.raises(OverlapError, match="20"):
            est.score(train.z, train.params, items=names[train.items])
        one = np.where(test.items == test.items[0], train.items[0], test.items)
        with pytest.raises(OverlapError, match="1 of them"):
            est.score(test.z, test.params, items=names[one])
    loaded = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(train.z, train.params, items=train.items)
    with pytest.raises(OverlapError):
        loaded.score(train.z, train.params, items=train.items.astype(np.int32))


def test_without_a_block_nothing_moves():
    group = SO2()
    params = group.orbit(40, 8).reshape(-1, 1)
    z = np.random.default_rng(0).normal(size=(320, 6))
    est = LinearCoordinates(group, max_order=2).fit(z, params, items=np.repeat(np.arange(40), 8))
    coords = est.coordinates_
    assert est.status_ == coords.status == "degenerate"
    assert est.transform(z).shape == (320, 0)
    assert est.inverse_transform(est.transform(z)).shape == z.shape
    assert est.score(z, params) == 0.0
    assert np.array_equal(coords.edit(z, params), z)
    assert np.array_equal(coords.operator(params[:2]), np.tile(np.eye(6), (2, 1, 1)))
    assert est.get_feature_names_out().tolist() == []
    assert max(e.max() for e in est.spectrum_.energies.values() if len(e)) < 0.5, "the candidates stay in the spectrum"
    assert est.spectrum_.multiplicities == {}
