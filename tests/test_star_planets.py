"""Stars and planets: circular orbits, conservation, the symmetries of gravity, drops, seeds."""

import numpy as np
import pytest

from geodis.errors import ParameterError
from geodis.simulators import evolve_gravity, star_planets

# A hundred steps on numbers of about 20, whose rounding close encounters amplify.
ROUNDED = 1e-9


def fields(runs):
    return runs.scalars[..., 0], runs.positions, runs.velocities


def test_masses_shapes_and_speeds_are_those_of_the_protocol():
    masses, x, v = fields(star_planets(400, seed=1))
    assert x.shape == v.shape == (400, 2, 4, 3)
    heavy = masses.max(1)
    assert ((heavy >= 1) & (heavy <= 10)).all()
    assert ((np.sort(masses, 1)[:, :3] >= 0.01) & (np.sort(masses, 1)[:, :3] <= 0.1)).all()
    assert len(np.unique(masses.argmax(1))) == 4, "bodies are permuted"
    star = np.take_along_axis(x[:, 0], masses.argmax(1)[:, None, None], 1)
    r = np.linalg.norm(x[:, 0] - star, axis=-1)
    planets = r > 0
    assert planets.sum() == 1200
    assert ((r[planets] >= 0.1) & (r[planets] <= 1.0)).all()
    circular = np.sqrt(np.repeat(heavy[:, None], 4, 1) / np.where(planets, r, 1))
    assert np.abs(np.linalg.norm(v[:, 0], axis=-1) - circular)[planets].max() < 0.05


def test_momentum_is_kept_and_far_runs_are_dropped():
    masses, x, v = fields(star_planets(600, seed=2))
    assert (
        np.abs((masses[:, None, :, None] * v).sum(2)[:, 1] - (masses[:, None, :, None] * v).sum(2)[:, 0]).max() < 1e-9
    )
    assert np.linalg.norm(x[:, 1] - x[:, 0], axis=-1).max() <= 2.0


def test_a_circular_orbit_stays_one():
    masses = np.array([[4.0, 1e-9]])
    x, v = np.array([[[0.0, 0, 0], [0.5, 0, 0]]]), np.array([[[0.0, 0, 0], [0, 8.0**0.5, 0]]])
    y, _ = evolve_gravity(masses, x, v, 400)
    assert abs(np.linalg.norm(y[0, 1]) - 0.5) < 2e-3
    strange, _ = evolve_gravity(masses, x, 0.5 * v, 400)
    assert abs(np.linalg.norm(strange[0, 1]) - 0.5) > 0.02


def test_the_dynamics_commute_with_rotations_reflections_translations_and_permutations():
    masses, x, v = fields(star_planets(50, seed=3))
    x, v = x[:, 0], v[:, 0]
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    order = [2, 0, 3, 1]
    y, w = evolve_gravity(masses, x, v)
    y2, w2 = evolve_gravity(masses[:, order], x[:, order] @ turn.T + 3.0, v[:, order] @ turn.T)
    error = np.abs(y2 - y[:, order] @ turn.T - 3.0).max((1, 2))
    assert np.median(error) < 1e-12
    assert error.max() < ROUNDED
    assert np.median(np.abs(w2 - w[:, order] @ turn.T)) < 1e-11


def test_a_shift_moves_the_data_and_seeds_are_arguments():
    near, far = star_planets(20, seed=4), star_planets(20, shift=200.0, seed=4)
    assert np.abs(far.positions[..., 0] - near.positions[..., 0] - 200.0).max() < ROUNDED
    assert np.array_equal(star_planets(5, seed=4).positions, near.positions[:5])
    assert not np.array_equal(star_planets(5, seed=5).positions, near.positions[:5])
    assert star_planets(3, 5, seed=4).positions.shape == (3, 2, 6, 3)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 2.5}, {"n": 2, "n_planets": 0}, {"n": 2, "shift": float("nan")}])
def test_options_outside_their_range(options):
    with pytest.raises(ParameterError):
        star_planets(**options)
