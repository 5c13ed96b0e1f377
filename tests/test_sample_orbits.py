"""Sampled orbits show the items where they say, in the design that suits the group."""

import numpy as np
import pytest
from random_orbits import same

from geodis import sample_orbits
from geodis.actions.action import AbstractAction
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic, Dihedral

EXACT = 1e-12  # two ways to the same rotation of unit vectors


class Turn(AbstractAction):
    """Rotations of the plane on rows of two numbers."""

    def __init__(self, group):
        self.group = group

    def _act(self, params, items):
        return np.einsum("nab,nb->na", self.group.matrix(params), np.asarray(items))


def plane_items(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2))


@pytest.mark.parametrize("group", [SO2(), Cyclic(6), Dihedral(4)], ids=repr)
def test_sampled_orbits_show_the_items_where_they_say(group):
    items = plane_items(7)
    orbits = sample_orbits(lambda x: x, items, Turn(group), n_elements=12, seed=3)
    expected = np.einsum("nab,nb->na", group.matrix(orbits.params), items[orbits.items])
    np.testing.assert_allclose(orbits.z, expected, rtol=0, atol=EXACT)
    other = np.einsum("nab,nb->na", group.matrix(orbits.params[::-1]), items[orbits.items])
    assert np.abs(orbits.z - other).max() > 0.1, "other elements are noticed"
    assert same(orbits, sample_orbits(lambda x: x, items, Turn(group), n_elements=12, seed=3))


def test_the_design_suits_the_group():
    items = plane_items(5)
    full = sample_orbits(lambda x: x, items, Turn(Cyclic(6)), n_elements=6)
    assert full.crossed
    assert full.params[:6, 0].tolist() == [0, 1, 2, 3, 4, 5]
    part = sample_orbits(lambda x: x, items, Turn(Cyclic(6)), n_elements=4, seed=1)
    assert part.sizes.tolist() == [4] * 5
    assert all(len(set(part.select([i]).params[:, 0])) == 4 for i in range(5)), "drawn without replacement"
    grid = sample_orbits(lambda x: x, items, Turn(SO2()), n_elements=8)
    steps = np.diff(np.sort(grid.params.reshape(5, 8) % (2 * np.pi), axis=1), axis=1)
    np.testing.assert_allclose(steps, 2 * np.pi / 8, atol=EXACT)
    assert not grid.crossed, "each item has its own offset"
    again = sample_orbits(lambda x: x, items, Turn(SO2()), n_elements=8, seed=1)
    assert not np.array_equal(grid.params, again.params), "another seed, other elements"


def test_batches_change_nothing_and_are_as_large_as_asked():
    items = plane_items(7)
    seen = []

    def encoder(x):
        seen.append(len(x))
        return x

    whole = sample_orbits(encoder, items, Turn(SO2()), n_elements=5, batch_size=1000)
    assert seen == [35]
    seen.clear()
    parts = sample_orbits(encoder, items, Turn(SO2()), n_elements=5, batch_size=8)
    assert seen == [8, 8, 8, 8, 3]
    assert same(whole, parts)
    assert same(whole, sample_orbits(encoder, list(items), Turn(SO2()), n_elements=5, batch_size=1))


def test_sampled_items_have_names_and_clusters():
    items = plane_items(4)
    names, clusters = ["d", "c", "b", "a"], [1, 1, 2, 2]
    orbits = sample_orbits(lambda x: x, items, Turn(Cyclic(3)), item_ids=names, clusters=clusters)
    assert orbits.labels.tolist() == ["a", "b", "c", "d"]
    assert orbits.clusters.tolist() == [2] * 6 + [1] * 6
    np.testing.assert_allclose(orbits.z[0], items[3], atol=EXACT)


def test_malformed_sampling():
    items, action = plane_items(4), Turn(SO2())
    for options, error in (
        ({"item_ids": [1, 2, 3]}, LengthError),
        ({"item_ids": [1, 1, 2, 3]}, ParameterError),
        ({"clusters": [1, 2, 3]}, LengthError),
        ({"clusters": [1, 2, 3, 4, 5]}, LengthError),
        ({"batch_size": 0}, ParameterError),
        ({"batch_size": 2.5}, ParameterError),
        ({"n_elements": 0}, GeodisError),
    ):
        with pytest.raises(error):
            sample_orbits(lambda x: x, items, action, **options)
    with pytest.raises(ParameterError, match="item"):
        sample_orbits(lambda x: x, items[:0], action)
    with pytest.raises(LengthError):
        sample_orbits(lambda x: x[1:], items, action)
    with pytest.raises(FiniteError):
        sample_orbits(lambda x: x * np.nan, items, action)
    with pytest.raises(ShapeError):
        sample_orbits(lambda x: x[:, 0], items, action)
