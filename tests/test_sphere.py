"""On the sphere: harmonics, shallow water and networks commute with rotations, and mass stays where it is."""

import sys

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from geodis.actions import FieldShift
from geodis.actions.sphere_harmonics import SphereHarmonics
from geodis.emulators import FieldEmulator, SphereBlock, SphereConv, SphereResNet, hidden_types
from geodis.emulators.sphere_conv import to_coefficients, to_field
from geodis.errors import DesignError, FiniteError, GeodisError, MissingExtraError, ParameterError, ShapeError
from geodis.loop import Plan
from geodis.simulators import (
    random_spherical_shallow_water,
    simulate_spherical_shallow_water,
    spherical_shallow_water_budgets,
)

EXACT = 1e-12  # float64: a transform sums some hundred terms of order one
SPHERE = SphereHarmonics(16, 32)
STATE = random_spherical_shallow_water(2, 16, peak=3.0, seed=0)
TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
NORTH_SOUTH, EAST_WEST = np.array([1.0, -1.0, 1.0])[:, None, None], np.array([1.0, 1.0, -1.0])[:, None, None]


def fields(types, n=2, seed=0):
    """Smooth random fields: what the harmonics of the grid can hold."""
    rng = np.random.default_rng(seed)
    width = sum(c * 2**k for k, _, c in types)
    noise = torch.from_numpy(rng.normal(size=(n, width, SPHERE.n_lat, SPHERE.n_lon)))
    return to_field(to_coefficients(noise, types, SPHERE), types, SPHERE)


def largest(x):
    return float(np.abs(x.detach().numpy() if isinstance(x, torch.Tensor) else x).max())


# --- harmonics --------------------------------------------------------------------------------------------------------
def test_coefficients_are_those_of_spherical_harmonics():
    theta, phi = np.pi / 2 - SPHERE.latitudes[:, None], SPHERE.longitudes[None]
    for degree, order in ((0, 0), (1, 1), (4, 2), (10, 10)):
        y = sph_harm_y(degree, order, theta, phi)
        c = SPHERE.analysed(torch.from_numpy(y.real + 0 * phi)).numpy()
        expected = np.zeros_like(c)
        expected[degree, order, 0] = (-1) ** order * (0.5 if order else 1.0)  # scipy's phase; orders ±m share a wave
        assert largest(c - expected) < EXACT


def test_transforms_are_isometries_and_undo_each_other():
    types = ((0, 1, 2), (1, 1, 2), (0, -1, 1), (1, -1, 1))
    x = fields(types)
    z = to_coefficients(x, types, SPHERE)
    assert largest(to_field(z, types, SPHERE) - x) < EXACT
    power = sum((q[..., :1, :].square().sum() + 2 * q[..., 1:, :].square().sum()) / (4 * np.pi) for q in z)
    assert abs(float(SPHERE.mean(x.square()).sum() / power) - 1) < EXACT


def test_gradient_divergence_and_vorticity():
    phi, ring = SPHERE.latitudes[:, None], np.cos(SPHERE.latitudes)[:, None]
    x = np.cos(SPHERE.longitudes)[None]
    height = torch.from_numpy(ring * np.sin(phi) * x)  # xz on the unit sphere: degree 2
    root, c = SPHERE.root[:, None, None], SPHERE.analysed(height)
    gradient = SPHERE.synthesized_vectors(root * c, 0 * c)
    south, east = -np.cos(2 * phi) * x, -np.sin(phi) * np.sin(SPHERE.longitudes)
    assert largest(gradient - torch.from_numpy(np.stack([south, east + 0 * phi]))) < EXACT
    assert largest(SPHERE.synthesized(-root * SPHERE.analysed_vectors(gradient)[0]) + 6 * height) < EXACT
    rigid = torch.from_numpy(np.stack([0 * phi, ring])).expand(2, 16, 32)
    assert (
        largest(SPHERE.synthesized(-root * SPHERE.analysed_vectors(rigid)[1]) - torch.from_numpy(2 * np.sin(phi)))
        < EXACT
    )


