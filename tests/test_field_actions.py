"""Tensor fields: components turn with the pixels, shifts follow the Fourier series. Laws also in test_action_laws.py.

The fields are analytic: a flow that is a sum of Gaussians, its gradient and its curl are known at every place, so that
the moved field can be written down instead of computed.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tensor_actions_zoo import (
    FIELD_CASES,
    FLOW,
    MIXED,
    PSEUDOSCALAR,
    PSEUDOVECTOR,
    SCALAR,
    VECTOR,
    bumps,
    normal,
    waves,
)

from geodis.actions import FieldRotation, FieldShift, FieldSymmetries, SquareSymmetries, law_errors
from geodis.actions.spectral_shift import shift_periodic
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, Dihedral, Hyperoctahedral, Translation

agree = partial(np.testing.assert_allclose, rtol=0)  # its default, 1e-7 of the value, is no rounding
EXACT = 1e-12  # some hundred roundings in float64
TENSOR = (2, 1, 1)
cases = pytest.mark.parametrize("case", FIELD_CASES, ids=str)
dimensions = pytest.mark.parametrize("d", [2, 3])


def flow_types(d):
    """Pressure, velocity, velocity gradient, vorticity."""
    return (SCALAR, VECTOR, TENSOR, PSEUDOSCALAR if d == 2 else PSEUDOVECTOR)


def flow(places, velocities, side, width=0.2):
    """Pressure Σ G_k, velocity u = Σ v_k G_k, gradient ∂_j u_i and curl u of Gaussians G_k `(n, channels, *grid)`.

    `places` and `velocities` are `(n, k, d)`, places from the centre in half widths of the grid.
    """
    d = places.shape[-1]
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    grid = np.stack(np.meshgrid(*[axis] * d, indexing="ij"))
    away = grid - places.reshape(*places.shape, *(1,) * d)
    gauss = np.exp(-(away**2).sum(2) / (2 * width**2))
    slope = -away / width**2 * gauss[:, :, None]
    u = np.einsum("nki,nk...->ni...", velocities, gauss)
    gradient = np.einsum("nki,nkj...->nij...", velocities, slope)
    if d == 2:
        curl = (gradient[:, 1, 0] - gradient[:, 0, 1])[:, None]
    else:
        curl = np.stack(
            [gradient[:, (i + 2) % 3, (i + 1) % 3] - gradient[:, (i + 1) % 3, (i + 2) % 3] for i in range(3)], 1
        )
    pressure = gauss.sum(1)[:, None]
    return np.concatenate([pressure, u, gradient.reshape(len(u), d * d, *u.shape[2:]), curl], 1)


def blobs(n, d, seed=0):
    """Places within the inscribed ball, velocities normal: `(n, 3, d)` each."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.2, 0.2, (n, 3, d)), rng.standard_normal((n, 3, d))


def turned(rho, vectors):
    return np.einsum("nij,nkj->nki", rho, vectors)


# --- the laws ---------------------------------------------------------------------------------------------------------
@cases
@pytest.mark.parametrize("seed", [0, 1])
def test_laws(case, seed):
    action = case.make()
    errors = law_errors(action, case.items(seed), n_pairs=12, seed=seed)
    assert errors.worst <= (EXACT if action.exact else case.floor), errors
    assert errors.identity <= EXACT
    if isinstance(action, FieldSymmetries):
        assert errors.worst == 0, "entries are only moved and negated"


@cases
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_and_kind_come_back(case, dtype):
    action, items = case.make(), case.items(0).astype(dtype)
    params = action.orbit(items, 1)[:, 0]
    moved, reference = action.act(params, items), action.act(params, items.astype(np.float64))
    assert moved.dtype == dtype
    assert moved.shape == items.shape
    agree(moved, reference, atol=8 * np.finfo(dtype).eps * np.abs(reference).max())
    tensor = action.act(torch.as_tensor(params), torch.as_tensor(items))
    assert tensor.dtype == torch.as_tensor(items).dtype
    np.testing.assert_array_equal(tensor.numpy(), moved)


