"""Batches and merges that would break the sums are refused, and leave them as they were."""

import numpy as np
import pytest
from random_moments import SUMS, mismatch, moments_of, rows, totals

from geodis.coordinates import LinearCoordinates, Moments
from geodis.errors import DesignError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic, Lorentz, Translation
from geodis.orbits import Stack


def test_a_finished_item_does_not_come_back():
    group = SO2()
    z, params, _ = rows(group, (6,))
    moments = Moments(group, group.irreps(1), 3)
    moments.update(z, params, [0, 0, 1, 1, 2, 2])
    moments.update(z[:2], params[:2], [2, 3])
    with pytest.raises(DesignError, match="finished before"):
        moments.update(z[:2], params[:2], [0, 0])
    with pytest.raises(DesignError, match="finished before"):
        moments.add_stack(Stack(z[None], params[None], np.array([1]), np.array([1])))
    within = Moments(group, group.irreps(1), 3)
    with pytest.raises(DesignError, match="Sort"):
        within.update(z, params, [0, 1, 0, 1, 2, 2])


def test_a_refused_batch_leaves_the_sums_as_they_were():
    group = SO2()
    z, params, _ = rows(group, (6,))
    moments = Moments(group, group.irreps(1), 3)
    moments.update(z, params, [0, 0, 1, 1, 2, 2])
    with pytest.raises(DesignError):
        moments.update(z[:5], params[:5], [3, 3, 4, 4, 0])
    moments.update(z[:4], params[:4], [3, 3, 4, 4])
    clean = Moments(group, group.irreps(1), 3)
    clean.update(z, params, [0, 0, 1, 1, 2, 2])
    clean.update(z[:4], params[:4], [3, 3, 4, 4])
    for m in (moments, clean):
        m.finish()
    assert moments.n_items == clean.n_items == 5
    for a, b in zip(totals(moments), totals(clean), strict=True):
        assert mismatch(a, b) <= SUMS


def test_different_moments_do_not_merge():
    group = SO2()
    data = rows(group, (3, 3, 3))
    later = (data[0], data[1], data[2] + 10)
    basis = np.eye(3)[:, :2]
    mine = moments_of(group, 2, data)
    for other in (
        moments_of(group, 1, later),
        moments_of(group, 2, later, basis=basis),
        moments_of(group, 2, later, shift=np.ones(3)),
        moments_of(group, 2, later, n_folds=4),
        moments_of(Translation(1, period=(2 * np.pi,)), 2, later),
    ):
        with pytest.raises(DesignError, match="same group"):
            mine.merge(other)
    with pytest.raises(DesignError, match="different items"):
        mine.merge(moments_of(group, 2, data))
    mine.merge(moments_of(group, 2, later))
    assert mine.n_items == 6


def test_a_cluster_does_not_merge_into_two_folds():
    group = SO2()
    z, params, items = rows(group, (2,) * 12)
    halves = []
    for seed, part in enumerate((items < 6, items >= 6)):
        moments = Moments(group, group.irreps(1), 3, n_folds=3, seed=seed)
        moments.update(z[part], params[part], items[part], items[part] % 6)
        halves.append(moments)
    with pytest.raises(DesignError, match="cluster"):
        halves[0].merge(halves[1])


def test_malformed_batches():
    group = Cyclic(4)
    moments = Moments(group, group.irreps(1), 3)
    z, params, items = rows(group, (2, 2))
    for batch, error in (
        ((z[:, :2], params, items), ShapeError),
        ((z[0], params, items), ShapeError),
        ((z[1:], params, items), LengthError),
        ((z, params[1:], items), LengthError),
        ((z, params, items[1:]), LengthError),
        ((z, params, items, items[1:]), LengthError),
        ((z * np.nan, params, items), FiniteError),
        ((z, params + 0.5, items), ParameterError),
        ((z, params, items, np.arange(4)), ParameterError),
    ):
        with pytest.raises(error):
            moments.update(*batch)
    assert moments.n_items == 0
    moments.update(z, params, items)
    assert moments.n_items == 2


def test_malformed_construction():
    group, line = SO2(), Translation(1)
    with pytest.raises(ShapeError):
        Moments(group, group.irreps(1), 3, shift=np.zeros(2))
    for other, reps in ((line, line.affine_representations()), (Lorentz(), Lorentz().irreps(1))):
        with pytest.raises(ParameterError, match="orthogonal"):
            Moments(other, reps, 3)


def test_fit_moments_refuses_what_it_cannot_use():
    est = LinearCoordinates(SO2())
    rows = np.random.default_rng(0).normal(size=(12, 4))
    with pytest.raises(ParameterError, match="expected Moments"):
        est.fit_moments(rows)
    other = LinearCoordinates(Cyclic(3)).new_moments(rows)
    with pytest.raises(ParameterError, match="SO2"):
        est.fit_moments(other)
    with pytest.raises(DesignError, match="at least one item"):
        est.fit_moments(est.new_moments(rows))
