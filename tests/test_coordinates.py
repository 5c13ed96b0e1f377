"""Coordinates obey the group law whatever was fitted, edits are their own inverses, files are whole, fits repeat."""

import pickle
import warnings
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import geodis.coordinates.latent
from geodis import LatentCoordinates, LinearCoordinates, Orbits
from geodis.coordinates.energy import orbit_energy
from geodis.errors import (
    DesignError,
    FileFormatError,
    FiniteError,
    GeodisError,
    LengthError,
    OverlapError,
    ParameterError,
    ShapeError,
)
from geodis.groups import SO2, Cyclic
from geodis.simulators import planted, planted_cases

LAW = 1e-10  # products of three matrices of size one, and of boosts a few times larger
EXAMPLES = settings(max_examples=20, deadline=None)
CASES = ("SO2", "SO3", "Cyclic(12)", "Dihedral(4)", "SO2*Cyclic(3)", "Translation ring", "SE(2)", "Translation line")
COMPACT = ("SO2", "SO3", "Dihedral(4)", "SO2*Cyclic(3)")


@cache
def fitted(name, isometric=False):
    """`(case, code, fitted estimator)` of a small planted case."""
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=None if case.group.order else 8, n_features=24)
    est = LinearCoordinates(case.group, max_order=2 if name != "Cyclic(12)" else 6, isometric=isometric, n_null=39)
    return case, code, est.fit(code.z, code.params, items=code.items)


def coordinates_of(name, isometric=False):
    return fitted(name, isometric)[2].coordinates_


def some(name, n=5, seed=7):
    """`(embeddings, elements)` that were not fitted."""
    case, code, _ = fitted(name)
    z = np.random.default_rng(seed).normal(size=(n, code.z.shape[1]))
    return z, case.group.sample(n, seed)


def orbits_of(code, group):
    return Orbits.from_arrays(code.z, code.params, code.items, group)


def stretched(seed=0, n=120, m=12, d=16):
    """A planted code with unequal, correlated directions: `(orbits, group)`."""
    group = SO2()
    params = group.orbit(n, m, seed=seed)
    code = planted([(group.irrep("m=0"), 2), (group.irrep("m=1"), 2), (group.irrep("m=2"), 1)], params, n_features=d)
    rng = np.random.default_rng(seed)
    mixing = np.eye(d) + 0.4 * rng.normal(size=(d, d)) / np.sqrt(d)
    z = code.z @ np.linalg.svd(mixing)[0] @ np.diag(np.linspace(0.5, 2.0, d)) @ mixing
    return Orbits.from_arrays(z, code.params, code.items, group), group


def same(a, b):
    """Whether two coordinates agree bit by bit."""
    names = ("analysis", "synthesis", "centre", "fitted")
    arrays = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)
    blocks = [(x.irrep.name, x.rows, x.energy, x.interval, x.isotropy) for x in a.blocks]
    other = [(x.irrep.name, x.rows, x.energy, x.interval, x.isotropy) for x in b.blocks]
    return arrays and blocks == other and (a.status, a.limited, a.group) == (b.status, b.limited, b.group)


# --- the group law ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("isometric", [False, True])
@pytest.mark.parametrize("name", COMPACT)
@EXAMPLES
@given(seed=st.integers(0, 999))
def test_operators_multiply_as_the_elements_do(name, isometric, seed):
    _check_group_law(coordinates_of(name, isometric), seed)


@pytest.mark.parametrize("name", sorted(set(CASES) - set(COMPACT)))
@EXAMPLES
@given(seed=st.integers(0, 999))
def test_operators_of_the_other_groups_do_too(name, seed):
    _check_group_law(coordinates_of(name), seed)


def _check_group_law(coords, seed):
    group = coords.group
    g, h = group.sample(3, seed), group.sample(3, seed + 1)
    product = coords.operator(group.compose(g, h))
    scale = max(1.0, np.abs(product).max())
    assert np.abs(coords.operator(g) @ coords.operator(h) - product).max() <= LAW * scale
    one = coords.operator(group.identity(1))[0]
    assert np.abs(one - np.eye(len(one))).max() <= LAW