# --- a flow and its derivatives ---------------------------------------------------------------------------------------
@dimensions
def test_every_element_moves_a_flow_and_its_derivatives(d):
    group = Hyperoctahedral(d)
    g, side = group.elements(), 8 if d == 2 else 6
    rho = group.matrix(g)
    places, velocities = (np.repeat(x, len(g), 0) for x in blobs(1, d))
    action = FieldSymmetries(flow_types(d), d)
    moved = action.act(g, flow(places, velocities, side))
    agree(moved, flow(turned(rho, places), turned(rho, velocities), side), atol=1e-12)


@dimensions
def test_wrong_types_are_seen(d):
    """Negative controls: components that are not turned, a parity that is dropped."""
    group = Hyperoctahedral(d)
    g = group.elements()
    rho = group.matrix(g)
    places, velocities = (np.repeat(x, len(g), 0) for x in blobs(1, d))
    fields, expected = flow(places, velocities, 6), flow(turned(rho, places), turned(rho, velocities), 6)
    unturned = FieldSymmetries(((0, 1, fields.shape[1]),), d).act(g, fields)
    agree(unturned[:, 0], expected[:, 0], atol=1e-12)  # the pressure is a scalar
    off = np.abs(unturned - expected).max((0, *range(2, d + 2)))
    assert (off[1:] > 0.1).all()
    *others, (order, _, channels) = flow_types(d)
    unsigned = FieldSymmetries((*others, (order, 1, channels)), d).act(g, fields)
    missed = np.abs(unsigned - expected).max(tuple(range(1, d + 2)))
    np.testing.assert_array_equal(missed > 0.1, np.linalg.det(rho) < 0)


def test_any_angle_turns_a_flow():
    action, places_and_velocities = FieldRotation(flow_types(2)), blobs(6, 2)
    angles = SO2().sample(6, 0)
    rho = SO2().matrix(angles)
    places, velocities = places_and_velocities
    fields, expected = flow(places, velocities, 33), flow(turned(rho, places), turned(rho, velocities), 33)
    moved = action.act(angles, fields)
    size = np.abs(expected).max((0, 2, 3), keepdims=True)
    assert (np.abs(moved - expected) / size).max() < 1e-2
    unturned = FieldRotation(((0, 1, 8),)).act(angles, fields)
    wrong = (np.abs(unturned - expected) / size).max((0, 2, 3))
    assert (wrong[1:7] > 0.1).all(), "negative control: components left behind"
    assert (wrong[[0, 7]] < 1e-2).all(), "pressure and vorticity are scalars under rotations"


def test_quarter_turns_agree_with_the_squares_symmetries():
    g = Hyperoctahedral(2).elements()
    angles = np.array([[0.0], [np.pi / 2], [np.pi], [-np.pi / 2]])
    rho = SO2().matrix(angles)
    same = [int(np.abs(Hyperoctahedral(2).matrix(g) - r).max((1, 2)).argmin()) for r in rho]
    fields = np.repeat(flow(*blobs(1, 2), 16), 4, 0)
    exact = FieldSymmetries(flow_types(2), 2).act(g[same], fields)
    agree(FieldRotation(flow_types(2)).act(angles, fields), exact, atol=1e-4 * np.abs(fields).max())


def test_scalars_move_like_images():
    """The same matrix moves a scalar field and an image alike."""
    images = normal(8, 1, 5, 5)(0)
    elements = Dihedral(4).elements()
    g = Hyperoctahedral(2).elements()
    for i, rho in enumerate(Dihedral(4).matrix(elements)):
        match = np.abs(Hyperoctahedral(2).matrix(g) - rho).max((1, 2)).argmin()
        ours = FieldSymmetries((SCALAR,), 2).act(g[[match] * 8], images)
        np.testing.assert_array_equal(ours, SquareSymmetries().act(elements[[i] * 8], images))


