"""Buoyant flow: waves of the right frequency, budgets that close, and all symmetries if gravity turns as well."""

import numpy as np
import pytest

from geodis.actions import FieldShift, FieldSymmetries
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.simulators import buoyant_budgets, random_buoyant_flow, random_velocity, simulate_buoyant_flow
from geodis.simulators.buoyant_flow import TYPES

N = 24
STATE = random_buoyant_flow(3, N, seed=0)
G = np.array([[1.0, 0.0], [-0.3, 0.8], [0.0, 0.0]])
IDEAL = {"viscosity": 0.0, "diffusivity": 0.0}


def test_small_waves_have_their_frequency():
    """ω = |g|√S · (share of k across g): b = a cos(k·x) cos(ωt) with fluid that moves along the crests."""
    x, a, s = np.arange(N) * 2 * np.pi / N, 1e-6, 2.0
    phase = 1 * x[:, None] + 2 * x[None]  # k = (1, 2), g along axis 0
    across = 2 / np.sqrt(5)
    omega = 1.5 * np.sqrt(s) * across
    start = np.stack([a * np.cos(phase), 0 * phase, 0 * phase])
    out = simulate_buoyant_flow(start[None], [1.5, 0.0], 3, interval=0.8, stratification=s, **IDEAL)
    for t in (0.8, 1.6):
        assert np.abs(out[0, round(t / 0.8), 0] - start[0] * np.cos(omega * t)).max() < 1e-4 * a
    overturned = simulate_buoyant_flow(start[None], [1.5, 0.0], 2, interval=0.8, stratification=-s, **IDEAL)
    assert np.abs(overturned[0, 1, 0]).max() > 1.5 * a  # and where heavy lies above light, it grows


def test_fluid_at_rest_stays_if_layers_lie_flat():
    layers = np.cos(np.arange(N) * 2 * np.pi / N)[:, None] * np.ones(N)
    start = np.stack([layers, 0 * layers, 0 * layers])[None]
    assert np.abs(simulate_buoyant_flow(start, [1.0, 0.0], 3, **IDEAL) - start[:, None]).max() < 1e-14
    assert np.abs(simulate_buoyant_flow(start, [0.0, 1.0], 3, **IDEAL) - start[:, None]).max() > 0.1


