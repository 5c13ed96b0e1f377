"""The springy pendulum keeps its energy, turns with its gravity, and knows no units."""

import numpy as np
import pytest

from geodis.actions import OrthogonalAction
from geodis.emulators import UnitsSystem
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.simulators import PendulumRuns, SpringyPendulum, random_pendulums, springy_pendulum

# The pendulum doubles deviations about once in five seconds; rounding is that of states of size three.
ROUNDING, SOLVED = 1e-12, 1e-8


def runs(**options):
    return springy_pendulum(**({"n": 8, "n_times": 31, "seed": 3, "tolerance": 1e-11} | options))


RUNS = runs()


def turned(pendulum, g):
    arrows = OrthogonalAction(3).act(g, pendulum.gravity[:, None])[:, 0]
    return SpringyPendulum(pendulum.masses, pendulum.stiffness, pendulum.lengths, arrows)


# --- conservation -----------------------------------------------------------------------------------------------------
def test_energy_is_conserved():
    energy = RUNS.pendulum.energy(RUNS.states)
    assert np.abs(energy - energy[:, :1]).max() < SOLVED
    kinetic = (RUNS.states[:, :, 2:] ** 2).sum((2, 3))
    assert np.ptp(kinetic, axis=1).min() > 0.1, "energy does move between its forms"
    other = runs().pendulum
    swapped = SpringyPendulum(other.masses[:, ::-1].copy(), other.stiffness, other.lengths, other.gravity)
    assert np.ptp(swapped.energy(RUNS.states), axis=1).min() > 0.05, "another pendulum's energy does move"


def test_the_flow_is_hamiltons():
    z, h = RUNS.states[:, 5], 1e-6
    slope = np.empty_like(z)
    for place in np.ndindex(4, 3):
        step = np.zeros_like(z)
        step[(slice(None), *place)] = h
        slope[(slice(None), *place)] = RUNS.pendulum.energy(z + step) - RUNS.pendulum.energy(z - step)
    slope /= 2 * h
    expected = np.concatenate([slope[:, 2:], -slope[:, :2]], axis=1)
    np.testing.assert_allclose(RUNS.pendulum.flow(z), expected, atol=1e-8)


def test_angular_momentum_about_gravity_is_conserved():
    q, p = RUNS.states[:, :, :2], RUNS.states[:, :, 2:]
    spin = np.cross(q, p).sum(2)
    along = np.einsum("nti,ni->nt", spin, RUNS.pendulum.gravity)
    assert np.abs(along - along[:, :1]).max() < SOLVED
    assert np.ptp(spin, axis=1).max() > 0.1


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_the_tolerance_is_kept_by_every_run(tolerance):
    error = np.abs(runs(tolerance=tolerance).states - RUNS.states).max()
    assert error < 2e3 * tolerance, "the errors of some hundred steps, and how they grow"


def test_a_hanging_pendulum_stays():
    one, g = np.ones((1, 2)), np.array([[0.0, 0.0, -2.0]])
    # k₁(x₁ − l₁) = (m₁ + m₂)g and 2k₂(x₂ − l₂) = m₂g: the second spring has no ½.
    hanging = np.array([[[0, 0, -5.0], [0, 0, -7.0], [0, 0, 0], [0, 0, 0]]])
    pendulum = SpringyPendulum(one, one, one, g)
    assert np.abs(pendulum.flow(hanging)).max() < 1e-15
    hanging[0, 1, 2] -= 0.5
    assert np.abs(pendulum.flow(hanging)).max() > 0.5, "pulled, it does not"


# --- equivariance -----------------------------------------------------------------------------------------------------
def test_rotations_and_reflections_commute_where_gravity_turns_along():
    action = OrthogonalAction(3)
    g = action.group.sample(8, 1)
    start = RUNS.states[:, 0]
    moved = action.act(g, start)
    np.testing.assert_allclose(
        turned(RUNS.pendulum, g).flow(moved), action.act(g, RUNS.pendulum.flow(start)), atol=ROUNDING
    )
    assert np.abs(RUNS.pendulum.flow(moved) - action.act(g, RUNS.pendulum.flow(start))).max() > 0.1
    path = turned(RUNS.pendulum, g).simulate(moved, RUNS.times, tolerance=1e-11)
    expected = action.act(g, RUNS.states.reshape(8, -1, 3)).reshape(path.shape)
    np.testing.assert_allclose(path, expected, atol=SOLVED)


UNITS = {"m1": "kg", "m2": "kg", "k1": "kg s^-2", "k2": "kg s^-2", "l1": "m", "l2": "m", "g": "m s^-2"}
UNITS |= {"q1": "m", "q2": "m", "p1": "kg m s^-1", "p2": "kg m s^-1"}


