"""The parts of the search for generators: operators and their noise, spans, likelihood, conjugation, counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_algebras import HEISENBERG, SO3, WORLDS, affine_se2, copies, planted
from scipy.linalg import expm

from geodis.discovery.batch_moments import BatchMoments
from geodis.discovery.batch_operators import completed, fit_operators, noise_draws, spanned, translation_p
from geodis.discovery.generator_count import enough, moved, replication
from geodis.discovery.generator_likelihood import (
    exponentials,
    in_basis,
    inverse_dexp,
    linearized,
    maximize,
)
from geodis.discovery.generator_orbit import Conjugation, on_orbit
from geodis.discovery.generator_span import (
    NoiseEdge,
    Whitening,
    closure,
    noise_edge,
    orthonormal,
    principal_angles,
)
from geodis.discovery.real_logarithm import real_logarithm


def operators_of(world, *, affine=False, source_noise=0.0):
    z, gz, batches, _ = world
    return fit_operators(BatchMoments.of(z, gz, batches), affine=affine, source_noise=source_noise)


def logarithms(operators):
    return np.stack([real_logarithm(M)[: len(operators.noise)] for M in operators.square])


# --- operators --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("affine", [False, True])
def test_exact_pairs_give_exact_operators(affine):
    rng = np.random.default_rng(0)
    M, t, z = rng.normal(size=(3, 4, 4)), float(affine) * rng.normal(size=(3, 4)), rng.normal(2.0, 1.0, (3, 12, 4))
    gz = np.einsum("bij,bnj->bni", M, z) + t[:, None]
    moments = BatchMoments.of(z.reshape(-1, 4), gz.reshape(-1, 4), np.repeat(range(3), 12))
    found = fit_operators(moments, affine=affine)
    assert np.allclose(found.operators[:, :, :4], M, atol=1e-7)
    if affine:
        assert np.allclose(found.operators[:, :, 4] + found.centre, t + M @ found.centre, atol=1e-7)


def test_the_noise_and_its_draws_have_the_covariance_of_the_errors():
    world = planted(WORLDS["so(3)"], n_batches=400, n_pairs=40, noise=0.3)
    operators = operators_of(world)
    z, gz, batches, _ = world
    draws = noise_draws(z, gz, batches, operators, 4)
    whiten = Whitening.of(operators)
    assert np.square(whiten(draws)).mean() == pytest.approx(1.2, abs=0.06)  # E of an inverse Wishart: 40/(40 − 7 − 1)
    assert np.abs(np.mean(whiten(draws))) < 0.01


def test_noise_in_z_shrinks_operators_unless_it_is_told():
    world = planted(copies(SO3, 1), n_batches=300, n_pairs=100, noise=0.5, source_noise=1.0, longest=0.4)
    size = [np.linalg.det(operators_of(world, source_noise=delta).operators).mean() for delta in (0.0, 1.0)]
    assert size[0] < 0.95
    assert size[1] == pytest.approx(1.0, abs=0.03)


def test_translations_are_told_from_linear_maps_about_the_origin():
    assert translation_p(operators_of(planted(affine_se2(), dim=7), affine=True)) < 1e-9
    z, gz, batches, _ = planted(WORLDS["so(3)"])
    assert translation_p(operators_of((z, gz, batches, None), affine=True)) > 0.01
    assert translation_p(operators_of((z + 1.0, gz + 1.0, batches, None), affine=True)) < 1e-9


def test_dead_directions_are_seen():
    z = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 6))
    assert spanned(BatchMoments.of(z, z, np.zeros(50))).shape == (3, 6)
    assert np.array_equal(spanned(BatchMoments.of(z[:, :3], z[:, :3], np.zeros(50))), np.eye(3))


# --- spans ------------------------------------------------------------------------------------------------------------
@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_angles_depend_on_spans_alone(seed, k):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(2, k, 4, 4))
    T = rng.normal(size=(k, k)) + 3 * np.eye(k)
    assert principal_angles(np.tensordot(T, A, axes=1), A).max() < 1e-6
    assert principal_angles(orthonormal(A), B) == pytest.approx(principal_angles(A, B), abs=1e-6)


def test_closure_tells_an_algebra_from_a_span():
    assert closure(HEISENBERG) == 0.0
    assert closure(SO3) == pytest.approx(0.0, abs=1e-7)
    assert closure(SO3[:2]) > 0.3
    assert closure(np.random.default_rng(0).normal(size=(3, 4, 4))) > 0.3


def test_the_edge_of_noise_is_reached_as_often_as_it_says():
    rng = np.random.default_rng(0)
    whiten = Whitening(np.eye(4), np.eye(4))
    edge = noise_edge(rng.normal(size=(60, 30, 4, 4)), whiten)
    beyond = [
        edge.p_value(np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0]) for x in rng.normal(size=(400, 30, 16))
    ]
    assert 0.01 < np.mean(np.array(beyond) < 0.05) < 0.1
    assert edge.p_value(1.5 * edge.mean) < 1e-6
    assert NoiseEdge(10.0, 1.0).threshold(0.95) == pytest.approx(11.72, abs=0.02)  # Tracy-Widom's .95 point


# --- likelihood -------------------------------------------------------------------------------------------------------
def test_inverse_dexp_moves_a_logarithm_to_first_order():
    rng = np.random.default_rng(0)
    X, D = 0.3 * rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    for size in (1e-3, 1e-4):
        moved_log = real_logarithm((np.eye(4) + size * D) @ expm(X))
        assert np.linalg.norm(X + inverse_dexp(X, size * D) - moved_log) < 30 * size**2


@pytest.mark.parametrize("name", WORLDS)
def test_the_likelihood_finds_exact_generators_and_has_no_defect_left(name):
    z, gz, batches, mixed = planted(WORLDS[name], noise=0.0)
    operators = operators_of((z, gz, batches, mixed))
    fit = maximize(operators, Whitening.of(operators), logarithms(operators), len(mixed))
    assert principal_angles(completed(fit.rows), mixed).max() < 1e-5
    assert np.abs(fit.defects).max() < 1e-5
    assert np.allclose(fit.operators, operators.square, atol=1e-5)


def test_the_likelihood_beats_principal_directions_and_half_the_noise_halves_the_angle():
    angles = []
    for noise in (0.2, 0.1):
        world = planted(WORLDS["so(3)"], noise=noise)
        operators = operators_of(world)
        whiten = Whitening.of(operators)
        logs = logarithms(operators)
        plain = np.linalg.svd(logs.reshape(len(logs), -1), full_matrices=False)[2][:3].reshape(3, 7, 7)
        angles.append(
            [principal_angles(rows, world[3]).max() for rows in (plain, maximize(operators, whiten, logs, 3).rows)]
        )
    assert angles[0][1] < angles[0][0]
    assert angles[1][1] == pytest.approx(angles[0][1] / 2, rel=0.3)


def test_elements_follow_a_change_of_basis():
    rng = np.random.default_rng(0)
    rows, t = orthonormal(rng.normal(size=(2, 3, 3))), rng.normal(size=(4, 2))
    world = planted(copies(SO3, 1), n_batches=4)
    fit = linearized(operators_of(world), rows, t)
    changed = in_basis(fit, np.tensordot([[1.0, 2.0], [0.0, 1.0]], rows, axes=1))
    assert np.allclose(exponentials(changed.rows, changed.elements), fit.operators)


# --- shared coordinates -----------------------------------------------------------------------------------------------
def test_a_planted_conjugation_is_undone():
    world = planted(WORLDS["so(1,3)"], noise=0.001, n_batches=40)
    operators = operators_of(world)
    whiten = Whitening.of(operators)
    fit = maximize(operators, whiten, logarithms(operators), 6)
    wrong = expm(0.01 * np.random.default_rng(0).normal(size=(8, 8)))
    off = linearized(operators, wrong @ fit.rows @ np.linalg.inv(wrong), fit.elements)
    before = principal_angles(off.rows, world[3]).max()
    S = expm(Conjugation.of(off, whiten, 4).solve())
    assert before > 0.005
    assert principal_angles(S @ off.rows @ np.linalg.inv(S), world[3]).max() < 0.1 * before


def test_copies_that_share_coordinates_are_found_better_together():
    gains = []
    for seed in range(3):
        world = planted(WORLDS["so(1,3)"], seed=seed)
        operators = operators_of(world)
        whiten = Whitening.of(operators)
        fit = maximize(operators, whiten, logarithms(operators), 6)
        free = principal_angles(fit.rows, world[3]).max()
        orbit = on_orbit(operators, whiten, fit, free)
        assert orbit.found
        assert (orbit.first.dim, orbit.second.dim) == (4, 16)
        gains.append(principal_angles(orbit.fit.rows, world[3]).max() / free)
    assert np.mean(gains) < 0.7


# --- how many ---------------------------------------------------------------------------------------------------------
def test_too_few_generators_leave_more_than_noise_and_the_right_number_does_not():
    z, gz, batches, mixed = planted(WORLDS["so(3)"])
    operators = operators_of((z, gz, batches, mixed))
    whiten, logs = Whitening.of(operators), logarithms(operators)
    draws = noise_draws(z, gz, batches, operators, 20)
    assert moved(operators, whiten, draws) < 1e-6
    fits = [maximize(operators, whiten, logs, k) for k in (2, 3, 4)]
    p = [enough(whiten, draws, fit) for fit in fits[:2]]
    assert p[0] < 1e-6
    assert p[1] > 0.01
    agreed = [replication(fit, whiten, k) for fit, k in zip(fits, (2, 3, 4), strict=True)]
    assert agreed[1] > 0.95
    assert agreed[2] < 0.5


def test_translations_leave_no_more_than_noise():
    z, gz, batches, mixed = planted(affine_se2(), dim=7, n_batches=400)
    operators = operators_of((z, gz, batches, mixed), affine=True)
    whiten = Whitening.of(operators)
    draws = noise_draws(z, gz, batches, operators, 20)
    fit = maximize(operators, whiten, logarithms(operators), 3)
    assert enough(whiten, draws, fit) > 0.01
    assert enough(whiten, draws, maximize(operators, whiten, logarithms(operators), 2)) < 1e-6