@pytest.mark.parametrize("name", CASES)
def test_the_group_law_rests_on_a_right_inverse(name):
    coords = coordinates_of(name)
    broken = replace(coords, synthesis=coords.synthesis * 1.1)
    g, h = coords.group.sample(8, 0), coords.group.sample(8, 1)
    product = broken.operator(coords.group.compose(g, h))
    assert np.abs(broken.operator(g) @ broken.operator(h) - product).max() > 1e-2


@pytest.mark.parametrize("isometric", [False, True])
@pytest.mark.parametrize("name", COMPACT)
def test_synthesis_is_a_right_inverse(name, isometric):
    coords = coordinates_of(name, isometric)
    p = coords.n_coordinates
    assert p > 3
    assert np.abs(coords.analysis @ coords.synthesis - np.eye(p)).max() <= 1e-12
    assert np.abs(coords.synthesis @ coords.analysis - np.eye(coords.n_features)).max() > 0.1, "and no left inverse"


@pytest.mark.parametrize("name", CASES)
def test_operator_edit_and_act_are_one_action(name):
    coords = coordinates_of(name)
    z, g = some(name)
    edited = coords.edit(z, g)
    op = coords.operator(g)
    d = coords.n_features
    assert op.shape == ((5, d + 1, d + 1) if coords.affine else (5, d, d))
    rows = z - coords.centre
    if coords.affine:
        rows = np.hstack([rows, np.ones((5, 1))])
        assert np.array_equal(op[:, -1], np.tile(np.eye(d + 1)[-1], (5, 1)))
    moved = np.einsum("nab,nb->na", op, rows)[:, :d] + coords.centre
    np.testing.assert_allclose(edited, moved, rtol=0, atol=LAW)
    np.testing.assert_allclose(coords.transform(edited), coords.act(coords.transform(z), g), rtol=0, atol=LAW)
    rho, c = coords.representation(g), coords.transform(z)
    by_matrix = np.einsum("nab,nb->na", rho, c) + coords.representation.translation(g)
    np.testing.assert_allclose(coords.act(c, g), by_matrix, rtol=0, atol=LAW)
    assert np.abs(edited - z).max() > 0.1, "something moved"
    assert np.abs(coords.edit(z, g[::-1]) - edited).max() > 0.1, "other elements move otherwise"
    np.testing.assert_allclose(coords.edit(z, coords.group.identity(1)), z, rtol=0, atol=LAW)
    np.testing.assert_allclose(coords.edit(edited, coords.group.inverse(g)), z, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_positions_make_the_operator_affine(name):
    coords = coordinates_of(name)
    assert coords.affine == (name in ("SE(2)", "Translation line"))
    assert coords.affine == any(b.irrep.name == "position" for b in coords.blocks)


@pytest.mark.parametrize("isometric", [False, True])
def test_edits_keep_the_complement(isometric):
    coords = coordinates_of("SO3", isometric)
    z, g = some("SO3")
    complement = np.eye(coords.n_features) - coords.synthesis @ coords.analysis
    assert np.linalg.matrix_rank(complement) == coords.n_features - coords.n_coordinates
    change = coords.edit(z, g) - z
    assert np.abs(change @ complement.T).max() <= LAW
    assert np.abs(change).max() > 0.1
    for block in coords.blocks:
        if block.irrep.trivial:
            part = coords.transform(coords.edit(z, g))[:, block.columns] - coords.transform(z)[:, block.columns]
            assert np.abs(part).max() <= LAW, "invariants stay"


def test_edits_show_the_item_at_the_other_element():
    case, code, est = fitted("SO2")
    z, params = code.z.reshape(60, 8, -1), code.params.reshape(60, 8, 1)
    h = case.group.compose(params[:, 1], case.group.inverse(params[:, 0]))
    moved = [b.columns for b in code.blocks if not b.representation.trivial]
    frame = code.frame[:, slice(moved[0].start, moved[-1].stop)]
    error = np.square((est.coordinates_.edit(z[:, 0], h) - z[:, 1]) @ frame).mean()
    unedited = np.square((z[:, 0] - z[:, 1]) @ frame).mean()
    assert error < 0.05 * unedited
    assert np.square((est.coordinates_.edit(z[:, 0], -h) - z[:, 1]) @ frame).mean() > 0.5 * unedited


def test_inverse_transform_is_the_inverse_when_nothing_is_left_over():
    group = SO2()
    params = group.orbit(80, 12)
    parts = [(group.irrep("m=0"), 2), (group.irrep("m=1"), 1), (group.irrep("m=2"), 1)]
    code = planted(parts, params, n_features=6, noise=0.05)
    est = LinearCoordinates(group, max_order=2).fit(code.z, code.params, items=code.items)
    assert est.coordinates_.n_coordinates == 6
    np.testing.assert_allclose(est.inverse_transform(est.transform(code.z)), code.z, rtol=0, atol=1e-9)
    wide = fitted("SO2")[2]
    z, _ = some("SO2")
    c = wide.transform(z)
    assert np.abs(wide.inverse_transform(c) - z).max() > 0.1, "otherwise the complement is an average one"
    np.testing.assert_allclose(wide.transform(wide.inverse_transform(c)), c, rtol=0, atol=LAW)


# --- kinds and dtypes -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["SO3", "SE(2)"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, torch.float32, torch.float64])
def test_results_have_the_kind_and_dtype_of_the_input(name, dtype):
    coords = coordinates_of(name)
    z, g = some(name)
    is_torch = isinstance(dtype, torch.dtype)
    given = torch.tensor(z, dtype=dtype) if is_torch else z.astype(dtype)
    c = coords.transform(given)
    results = {"transform": c, "inverse": coords.inverse_transform(c), "act": coords.act(c, g)}
    results["edit"] = coords.edit(given, g)
    exact = coords.transform(z)
    expected = {"transform": exact, "inverse": coords.inverse_transform(exact)}
    expected |= {"act": coords.act(exact, g), "edit": coords.edit(z, g)}
    tolerance = 1e-4 if "32" in str(dtype) else LAW
    for key, result in results.items():
        assert isinstance(result, torch.Tensor) == is_torch
        assert result.dtype == dtype
        np.testing.assert_allclose(np.asarray(result), expected[key], rtol=0, atol=tolerance * 10)
    assert coords.transform(np.ones((2, coords.n_features), dtype=int)).dtype == np.float64
    operators = coords.operator(torch.tensor(g, dtype=dtype) if is_torch else g)
    assert isinstance(operators, torch.Tensor) == is_torch


@pytest.mark.parametrize("name", ["SO2", "SE(2)", "SO2*Cyclic(3)"])
def test_gradients_flow_through_embeddings_and_parameters(name):
    coords = coordinates_of(name)
    z, g = some(name, n=3)
    rows = torch.tensor(z, requires_grad=True)
    elements = torch.tensor(g, requires_grad=name != "SO2*Cyclic(3)")
    coords.edit(rows, elements).square().sum().backward()
    assert rows.grad.abs().min() > 0
    if elements.requires_grad:
        step = 1e-6
        for k in range(g.shape[1]):
            up, down = (coords.edit(z, g + s * np.eye(g.shape[1])[k]) for s in (step, -step))
            slope = (np.square(up).sum(1) - np.square(down).sum(1)) / (2 * step)
            np.testing.assert_allclose(elements.grad[:, k].numpy(), slope, rtol=1e-4, atol=1e-4)
    again = torch.tensor(z, requires_grad=True)
    coords.transform(again).sum().backward()
    np.testing.assert_allclose(again.grad.numpy(), np.tile(coords.analysis.sum(0), (3, 1)), atol=LAW)


# --- on disk ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CASES)
def test_files_hold_the_coordinates(tmp_path, name):
    coords, path = coordinates_of(name), tmp_path / "c.safetensors"
    coords.save(path)
    loaded = LatentCoordinates.load(path)
    assert same(coords, loaded)
    assert not same(coords, replace(loaded, centre=loaded.centre + 1e-15 + 1)), "the comparison sees a difference"
    z, g = some(name)
    assert np.array_equal(loaded.edit(z, g), coords.edit(z, g))
    assert np.array_equal(loaded.operator(g), coords.operator(g))
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    coords, path = coordinates_of("SO2"), tmp_path / "c.safetensors"

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(geodis.coordinates.latent, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            coords.save(path)
    assert list(tmp_path.iterdir()) == []
    coords.save(path)
    assert same(LatentCoordinates.load(path), coords)


def test_foreign_files_are_refused_and_nothing_is_unpickled(tmp_path):
    path = tmp_path / "c.safetensors"
    coords = coordinates_of("SO2")
    coords.save(path)
    tensors = load_file(path)
    meta = {"format": "geodis.coordinates", "version": "1", "group": "SO2()", "blocks": "[]", "status": "ok"}
    meta["limited"] = "false"
    for changes in (
        {"version": "2"},
        {"format": "geodis.orbits"},
        {"blocks": "not json"},
        {"group": "__import__('os')"},
        {"blocks": '[{"irrep": "nothing", "energy": 1, "interval": [0, 1], "isotropy": 1}]'},
        {"blocks": "[{}]"},
    ):
        save_file(tensors, path, metadata=meta | changes)
        with pytest.raises(FileFormatError):
            LatentCoordinates.load(path)
    save_file({"analysis": tensors["analysis"]}, path, metadata=meta)
    with pytest.raises(FileFormatError):
        LatentCoordinates.load(path)

    class Trap:
        def __reduce__(self):
            return (exec, ("raise RuntimeError('unpickled')",))

    for junk in (pickle.dumps(Trap()), b"", b"x" * 100):
        path.write_bytes(junk)
        with pytest.raises(FileFormatError):
            LatentCoordinates.load(path)
    with pytest.raises(FileNotFoundError):
        LatentCoordinates.load(tmp_path / "none")
    orbits, _ = stretched()
    orbits.save(path)
    with pytest.raises(FileFormatError):
        LatentCoordinates.load(path)


# --- scores -----------------------------------------------------------------------------------------------------------
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


# --- isometric frames -------------------------------------------------------------------------------------------------
def test_isometric_frames_are_rotations_that_capture_as_much():
    orbits, group = stretched()
    train, test = orbits.split(0.4)
    oblique = LinearCoordinates(group, max_order=2, n_null=39).fit_orbits(train).coordinates_
    coords = LinearCoordinates(group, max_order=2, n_null=39, isometric=True).fit_orbits(train).coordinates_
    assert [b.irrep.name for b in coords.blocks] == [b.irrep.name for b in oblique.blocks]
    p = coords.n_coordinates
    assert np.abs(coords.analysis @ coords.analysis.T - np.eye(p)).max() <= 1e-12
    assert np.abs(oblique.analysis @ oblique.analysis.T - np.eye(p)).max() > 0.1
    assert np.array_equal(coords.synthesis, coords.analysis.T)
    op = coords.operator(group.sample(4))
    assert np.abs(op @ op.swapaxes(1, 2) - np.eye(coords.n_features)).max() <= LAW
    z = test.z[:20]
    edited = coords.edit(z, group.sample(20))
    before, after = (np.linalg.norm(x - coords.centre, axis=1) for x in (z, edited))
    np.testing.assert_allclose(after, before, rtol=1e-10)

    def captured(which):
        energies = orbit_energy(test, which).blocks
        return sum(b.irrep.dim * e for b, e in zip(which.blocks, energies, strict=True) if not b.irrep.trivial)

    assert captured(coords) >= 0.95 * captured(oblique)
    # The polar factor alone, where the search starts, captures less.
    u, _, vt = np.linalg.svd(oblique.analysis.T, full_matrices=False)
    start = replace(coords, analysis=(u @ vt).T, synthesis=u @ vt)
    assert captured(coords) > captured(start)


@pytest.mark.parametrize("name", ["SE(2)", "Translation line", "Lorentz", "SO2 limited"])
def test_isometric_frames_are_refused_where_there_are_none(name):
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=6, n_features=20)
    est = LinearCoordinates(case.group, max_order=2 if name == "SO2 limited" else 1, isometric=True, n_null=39)
    with pytest.raises(DesignError, match="isometric"):
        est.fit(code.z, code.params, items=code.items)


# --- fits repeat ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["SO3", "SE(2)"])
@pytest.mark.parametrize("isometric", [False, True])
def test_the_same_seed_gives_the_same_bits(name, isometric):
    if name == "SE(2)" and isometric:
        pytest.skip("no isometric frame exists")
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


# --- malformed input --------------------------------------------------------------------------------------------------
BAD_OPTIONS = [
    {"group": None},
    {"group": "SO2"},
    {"max_order": -1},
    {"max_order": 1.5},
    {"max_order": True},
    {"min_energy": 1.0},
    {"min_energy": -0.1},
    {"min_energy": float("nan")},
    {"min_energy": "half"},
    {"ridge": -1.0},
    {"ridge": "automatic"},
    {"ridge": float("inf")},
    {"n_folds": 1},
    {"n_folds": 2.0},
    {"max_components": 0},
    {"n_null": 5},
    {"level": 0.0},
    {"level": 1.0},
    {"random_state": -1},
    {"random_state": None},
    {"random_state": "seed"},
    {"isometric": "yes"},
]


@pytest.mark.parametrize("option", BAD_OPTIONS, ids=str)
def test_options_outside_their_range_are_refused_by_fit(option):
    params = SO2().orbit(10, 8).reshape(-1, 1)
    z, items = np.random.default_rng(0).normal(size=(80, 4)), np.repeat(np.arange(10), 8)
    est = LinearCoordinates(**({"group": SO2(), "max_order": 2} | option))
    (name,) = option
    with pytest.raises(ParameterError, match=name):
        est.fit(z, params, items=items)
    LinearCoordinates(SO2(), max_order=2).fit(z, params, items=items)


def test_malformed_fits():
    group = Cyclic(4)
    est = LinearCoordinates(group, max_order=1)
    z, params, items = (
        np.random.default_rng(0).normal(size=(40, 4)),
        np.tile(np.arange(4.0), 10),
        np.repeat(range(10), 4),
    )
    for arguments, options, error in (
        ((z * np.nan, params), {"items": items}, FiniteError),
        ((z, params * np.nan), {"items": items}, FiniteError),
        ((z, params + 0.5), {"items": items}, ParameterError),
        ((z, params[1:]), {"items": items}, LengthError),
        ((z, params), {"items": items[1:]}, LengthError),
        ((z, np.stack([params, params], 1)), {"items": items}, ShapeError),
        ((z, params), {"items": items[:, None]}, ShapeError),
        ((z, params), {"items": items, "clusters": items[1:]}, LengthError),
        ((z, params), {"items": items, "clusters": np.arange(40)}, ParameterError),
        ((z[:, 0], params), {"items": items}, ValueError),
        ((z[:0], params[:0]), {"items": items[:0]}, ValueError),
    ):
        with pytest.raises(error):
            est.fit(*arguments, **options)
    for thing in (z, None, [1, 2]):
        with pytest.raises(ParameterError, match="Orbits"):
            est.fit_orbits(thing)
    est.fit(z, params, items=items)
    with pytest.raises(ParameterError):
        est.score(z, params + 0.5)
    with pytest.raises(FiniteError):
        est.score(z * np.nan, params)
    with pytest.raises(LengthError):
        est.score(z, params[1:])
    with pytest.raises(ValueError, match="features"):
        est.transform(z[:, :2])
    with pytest.raises(FiniteError):
        est.transform(z * np.inf)
    for pilot in (z[:, 0], z[:0], z * np.nan):
        with pytest.raises(GeodisError):
            est.new_moments(pilot)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "act", "edit"])