# --- tensor algebra ---------------------------------------------------------------------------------------------------
@dimensions
@pytest.mark.parametrize("parities", [(1, 1), (1, -1), (-1, -1)], ids=str)
def test_products_and_contractions_commute(d, parities):
    n, grid = 2**d * (2 if d == 2 else 6), (4,) * d
    g = Hyperoctahedral(d).elements()
    u, v = normal(n, d, *grid)(0), normal(n, d, *grid)(1)
    first, second = (FieldSymmetries(((1, parity, 1),), d) for parity in parities)
    moved_u, moved_v = first.act(g, u), second.act(g, v)
    parity = parities[0] * parities[1]

    def product(a, b):
        return np.einsum("ni...,nj...->nij...", a, b).reshape(n, d * d, *grid)

    def trace(a):
        return np.einsum("nii...->n...", a.reshape(n, d, d, *grid))[:, None]

    outer = FieldSymmetries(((2, parity, 1),), d).act(g, product(u, v))
    agree(outer, product(moved_u, moved_v), atol=1e-15)
    inner = FieldSymmetries(((0, parity, 1),), d).act(g, trace(product(u, v)))
    agree(inner, trace(outer), atol=1e-14)
    off = FieldSymmetries(((2, -parity, 1),), d).act(g, product(u, v))
    assert np.abs(off - product(moved_u, moved_v)).max() > 0.1, "negative control: parities multiply"


@dimensions
def test_the_metric_stays_and_the_volume_form_follows_det(d):
    g = Hyperoctahedral(d).elements()
    metric = np.tile(np.eye(d).reshape(1, -1, *(1,) * d), (len(g), 1, *(2,) * d))
    np.testing.assert_array_equal(FieldSymmetries((TENSOR,), d).act(g, metric), metric)
    corner = np.linalg.det(np.eye(d)[list(np.ndindex(*(d,) * d))].reshape(-1, d, d))
    volume = np.tile(np.rint(corner).reshape(1, -1, *(1,) * d), (len(g), 1, *(2,) * d))
    signs = np.linalg.det(Hyperoctahedral(d).matrix(g)).reshape(-1, *(1,) * (d + 1))
    np.testing.assert_array_equal(FieldSymmetries(((d, 1, 1),), d).act(g, volume), np.rint(signs) * volume)
    np.testing.assert_array_equal(FieldSymmetries(((d, -1, 1),), d).act(g, volume), volume)


def test_channels_are_tensor_after_tensor():
    g, fields = Hyperoctahedral(2).sample(4, 0), normal(4, 10, 5, 5)(0)
    together = FieldSymmetries(MIXED, 2).act(g, fields)
    parts, start = [], 0
    for order, parity, channels in MIXED:
        for _ in range(channels):
            stop = start + 2**order
            parts.append(FieldSymmetries(((order, parity, 1),), 2).act(g, fields[:, start:stop]))
            start = stop
    np.testing.assert_array_equal(together, np.concatenate(parts, 1))


# --- shifts -----------------------------------------------------------------------------------------------------------
def plane_wave(grid, k, shift=0.0, phase=0.7):
    """cos(2π k·(r − s)/N + φ) on a grid: moved by s."""
    places = np.stack(np.meshgrid(*[np.arange(side) for side in grid], indexing="ij"), -1) - shift
    return np.cos(2 * np.pi * (places / grid @ np.asarray(k)) + phase)[None, None]


@pytest.mark.parametrize("grid", [(9, 7), (8, 6), (5, 4, 7)], ids=str)
def test_whole_steps_are_rolled(grid):
    action, fields = FieldShift(FLOW if len(grid) == 2 else (VECTOR,), grid), normal(4, 3, *grid)(0)
    steps = np.random.default_rng(0).integers(-30, 30, (4, len(grid))).astype(float)
    axes = tuple(range(1, len(grid) + 1))
    expected = [np.roll(field, tuple(step.astype(int)), axes) for field, step in zip(fields, steps, strict=True)]
    np.testing.assert_array_equal(action.act(steps, fields), expected)


