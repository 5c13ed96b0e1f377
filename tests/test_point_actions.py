"""Point clouds move as the group's matrices say; what stays, stays. The laws run in test_action_laws.py."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tensor_actions_zoo import POINT_CASES, normal

from geodis.actions import (
    LorentzAction,
    OrthogonalAction,
    PermutationAction,
    RotationAction,
    TranslationAction,
    law_errors,
)
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SE, SO, SO2, SO3, Cyclic, Dihedral, Hyperoctahedral, Lorentz, O, Translation

agree = partial(np.testing.assert_allclose, rtol=0)  # its default, 1e-7 of the value, is no rounding
EXACT = 1e-12  # some hundred roundings in float64
cases = pytest.mark.parametrize("case", POINT_CASES, ids=str)


def distances(cloud):
    return np.linalg.norm(cloud[:, :, None] - cloud[:, None], axis=-1)


# --- the laws ---------------------------------------------------------------------------------------------------------
@cases
@pytest.mark.parametrize("seed", [0, 1])
def test_laws(case, seed):
    assert law_errors(case.make(), case.items(seed), n_pairs=12, seed=seed).worst <= EXACT


@cases
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_and_kind_come_back(case, dtype):
    action, items = case.make(), case.items(0).astype(dtype)
    params = action.orbit(items, 1)[:, 0]
    moved, reference = action.act(params, items), action.act(params, items.astype(np.float64))
    assert moved.dtype == dtype
    assert moved.shape == items.shape
    agree(moved, reference, atol=4 * np.finfo(dtype).eps * np.abs(reference).max())
    tensor = action.act(torch.as_tensor(params), torch.as_tensor(items))
    assert tensor.dtype == torch.as_tensor(items).dtype
    np.testing.assert_array_equal(tensor.numpy(), moved)


# --- rotations and reflections ----------------------------------------------------------------------------------------
def test_points_move_by_the_groups_matrix():
    for action in (OrthogonalAction(3), RotationAction(3), RotationAction(2), RotationAction(5), LorentzAction()):
        items = normal(4, 6, action.dim)(0)
        g = action.group.sample(4, 1)
        expected = np.array(
            [[rho @ x for x in cloud] for rho, cloud in zip(action.group.matrix(g), items, strict=True)]
        )
        agree(action.act(g, items), expected, atol=1e-13)
        backwards = action.act(action.group.inverse(g), items)
        assert np.abs(backwards - expected).max() > 0.1, "the inverse is another element"


def test_default_groups():
    assert OrthogonalAction(4).group == O(4)
    assert [RotationAction(d).group for d in (2, 3, 4)] == [SO2(), SO3(), SO(4)]
    assert LorentzAction(spread=2.0).group == Lorentz(2.0)
    assert TranslationAction(2, period=3.0).group == Translation(2, period=3.0)


def test_every_vector_turns_and_scalars_stay():
    action, items = OrthogonalAction(3, vectors=2, scalars=2), normal(5, 4, 8)(0)
    g = action.group.sample(5, 0)
    moved = action.act(g, items)
    single = OrthogonalAction(3)
    agree(moved[..., :3], single.act(g, items[..., :3]), atol=1e-14)
    agree(moved[..., 3:6], single.act(g, items[..., 3:6]), atol=1e-14)
    np.testing.assert_array_equal(moved[..., 6:], items[..., 6:])


def test_distances_stay_and_handedness_flips():
    action, items = OrthogonalAction(3), normal(40, 3, 3)(0)
    g = action.group.sample(40, 0)
    moved = action.act(g, items)
    agree(distances(moved), distances(items), atol=1e-13)
    agree(np.linalg.det(moved), (-1.0) ** g[:, -1] * np.linalg.det(items), atol=1e-12)
    assert 5 < g[:, -1].sum() < 35


def test_a_cross_product_is_axial():
    """Negative control: angular momentum turns like a vector and is mirrored unlike one."""
    action, cloud = OrthogonalAction(3, vectors=2), normal(40, 1, 6)(0)
    momentum = np.cross(cloud[..., :3], cloud[..., 3:])
    g = action.group.sample(40, 0)
    moved = action.act(g, cloud)
    found = np.cross(moved[..., :3], moved[..., 3:])
    polar = OrthogonalAction(3).act(g, momentum)
    sign = (-1.0) ** g[:, -1, None, None]
    agree(found, sign * polar, atol=1e-12)
    assert np.abs(found - polar).max() > 0.1


def test_a_subgroup_may_act():
    items, quarter = normal(2, 5, 2)(0), np.array([[1.0], [3.0]])
    turned = RotationAction(2, group=SO2()).act(quarter * np.pi / 2, items)
    agree(OrthogonalAction(2, group=Dihedral(4)).act([[1.0, 0], [3.0, 0]], items), turned, atol=1e-14)
    v = SO3().sample(2, 0)
    a = np.stack([v[:, 2], -v[:, 1], v[:, 0]], -1)
    cloud = normal(2, 5, 3)(0)
    agree(RotationAction(3, group=SO(3)).act(a, cloud), RotationAction(3).act(v, cloud), atol=1e-14)


# --- translations -----------------------------------------------------------------------------------------------------
def test_translations_move_positions_alone():
    action, items = TranslationAction(3, vectors=2, scalars=1), normal(5, 4, 7)(0)
    t = action.group.sample(5, 0)
    moved = action.act(t, items)
    agree(moved[..., :3], items[..., :3] + t[:, None], atol=1e-15)
    np.testing.assert_array_equal(moved[..., 3:], items[..., 3:])


def test_the_box_closes():
    action = TranslationAction(2, period=(1.0, 4.0))
    items = np.array([[[0.75, 3.5], [0.0, 0.0]]])
    agree(action.act([[0.5, 1.0]], items), [[[0.25, 0.5], [0.5, 1.0]]], atol=1e-15)
    np.testing.assert_array_equal(action.act([[3.0, -8.0]], items), items)
    change = np.abs(distances(action.act([[0.3, 0.3]], items)) - distances(items)).max()
    assert change > 0.01, "plain distances break at the box; the minimum image does not"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_positions_never_reach_the_far_side(dtype):
    action, items = TranslationAction(1, period=1.0), np.zeros((3, 1, 1), dtype)
    moved = action.act([[-1e-20], [-1e-9], [1 - 1e-17]], items)
    assert ((moved >= 0) & (moved < 1)).all()
    action.act([[0.5]] * 3, moved)


def test_positions_outside_of_the_box_are_refused():
    action = TranslationAction(2, vectors=2, period=1.0)
    fine = np.array([[[0.0, 0.5, -7.0, 9.0]]])
    action.act([[0.1, 0.1]], fine)
    for bad in (-1e-9, 1.0, 3.0):
        outside = fine.copy()
        outside[0, 0, 1] = bad
        with pytest.raises(ParameterError, match="Wrap"):
            action.act([[0.1, 0.1]], outside)
    TranslationAction(2, vectors=2).act([[0.1, 0.1]], outside)


# --- Lorentz ----------------------------------------------------------------------------------------------------------
def test_intervals_stay():
    action, events = LorentzAction(spread=2.0), normal(50, 4, 4)(0)
    metric = np.array([1.0, -1, -1, -1])
    moved = action.act(action.group.sample(50, 0), events)
    scale = np.square(moved).sum(-1)
    assert (np.abs((moved**2 - events**2) @ metric) / scale).max() < 1e-14
    euclidean = np.abs((moved**2 - events**2).sum(-1)) / scale
    assert euclidean.max() > 0.1, "it is no rotation of four-space"


@pytest.mark.parametrize("rapidity", [1.0, 3.0, 6.0])
def test_boosts_and_back(rapidity):
    """Rounding grows like e^{2η}, the size of Λ(−η)Λ(η) before it cancels, and no faster."""
    action, events = LorentzAction(), normal(50, 4, 4)(0)
    g = action.group.sample(50, 0)
    g[:, 3:] *= rapidity / np.linalg.norm(g[:, 3:], axis=-1, keepdims=True)
    back = action.act(action.group.inverse(g), action.act(g, events))
    assert np.abs(back - events).max() < 2e-15 * np.exp(2 * rapidity)


# --- permutations -----------------------------------------------------------------------------------------------------
def test_points_are_permuted_by_images():
    action, cloud = PermutationAction(4), np.arange(4.0).reshape(1, 4, 1)
    g = action.group.index([[2, 0, 3, 1]])
    moved = action.act(g, cloud)[0, :, 0]
    assert [moved[i] for i in (2, 0, 3, 1)] == [0.0, 1.0, 2.0, 3.0]
    np.testing.assert_array_equal(moved, action.group.matrix(g)[0] @ cloud[0, :, 0])


def test_permutations_act_from_the_left():
    """Negative control: reading the images as places to look up is the action of the inverse."""
    action, items = PermutationAction(6), normal(20, 6, 3)(0)
    g, h = action.group.sample(20, 0), action.group.sample(20, 1)

    def looked_up(element, cloud):
        return np.take_along_axis(cloud, action.group.images(element)[..., None], 1)

    both = action.group.compose(g, h)
    np.testing.assert_array_equal(action.act(g, action.act(h, items)), action.act(both, items))
    assert (looked_up(g, looked_up(h, items)) != looked_up(both, items)).any()
    np.testing.assert_array_equal(looked_up(action.group.inverse(g), items), action.act(g, items))


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        lambda: OrthogonalAction(1),
        lambda: OrthogonalAction(0),
        lambda: OrthogonalAction("3"),
        lambda: OrthogonalAction(3, vectors=0),
        lambda: OrthogonalAction(3, scalars=-1),
        lambda: OrthogonalAction(3, group=SO(4)),
        lambda: OrthogonalAction(4, group=Lorentz()),
        lambda: OrthogonalAction(3, group=SE(2)),
        lambda: OrthogonalAction(3, group="O(3)"),
        lambda: RotationAction(1),
        lambda: RotationAction(2.0),
        lambda: RotationAction(3, group=O(3)),
        lambda: RotationAction(3, group=Hyperoctahedral(3)),
        lambda: RotationAction(2, group=Cyclic),
        lambda: TranslationAction(0),
        lambda: TranslationAction(2, vectors=True),
        lambda: TranslationAction(2, period=(1.0,)),
        lambda: TranslationAction(2, spread=0.0),
        lambda: LorentzAction(spread=-1.0),
        lambda: LorentzAction(vectors=1.5),
        lambda: PermutationAction(0),
        lambda: PermutationAction(19),
        lambda: PermutationAction(2.5),
    ],
)
def test_bad_options(make):
    with pytest.raises(ParameterError):
        make()


@cases
def test_bad_items(case):
    action, items = case.make(), case.items(0)
    params = action.orbit(items, 1)[:, 0]
    calls = {
        ShapeError: [items[..., 0], items[None].repeat(5, 0)],
        ParameterError: [items.astype(int), items.astype(complex), items.astype(str)],
        LengthError: [items[:-1]],
    }
    if not isinstance(action, PermutationAction):
        calls[ShapeError] += [items[..., :-1], np.concatenate([items, items], -1)]
    else:
        calls[ShapeError] += [items[:, :-1]]
    for error, malformed in calls.items():
        for bad in malformed:
            with pytest.raises(error):
                action.act(params, bad)
    for bad_number in (np.nan, np.inf):
        broken = items.copy()
        broken[2, 1, 0] = bad_number
        with pytest.raises((FiniteError, ParameterError)):
            action.act(params, broken)
    with pytest.raises(ShapeError):
        action.act(params[:, :0], items)
    with pytest.raises(FiniteError):
        action.act(np.full_like(params, np.nan), items)


def test_clouds_of_several_sizes_are_refused():
    action = RotationAction(3)
    with pytest.raises(ShapeError, match="several shapes"):
        action.act(np.zeros((2, 3)), [np.zeros((4, 3)), np.zeros((5, 3))])


def test_names_say_everything():
    actions = [
        OrthogonalAction(3), OrthogonalAction(3, 2), OrthogonalAction(3, 1, 3), OrthogonalAction(2),
        OrthogonalAction(3, group=Hyperoctahedral(3)), RotationAction(3), RotationAction(3, group=SO(3)),
        TranslationAction(3), TranslationAction(3, period=1.0), TranslationAction(3, spread=2.0), LorentzAction(),
        LorentzAction(spread=2.0), PermutationAction(3), PermutationAction(4),
    ]  # fmt: skip
    assert len({repr(action) for action in actions}) == len(actions)
