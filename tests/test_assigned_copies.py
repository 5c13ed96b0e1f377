"""Assigned copies: the energy by hand, unbiased on noise, recovery of a curved SO(3) code, and the polar network."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis import DeepCoordinates
from geodis.coordinates.network_spec import build, describe
from geodis.errors import DesignError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import SO2, SO3, Lorentz
from geodis.training import AssignedObjective, UnitParts, mlp, polar_convnet
from geodis.training.spectral_start import spectral_start


def planted(group, name, k, n=60, m=4, seed=0):
    """Copies (n, m, k·d) that follow the irrep exactly, and the elements."""
    rng = np.random.default_rng(seed)
    rep = group.irrep(name)
    params = torch.from_numpy(group.sample(n * m, seed=seed)).reshape(n, m, -1)
    still = torch.from_numpy(rng.normal(size=(n, 1, k, rep.dim)))
    return torch.einsum("nmab,nzkb->nmka", rep.matrices(params), still).flatten(2), params


def energies_alone(group, copies, n_content=0):
    return AssignedObjective.of(group, copies, n_content, elements=0.0, content=0.0)


@pytest.mark.parametrize(("group", "name"), [(SO2(), "m=1"), (SO2(), "m=3"), (SO3(), "l=1"), (SO3(), "l=2")], ids=str)
def test_exact_copies_have_all_the_energy_and_noise_none(group, name):
    h, params = planted(group, name, 3)
    objective = energies_alone(group, {name: 3})
    mix = torch.from_numpy(np.eye(3) + 0.3 * np.random.default_rng(1).normal(size=(3, 3)))
    d = group.irrep(name).dim
    mixed = torch.einsum("kl,nmla->nmka", mix, h.unflatten(-1, (3, d))).flatten(2)
    assert objective(mixed, params).item() == pytest.approx(-1.0, abs=0.01)  # the ridge
    rng = np.random.default_rng(2)
    found = [objective(torch.from_numpy(rng.normal(size=h.shape)), params).item() for _ in range(40)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(40)


def test_other_irreps_have_none():
    h, params = planted(SO2(), "m=2", 3, n=400)
    assert abs(energies_alone(SO2(), {"m=1": 3})(h, params).item()) < 0.1


def test_the_element_contrast_sees_the_axis():
    h, params = planted(SO3(), "l=1", 4)
    axis = h.unflatten(-1, (4, 3))[:, :, :1] * torch.linspace(0.5, 2.0, 4, dtype=h.dtype)[:, None]
    losses = [AssignedObjective.of(SO3(), {"l=1": 4}, 0, elements=1.0)(x, params).item() for x in (h, axis.flatten(2))]
    assert losses[0] < losses[1] - 0.5


def test_a_factor_that_is_easily_told_does_not_hide_another():
    """Of SO(2) × SO(2), codes of the second factor that do not follow it cost as much as that factor alone would."""
    group = SO2() * SO2()
    copies = {"m=1⊗m=0": 3, "m=0⊗m=1": 3}
    (first, params), (second, _) = (planted(group, name, 3) for name in copies)
    noise = torch.from_numpy(np.random.default_rng(3).normal(size=second.shape))
    objective = AssignedObjective.of(group, copies, 0, elements=1.0)
    good, bad = (objective(torch.cat([first, x], dim=-1), params).item() for x in (second, noise))
    alone = [AssignedObjective.of(group, {"m=0⊗m=1": 3}, 0, elements=1.0)(x, params).item() for x in (second, noise)]
    assert bad - good == pytest.approx((alone[1] - alone[0]) / 2, rel=1e-6)
    assert bad - good > 0.5


@pytest.mark.parametrize(
    ("copies", "error"),
    [({}, ParameterError), ({"l=1": 0}, ParameterError), ({"l=0": 2}, ParameterError), ({"m=1": 2}, UnknownNameError)],
    ids=["none", "zero", "trivial", "unknown"],
)
def test_malformed_copies(copies, error):
    with pytest.raises(error):
        AssignedObjective.of(SO3(), copies, 0)


def test_groups_without_orthogonal_irreps_are_refused():
    for group, name in ((Lorentz(), "vector"), (Lorentz(), "traceless")):
        with pytest.raises(ParameterError, match="copies"):
            AssignedObjective.of(group, {name: 2}, 0)


def test_features_of_another_width_are_refused():
    objective = AssignedObjective.of(SO3(), {"l=1": 2}, 4)
    with pytest.raises(ShapeError, match="10"):
        objective(torch.zeros(5, 4, 11), torch.zeros(5, 4, 3))


# --- DeepCoordinates --------------------------------------------------------------------------------------------------
def bent(seed=0, n=400, m=6):
    """Two vectors of SO(3) an item behind a curved map into R^9."""
    h, params = planted(SO3(), "l=1", 2, n=n, m=m, seed=seed)
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=(6, 24)) / 2.5, rng.normal(size=(24, 9))
    z = np.tanh(h.numpy().reshape(n * m, 6) @ first) @ second
    return z, params.reshape(n * m, 3).numpy(), np.repeat(np.arange(n), m)


def test_deep_coordinates_with_assigned_copies():
    z, params, items = bent()
    options = {"n_content": 0, "max_order": 1, "max_steps": 250, "batch_items": 64, "batch_elements": 6, "n_null": 19}
    est = DeepCoordinates(SO3(), copies={"l=1": 2}, **options).fit(z, params, items=items)
    assert [block.irrep.name for block in est.coordinates_.blocks].count("l=1") == 2
    assert est.coordinates_.blocks[0].energy > 0.9
    other = bent(seed=1, n=50)
    assert est.score(other[0], other[1], items=other[2] + 1000) > 0.85


def test_deep_coordinates_refuse_what_does_not_fit():
    z, params, items = bent(n=20)
    for options, match in (
        ({"copies": {"l=1": 2}, "irreps": ["l=1"]}, "one of them"),
        ({"copies": {"l=1": 2}, "network": mlp(9, 5), "n_content": 0}, "features"),
        ({"network": nn.Linear(8, 5)}, "network"),
        ({"network": nn.Unflatten(1, (3, 3))}, "network"),
    ):
        with pytest.raises((ParameterError, ShapeError), match=match):
            DeepCoordinates(SO3(), max_order=1, max_steps=2, **options).fit(z, params, items=items)


def test_a_limited_range_is_refused():
    """±30°: an invariant code would have most of the energy of m = 1."""
    rng = np.random.default_rng(0)
    angles, z = rng.uniform(-0.5, 0.5, (200, 1)), rng.normal(size=(50, 5)).repeat(4, axis=0)
    options = {"n_content": 0, "max_order": 1, "max_steps": 2}
    items = np.arange(200) // 4
    with pytest.raises(DesignError, match="limited range"):
        DeepCoordinates(SO2(), copies={"m=1": 2}, **options).fit(z, angles, items=items)
    DeepCoordinates(SO2(), **options).fit(z, angles, items=items)
    DeepCoordinates(SO2(), copies={"m=1": 2}, **options).fit(z, rng.uniform(-3.14, 3.14, (200, 1)), items=items)


# --- the polar network ------------------------------------------------------------------------------------------------
COPIES = {"l=1": 2, "l=2": 2, "l=3": 1}


def turned(images, quarters):
    """Counter-clockwise quarter turns, exact on the pixels."""
    return torch.rot90(images, quarters, dims=(-2, -1))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turns_of_the_image_act_by_the_irreps(quarters):
    net = polar_convnet(SO3(), COPIES, 4, n_angles=32, seed=1).eval()
    images = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = net(images), net(turned(images, quarters))
    g = np.array([[0.0, 0.0, quarters * np.pi / 2]])
    place = 0
    for name, k in COPIES.items():
        rep = SO3().irrep(name)
        c, gc = (x[:, place : place + k * rep.dim].reshape(6, k, rep.dim) for x in (before, after))
        rho = torch.from_numpy(np.asarray(rep(g))[0]).float()
        assert torch.allclose(gc, c @ rho.mT, atol=1e-4 * float(c.abs().max()))
        assert not torch.allclose(gc, c @ rho, atol=1e-2 * float(c.abs().max())) or quarters == 2
        place += k * rep.dim
    assert torch.allclose(after[:, place:], before[:, place:], atol=1e-4 * float(before.abs().max()))


def test_the_circle_in_the_plane():
    net = polar_convnet(SO2(), {"m=1": 3, "m=2": 1}, 2, direction=(1.0,), n_angles=32).eval()
    images = torch.rand(4, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = net(images)[:, :6].reshape(4, 3, 2), net(turned(images, 1))[:, :6].reshape(4, 3, 2)
    rho = SO2().irrep("m=1")(torch.tensor([[np.pi / 2]]))[0].float()
    assert torch.allclose(after, before @ rho.mT, atol=1e-4 * float(before.abs().max()))


def test_same_seed_same_network_and_no_global_state():
    state = torch.get_rng_state()
    nets = [polar_convnet(SO3(), {"l=1": 2}, 4, seed=s) for s in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (torch.cat([p.flatten() for p in net.parameters()]) for net in nets)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "options",
    [
        {"direction": (1.0,)}, {"direction": (0.0, 0.0, 0.5)}, {"n_angles": 30}, {"n_angles": 16, "copies": {"l=3": 1}},
        {"shape": (1, 8, 32)}, {"width": 0}, {"copies": {"l=0": 1}},
    ],
    ids=["short", "half turn", "angles", "too few angles", "small image", "width", "trivial"],
)  # fmt: skip
def test_malformed_polar_networks(options):
    arguments = {"copies": {"l=1": 2}} | options
    with pytest.raises(ParameterError):
        polar_convnet(SO3(), arguments.pop("copies"), 4, **arguments)


# --- the start --------------------------------------------------------------------------------------------------------
def weak(n=300, m=8):
    """Rows in which a rotating plane has a hundredth of the variance of what stays."""
    params = torch.from_numpy(SO2().orbit(n, m))
    rng = np.random.default_rng(0)
    still = torch.from_numpy(rng.normal(size=(n, 1, 10))).expand(-1, m, -1)
    turning = 0.1 * torch.cat([torch.cos(params), torch.sin(params)], dim=-1)
    mix = torch.from_numpy(np.linalg.qr(rng.normal(size=(12, 12)))[0])
    return (torch.cat([still, turning], dim=-1) @ mix).float(), params


def test_the_start_finds_what_random_rows_hardly_show():
    rows, params = weak()
    net, objective = mlp(12, 2, seed=0), energies_alone(SO2(), {"m=1": 1})
    before = -objective(net(rows.flatten(0, 1)).unflatten(0, params.shape[:2]), params).item()
    assert spectral_start(net, rows.flatten(0, 1), params, objective.layout)
    after = -objective(net(rows.flatten(0, 1)).unflatten(0, params.shape[:2]), params).item()
    assert before < 0.1
    assert after > 0.5


@pytest.mark.parametrize(("group", "name", "k"), [(SO3(), "l=1", 2), (SO3(), "l=2", 1), (SO2(), "m=2", 2)], ids=str)
def test_the_start_is_exact_behind_a_linear_map(group, name, k):
    h, params = planted(group, name, k, n=200, m=6)
    mix = torch.from_numpy(np.random.default_rng(1).normal(size=(h.shape[-1], h.shape[-1] + 3)))
    rows, objective = (h @ mix).float().flatten(0, 1), energies_alone(group, {name: k})
    net = nn.Sequential(nn.Identity(), nn.Linear(mix.shape[1], h.shape[-1]))
    assert spectral_start(net, rows, params, objective.layout)
    assert -objective(net(rows).unflatten(0, params.shape[:2]), params).item() > 0.95


def test_the_start_leaves_other_networks_and_other_rows_alone():
    rows, params = weak(n=20)
    layout = energies_alone(SO2(), {"m=1": 1}).layout
    bent = nn.Sequential(nn.Linear(12, 4), nn.ReLU())
    weights = bent[0].weight.clone()
    assert not spectral_start(bent, rows.flatten(0, 1), params, layout)
    assert torch.equal(weights, bent[0].weight)
    wide = nn.Sequential(nn.Linear(12, 5))
    weights = wide[0].weight.clone()
    assert spectral_start(wide, rows.flatten(0, 1), params, layout)
    assert torch.equal(weights[2:], wide[0].weight[2:])
    assert not torch.equal(weights[:2], wide[0].weight[:2])


def test_unit_parts_commute_with_the_action_and_are_saved():
    h, params = planted(SO3(), "l=1", 2)
    rows = torch.cat([h, torch.ones_like(h[..., :2])], dim=-1).flatten(0, 1)
    norm = UnitParts((3, 3))
    found = norm(rows)
    assert torch.allclose(found[:, :6].unflatten(1, (2, 3)).norm(dim=2), torch.ones(1, dtype=h.dtype))
    assert torch.equal(found[:, 6:], rows[:, 6:])
    rho = SO3().irrep("l=1").matrices(params).flatten(0, 1)
    turned = torch.cat([torch.einsum("nab,nkb->nka", rho, rows[:, :6].unflatten(1, (2, 3))).flatten(1), rows[:, 6:]], 1)
    expected = torch.einsum("nab,nkb->nka", rho, found[:, :6].unflatten(1, (2, 3))).flatten(1)
    assert torch.allclose(norm(turned)[:, :6], expected)
    again = build(describe(nn.Sequential(nn.Linear(8, 8), norm)))
    assert again[1].sizes == (3, 3)
    net = nn.Sequential(nn.Linear(12, 4), UnitParts((2,)))
    assert spectral_start(net, *(x.flatten(0, 1) if i == 0 else x for i, x in enumerate(weak(n=20))), [])
    for bad in ((), (0,), (2.0,), (True,)):
        with pytest.raises(ParameterError):
            UnitParts(bad)
    with pytest.raises(ShapeError):
        norm(torch.zeros(3, 5))