@pytest.mark.parametrize(("grid", "k"), [((9, 7), (2, -3)), ((8, 6), (3, 2)), ((5, 6, 7), (-2, 1, 3))], ids=str)
def test_fractions_move_plane_waves(grid, k):
    action = FieldShift(((0, 1, 1),), grid)
    for seed in range(3):
        shift = np.random.default_rng(seed).uniform(-20, 20, len(grid))
        moved = action.act(shift[None], plane_wave(grid, k))
        agree(moved, plane_wave(grid, k, shift), atol=1e-12)
        mixed = np.where(np.arange(len(grid)) == 0, np.rint(shift), shift)  # one whole step among fractions
        agree(action.act(mixed[None], plane_wave(grid, k)), plane_wave(grid, k, mixed), atol=1e-12)
        assert np.abs(moved - plane_wave(grid, k, -shift)).max() > 0.1, "the other way"


def test_far_shifts_lose_no_digits():
    fields = normal(2, 1, 7, 9)(0)
    near, far = np.array([[0.5, 0.25]] * 2), np.array([[0.5 + 7e6, 0.25 - 9e6]] * 2)
    agree(shift_periodic(fields, far), shift_periodic(fields, near), atol=1e-13)


@pytest.mark.parametrize(("s", "t"), [(0.5, 0.5), (0.3, 0.9), (0.25, -0.25)])
def test_the_nyquist_mode_is_all_that_breaks_the_law(s, t):
    """On an even side it gets cos(πs): sin(πs) sin(πt) is missed of it, and nothing of any other mode."""
    side = 8
    fields = normal(3, 1, side, side)(0)
    fields[:, :, :, :] = fields[:, :, :1]  # constant along the rows: only the columns' modes are there

    def missed(items):
        steps = np.array([[0.0, x] for x in (s, t, s + t)])[:, None].repeat(3, 1)
        return shift_periodic(shift_periodic(items, steps[1]), steps[0]) - shift_periodic(items, steps[2])

    alternating = (-1.0) ** np.arange(side)
    nyquist = (fields * alternating).mean(-1, keepdims=True) * alternating
    agree(missed(fields), np.sin(np.pi * s) * np.sin(np.pi * t) * nyquist, atol=1e-13)
    assert np.abs(missed(fields)).max() > 0.05
    agree(missed(fields - nyquist), 0, atol=1e-13)
    assert not FieldShift((SCALAR,), (7, side)).exact
    assert FieldShift((SCALAR,), (7, 9)).exact


@pytest.mark.parametrize("side", [7, 8])
def test_shifts_keep_the_mean_and_do_not_grow(side):
    fields, steps = normal(5, 2, side, side)(0), np.random.default_rng(1).uniform(0, side, (5, 2))
    moved = shift_periodic(fields, steps)
    agree(moved.mean((-2, -1)), fields.mean((-2, -1)), atol=1e-14)
    before, after = (np.linalg.norm(x.reshape(5, -1), axis=1) for x in (fields, moved))
    assert (after <= before * (1 + 1e-13)).all()
    if side % 2:
        agree(after / before, 1, atol=1e-13)


@dimensions
def test_symmetries_turn_shifts(d):
    """Together they act as one group of motions: g · (shift by s) = (shift by ρs) · g."""
    g, grid = Hyperoctahedral(d).elements(), (5,) * d
    symmetries, shifts = FieldSymmetries((SCALAR, VECTOR), d), FieldShift((SCALAR, VECTOR), grid)
    fields = normal(len(g), 1 + d, *grid)(0)
    s = np.random.default_rng(1).uniform(-3, 3, (len(g), d))
    rho_s = np.einsum("nij,nj->ni", Hyperoctahedral(d).matrix(g), s)
    left, right = symmetries.act(g, shifts.act(s, fields)), shifts.act(rho_s, symmetries.act(g, fields))
    agree(left, right, atol=1e-13)
    assert np.abs(left - shifts.act(s, symmetries.act(g, fields))).max() > 0.1


