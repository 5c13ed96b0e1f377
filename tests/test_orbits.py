"""Rows keep their item whatever their order, and malformed ones are named errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_orbits import EXAMPLES, rows, same

from geodis import Orbits
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic


# --- from arrays ------------------------------------------------------------------------------------------------------
@EXAMPLES
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 99))
def test_rows_come_in_any_order_of_items(sizes, seed):
    z, params, items, group = rows(sizes, seed=seed)
    straight = Orbits.from_arrays(z, params, items, group)
    # Items are shuffled; within an item the order of rows is what the user gave.
    order = np.argsort(np.random.default_rng(seed).permutation(len(sizes))[items], kind="stable")
    shuffled = Orbits.from_arrays(z[order], params[order], items[order], group)
    assert same(straight, shuffled)
    assert straight.sizes.tolist() == list(sizes)
    assert (np.diff(shuffled.items) >= 0).all()
    assert len(straight) == sum(sizes)
    assert straight.regular == (len(set(sizes)) == 1)


def test_each_row_keeps_its_parameters_when_it_is_sorted():
    z, params, items, group = rows((2, 3, 4))
    z[:, 0], z[:, 1] = params[:, 0], items
    order = np.random.default_rng(1).permutation(len(z))
    orbits = Orbits.from_arrays(z[order], params[order], items[order], group)
    assert np.array_equal(orbits.z[:, 0], orbits.params[:, 0])
    assert np.array_equal(orbits.z[:, 1], orbits.items)
    assert not np.array_equal(orbits.z, z[order]), "the rows did move"


def test_labels_may_be_strings_objects_or_floats():
    z, params, items, group = rows((2, 2, 2))
    words = np.array(["b", "a", "c"])
    days = np.array(["2020-02-02", "2020-01-01", "2021-01-01"], dtype="datetime64[D]")
    for labels in (words, words.astype(object), words.astype("S1"), days, np.array([2.5, -1.0, 7.0])):
        orbits = Orbits.from_arrays(z, params, labels[items], group)
        as_read = labels.astype(str) if labels.dtype.kind != "f" else labels
        assert orbits.labels.tolist() == sorted(as_read.tolist())
        assert np.array_equal(orbits.z[:2], z[2:4]), "item number 1 carries the smallest label"


def test_torch_lists_and_flat_parameters_are_read():
    z, params, items, group = rows()
    straight = Orbits.from_arrays(z, params, items, group)
    tensors = Orbits.from_arrays(torch.tensor(z), torch.tensor(params), torch.tensor(items), group)
    lists = Orbits.from_arrays(z.tolist(), params[:, 0].tolist(), items.tolist(), group)
    assert same(straight, tensors)
    assert same(straight, lists)
    assert same(straight, Orbits.from_arrays(z, params.astype(object), items, group))
    assert Orbits.from_arrays(z.astype(np.float32), params, items, group).z.dtype == np.float32
    assert Orbits.from_arrays(np.ones((12, 2), dtype=int), params, items, group).z.dtype == np.float64


def test_one_cluster_an_item_by_default_and_coarser_ones_on_request():
    z, params, items, group = rows()
    assert np.array_equal(Orbits.from_arrays(z, params, items, group).clusters, items)
    clusters = np.array(["x", "x", "y", "y"])[items]
    orbits = Orbits.from_arrays(z[::-1], params[::-1], items[::-1], group, clusters[::-1])
    assert orbits.clusters.tolist() == clusters.tolist()
    with pytest.raises(ParameterError, match="several clusters"):
        Orbits.from_arrays(z, params, items, group, np.arange(12))


def test_crossed_means_the_same_elements_in_the_same_order():
    z, _, items, group = rows((3, 3))
    elements = np.array([[0.0], [1.0], [2.0]])
    crossed = Orbits.from_arrays(z, np.tile(elements, (2, 1)), items, group)
    reversed_once = Orbits.from_arrays(z, np.concatenate([elements, elements[::-1]]), items, group)
    assert crossed.crossed
    assert crossed.regular
    assert "crossed" in repr(crossed)
    assert not reversed_once.crossed
    assert reversed_once.regular
    assert "nested" in repr(reversed_once)
    assert not crossed.select([0]).crossed, "one item is crossed with nothing"
    ragged = Orbits.from_arrays(z, np.tile(elements, (2, 1)), [0, 0, 0, 0, 1, 1], group)
    assert not ragged.crossed
    assert not ragged.regular
    assert "2-4" in repr(ragged)


BAD_ARRAYS = {
    "NaN": (lambda z, p, i: (np.where(z == z[0, 0], np.nan, z), p, i), FiniteError),
    "infinite": (lambda z, p, i: (np.where(z == z[0, 0], np.inf, z), p, i), FiniteError),
    "NaN parameters": (lambda z, p, i: (z, np.where(p == p[0, 0], np.nan, p), i), FiniteError),
    "flat embeddings": (lambda z, p, i: (z[:, 0], p, i), ShapeError),
    "stacked embeddings": (lambda z, p, i: (z.reshape(4, 3, 4), p, i), ShapeError),
    "no rows": (lambda z, p, i: (z[:0], p[:0], i[:0]), ShapeError),
    "no features": (lambda z, p, i: (z[:, :0], p, i), ShapeError),
    "two parameters": (lambda z, p, i: (z, np.hstack([p, p]), i), ShapeError),
    "scalar parameters": (lambda z, p, i: (z, np.array(1.0), i), ShapeError),
    "items in a table": (lambda z, p, i: (z, p, i[:, None]), ShapeError),
    "complex items": (lambda z, p, i: (z, p, i + 1j), ParameterError),
    "no item": (lambda z, p, i: (z, p, np.where(i == 0, None, "a")), ParameterError),
    "NaN among words": (lambda z, p, i: (z, p, np.array([np.nan, *"abcdefghijk"], dtype=object)), ParameterError),
    "no date": (lambda z, p, i: (z, p, np.array(["NaT"] * 12, dtype="M8[D]")), ParameterError),
    "items in Latin-1": (lambda z, p, i: (z, p, np.array(["é".encode("latin-1")] * 12)), ParameterError),
    "NaN items": (lambda z, p, i: (z, p, np.full(12, np.nan)), FiniteError),
    "fewer rows": (lambda z, p, i: (z[1:], p, i), LengthError),
    "fewer parameters": (lambda z, p, i: (z, p[1:], i), LengthError),
    "fewer items": (lambda z, p, i: (z, p, i[1:]), LengthError),
    "words": (lambda z, p, i: (np.full(z.shape, "a"), p, i), ParameterError),
    "complex": (lambda z, p, i: (z + 1j, p, i), ParameterError),
    "words as parameters": (lambda z, p, i: (z, np.full(p.shape, "a"), i), ParameterError),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_malformed_arrays_are_named_errors(name):
    z, params, items, group = rows()
    spoil, error = BAD_ARRAYS[name]
    Orbits.from_arrays(z, params, items, group)
    with pytest.raises(error) as caught:
        Orbits.from_arrays(*spoil(z, params, items), group)
    assert isinstance(caught.value, GeodisError)
    assert len(str(caught.value)) > 20


def test_clusters_of_another_length_are_refused():
    z, params, items, group = rows()
    with pytest.raises(LengthError):
        Orbits.from_arrays(z, params, items, group, items[1:])
    with pytest.raises(ShapeError):
        Orbits.from_arrays(z, params, items, group, items[:, None])


def test_parameters_outside_the_group_and_things_that_are_no_group():
    z, params, items, _ = rows()
    with pytest.raises(ParameterError, match="outside"):
        Orbits.from_arrays(z, params + 0.3, items, Cyclic(5))
    Orbits.from_arrays(z, params.round(), items, Cyclic(5))
    for group in (None, "SO2", SO2):
        with pytest.raises(ParameterError, match="group"):
            Orbits.from_arrays(z, params, items, group)


# --- from pairs -------------------------------------------------------------------------------------------------------
def test_pairs_start_at_the_identity():
    group = SO3()
    rng = np.random.default_rng(0)
    z, gz, params = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), group.sample(5)
    orbits = Orbits.from_pairs(z, gz, params, group)
    assert orbits.n_items == 5
    assert np.array_equal(orbits.z[::2], z)
    assert np.array_equal(orbits.z[1::2], gz)
    assert np.array_equal(orbits.params[::2], group.identity(5))
    assert np.array_equal(orbits.params[1::2], params)
    named = Orbits.from_pairs(z, gz, params, group, items=list("ecadb"), clusters=list("xxxyy"))
    assert named.labels.tolist() == list("abcde")
    assert named.clusters[::2].tolist() == ["x", "y", "x", "y", "x"]
    together = Orbits.from_pairs(z, gz, params, group, items=[0, 0, 1, 1, 1])
    assert together.sizes.tolist() == [4, 6]


def test_malformed_pairs():
    group = SO2()
    z, params = np.ones((5, 4)), group.sample(5)
    for arguments, error in (
        ((z, z[:, :3], params), ShapeError),
        ((z, z[:4], params), ShapeError),
        ((z, z, params[:4]), LengthError),
        ((z, z, np.full((5, 1), np.nan)), FiniteError),
        ((z, z, np.ones((5, 2))), ShapeError),
    ):
        with pytest.raises(error):
            Orbits.from_pairs(*arguments, group)
    with pytest.raises(LengthError):
        Orbits.from_pairs(z, z, params, group, items=[1, 2])
    with pytest.raises(LengthError):
        Orbits.from_pairs(z, z, params, group, clusters=[1, 2])
    with pytest.raises(ParameterError):
        Orbits.from_pairs(z, z, params + 0.5, Cyclic(4))
