"""Scattering, inertia and the O(5) function: frame-independent, on shell, and what independent formulas say."""

import numpy as np
import pytest

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import Lorentz, O
from geodis.simulators import (
    benchmark_amplitude,
    elastic_scattering,
    inertia_tensors,
    muon_amplitude,
    o5_regression,
    o5_target,
    random_bodies,
    random_scattering,
)

ETA = np.diag([1.0, -1.0, -1.0, -1.0])
EXACT = 1e-12
# The electron's mass is 1e-3 of the energies: its square loses six digits, t at small momenta three more.
ON_SHELL = 1e-9


def square(p):
    return np.einsum("...a,ab,...b->...", p, ETA, p)


def boosted(p, seed=0):
    group = Lorentz()
    frames = np.asarray(group.matrix(group.sample(len(p), seed=seed)))
    return p @ np.swapaxes(frames, 1, 2)


# --- scattering -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("masses", [(0.000511, 0.1057), (0.5, 1.0), (1.0, 1.0)])
def test_physical_events_are_on_shell_and_conserve_momentum(masses):
    p = elastic_scattering(500, masses=masses).momenta
    size = np.abs(p).max()
    assert np.abs(p[:, 0] + p[:, 1] - p[:, 2] - p[:, 3]).max() <= EXACT * size
    for i, mass in enumerate((*masses, *masses)):
        np.testing.assert_allclose(square(p[:, i]), mass**2, atol=EXACT * size**2)
        assert (p[:, i, 0] >= mass * (1 - 1e-6)).all()
    free = random_scattering(500).momenta
    assert np.abs(free[:, 0] + free[:, 1] - free[:, 2] - free[:, 3]).max() > 0.1, "those of the benchmark do not"


@pytest.mark.parametrize(
    ("events", "amplitude", "slack"),
    [(random_scattering, benchmark_amplitude, EXACT), (elastic_scattering, muon_amplitude, ON_SHELL)],
)
def test_amplitudes_are_the_same_in_all_frames(events, amplitude, slack):
    drawn = events(500, seed=3)
    there = amplitude(boosted(drawn.momenta))
    assert (np.abs(there - drawn.amplitude) <= slack * np.abs(drawn.amplitude).max()).all()
    stretched = amplitude(drawn.momenta * [2.0, 1.0, 1.0, 1.0])
    assert np.abs(stretched / drawn.amplitude - 1).max() > 0.1, "a stretch of time is no symmetry"


def test_the_muon_amplitude_is_that_of_dirac_traces():
    """¼ Σ_spins |ū γ^a u ū γ_a u|²/t², from explicit gamma matrices."""
    sigma = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    gamma = np.array(
        [np.kron(np.diag([1, -1]), np.eye(2)), *(np.kron([[0, 1], [-1, 0]], s) for s in sigma)], dtype=complex
    )
    p = elastic_scattering(50, masses=(0.3, 0.7), seed=1).momenta
    slashed = np.einsum("nia,ab,bxy->nixy", p, ETA, gamma)

    def tensor(out, into, mass):
        left, right = slashed[:, out] + mass * np.eye(4), slashed[:, into] + mass * np.eye(4)
        return np.einsum("nwx,axy,nyz,bzw->nab", left, gamma, right, gamma)

    lepton, heavy = tensor(2, 0, 0.3), tensor(3, 1, 0.7)
    contracted = np.einsum("nab,ac,bd,ncd->n", lepton, ETA, ETA, heavy).real / 4
    np.testing.assert_allclose(muon_amplitude(p), contracted / square(p[:, 0] - p[:, 2]) ** 2, rtol=1e-9)


def test_the_benchmark_amplitude_is_its_polynomial():
    p = random_scattering(200).momenta
    g = np.einsum("nia,ab,njb->nij", p, ETA, p)
    e, m = g[:, 0, 2] - g[:, 0, 0], g[:, 1, 3] - g[:, 1, 1]
    expected = g[:, 0, 1] * g[:, 2, 3] - m * g[:, 0, 2] - e * g[:, 1, 3] + 4 * e * m
    np.testing.assert_allclose(benchmark_amplitude(p), 4 * expected, atol=1e-13)
    assert abs(p.std() - 0.25) < 0.01