def test_it_agrees_with_torch_harmonics():
    from torch_harmonics import RealVectorSHT

    n, u = SPHERE.degrees, fields(((1, 1, 1),))
    library = RealVectorSHT(16, 32, lmax=n, mmax=n, grid="legendre-gauss", csphase=False)(u)
    a, b = (torch.view_as_complex(q.contiguous()) / SPHERE.root.clamp(min=1.0)[:, None] for q in
            SPHERE.analysed_vectors(u))  # fmt: skip
    assert largest(torch.stack([a, -b], 1) - library) < 1e-6  # factors of its own in single precision


def test_the_package_is_optional_and_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_harmonics.quadrature", None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps torch-harmonics"):
        random_spherical_shallow_water(1, 16)


# --- shallow water ----------------------------------------------------------------------------------------------------
def later(state, **options):
    return simulate_spherical_shallow_water(state, 3, interval=0.5, **options)[:, -1]


def test_the_flow_commutes_with_rotations_about_the_axis_and_with_mirrors():
    out, action = later(STATE), FieldShift(TYPES, (16, 32))
    for steps in (1, 5, 16, 31):
        turn = np.repeat([[0.0, steps]], 2, 0)
        assert largest(later(action.act(turn, STATE)) - action.act(turn, out)) < EXACT
    assert largest(later(NORTH_SOUTH * STATE[:, :, ::-1]) - NORTH_SOUTH * out[:, :, ::-1]) < EXACT
    mirrored = later(EAST_WEST * STATE[..., ::-1], rotation=-1.5)
    assert largest(mirrored - EAST_WEST * out[..., ::-1]) < EXACT
    assert largest(later(EAST_WEST * STATE[..., ::-1]) - EAST_WEST * out[..., ::-1]) > 0.05  # Ω has a sense


def test_mass_energy_and_spin_are_kept():
    runs = simulate_spherical_shallow_water(STATE, 5, interval=0.5, viscosity=0.0, time_step=0.03)
    budgets = spherical_shallow_water_budgets(runs)
    assert np.ptp(budgets.mass, axis=1).max() < 1e-15
    for kept, least in ((budgets.energy, 1e-3), (budgets.spin, 1e-4), (budgets.enstrophy, 1e-2)):
        assert largest(kept / kept[:, :1] - 1) < least
    assert largest(budgets.speed / budgets.speed[:, :1] - 1) > 1e-3  # there is something that changes
    wrong = spherical_shallow_water_budgets(runs, rotation=-1.5)
    assert largest(wrong.enstrophy / wrong.enstrophy[:, :1] - 1) > 1e-2
    viscous = spherical_shallow_water_budgets(simulate_spherical_shallow_water(STATE, 5, viscosity=1e-2))
    assert (np.diff(viscous.energy, axis=1) < 0).all()
    assert np.ptp(viscous.mass, axis=1).max() < 1e-15


def test_a_zonal_jet_in_balance_stays():
    """u = U cos φ east with g h = −(ΩU + U²/2) sin²φ + constant: the second of Williamson's tests."""
    phi, speed, omega = SPHERE.latitudes[:, None] * np.ones(32), 0.2, 1.5
    h = -(omega * speed + speed**2 / 2) * (np.sin(phi) ** 2 - 1 / 3)
    jet = np.stack([h, 0 * phi, speed * np.cos(phi)])[None]
    assert largest(later(jet, viscosity=0.0) - jet) < EXACT
    assert largest(later(jet, viscosity=0.0, rotation=-omega) - jet) > 0.05


def test_random_states_are_balanced():
    after = simulate_spherical_shallow_water(STATE, 2, interval=1e-3, time_step=1e-3, viscosity=0.0)[:, 1]
    root = SPHERE.root[:, None, None]

    def divergence(state):
        return largest(SPHERE.synthesized(-root * SPHERE.analysed_vectors(torch.from_numpy(state[:, 1:]))[0]))

    assert divergence(STATE) < EXACT
    flat = STATE.copy()
    flat[:, 0] = 0.0
    flat = simulate_spherical_shallow_water(flat, 2, interval=1e-3, time_step=1e-3, viscosity=0.0)[:, 1]
    assert divergence(after) < 0.01 * divergence(flat)


