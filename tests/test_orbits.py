"""Orbits: rows keep their item whatever their order, whole clusters are held out, files are whole or not there."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import geodis.orbits
from geodis import Orbits, sample_orbits
from geodis.actions.action import AbstractAction
from geodis.errors import FileFormatError, FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SE, SO2, SO3, Cyclic, Dihedral, Translation

EXAMPLES = settings(max_examples=25, deadline=None)
EXACT = 1e-12  # two ways to the same rotation of unit vectors


def rows(sizes=(3, 3, 3, 3), group=None, d=4, seed=0):
    """`(z, params, items, group)` with items 0, 1, 2, … of these sizes."""
    group = SO2() if group is None else group
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    return rng.normal(size=(n, d)), group.sample(n, seed=seed), np.repeat(np.arange(len(sizes)), sizes), group


def orbits_of(sizes=(3, 3, 3, 3), group=None, **options):
    return Orbits.from_arrays(*rows(sizes, group, **options))


def same(a, b):
    """Whether two orbits hold the same, bit by bit."""
    names = ("z", "params", "items", "clusters")
    equal = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
    return equal and a.group == b.group and a.z.dtype == b.z.dtype


class Turn(AbstractAction):
    """Rotations of the plane on rows of two numbers."""

    def __init__(self, group):
        self.group = group

    def _act(self, params, items):
        return np.einsum("nab,nb->na", self.group.matrix(params), np.asarray(items))


def plane_items(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2))


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


# --- sampling ---------------------------------------------------------------------------------------------------------
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


# --- parts ------------------------------------------------------------------------------------------------------------
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


# --- on disk ----------------------------------------------------------------------------------------------------------
GROUPS = [SO2(), SO3(), Cyclic(5), SO2() * Cyclic(3), SE(2), Translation(2, period=(1.0, 2.0))]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_files_hold_what_was_saved(tmp_path, group):
    z, params, items, _ = rows((2, 3, 1), group)
    for labels, dtype in ((np.arange(3), np.float64), (np.array(["é", "b", "c"]), np.float32), ([0.5, 1.5, 2], float)):
        orbits = Orbits.from_arrays(z.astype(dtype), params, np.asarray(labels)[items], group, np.zeros(6, dtype=int))
        orbits.save(tmp_path / "orbits.safetensors")
        assert same(orbits, Orbits.load(tmp_path / "orbits.safetensors"))
        assert not same(orbits_of((2, 3, 1), group, seed=9), orbits), "the comparison sees a difference"


def test_a_failing_write_leaves_no_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "orbits.safetensors"

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(geodis.orbits, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            orbits_of().save(path)
        assert list(tmp_path.iterdir()) == []
    orbits_of().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["orbits.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr(geodis.orbits, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            orbits_of((9, 9)).save(path)
    assert same(Orbits.load(path), orbits_of())


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "file"
    orbits = orbits_of()
    tensors = {"z": orbits.z, "params": orbits.params, "items": orbits.items, "clusters": orbits.clusters}
    meta = {"format": "geodis.orbits", "version": "1", "group": "SO2()"}
    save_file(tensors, path, metadata=meta)
    assert same(Orbits.load(path), orbits)
    for changed in ({"version": "999"}, {"format": "other"}):
        save_file(tensors, path, metadata=meta | changed)
        with pytest.raises(FileFormatError):
            Orbits.load(path)
    save_file(tensors, path)
    with pytest.raises(FileFormatError):
        Orbits.load(path)
    save_file({"z": orbits.z}, path, metadata=meta)
    with pytest.raises(FileFormatError):
        Orbits.load(path)
    for junk in (b"", b"\x80\x04pickle", json.dumps(meta).encode()):
        path.write_bytes(junk)
        with pytest.raises(FileFormatError):
            Orbits.load(path)
    with pytest.raises(FileNotFoundError):
        Orbits.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        orbits.save(tmp_path / "no" / "such" / "folder")
