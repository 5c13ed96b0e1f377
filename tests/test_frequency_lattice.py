"""Integer relations between frequencies: found where planted, refused where noise or slowness allows others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.discovery.frequency_lattice import fitted_speeds, frequency_lattice
from geodis.discovery.frequency_peaks import wrapped
from geodis.discovery.integer_lattices import left_inverse, reduced, smith, weights_of
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError

WEIGHTS = {
    "circle": [[1]],
    "harmonics": [[1], [2], [3]],
    "copies": [[1], [1], [2]],
    "no first harmonic": [[2], [3]],
    "torus": [[1, 0], [0, 1]],
    "entangled": [[1, 0], [0, 1], [1, 1], [2, -1]],
    "three circles": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]],
}


def planted(weights, n=40, noise=0.0, fastest=np.pi, seed=0):
    """Frequencies (n, R), their standard errors, speeds (n, k)."""
    rng = np.random.default_rng(seed)
    w = np.array(weights)
    v = rng.uniform(-fastest, fastest, (n, w.shape[1]))
    omega = wrapped(v @ w.T + noise * rng.normal(size=(n, len(w))))
    return omega, np.full(omega.shape, noise), v


def same_lattice(one, two):
    """Whether two weight matrices have the same columns' span over the integers, up to signs of planes being equal."""
    change = np.linalg.lstsq(one.astype(float), two.astype(float), rcond=None)[0]
    return np.allclose(one @ np.rint(change), two) and round(abs(np.linalg.det(np.rint(change)))) == 1


# --- planted relations ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("name", WEIGHTS)
def test_planted_weights_are_found(name, noise):
    omega, sigma, _ = planted(WEIGHTS[name], noise=noise)
    found = frequency_lattice(omega, sigma)
    assert found.status == "ok"
    assert found.rank == np.array(WEIGHTS[name]).shape[1]
    assert found.orders == ()
    assert same_lattice(found.weights, np.array(WEIGHTS[name]))
    assert all(p < 0.05 for p in found.p_values)
    left = wrapped(omega - found.speeds @ found.weights.T)
    assert np.abs(left).max() <= 5 * noise + 1e-9


def test_independent_planes_stay_independent():
    rng = np.random.default_rng(0)
    for seed in range(10):
        found = frequency_lattice(rng.uniform(-np.pi, np.pi, (25, 3)), np.full((25, 3), 0.01), seed=seed)
        assert (found.rank, found.status) == (3, "ok")


def test_a_ratio_that_is_no_integer_is_no_relation():
    omega, _, _ = planted([[1], [1]])
    omega[:, 1] = wrapped(2.05 * omega[:, 0])
    assert frequency_lattice(omega).rank == 2


def test_planes_that_advance_by_quarter_turns_are_a_cyclic_group():
    rng = np.random.default_rng(1)
    omega = wrapped(np.stack([rng.integers(0, 4, 30) * np.pi / 2, rng.uniform(-3, 3, 30)], axis=1))
    found = frequency_lattice(omega)
    assert (found.rank, found.orders) == (1, (4,))
    assert np.allclose(wrapped(4 * found.speeds[:, 1]), 0, atol=1e-6)


# --- what cannot be known ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("n", "noise", "fastest"), [(40, 0.05, 0.1), (2, 0.0, np.pi), (1, 0.0, np.pi), (4, 0.2, np.pi)],
    ids=["slower than the noise", "two sequences", "one sequence", "few and noisy"],
)  # fmt: skip
def test_what_chance_could_make_is_undecided(n, noise, fastest):
    omega, sigma, _ = planted([[1], [2]], n=n, noise=noise, fastest=fastest)
    found = frequency_lattice(omega, sigma)
    assert found.status == "undecided"
    assert found.open_planes
    assert found.rank == 2


def test_one_speed_many_times_is_one_piece_of_evidence():
    omega, sigma, _ = planted([[1], [2]], n=1)
    assert frequency_lattice(np.tile(omega, (50, 1)), np.tile(sigma, (50, 1))).status == "undecided"