def test_time_steps_are_of_fourth_order():
    ends = [later(STATE, time_step=step) for step in (0.05, 0.025, 0.0125)]
    assert abs(np.log2(largest(ends[0] - ends[1]) / largest(ends[1] - ends[2])) - 4) < 0.5


def test_runs_are_independent_and_seeds_repeat():
    assert largest(later(STATE)[1:] - later(STATE[1:])) < EXACT
    first = random_spherical_shallow_water(2, 16, seed=4)
    assert np.array_equal(first, random_spherical_shallow_water(3, 16, seed=4)[:2])
    assert not np.array_equal(first, random_spherical_shallow_water(2, 16, seed=5))


# --- networks ---------------------------------------------------------------------------------------------------------
def turned_sphere(field):
    """Scalars (n, lat, lon) rotated by a right angle about the x axis: poles go to the equator."""
    phi, along = SPHERE.latitudes[:, None], SPHERE.longitudes[None]
    x, y, z = np.cos(phi) * np.cos(along), np.cos(phi) * np.sin(along), np.sin(phi) + 0 * along
    theta, angle = np.arccos(np.clip(-y, -1, 1)), np.arctan2(z, x)  # where each place comes from
    c = torch.view_as_complex(SPHERE.analysed(field).contiguous()).numpy()
    out = np.zeros(field.shape)
    for degree in range(SPHERE.degrees):
        for order in range(degree + 1):
            y_lm = (-1) ** order * sph_harm_y(degree, order, theta, angle)
            out += (2 if order else 1) * (c[:, degree, order, None, None] * y_lm).real
    return torch.from_numpy(out)


def test_layers_commute_with_all_rotations_and_ordinary_ones_do_not():
    scalars_in, scalars_out, hidden = ((0, 1, 1), (0, -1, 1)), ((0, 1, 1), (0, -1, 1)), hidden_types(2)
    network = SphereResNet(scalars_in, scalars_out, 2, 1, n_lat=16, n_lon=32).double()
    assert network.first.types_out == hidden
    with torch.no_grad():
        for i, weight in enumerate(network.last.weights):
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(i)))
        x = fields(scalars_in, 1)
        y, moved = network(x)[0], network(turned_sphere(x[0])[None])[0]
        ordinary = torch.nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular").double()
        apart = largest(ordinary(turned_sphere(x[0])[None])[0] - turned_sphere(ordinary(x)[0]))
    assert largest(y) > 0.1
    assert largest(turned_sphere(y) - y) > 0.1
    assert largest(moved - turned_sphere(y)) < 1e-11 * largest(y)
    assert apart > 0.05


def test_layers_commute_with_mirrors_and_steps_of_the_grid():
    types = ((0, 1, 1), (0, -1, 1), (1, 1, 1), (1, -1, 1))
    conv = SphereConv(types, types, SPHERE).double()
    block, inner = SphereBlock(hidden_types(2), SPHERE).double(), hidden_types(2)

    def through(x):
        return to_field(block(to_coefficients(x, inner, SPHERE)), inner, SPHERE)

    for layer, kinds in ((conv, types), (through, inner)):
        x = fields(kinds)
        signs = [s for k, p, c in kinds for _ in range(c) for s in ([p] if k == 0 else [-p, p])]
        mirror = torch.tensor(signs, dtype=torch.float64)[:, None, None]
        with torch.no_grad():
            y = layer(x)
            assert largest(layer(x.roll(5, -1)) - y.roll(5, -1)) < EXACT * largest(y)
            assert largest(layer(mirror * x.flip(-2)) - mirror * y.flip(-2)) < EXACT * largest(y)
            assert largest(layer(x.flip(-2)) - y.flip(-2)) > 1e-3 * largest(y)  # components have to turn