def test_malformed_rows_are_named_errors(method):
    coords = coordinates_of("SO3")
    width = coords.n_features if method in ("transform", "edit") else coords.n_coordinates
    rows = np.zeros((3, width))
    arguments = (coords.group.identity(3),) if method in ("act", "edit") else ()
    call = getattr(coords, method)
    assert len(call(rows, *arguments)) == 3
    assert len(call(rows[:0], *arguments and (coords.group.identity(1),))) == 0
    for bad, error in (
        (rows[:, 1:], ShapeError),
        (rows[0], ShapeError),
        (rows[None], ShapeError),
        (rows + np.nan, FiniteError),
        (torch.full((3, width), float("inf")), FiniteError),
        (rows.astype(str), ParameterError),
        (rows + 1j, ParameterError),
        (torch.tensor(rows + 1j), ParameterError),
        (rows.astype(object), ParameterError),
        (None, GeodisError),
    ):
        with pytest.raises(error):
            call(bad, *arguments)


@pytest.mark.parametrize("method", ["operator", "act", "edit"])
def test_malformed_elements_are_named_errors(method):
    coords = coordinates_of("Dihedral(4)")
    rows = {"operator": (), "act": (np.zeros((3, coords.n_coordinates)),), "edit": (np.zeros((3, coords.n_features)),)}
    good = coords.group.identity(3)
    call = getattr(coords, method)
    assert len(call(*rows[method], good)) == 3
    bad = [
        (good[:, :1], ShapeError),
        (good[0], ShapeError),
        (0.0, ShapeError),
        (good * np.nan, FiniteError),
        (good + 0.5, ParameterError),
        (good.astype(str), ParameterError),
    ]
    if method != "operator":
        bad.append((good[:2], LengthError))
    for elements, error in bad:
        with pytest.raises(error):
            call(*rows[method], elements)


