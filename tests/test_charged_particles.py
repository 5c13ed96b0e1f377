"""The charged benchmark is drawn from its own stream and stepped as its protocol says; the clamp alone breaks O(3)."""

import hashlib
import math

import numpy as np
import pytest

from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.simulators import ParticleTrajectories, charged_particles, charged_starts, simulate_charged
from geodis.simulators.charged_particles import ChargedStart

# The same operations in the same order: bit by bit, but for square roots of other C libraries.
TRANSCRIBED = 1e-8
# A rounding of 1e-16, through a thousand steps without close encounters.
CALM = 1e-9


def transcription(seed, first, n, last_frame):
    """The protocol in plain loops over Python numbers: states at `last_frame` of runs first … first + n − 1."""
    stream = np.random.RandomState(seed)
    out = []
    for run in range(first + n):
        charges = [float(q) for q in stream.choice([-1.0, 0.0, 1.0], (5, 1), True, [0.5, 0, 0.5])[:, 0]]
        x = [[float(stream.randn()) for _ in range(5)] for _ in range(3)]
        v = [[float(stream.randn()) for _ in range(5)] for _ in range(3)]
        for _ in range(2 * 49 * 3 * 5):
            stream.randn()
        if run < first:
            continue
        for i in range(5):
            size = math.sqrt(v[0][i] ** 2 + v[1][i] ** 2 + v[2][i] ** 2)
            for k in range(3):
                v[k][i] = v[k][i] * 0.5 / size
        for _ in range(100 * (last_frame + 1)):
            norm = [x[0][i] * x[0][i] + x[1][i] * x[1][i] + x[2][i] * x[2][i] for i in range(5)]
            force = [[0.0] * 5 for _ in range(3)]
            for i in range(5):
                for j in range(5):
                    if i != j:
                        dot = x[0][i] * x[0][j] + x[1][i] * x[1][j] + x[2][i] * x[2][j]
                        square = norm[i] + norm[j] - 2.0 * dot
                        for k in range(3):
                            force[k][i] += charges[i] * charges[j] / (square * math.sqrt(square)) * (x[k][i] - x[k][j])
            for k in range(3):
                for i in range(5):
                    v[k][i] += 1e-3 * min(100.0, max(-100.0, force[k][i]))
                    x[k][i] += 1e-3 * v[k][i]
        out.append((charges, np.array(x).T, np.array(v).T))
    return out