def test_the_convolution_reaches_gradients_and_flows_of_stream_functions():
    """Polynomials in the degree come close to √(l(l+1)): ∇h and r̂×∇ψ are among the maps."""
    conv = SphereConv(((0, 1, 1), (0, -1, 1)), ((1, 1, 1),), SPHERE).double()
    x = fields(((0, 1, 1), (0, -1, 1)))
    c, psi = to_coefficients(x, ((0, 1, 1), (0, -1, 1)), SPHERE)
    root = SPHERE.root[:, None, None]
    target = SPHERE.synthesized_vectors(root * c, root * psi)[:, 0]
    optimizer = torch.optim.LBFGS(conv.parameters(), max_iter=60, tolerance_grad=1e-12, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        loss = (conv(x) - target).square().mean()
        loss.backward()
        return loss

    start = closure().item()
    optimizer.step(closure)
    assert closure().item() < 1e-3 * start
    gradient = SphereConv(((0, 1, 1),), ((1, 1, 1),), SPHERE).double()(x[:, :1])
    assert largest(SPHERE.analysed_vectors(gradient)[1]) < EXACT < largest(gradient)  # scalars alone have no ψ


def test_an_emulator_learns_turns_with_the_earth_and_keeps_mass():
    runs = simulate_spherical_shallow_water(random_spherical_shallow_water(3, 16, peak=3.0, seed=1), 6, interval=0.5)
    f = np.repeat(SPHERE.coriolis(1.5)[None, None], 3, 0)
    network = SphereResNet(TYPES + FIXED, TYPES, 2, 1, n_lat=16, n_lon=32, conserve=True)
    plan = Plan(max_steps=80, learning_rate=2e-2, patience=None)
    emulator = FieldEmulator(network, TYPES, FIXED, plan=plan, batch_size=4, validation_size=0.0).fit(runs[:2], f[:2])
    out = emulator.rollout(runs[2:, :1], 5, f[2:])
    assert ((out[:, 1] - runs[2:, 1]) ** 2).mean() < 0.2 * ((runs[2:, 0] - runs[2:, 1]) ** 2).mean()
    mass = SPHERE.mean(torch.from_numpy(out[0, :, 0]).double())
    assert largest(mass - mass[0]) < 1e-7
    network.double()
    x, drive = torch.from_numpy(runs[2:, :1]), torch.from_numpy(f[2:])
    with torch.no_grad():
        after = emulator.dynamics_.step(x, drive)
        for steps in (1, 7, 16):
            assert largest(emulator.dynamics_.step(x.roll(steps, -1), drive) - after.roll(steps, -1)) < EXACT


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: SphereHarmonics(3, 32), ParameterError),
        (lambda: SPHERE.analysed(torch.zeros(16, 31)), ShapeError),
        (lambda: SPHERE.synthesized(torch.zeros(11, 11)), ShapeError),
        (lambda: SPHERE.analysed_vectors(torch.zeros(3, 16, 32)), ShapeError),
        (lambda: SPHERE.mean(torch.zeros(16)), ShapeError),
        (lambda: simulate_spherical_shallow_water(STATE[:, :2]), ShapeError),
        (lambda: simulate_spherical_shallow_water(STATE * np.nan), FiniteError),
        (lambda: simulate_spherical_shallow_water(STATE.astype(int)), ParameterError),
        (lambda: simulate_spherical_shallow_water(STATE, 0), ParameterError),
        (lambda: simulate_spherical_shallow_water(STATE, rotation=np.inf), ParameterError),
        (lambda: simulate_spherical_shallow_water(STATE, viscosity=-1.0), ParameterError),
        (lambda: simulate_spherical_shallow_water(50 * STATE, 9, interval=1.0, time_step=1.0), FiniteError),
        (lambda: random_spherical_shallow_water(1, 4), ParameterError),
        (lambda: random_spherical_shallow_water(1, 16, speed=0.0), ParameterError),
        (lambda: spherical_shallow_water_budgets(STATE), ShapeError),
        (lambda: spherical_shallow_water_budgets(STATE[None] - 5.0), ParameterError),
        (lambda: SphereConv(((2, 1, 1),), ((0, 1, 1),), SPHERE), ParameterError),
        (lambda: SphereConv(((0, 1, 1),), ((0, -1, 1),), SPHERE), DesignError),
        (lambda: SphereConv(TYPES, TYPES, SPHERE)(torch.zeros(1, 3, 16, 16)), ShapeError),
        (lambda: SphereResNet(TYPES, TYPES, 0), ParameterError),
        (lambda: SphereResNet(TYPES, TYPES, 2, 0), ParameterError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
