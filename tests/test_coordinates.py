"""Coordinates obey the group law whatever was fitted; edits are their own inverses; rows are whole blocks."""

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from fitted_codes import CASES, LAW, coordinates_of, fitted, some
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis import LinearCoordinates
from geodis.errors import ParameterError
from geodis.groups import SO2
from geodis.simulators import planted

EXAMPLES = settings(max_examples=20, deadline=None)
COMPACT = ("SO2", "SO3", "Dihedral(4)", "SO2*Cyclic(3)")


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
def test_one_block_alone_moves_nothing_else(name):
    coords = coordinates_of(name)
    z, params = some(name)
    for b, block in enumerate(coords.blocks):
        alone = coords.only(b)
        before, after = coords.transform(z), coords.transform(alone.edit(z, params))
        expected = before.copy()
        expected[:, block.columns] = coords.act(before, params)[:, block.columns]
        np.testing.assert_allclose(after, expected, atol=1e-8 * max(1.0, np.abs(expected).max()))
    with pytest.raises(ParameterError, match="index"):
        coords.only(len(coords.blocks))


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


# --- malformed input --------------------------------------------------------------------------------------------------
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