def test_budgets_close():
    s, n, interval = 1.0, 9, 0.25
    runs = simulate_buoyant_flow(STATE, G, n, interval=interval, stratification=s, time_step=0.02, **IDEAL)
    b = buoyant_budgets(runs, G)
    assert np.ptp(b.mean, axis=1).max() < 1e-15
    energy = b.kinetic + b.variance / s
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-7
    assert np.abs(b.kinetic[:2] / b.kinetic[:2, :1] - 1).max() > 0.05  # energy does change its form
    assert np.ptp(b.enstrophy[2]) / b.enstrophy[2, 0] < 1e-7 < 0.1 < np.ptp(b.enstrophy[0]) / b.enstrophy[0, 0]
    free = buoyant_budgets(simulate_buoyant_flow(STATE, G, n, interval=interval, time_step=0.02, **IDEAL), G)
    assert np.abs(free.variance / free.variance[:, :1] - 1).max() < 1e-7
    simpson = interval / 3 * np.array([1.0, *[4.0, 2.0] * ((n - 3) // 2), 4.0, 1.0])
    assert np.abs(free.kinetic[:, -1] - free.kinetic[:, 0] - free.power @ simpson).max() < 1e-4
    lossy = buoyant_budgets(simulate_buoyant_flow(STATE, G, n), G)
    assert (np.diff(lossy.variance, axis=1) < 0).all()


def test_a_mean_buoyancy_lifts_the_fluid_as_a_whole():
    start = np.zeros((1, 3, N, N))
    start[:, 0] = 0.2
    out = simulate_buoyant_flow(start, [1.0, -0.5], 2, interval=1.0)
    assert np.allclose(out[0, 1].mean((1, 2)), [0.2, -0.2, 0.1], atol=1e-14)


def test_time_steps_are_of_fourth_order():
    ends = [simulate_buoyant_flow(STATE, G, 2, interval=1.0, time_step=step)[:, 1] for step in (0.1, 0.05, 0.025)]
    order = np.log2(np.abs(ends[0] - ends[1]).max() / np.abs(ends[1] - ends[2]).max())
    assert abs(order - 4) < 0.5


def test_without_buoyancy_it_is_turbulence():
    from geodis.simulators import simulate_turbulence

    u = random_velocity(2, N, seed=1)
    start = np.concatenate([np.zeros((2, 1, N, N)), u], 1)
    expected = simulate_turbulence(u, 3, interval=0.5, viscosity=0.01, time_step=0.01)
    found = simulate_buoyant_flow(start, [0.0, 1.0], 3, interval=0.5, viscosity=0.01, time_step=0.01)
    assert np.abs(found[:, :, 1:] - expected).max() < 1e-7


def with_gravity(states, g):
    return np.concatenate([states, np.broadcast_to(g[:, :, None, None], (len(states), 2, N, N))], 1)


def later(full):
    return simulate_buoyant_flow(full[:, :3], full[:, 3:, 0, 0], 3, stratification=0.5)[:, -1]


def test_the_flow_commutes_with_the_square_and_with_shifts():
    full = with_gravity(STATE, G)
    before, after = FieldSymmetries(TYPES, 2), FieldSymmetries(TYPES[:2], 2)
    out = later(full)
    for element in before.group.elements():
        g = np.repeat(np.asarray(element)[None], len(full), 0)
        assert np.abs(later(before.act(g, full)) - after.act(g, out)).max() < 1e-13
    shift = np.repeat([[3.0, -5.0]], len(full), 0)
    moved = later(FieldShift(TYPES, (N, N)).act(shift, full))
    assert np.abs(moved - FieldShift(TYPES[:2], (N, N)).act(shift, out)).max() < 1e-12


def test_gravity_that_stays_would_break_rotations():
    quarter = np.repeat([[5.0]], len(STATE), 0)
    action = FieldSymmetries(TYPES[:2], 2)
    wrong = later(with_gravity(action.act(quarter, STATE), G))
    assert np.abs(wrong - action.act(quarter, later(with_gravity(STATE, G))))[:2].max() > 0.1


def test_runs_are_independent_and_seeds_repeat():
    together, alone = simulate_buoyant_flow(STATE, G, 3), simulate_buoyant_flow(STATE[1:2], G[1], 3)
    assert np.allclose(together[1:2], alone, atol=1e-14)
    assert np.array_equal(random_buoyant_flow(2, N, seed=4), random_buoyant_flow(3, N, seed=4)[:2])
    assert not np.array_equal(random_buoyant_flow(2, N, seed=5), random_buoyant_flow(2, N, seed=4))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: simulate_buoyant_flow(STATE[:, :2], G), ShapeError),
        (lambda: simulate_buoyant_flow(STATE[..., :20], G), ShapeError),
        (lambda: simulate_buoyant_flow(STATE * np.nan, G), FiniteError),
        (lambda: simulate_buoyant_flow(STATE.astype(int), G), ParameterError),
        (lambda: simulate_buoyant_flow(STATE, G[:2]), LengthError),
        (lambda: simulate_buoyant_flow(STATE, [1.0]), ShapeError),
        (lambda: simulate_buoyant_flow(STATE, [np.nan, 1.0]), FiniteError),
        (lambda: simulate_buoyant_flow(STATE, G, viscosity=-1.0), ParameterError),
        (lambda: simulate_buoyant_flow(STATE, G, stratification="some"), ParameterError),
        (lambda: simulate_buoyant_flow(100 * STATE, G, 5, interval=1.0, time_step=1.0), FiniteError),
        (lambda: random_buoyant_flow(1, 4), ParameterError),
        (lambda: buoyant_budgets(STATE, G), ShapeError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