def test_groups():
    assert FieldSymmetries(FLOW, 3).group == Hyperoctahedral(3)
    assert FieldShift(FLOW, (8, 6)).group == Translation(2, period=(8.0, 6.0))
    assert FieldRotation(FLOW).group == SO2()
    assert not FieldRotation(FLOW).exact


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "types",
    [(), "10", None, 3, (1, 1, 1), ((1, 1),), ((1, 0, 1),), ((1, 2, 1),), ((-1, 1, 1),), ((7, 1, 1),), ((1, 1, 0),),
     ((1.5, 1, 1),), ((1, 1, "2"),), ((True, 1, 1),), ("111",)],
    ids=str,
)  # fmt: skip
def test_bad_types(types):
    for make in (lambda: FieldSymmetries(types, 2), lambda: FieldShift(types, (3, 3)), lambda: FieldRotation(types)):
        with pytest.raises(ParameterError, match="types"):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FieldSymmetries(FLOW, 1),
        lambda: FieldSymmetries(FLOW, 4),
        lambda: FieldSymmetries(FLOW, 2.0),
        lambda: FieldShift(FLOW, 8),
        lambda: FieldShift(FLOW, (8,)),
        lambda: FieldShift(FLOW, (8, 0)),
        lambda: FieldShift(FLOW, (8, 8.5)),
        lambda: FieldShift(FLOW, (2, 2, 2, 2)),
        lambda: FieldShift(FLOW, "88"),
    ],
)
def test_bad_options(make):
    with pytest.raises(ParameterError):
        make()


@cases
def test_bad_items(case):
    action, items = case.make(), case.items(0)
    params = action.orbit(items, 1)[:, 0]
    malformed = {
        ShapeError: [items[:, 0], items[:, :0], items[..., None], np.concatenate([items, items], 1), items[..., :-1]],
        ParameterError: [items.astype(int), items.astype(complex)],
        LengthError: [items[1:]],
    }
    for error, several in malformed.items():
        for bad in several:
            with pytest.raises(error):
                action.act(params, bad)
    broken = items.copy()
    broken.flat[-1] = np.nan
    with pytest.raises(FiniteError):
        action.act(params, broken)
    with pytest.raises(ShapeError):
        action.act(np.zeros((len(items), action.group.n_params + 1)), items)


def test_turned_axes_need_equal_lengths():
    with pytest.raises(ShapeError, match="equal lengths"):
        FieldSymmetries((SCALAR,), 2).act([[0.0]], np.zeros((1, 1, 4, 5)))
    with pytest.raises(ShapeError, match="equal lengths"):
        FieldRotation((SCALAR,)).act([[0.0]], np.zeros((1, 1, 4, 5)))
    with pytest.raises(ParameterError, match="elements of"):
        FieldSymmetries((SCALAR,), 2).act([[8.0]], np.zeros((1, 1, 4, 4)))


def test_names_say_everything():
    actions = [
        FieldSymmetries(FLOW, 2), FieldSymmetries(FLOW, 3), FieldSymmetries(MIXED, 2), FieldShift(FLOW, (4, 4)),
        FieldShift(FLOW, (4, 5)), FieldShift(MIXED, (4, 4)), FieldShift(FLOW, (4, 4, 4)), FieldRotation(FLOW),
        FieldRotation(MIXED),
    ]  # fmt: skip
    assert len({repr(action) for action in actions}) == len(actions)
    assert repr(FieldSymmetries([[0, 1, 1]], 2)) == repr(FieldSymmetries(((0, 1, 1),), 2))


def test_the_floor_falls_as_the_grid_is_refined():
    floors = [
        law_errors(FieldRotation((SCALAR, VECTOR)), bumps(3, 3, side)(0), n_pairs=4).composition_rms
        for side in (16, 32)
    ]
    assert 10 * floors[1] < floors[0]
    rough = law_errors(FieldShift(FLOW, (16, 12)), normal(5, 3, 16, 12)(0)).composition_rms
    smooth = law_errors(FieldShift(FLOW, (16, 12)), waves(5, 3, (16, 12))(0)).composition_rms
    assert 100 * smooth < rough