def test_rutherford_is_the_slow_and_heavy_limit():
    """A light particle off a heavy slow one: |M|² ∝ 1/t², the cross section of Rutherford."""
    drawn = elastic_scattering(300, masses=(1.0, 1e4), momentum=(1e-3, 1e-3), rapidity=1e-3)
    t = square(drawn.momenta[:, 0] - drawn.momenta[:, 2])
    np.testing.assert_allclose(drawn.amplitude * t**2, 16 * 1e8, rtol=1e-4)


# --- bodies -----------------------------------------------------------------------------------------------------------
def test_tensors_of_inertia_turn_with_the_body():
    bodies, group = random_bodies(50), O(3)
    M = np.asarray(group.matrix(group.sample(50)))
    turned = inertia_tensors(bodies.positions @ np.swapaxes(M, 1, 2), bodies.masses)
    np.testing.assert_allclose(turned, M @ bodies.inertia @ np.swapaxes(M, 1, 2), atol=1e-12)
    np.testing.assert_allclose(inertia_tensors(bodies.positions[:, ::-1], bodies.masses[:, ::-1]), bodies.inertia)
    assert np.abs(inertia_tensors(bodies.positions[:, ::-1], bodies.masses) - bodies.inertia).max() > 0.1


def test_kinetic_energy_of_a_spin_is_half_w_inertia_w():
    bodies, w = random_bodies(50), np.random.default_rng(0).normal(size=(50, 3))
    speed = np.cross(w[:, None], bodies.positions)
    energy = 0.5 * (bodies.masses * (speed**2).sum(-1)).sum(-1)
    np.testing.assert_allclose(energy, 0.5 * np.einsum("na,nab,nb->n", w, bodies.inertia, w), rtol=1e-12)
    largest = np.linalg.eigvalsh(bodies.inertia)
    assert (largest[:, 2] <= largest[:, 0] + largest[:, 1] + 1e-12).all(), "the triangle inequality of moments"
    assert (bodies.masses > 0).all()


# --- the O(5) function ------------------------------------------------------------------------------------------------
def test_the_o5_function_is_invariant_and_what_it_says():
    samples, group = o5_regression(100), O(5)
    M = np.asarray(group.matrix(group.sample(100)))
    np.testing.assert_allclose(o5_target(samples.vectors @ np.swapaxes(M, 1, 2)), samples.target, atol=1e-12)
    x, y = samples.vectors[:, 0], samples.vectors[:, 1]
    a, b = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(samples.target, np.sin(a) - b**3 / 2 + (x * y).sum(1) / (a * b), atol=1e-12)
    assert o5_target(np.zeros((2, 5))) == 0.0


@pytest.mark.parametrize("draw", [random_scattering, elastic_scattering, random_bodies, o5_regression])
def test_seeds_are_arguments(draw):
    one, same, other = draw(5, seed=1), draw(5, seed=1), draw(5, seed=2)
    np.testing.assert_array_equal(one[0], same[0])
    assert np.abs(one[0] - other[0]).max() > 0.01


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: random_scattering(0), ParameterError),
        (lambda: elastic_scattering(0), ParameterError),
        (lambda: elastic_scattering(5, masses=(0.0, 1.0)), ParameterError),
        (lambda: elastic_scattering(5, momentum=(2.0, 1.0)), ParameterError),
        (lambda: elastic_scattering(5, largest_cosine=1.0), ParameterError),
        (lambda: elastic_scattering(5, rapidity=-1.0), ParameterError),
        (lambda: muon_amplitude(np.zeros((4, 3))), ShapeError),
        (lambda: benchmark_amplitude(np.full((4, 4), np.nan)), FiniteError),
        (lambda: random_bodies(5, 0), ParameterError),
        (lambda: inertia_tensors(np.zeros((5, 2)), np.ones(5)), ShapeError),
        (lambda: inertia_tensors(np.zeros((5, 3)), np.ones(4)), LengthError),
        (lambda: inertia_tensors(np.zeros((5, 3)), np.full(5, np.inf)), FiniteError),
        (lambda: o5_regression(0), ParameterError),
        (lambda: o5_target(np.zeros((3, 5))), ShapeError),
        (lambda: o5_target(np.full((2, 5), np.nan)), FiniteError),
    ],
)
def test_malformed_input_is_refused(make, error):
    with pytest.raises(error):
        make()
