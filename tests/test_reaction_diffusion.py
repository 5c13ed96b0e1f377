"""Gray–Scott patterns: exact diffusion, the reaction's law, a budget of mass that closes, all symmetries of a grid."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from geodis.actions import FieldShift, FieldSymmetries
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.simulators import gray_scott_budgets, random_gray_scott, simulate_gray_scott
from geodis.simulators.reaction_diffusion import TYPES

N = 24
OPTIONS = {"diffusion": (2e-4, 1e-4), "interval": 20.0}  # details of three grid steps
STATE = random_gray_scott(3, N, seed=0)


def test_without_catalyst_food_only_diffuses():
    x = np.arange(N) * 2 * np.pi / N
    wave = 1 + 0.1 * np.cos(3 * x)[:, None] * np.cos(2 * x)
    out = simulate_gray_scott(np.stack([wave, 0 * wave])[None], 3, feed=0.0, **OPTIONS)
    decay = np.exp(-2e-4 * (2 * np.pi) ** 2 * 13 * 20.0 * np.arange(3))
    assert np.abs(out[0, :, 0] - (1 + decay[:, None, None] * (wave - 1))).max() < 1e-14
    assert decay[1] < 0.2
    assert not out[:, :, 1].any()


def test_without_space_it_is_the_reaction():
    start = np.broadcast_to(np.array([0.8, 0.3])[None, :, None, None], (1, 2, 8, 8)).copy()
    out = simulate_gray_scott(start, 3, interval=10.0, time_step=0.25)

    def law(_, x):
        a, b = x
        return [-a * b * b + 0.037 * (1 - a), a * b * b - 0.097 * b]

    exact = solve_ivp(law, (0, 20), [0.8, 0.3], t_eval=[0, 10, 20], rtol=1e-12, atol=1e-12).y.T
    assert np.abs(out[0] - exact[:, :, None, None]).max() < 1e-6
    assert np.abs(exact[1] - exact[0]).max() > 0.1


def test_mass_comes_and_goes_as_feed_and_kill_say():
    closed = gray_scott_budgets(simulate_gray_scott(STATE, 5, feed=0.0, kill=0.0, **OPTIONS), feed=0.0, kill=0.0)
    assert np.ptp(closed.total, axis=1).max() < 1e-14
    assert (np.diff(closed.food, axis=1) < -1e-3).all()
    assert not closed.supply.any()
    n, interval = 17, 2.0
    runs = simulate_gray_scott(STATE, n, interval=interval, diffusion=OPTIONS["diffusion"], time_step=1.0)
    open_ = gray_scott_budgets(runs)
    simpson = interval / 3 * np.array([1.0, *[4.0, 2.0] * ((n - 3) // 2), 4.0, 1.0])
    change = open_.total[:, -1] - open_.total[:, 0]
    assert np.abs(change - open_.supply @ simpson).max() < 1e-6
    assert np.abs(change).min() > 1e-3
    assert np.abs(change - gray_scott_budgets(runs, kill=0.05).supply @ simpson).max() > 1e-3  # of another reaction


def test_the_scheme_is_of_fourth_order():
    ends = [simulate_gray_scott(STATE, 2, time_step=step, **OPTIONS)[:, 1] for step in (4.0, 2.0, 1.0)]
    order = np.log2(np.abs(ends[0] - ends[1]).max() / np.abs(ends[1] - ends[2]).max())
    assert abs(order - 4) < 0.5


def later(states):
    return simulate_gray_scott(states, 3, **OPTIONS)[:, -1]


def test_patterns_commute_with_the_square_and_with_shifts():
    action, out = FieldSymmetries(TYPES, 2), later(STATE)
    for element in action.group.elements():
        g = np.repeat(np.asarray(element)[None], len(STATE), 0)
        assert np.abs(later(action.act(g, STATE)) - action.act(g, out)).max() < 1e-13
    shift = np.repeat([[3.0, -5.0]], len(STATE), 0)
    shifts = FieldShift(TYPES, (N, N))
    assert np.abs(later(shifts.act(shift, STATE)) - shifts.act(shift, out)).max() < 1e-12
    assert np.abs(out - STATE).max() > 0.1  # there is something to commute with


def test_exchanging_food_and_catalyst_is_no_symmetry():
    assert np.abs(later(STATE[:, ::-1]) - later(STATE)[:, ::-1]).max() > 0.1


def test_runs_are_independent_and_seeds_repeat():
    assert np.allclose(later(STATE)[1:2], later(STATE[1:2]), atol=1e-15)
    assert np.array_equal(random_gray_scott(2, N, seed=4), random_gray_scott(3, N, seed=4)[:2])
    assert not np.array_equal(random_gray_scott(2, N, seed=5), random_gray_scott(2, N, seed=4))
    assert simulate_gray_scott(STATE.astype(np.float32), 2, **OPTIONS).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: simulate_gray_scott(STATE[:, :1]), ShapeError),
        (lambda: simulate_gray_scott(STATE[..., :20]), ShapeError),
        (lambda: simulate_gray_scott(STATE * np.nan), FiniteError),
        (lambda: simulate_gray_scott(STATE.astype(int)), ParameterError),
        (lambda: simulate_gray_scott(STATE, 0), ParameterError),
        (lambda: simulate_gray_scott(STATE, feed=-1.0), ParameterError),
        (lambda: simulate_gray_scott(STATE, diffusion=(1e-5,)), ParameterError),
        (lambda: simulate_gray_scott(STATE, diffusion=(1e-5, -1e-5)), ParameterError),
        (lambda: simulate_gray_scott(100 * STATE, 3), FiniteError),
        (lambda: random_gray_scott(0), ParameterError),
        (lambda: random_gray_scott(1, radius=0.0), ParameterError),
        (lambda: gray_scott_budgets(STATE), ShapeError),
        (lambda: gray_scott_budgets(STATE[None] * np.inf), FiniteError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