def test_more_noise_never_makes_a_relation():
    rng = np.random.default_rng(5)
    omega = rng.uniform(-np.pi, np.pi, (12, 3))
    for noise in (0.05, 0.2, 0.8):
        assert frequency_lattice(omega, np.full(omega.shape, noise)).rank == 3


def test_no_planes_or_no_sequences_is_insufficient():
    assert frequency_lattice(np.zeros((5, 0))).status == "insufficient"
    assert frequency_lattice(np.zeros((0, 2))).status == "insufficient"


def test_the_same_seed_gives_the_same_result():
    omega, sigma, _ = planted(WEIGHTS["entangled"], noise=0.02)
    one, two = (frequency_lattice(omega, sigma, seed=3) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert one.p_values == two.p_values


# --- integer matrices -------------------------------------------------------------------------------------------------
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5))
def test_smith_diagonalizes_with_unimodular_columns(seed, rows, columns):
    a = np.random.default_rng(seed).integers(-4, 5, (rows, columns))
    divisors, v = smith(a, columns)
    assert round(abs(np.linalg.det(v))) == 1
    assert len(divisors) == np.linalg.matrix_rank(a)
    # a·v has the divisors' product as the greatest common divisor of its largest minors: zero columns are free.
    assert not (a @ v)[:, len(divisors) :].any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(0, 3))
def test_weights_are_what_relations_leave_free(seed, n_planes, n_relations):
    relations = np.random.default_rng(seed).integers(-3, 4, (n_relations, n_planes))
    weights, orders = weights_of(relations, n_planes)
    free = weights[:, : weights.shape[1] - len(orders)]
    assert not (relations @ free).any()
    assert free.shape[1] == n_planes - (np.linalg.matrix_rank(relations) if n_relations else 0)
    for j, order in enumerate(orders):
        assert not np.mod(relations @ weights[:, free.shape[1] + j], order).any()
    assert np.array_equal(left_inverse(weights) @ weights, np.eye(weights.shape[1], dtype=int))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_reduction_keeps_the_lattice_and_shortens_it(seed):
    rng = np.random.default_rng(seed)
    basis = rng.integers(-3, 4, (4, 2))
    if np.linalg.matrix_rank(basis) < 2:
        return
    skewed = basis @ np.array([[1, 7], [0, 1]])
    found = reduced(skewed)
    assert same_lattice(found, skewed)
    assert np.linalg.norm(found, axis=0).prod() <= np.linalg.norm(skewed, axis=0).prod() + 1e-9


def test_weights_with_a_common_divisor_have_no_inverse():
    with pytest.raises(ParameterError, match="extend to a basis"):
        left_inverse(np.array([[2], [4]]))
    assert left_inverse(np.array([[2], [3]])) @ [[2], [3]] == [[1]]


def test_speeds_use_every_plane():
    omega, _, v = planted([[1], [3]], n=400, noise=0.05)
    sigma = np.full(omega.shape, 0.05)
    both = wrapped(fitted_speeds(omega, sigma, np.array([[1], [3]])) - v)
    assert np.sqrt((both**2).mean()) == pytest.approx(0.05 / np.sqrt(10), rel=0.15)


# --- malformed input --------------------------------------------------------------------------------------------------
BAD = {
    "one axis": ((np.zeros(3),), {}, ShapeError),
    "errors of another shape": ((np.zeros((3, 2)), np.zeros((3, 1))), {}, ShapeError),
    "NaN": ((np.full((3, 2), np.nan),), {}, FiniteError),
    "NaN errors": ((np.zeros((3, 2)), np.full((3, 2), np.nan)), {}, FiniteError),
    "negative errors": ((np.zeros((3, 2)), -np.ones((3, 2))), {}, ParameterError),
    "no weight": ((np.zeros((3, 2)),), {"max_weight": 0}, ParameterError),
    "level": ((np.zeros((3, 2)),), {"level": 1.0}, ParameterError),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_malformed_input_is_a_named_error(case):
    args, options, error = BAD[case]
    with pytest.raises(error) as caught:
        frequency_lattice(*args, **options)
    assert isinstance(caught.value, GeodisError)