def test_read_only_memory_is_left_alone():
    coords = coordinates_of("SO2")
    z, g = some("SO2")
    kept = z.copy()
    z.setflags(write=False)
    g.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edited = coords.edit(z, g)
    assert np.array_equal(z, kept)
    assert np.abs(edited - z).max() > 0.1


def test_what_is_printed_says_what_was_found():
    coords = coordinates_of("SO3")
    text = repr(coords)
    assert "l=1 (0.9" in text
    assert "4 invariant" in text
    assert "status ok" in text
    assert "SO3" in text
    assert repr(coords.blocks[0]).startswith("Block(l=")
    empty = replace(coords, blocks=(), analysis=coords.analysis[:0], synthesis=coords.synthesis[:, :0])
    assert "no block" in repr(empty)


def test_rows_of_blocks_are_consecutive_and_complete():
    for name in CASES:
        coords = coordinates_of(name)
        assert [r for b in coords.blocks for r in b.rows] == list(range(coords.n_coordinates))
        assert all(len(b.rows) == b.irrep.dim for b in coords.blocks)
        assert all(b.status == "ok" for b in coords.blocks)


@pytest.mark.parametrize("name", ["SO2", "SO3", "Dihedral(4)"])
def test_oblique_rows_have_unit_training_variance(name):
    _, code, est = fitted(name)
    c = est.transform(code.z)
    for block in est.coordinates_.blocks:
        assert np.var(c[:, block.columns], axis=0).mean() == pytest.approx(1.0, abs=1e-6)
    copies = [b for b in est.coordinates_.blocks if b.irrep.name in ("m=1", "l=1")]
    for a, b in pairwise(copies):
        assert abs(np.mean(c[:, a.columns] * c[:, b.columns])) < 1e-6, "copies are uncorrelated in trace"
