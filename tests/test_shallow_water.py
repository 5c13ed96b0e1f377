"""Shallow water: waves of the right speed, balance, budgets that are kept, and all symmetries of the grid."""

import numpy as np
import pytest

from geodis.actions import FieldShift, FieldSymmetries
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.simulators import beta_plane, random_shallow_water, shallow_water_budgets, simulate_shallow_water
from geodis.simulators.shallow_water import TYPES

N = 24
X = np.arange(N) * 2 * np.pi / N
STATE = random_shallow_water(3, N, seed=0)
F = np.array([1.0, -0.5, 0.0])


def wave(amplitude=1e-5, f=0.0, k=2, n=N):
    """A Poincaré wave along axis 0: h = a cos(kx − ωt), ω² = f² + k²gH."""
    x = np.arange(n) * 2 * np.pi / n
    omega = np.sqrt(f**2 + k**2)

    def at(t):
        phase = k * x[:, None] - omega * t + np.zeros((1, n))
        h = np.cos(phase)
        return amplitude * np.stack([h, omega / k * h, f / k * np.sin(phase)])

    return at


@pytest.mark.parametrize("f", [0.0, 1.5, -1.5])
def test_small_waves_move_with_their_dispersion_relation(f):
    exact = wave(f=f)
    out = simulate_shallow_water(exact(0.0)[None], f, 3, interval=0.7, viscosity=0.0, time_step=0.01)
    for step in (1, 2):
        assert np.abs(out[0, step] - exact(0.7 * step)).max() < 1e-4 * 1e-5 + 1e-9
    assert np.abs(out[0, 1] - exact(0.0)).max() > 0.5e-5  # it did move


def test_geostrophic_balance_stays():
    """f ẑ×u = −g∇h: nothing moves, but for terms of second order."""
    f, a = 2.0, 1e-5
    h = a * np.cos(X)[:, None] + np.zeros((1, N))
    u1 = -a * np.sin(X)[:, None] / f + np.zeros((1, N))  # f u₁ = g ∂₀h
    out = simulate_shallow_water(np.stack([h, 0 * h, u1])[None], f, 2, interval=3.0, viscosity=0.0)
    assert np.abs(out[0, 1] - out[0, 0]).max() < 1e-3 * a
    tilted = simulate_shallow_water(np.stack([h, 0 * h, -u1])[None], f, 2, interval=3.0, viscosity=0.0)
    assert np.abs(tilted[0, 1] - tilted[0, 0]).max() > 0.1 * a


def test_budgets_are_kept():
    runs = simulate_shallow_water(STATE, F, 9, viscosity=0.0, time_step=0.01)
    budgets = shallow_water_budgets(runs, F)
    assert np.ptp(budgets.mass, axis=1).max() < 1e-15
    assert np.abs(budgets.energy / budgets.energy[:, :1] - 1).max() < 2e-3  # triple products alias on a coarse grid
    assert np.abs(budgets.enstrophy / budgets.enstrophy[:, :1] - 1).max() < 2e-2
    viscous = shallow_water_budgets(simulate_shallow_water(STATE, F, 9, viscosity=1e-2), F)
    assert (np.diff(viscous.energy, axis=1) < 0).all()
    assert np.ptp(viscous.mass, axis=1).max() < 1e-15


def test_energy_converges_with_the_grid():
    fine = random_shallow_water(1, 64, seed=0)
    runs = simulate_shallow_water(fine, 1.0, 5, viscosity=0.0, time_step=0.01)
    energy = shallow_water_budgets(runs, 1.0).energy
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-5


def with_coriolis(states, f):
    return np.concatenate([states, np.broadcast_to(f, (len(states), N, N))[:, None]], 1)


def later(full):
    return simulate_shallow_water(full[:, :3], full[:, 3], 3)[:, -1]


def test_the_flow_commutes_with_the_square_and_with_shifts():
    full = with_coriolis(STATE, beta_plane(N, 0.5, 1.0))
    before, after = FieldSymmetries(TYPES, 2), FieldSymmetries(TYPES[:2], 2)
    out = later(full)
    for element in before.group.elements():
        g = np.repeat(np.asarray(element)[None], len(full), 0)
        assert np.abs(later(before.act(g, full)) - after.act(g, out)).max() < 1e-13
    shift = np.repeat([[3.0, -5.0]], len(full), 0)
    moved = later(FieldShift(TYPES, (N, N)).act(shift, full))
    assert np.abs(moved - FieldShift(TYPES[:2], (N, N)).act(shift, out)).max() < 1e-12


def test_a_coriolis_force_without_parity_would_break_reflections():
    full = with_coriolis(STATE, np.ones((N, N)))
    mirror = np.repeat([[1.0]], len(full), 0)  # one axis run through backwards
    wrong = full.copy()
    wrong[:, :3] = FieldSymmetries(TYPES[:2], 2).act(mirror, full[:, :3])
    expected = FieldSymmetries(TYPES[:2], 2).act(mirror, later(full))
    assert np.abs(later(wrong) - expected).max() > 1e-2


def test_runs_are_independent_and_seeds_repeat():
    together = simulate_shallow_water(STATE, F, 3)
    alone = simulate_shallow_water(STATE[1:2], F[1:2], 3)
    assert np.allclose(together[1:2], alone, atol=1e-14)
    assert np.array_equal(random_shallow_water(2, N, seed=4), random_shallow_water(3, N, seed=4)[:2])
    assert not np.array_equal(random_shallow_water(2, N, seed=5), random_shallow_water(2, N, seed=4))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: simulate_shallow_water(STATE[:, :2], 1.0), ShapeError),
        (lambda: simulate_shallow_water(STATE[..., :20], 1.0), ShapeError),
        (lambda: simulate_shallow_water(STATE * np.nan, 1.0), FiniteError),
        (lambda: simulate_shallow_water(STATE.astype(int), 1.0), ParameterError),
        (lambda: simulate_shallow_water(STATE, F[:2]), LengthError),
        (lambda: simulate_shallow_water(STATE, np.ones((3, 4, 4))), ShapeError),
        (lambda: simulate_shallow_water(STATE, 1.0, depth=-1.0), ParameterError),
        (lambda: simulate_shallow_water(STATE, 1.0, viscosity=-1.0), ParameterError),
        (lambda: simulate_shallow_water(50 * STATE, 1.0, 5, time_step=0.5, interval=0.5), FiniteError),
        (lambda: random_shallow_water(0), ParameterError),
        (lambda: random_shallow_water(1, 4), ParameterError),
        (lambda: shallow_water_budgets(STATE, 1.0), ShapeError),
        (lambda: shallow_water_budgets(np.full((1, 1, 3, 8, 8), -2.0), 1.0), ParameterError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