def calm(n=40, seed=0):
    """Starts far apart: like charges on a wide ring, that never come near."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(5) / 5
    ring = 2.0 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    return ChargedStart(
        np.ones((n, 5)), ring + 0.1 * rng.standard_normal((n, 5, 3)), 0.2 * rng.standard_normal((n, 5, 3))
    )


def energy(runs, t):
    x, v, q = runs.positions[:, t], runs.velocities[:, t], runs.scalars[..., 0]
    i, j = np.triu_indices(5, 1)
    r = np.linalg.norm(x[:, i] - x[:, j], axis=-1)
    return 0.5 * (v**2).sum((1, 2)) + (q[:, i] * q[:, j] / r).sum(1)


# --- the stream -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first", "digest"),
    [
        (0, "8d7a74138b36a327"),
        (10_000, "4602f7629da0e88e"),
        (12_000, "32fd750c33f682fd"),
    ],
)
def test_the_random_stream_is_the_benchmarks_bit_by_bit(first, digest):
    start = charged_starts(first, 20)
    drawn = np.concatenate([start.charges.ravel(), start.positions.ravel(), start.velocities.ravel()])
    assert hashlib.sha256(drawn.astype("<f8").tobytes()).hexdigest()[:16] == digest


def test_runs_do_not_depend_on_how_many_are_asked_for_and_no_global_state_is_used():
    np.random.seed(5)  # noqa: NPY002 - the very state that must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    few, more = charged_particles("valid", 2, frames=(0, 1)), charged_particles("valid", 270, frames=(0, 1))
    assert np.array_equal(few.scalars, more.scalars[:2])
    assert np.array_equal(few.positions, more.positions[:2])
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert not np.array_equal(few.positions, charged_particles("test", 2, frames=(0, 1)).positions)


def test_charges_are_of_both_signs_and_speeds_one_half():
    start = charged_starts(0, 500)
    assert set(np.unique(start.charges)) == {-1.0, 1.0}
    assert abs((start.charges > 0).mean() - 0.5) < 0.05
    assert np.abs(np.linalg.norm(start.velocities, axis=-1) - 0.5).max() < 1e-12


# --- the dynamics -----------------------------------------------------------------------------------------------------
def test_trajectories_follow_an_independent_transcription():
    slow = transcription(43, 0, 4, 12)
    fast = charged_particles("train", 4, frames=(12,))
    for run, (charges, x, v) in enumerate(slow):
        assert fast.scalars[run, :, 0].tolist() == charges
        assert np.abs(fast.positions[run, 0] - x).max() < TRANSCRIBED
        assert np.abs(fast.velocities[run, 0] - v).max() < TRANSCRIBED
    later = charged_particles("train", 4, frames=(13,)).positions[:, 0]
    assert np.abs(later - np.stack([x for _, x, _ in slow])).max() > 1e-3, "another frame is told apart"


def test_calm_runs_keep_momentum_and_nearly_energy():
    runs = simulate_charged(calm(), frames=(0, 20))
    drift = np.abs(np.diff(runs.velocities.sum(2), axis=1)).max()
    assert drift < 1e-11, "pair forces are antisymmetric and no clamp acts"
    assert np.abs(energy(runs, 1) - energy(runs, 0)).max() < 5e-3, "first-order steps: energy to about dt"


def test_the_clamp_breaks_rotations_and_only_the_clamp():
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    flip = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    start, hard = calm(), charged_starts(0, 60)

    def error(s, g):
        turned = ChargedStart(s.charges, s.positions @ g.T, s.velocities @ g.T)
        a, b = simulate_charged(turned, (25,)), simulate_charged(s, (25,))
        return np.abs(a.positions[:, 0] - b.positions[:, 0] @ g.T).max((1, 2))

    assert error(start, turn).max() < CALM
    assert np.median(error(hard, turn)) < CALM
    assert error(hard, turn).max() > 1e-3, "some encounter is closer than 0.1"
    assert np.median(error(hard, flip)) < CALM


@pytest.mark.slow
def test_known_figures_of_the_benchmark():
    runs = charged_particles("test", 2000)
    x, v, y = runs.positions[:, 0], runs.velocities[:, 0], runs.positions[:, 1]
    assert abs(((y - x) ** 2).mean() - 0.2716) < 5e-4
    assert abs(((y - x - v) ** 2).mean() - 0.1109) < 5e-3, "chaotic runs differ with the last bit: .108 to .112"


# --- malformed input --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"split": "dev"}, ParameterError),
        ({"n": 0}, ParameterError),
        ({"split": "test", "n": 2001}, ParameterError),
        ({"frames": (3, 3)}, ParameterError),
        ({"frames": (49,)}, ParameterError),
        ({"frames": ()}, ParameterError),
    ],
)
def test_options_outside_their_range(options, error):
    with pytest.raises(error):
        charged_particles(**{"n": 1} | options)


def test_starts_that_do_not_fit_together():
    good = calm(2)
    with pytest.raises(ShapeError):
        simulate_charged((good.charges[:, :4], good.positions, good.velocities))
    with pytest.raises(FiniteError):
        simulate_charged((good.charges, good.positions * np.nan, good.velocities))


def test_trajectories_check_themselves():
    x, s, t = np.zeros((2, 3, 4, 2)), np.zeros((2, 4, 1)), np.arange(3.0)
    assert len(ParticleTrajectories(x, x, s, t, ("q",))) == 2
    for bad in ((x[0], x[0], s, t), (x, x[:, :2], s, t), (x, x, s[:, :3], t), (x, x, s, t[:2]), (x + np.inf, x, s, t)):
        with pytest.raises((ShapeError, LengthError, FiniteError)) as raised:
            ParticleTrajectories(*bad, ("q",))
        assert isinstance(raised.value, GeodisError)
    assert ParticleTrajectories(x, x, s, t, ("q",)).plot().get_xlabel() == "x₀"
