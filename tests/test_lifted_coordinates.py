"""Coordinates of a lift: by hand, their laws with a lift that is undone exactly, files, reports, and named refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from curved_codes import Shear, circle, sheared
from fitted_codes import same, stretched
from safetensors.numpy import load_file, save_file

import geodis.coordinates.known_lifts
from geodis import LatentCoordinates, LinearCoordinates, certify, verify
from geodis.coordinates import Nystroem, Polynomial, RandomFourier
from geodis.errors import FileFormatError, FiniteError, NotInvertibleError, NotLinearError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic
from geodis.metrics import cross_effects, interchange_accuracy
from geodis.orbits import Orbits
from geodis.reports import EditDisplay
from geodis.reports.edits import edited_nearest, edited_top1

SHEAR = Shear(3, 3, 2.0)
LIFTS = {"polynomial": Polynomial(2), "fourier": RandomFourier(50), "nystroem": Nystroem(50, n_components=3)}


def fit(lift, orbits, **options):
    settings = {"max_order": 1, "min_energy": 0.9, "n_null": 39} | options
    return LinearCoordinates(orbits.group, lift=lift, **settings).fit_orbits(orbits).coordinates_


@pytest.fixture(scope="module")
def halves():
    return circle(n=120).split(0.5)


@pytest.fixture(scope="module")
def lifted(halves):
    return {name: fit(lift, halves[0]) for name, lift in LIFTS.items()}


@pytest.fixture(scope="module")
def undone():
    """`(train, test, coordinates)` through the shear, which can be undone."""
    train, test = sheared(n=80).split(0.5)
    return train, test, fit(SHEAR, train)


# --- by hand ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LIFTS)
def test_transform_is_analysis_of_lifted_rows(halves, lifted, name, monkeypatch):
    coords, z = lifted[name], halves[1].z
    lift = coords.lift
    assert coords.n_features == 5 == lift.n_features_in
    assert coords.n_lifted == lift.n_features
    assert coords.analysis.shape == (coords.n_coordinates, coords.n_lifted)
    by_hand = (lift(z) - coords.centre) @ coords.analysis.T
    assert np.allclose(coords.transform(z), by_hand, rtol=0, atol=1e-10)
    assert np.array_equal(coords.flat.transform(lift(z)), by_hand) or np.allclose(
        coords.flat.transform(lift(z)), by_hand
    )
    monkeypatch.setattr(geodis.coordinates.latent, "BATCH_ENTRIES", 7 * coords.n_lifted)
    assert np.allclose(coords.transform(z), by_hand, rtol=0, atol=1e-10), "in batches"
    assert coords.transform(z[:0]).shape == (0, coords.n_coordinates)


@pytest.mark.parametrize("name", LIFTS)
def test_kinds_dtypes_gradients(halves, lifted, name):
    coords, z = lifted[name], halves[1].z[:20]
    c = coords.transform(z)
    assert isinstance(c, np.ndarray)
    assert c.dtype == np.float64
    assert coords.transform(z.astype(np.float32)).dtype == np.float32
    tensor = torch.from_numpy(z).requires_grad_()
    out = coords.transform(tensor)
    assert out.dtype == torch.float64
    assert np.array_equal(out.detach().numpy(), c)
    out.sum().backward()
    assert tensor.grad.abs().sum() > 0
    assert coords.transform(torch.from_numpy(z).to(torch.bfloat16)).dtype == torch.bfloat16


def test_no_lift_is_as_before():
    orbits, group = stretched()
    coords = LinearCoordinates(group, max_order=2, n_null=39).fit_orbits(orbits).coordinates_
    assert coords.lift is None
    assert coords.n_lifted == coords.n_features == 16
    assert same(coords, coords.flat)
    z, g = orbits.z[:5], np.full((5, 1), 0.3)
    by_hand = coords.centre + np.einsum("nab,nb->na", coords.operator(g), z - coords.centre)
    assert np.allclose(coords.edit(z, g), by_hand)
    assert coords.transform(torch.from_numpy(z).to(torch.bfloat16)).dtype == torch.bfloat16


# --- laws -------------------------------------------------------------------------------------------------------------
def test_edits_through_an_exact_lift_are_a_group_action(undone):
    train, test, coords = undone
    z, group = test.z, train.group
    g, h = group.sample(len(z), 1), group.sample(len(z), 2)
    assert np.allclose(coords.edit(z, group.identity(len(z))), z, atol=1e-10)
    assert np.allclose(coords.edit(coords.edit(z, h), g), coords.edit(z, group.compose(g, h)), atol=1e-8)
    assert np.allclose(coords.edit(coords.edit(z, g), group.inverse(g)), z, atol=1e-8)
    c = coords.transform(z)
    assert np.allclose(coords.transform(coords.edit(z, g)), coords.act(c, g), atol=1e-8)
    assert np.allclose(coords.transform(coords.inverse_transform(c)), c, atol=1e-8)
    by_hand = SHEAR.inverse(coords.flat.edit(SHEAR(z), g))
    assert np.allclose(coords.edit(z, g), by_hand)
    tensor = coords.edit(torch.from_numpy(z.astype(np.float32)), torch.from_numpy(g))
    assert tensor.dtype == torch.float32
    assert np.allclose(tensor.numpy(), by_hand, atol=1e-3)


def test_edits_through_the_lift_reach_the_moved_row_and_linear_ones_do_not(undone):
    train, test, coords = undone
    plain = fit(None, train, min_energy=0.0)
    source = np.arange(0, len(test), 12)
    step = test.group.compose(test.params[source + 5], test.group.inverse(test.params[source]))
    errors = {
        name: np.square(c.edit(test.z[source], step)[:, :2] - test.z[source + 5][:, :2]).mean()
        for name, c in {"lift": coords, "plain": plain}.items()
    }
    assert errors["lift"] < 0.02 < 0.1 < errors["plain"]


def test_one_block_keeps_the_lift(lifted, halves):
    coords = lifted["polynomial"]
    for i, block in enumerate(coords.blocks):
        part = coords.only(i)
        assert part.lift is coords.lift
        assert part.n_features == 5
        assert np.allclose(part.transform(halves[1].z), coords.transform(halves[1].z)[:, block.columns])


def test_an_isometric_frame_is_orthonormal_among_the_features(halves):
    coords = fit(Polynomial(2), halves[0], isometric=True)
    assert np.allclose(coords.analysis @ coords.analysis.T, np.eye(coords.n_coordinates), atol=1e-10)
    assert coords.lift is not None
    assert coords.blocks[0].energy > 0.9


def test_limited_designs_are_lifted_too():
    orbits = circle(n=150, m=8)
    near = np.flatnonzero(np.abs(orbits.group.log(orbits.params)[:, 0]) < 1.0)
    parts = [x[near] for x in orbits.arrays()]
    train, test = Orbits.from_arrays(*parts, orbits.group).split(0.4)
    errors = {}
    for name, lift in {"plain": None, "lift": Polynomial(2)}.items():
        est = LinearCoordinates(SO2(), max_order=1, n_null=39, lift=lift).fit_orbits(train)
        errors[name] = 1 - est.score(*test.arrays()[:2], items=test.items)
        assert est.coordinates_.limited
    assert errors["lift"] < 0.1 < errors["plain"]


# --- refusals ---------------------------------------------------------------------------------------------------------
def test_what_cannot_be_done_says_what_to_do(lifted, halves):
    coords, z = lifted["polynomial"], halves[1].z[:3]
    with pytest.raises(NotInvertibleError, match="flow"):
        coords.edit(z, [[0.1]])
    with pytest.raises(NotInvertibleError, match="decoder"):
        coords.inverse_transform(coords.transform(z))
    with pytest.raises(NotLinearError, match="act"):
        coords.operator([[0.1]])
    with pytest.raises(NotInvertibleError):
        cross_effects(halves[1], coords)
    assert coords.flat.operator([[0.1]]).shape == (1, coords.n_lifted, coords.n_lifted)


def test_malformed_input_is_refused(lifted, undone):
    coords, exact = lifted["polynomial"], undone[2]
    with pytest.raises(ShapeError):
        coords.transform(np.zeros((2, coords.n_lifted)))
    with pytest.raises(FiniteError):
        coords.transform(np.full((2, 5), np.nan))
    with pytest.raises(FiniteError, match="features"):
        coords.transform(np.full((2, 5), 1e200))
    with pytest.raises(ParameterError):
        coords.transform(np.array([["a"] * 5]))
    with pytest.raises(ShapeError):
        exact.edit(np.zeros((2, 4)), [[0.1]])
    with pytest.raises(ShapeError):
        SHEAR.inverse(np.zeros((2, 4)))
    with pytest.raises(FiniteError):
        SHEAR.inverse(np.full((2, 3), np.inf))


# --- files ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LIFTS)
def test_files_hold_the_lift_bit_by_bit(tmp_path, halves, lifted, name):
    coords, path = lifted[name], tmp_path / "c.safetensors"
    coords.save(path)
    loaded = LatentCoordinates.load(path)
    assert same(coords, loaded)
    assert type(loaded.lift) is type(coords.lift)
    assert np.array_equal(loaded.transform(halves[1].z), coords.transform(halves[1].z))
    assert repr(loaded) == repr(coords)
    assert f"({name})" in repr(coords)


def test_files_of_version_1_load(tmp_path):
    orbits, group = stretched()
    coords = LinearCoordinates(group, max_order=1, n_null=39).fit_orbits(orbits).coordinates_
    path = tmp_path / "c.safetensors"
    coords.save(path)
    save_file(load_file(path), path, metadata=_metadata(path) | {"version": "1"})
    loaded = LatentCoordinates.load(path)
    assert loaded.lift is None
    assert same(loaded, coords)


def _metadata(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(size))["__metadata__"]


@pytest.mark.parametrize(
    "entry",
    [
        '{"kind": "unheard", "config": {}}',
        '{"kind": "fourier", "config": {}}',
        "not json",
        '{"config": {}}',
        '{"kind": "nystroem", "config": {"gamma": 1.0}}',
        "[]",
        '{"kind": ["polynomial"], "config": {}}',
    ],
)
def test_foreign_lifts_are_refused(tmp_path, lifted, entry):
    path = tmp_path / "c.safetensors"
    lifted["polynomial"].save(path)
    meta = _metadata(path)
    save_file(load_file(path), path, metadata=meta | {"lift": entry})
    with pytest.raises(FileFormatError):
        LatentCoordinates.load(path)


def test_a_lift_of_another_width_is_refused(tmp_path, lifted):
    path = tmp_path / "c.safetensors"
    replace(lifted["polynomial"], lift=lifted["fourier"].lift).save(path)
    with pytest.raises(FileFormatError, match="features"):
        LatentCoordinates.load(path)


def test_an_invertible_lift_goes_through_files_once_it_is_known(tmp_path, undone, monkeypatch):
    _, test, coords = undone
    path = tmp_path / "c.safetensors"
    coords.save(path)
    with pytest.raises(FileFormatError, match="shear"):
        LatentCoordinates.load(path)
    known = geodis.coordinates.known_lifts
    monkeypatch.setattr(known, "KNOWN_LIFTS", (*known.KNOWN_LIFTS, Shear))
    g = test.group.sample(len(test), 0)
    assert np.array_equal(LatentCoordinates.load(path).edit(test.z, g), coords.edit(test.z, g))


# --- reports and metrics ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LIFTS)
def test_verify_judges_lifted_coordinates(halves, lifted, name, tmp_path):
    report = verify(halves[1], lifted[name], n_null=39, delta=0.2)
    rows = report.rows.set_index("block")
    first = rows.loc["m=1"]
    assert first["value"] < 0.05 < 0.5 < first["identity"]
    assert first["ci_low"] <= first["value"] <= first["ci_high"]
    assert first["ceiling"] < 0.1
    assert first["status"] == "ok"
    assert first["null_p"] <= 0.05
    assert first["null_mean"] > 0.2
    assert report.certificate.granted
    report.to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{name} lift" in text
    assert f"{lifted[name].n_lifted} features" in text


def test_verify_refuses_what_is_not_there(halves, lifted):
    """The negative control: the same coordinates on noise."""
    noise = halves[1].map(lambda z: np.random.default_rng(0).normal(size=z.shape))
    coords = lifted["polynomial"]
    row = verify(noise, coords, n_null=39).rows.iloc[0]
    assert row["value"] > 0.7
    assert row["null_p"] > 0.05
    assert not certify(noise, coords, delta=0.3).granted
    still = halves[1].map(lambda z: np.full_like(z, 0.3))
    assert set(verify(still, coords, n_null=19).rows["status"]) == {"degenerate"}
    with pytest.raises(ShapeError):
        verify(halves[1].map(lambda z: z[:, :4]), coords)


def test_cross_effects_through_a_lift_are_measured_among_the_features(undone):
    _, test, coords = undone
    plain = cross_effects(test, coords)
    flat = cross_effects(test.map(SHEAR), coords.flat)
    assert np.allclose(plain.effect, flat.effect)
    assert plain.effect[0, 0] > 0.5
    again = cross_effects(test, coords, lambda z: 1.0 * z)
    assert np.allclose(again.effect, plain.effect, atol=1e-9)


def test_interchange_swaps_the_code_behind_the_lift():
    """The block is the sign of h₂ − 2h₁²: a linear swap would not carry it over."""
    lift = Shear(3, 3, 2.0)
    block = geodis.Block(Cyclic(2).irrep("k=1"), (0,), 1.0, (1.0, 1.0))
    nobody, row = np.zeros(0, dtype=np.uint64), np.eye(3)[1:2]
    coords = LatentCoordinates(Cyclic(2), (block,), row, row.T, np.zeros(3), "ok", False, nobody, lift)
    net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    x = np.random.default_rng(0).normal(size=(2, 200, 3))
    inner = x[..., 1] - 2 * x[..., 0] ** 2

    def read(h):
        return ((h[:, 1] - 2 * h[:, 0] ** 2) > -1.5).int() + 2 * (h[:, 0] > 0).int()

    should = (inner[1] > -1.5) + 2 * (x[0, :, 0] > 0)
    assert interchange_accuracy(net, "0", coords, 0, x[0], x[1], should, readout=read).value == 1.0
    assert interchange_accuracy(net, "0", coords.flat, 0, x[0], x[1], should, readout=read).value < 0.95
    other = replace(coords, lift=Polynomial(2).fit(x[0]))
    with pytest.raises(NotInvertibleError):
        interchange_accuracy(net, "0", other, 0, x[0], x[1], should, readout=read)


def test_edits_are_looked_up_where_they_can_be_made(undone, lifted, halves):
    _, test, coords = undone
    step = np.full((len(test), 1), 0.4)
    rows = np.arange(len(test))
    moved = coords.edit(test.z, step)
    unit = test.z / np.linalg.norm(test.z, axis=1, keepdims=True)
    assert np.array_equal(edited_nearest(coords, test.z, rows, step), (moved @ unit.T).argmax(axis=1))
    display = EditDisplay.from_coordinates(lifted["polynomial"], halves[1], n_edits=8)
    assert display.found is not None
    assert display.right.mean() > 0.5


def test_cyclic_edits_through_a_lift_that_cannot_be_undone():
    orbits = circle(n=40, m=12, noise=0.002)
    turned = orbits.params[:, 0].reshape(40, 12)
    labels = np.argsort(np.argsort(turned % (2 * np.pi), axis=1), axis=1).astype(float)
    cyclic = Orbits.from_arrays(orbits.z, labels.reshape(-1, 1), orbits.items, Cyclic(12))
    train, test = cyclic.split(0.25)
    coords = fit(Polynomial(2), train)
    assert edited_top1(coords, test, [1, 5]) > 0.3