def test_changes_of_units_commute():
    system = UnitsSystem(UNITS, sizes=dict.fromkeys(("g", "q1", "q2", "p1", "p2"), 3))
    factors = {"kg": 3.7, "m": 0.3, "s": 1.9}
    x = system.rescale(RUNS.inputs(), factors)
    numbers = [np.concatenate([x[a], x[b]], axis=1) for a, b in (("m1", "m2"), ("k1", "k2"), ("l1", "l2"))]
    states = np.stack([x[name] for name in ("q1", "q2", "p1", "p2")], axis=2)
    pendulum = SpringyPendulum(*numbers, x["g"][:, 0])
    path = pendulum.simulate(states[:, 0], 1.9 * RUNS.times, tolerance=1e-11)
    np.testing.assert_allclose(path, states, atol=SOLVED)
    flow = pendulum.flow(states)
    expected = RUNS.pendulum.flow(RUNS.states) * np.array([0.3 / 1.9, 3.7 * 0.3 / 1.9**2]).repeat(2)[:, None]
    np.testing.assert_allclose(flow, expected, rtol=ROUNDING, atol=ROUNDING)


# --- the data ---------------------------------------------------------------------------------------------------------
def test_the_published_distribution():
    many = springy_pendulum(3000, 1, seed=1)
    q, p = many.states[:, 0, :2], many.states[:, 0, 2:]
    np.testing.assert_allclose(q.mean(0), [[0, 0, -1.5], [0, 0, -3.0]], atol=0.02)
    np.testing.assert_allclose(q.std(0), 0.2, atol=0.02)
    np.testing.assert_allclose(p.std(0), 0.4, atol=0.03)
    size = np.linalg.norm(many.pendulum.gravity, axis=1)
    for drawn in (many.pendulum.masses, many.pendulum.stiffness, many.pendulum.lengths, size):
        assert drawn.min() >= 1.0
        assert drawn.max() <= 2.0
        assert drawn.mean() == pytest.approx(1.5, abs=0.03)
    assert np.abs((many.pendulum.gravity / size[:, None]).mean(0)).max() < 0.05


def test_kg_scales_what_is_measured_in_kg():
    kg = np.linspace(3.0, 7.0, 8)
    scaled = runs(kg=kg)
    np.testing.assert_allclose(scaled.states[:, :, :2], RUNS.states[:, :, :2], atol=SOLVED)
    np.testing.assert_allclose(
        scaled.states[:, :, 2:], RUNS.states[:, :, 2:] * kg[:, None, None, None], atol=7 * SOLVED
    )
    np.testing.assert_allclose(scaled.pendulum.masses, RUNS.pendulum.masses * kg[:, None], rtol=1e-15)


def test_seeds():
    assert np.array_equal(runs().states, RUNS.states)
    assert not np.allclose(runs(seed=4).states, RUNS.states)
    assert np.array_equal(random_pendulums(3, seed=1).masses, random_pendulums(3, seed=1).masses)


def test_chunks_are_aligned_stretches():
    chunks = RUNS.chunks(10, seed=2)
    assert chunks.states.shape == (8, 10, 4, 3)
    for run, states in enumerate(chunks.states):
        starts = [k for k in (0, 10, 20) if np.array_equal(RUNS.states[run, k : k + 10], states)]
        assert len(starts) == 1
    assert len({float(c[0, 0, 0]) for c in chunks.states} & {float(c[0, 0, 0]) for c in RUNS.states}) < 8
    assert chunks.times[0] == 0.0
    assert RUNS.plot(0) is not None


# --- malformed input --------------------------------------------------------------------------------------------------
ONE, G = np.ones((2, 2)), np.ones((2, 3))
STILL = np.ones((2, 4, 3))
VALID = SpringyPendulum(ONE, ONE, ONE, G)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: SpringyPendulum(ONE, ONE, ONE, ONE), ShapeError),
        (lambda: SpringyPendulum(ONE, ONE[:1], ONE, G), ShapeError),
        (lambda: SpringyPendulum(ONE, 0 * ONE, ONE, G), ParameterError),
        (lambda: SpringyPendulum(ONE, np.nan * ONE, ONE, G), FiniteError),
        (lambda: VALID.energy(STILL[:, :3]), ShapeError),
        (lambda: VALID.flow(np.inf * STILL), FiniteError),
        (lambda: VALID.simulate(STILL[:, None], [0.0, 1.0]), ShapeError),
        (lambda: VALID.simulate(STILL, [1.0, 0.0]), ParameterError),
        (lambda: VALID.simulate(STILL, [0.0, 1.0], tolerance=0.0), ParameterError),
        (lambda: PendulumRuns(VALID, np.ones((2, 5, 4, 3)), np.arange(4.0)), LengthError),
        (lambda: PendulumRuns(VALID, np.ones((2, 5, 3, 3)), np.arange(5.0)), ShapeError),
        (lambda: RUNS.chunks(99), ParameterError),
        (lambda: random_pendulums(0), ParameterError),
        (lambda: random_pendulums(2, low=2.0, high=1.0), ParameterError),
        (lambda: springy_pendulum(2, 0), ParameterError),
        (lambda: springy_pendulum(2, kg=np.ones(3)), ShapeError),
        (lambda: springy_pendulum(2, kg=-1.0), ParameterError),
        (lambda: springy_pendulum(2, interval=0.0), ParameterError),
    ],
)
def test_malformed_input_is_a_named_error(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
