"""Splits hold out whole clusters; parts change what they say and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_orbits import EXAMPLES, orbits_of, rows, same

from geodis import Orbits
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import Cyclic


@EXAMPLES
@given(st.integers(2, 12), st.floats(0.01, 0.99), st.integers(0, 99))
def test_split_holds_out_whole_items(n, share, seed):
    orbits = orbits_of((2,) * n)
    train, test = orbits.split(test_size=share, seed=seed)
    assert not set(train.items) & set(test.items)
    assert sorted([*train.labels, *test.labels]) == list(range(n))
    assert abs(test.n_items - share * n) <= 1.0
    assert train.n_items
    assert test.n_items
    again = orbits.split(test_size=share, seed=seed)
    assert same(train, again[0])
    assert same(test, again[1])


def test_split_depends_on_the_seed():
    orbits = orbits_of((2,) * 20)
    held_out = {tuple(orbits.split(seed=seed)[1].labels) for seed in range(8)}
    assert len(held_out) > 4


@EXAMPLES
@given(st.integers(2, 5), st.integers(0, 99))
def test_split_never_shares_a_cluster(n_clusters, seed):
    z, params, items, group = rows((2,) * 12)
    clusters = (np.random.default_rng(seed).permutation(12) % n_clusters)[items]
    train, test = Orbits.from_arrays(z, params, items, group, clusters).split(test_size=0.4, seed=seed)
    assert not set(train.clusters) & set(test.clusters)
    assert train.n_items + test.n_items == 12


def test_split_refuses_what_it_cannot_split():
    for share in (0.0, 1.0, -0.1, 1.5):
        with pytest.raises(ParameterError, match="share"):
            orbits_of().split(test_size=share)
    with pytest.raises(ParameterError, match="nothing to split"):
        orbits_of((5,)).split()
    z, params, items, group = rows()
    with pytest.raises(ParameterError, match="nothing to split"):
        Orbits.from_arrays(z, params, items, group, np.zeros(12)).split()


def test_select_keeps_these_items_only():
    orbits = orbits_of((2, 3, 4))
    picked = orbits.select([2, 0])
    assert picked.labels.tolist() == [0, 2]
    assert picked.sizes.tolist() == [2, 4]
    assert np.array_equal(picked.z, orbits.z[[0, 1, 5, 6, 7, 8]])
    assert orbits.select([]).n_items == 0
    assert "0 items" in repr(orbits.select([]))


def test_map_changes_the_embedding_only():
    orbits = orbits_of()
    mapped = orbits.map(lambda z: z[:, :2] * 3)
    assert np.array_equal(mapped.z, orbits.z[:, :2] * 3)
    assert np.array_equal(mapped.params, orbits.params)
    assert orbits.map(lambda z: torch.tensor(z)).n_features == 4
    assert orbits.map(lambda z: z[:, :0]).n_features == 0
    with pytest.raises(LengthError):
        orbits.map(lambda z: z[1:])
    with pytest.raises(ShapeError):
        orbits.map(lambda z: z[:, 0])
    with pytest.raises(FiniteError):
        orbits.map(lambda z: z / 0 if False else z * np.inf)


def test_relabel_changes_the_parameters_only():
    orbits = orbits_of(group=Cyclic(4))
    other = (orbits.params + 1) % 4
    relabelled = orbits.relabel(other)
    assert np.array_equal(relabelled.params, other)
    assert np.array_equal(relabelled.z, orbits.z)
    assert not np.array_equal(orbits.params, other), "the first orbits are as they were"
    with pytest.raises(LengthError):
        orbits.relabel(other[1:])
    with pytest.raises(ShapeError):
        orbits.relabel(np.hstack([other, other]))
    with pytest.raises(ParameterError):
        orbits.relabel(other + 0.5)


@EXAMPLES
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_stacks_hold_every_row_once(sizes):
    orbits = orbits_of(sizes)
    stacks = list(orbits.stacks())
    assert [s.z.shape[1] for s in stacks] == sorted(set(sizes))
    assert sorted(i for s in stacks for i in s.items) == list(range(len(sizes)))
    for stack in stacks:
        for z, params, item, cluster in zip(*stack, strict=True):
            mine = orbits.items == item
            assert np.array_equal(z, orbits.z[mine])
            assert np.array_equal(params, orbits.params[mine])
            assert cluster == orbits.clusters[mine][0]
