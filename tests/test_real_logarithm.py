"""The real logarithm: where it exists exp(log M) = M, and where it does not, an error says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag, expm, logm

from geodis.discovery.real_logarithm import real_logarithm
from geodis.errors import FiniteError, GeodisError, NoRealLogarithmError, ParameterError, ShapeError


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def jordan(value, size=2):
    return value * np.eye(size) + np.diag(np.ones(size - 1), 1)


def similar(M, seed=0):
    rng = np.random.default_rng(seed)
    P = rng.normal(size=M.shape) + 2.0 * np.eye(len(M))
    return P @ M @ np.linalg.inv(P)


def residual(M):
    A = real_logarithm(M)
    assert A.dtype == np.float64
    return np.linalg.norm(expm(A) - M) / np.linalg.norm(M)


HAS_ONE = {
    "identity": np.eye(3),
    "half turn": turn(np.pi),
    "two half turns": -np.eye(4),
    "half turns of two sizes": block_diag(-np.eye(2), -3.0 * np.eye(2)),
    "half turns of near sizes": block_diag(-np.eye(2), -1.001 * np.eye(2)),
    "half turn and more": block_diag(turn(np.pi), turn(1.0), 2.0 * np.eye(2), jordan(1.0)),
    "pair of negative Jordan blocks": block_diag(jordan(-1.0), jordan(-1.0)),
    "four negative Jordan blocks": block_diag(*[jordan(-2.0)] * 4),
    "shear": np.array([[1.0, 5.0], [0.0, 1.0]]),
    "almost a half turn": block_diag(turn(np.pi - 1e-5), turn(0.2)),
    "boost": expm(np.array([[0.0, 2.0], [2.0, 0.0]])),
}
HAS_NONE = {
    "reflection": np.diag([1.0, -1.0]),
    "minus one, odd": -np.eye(3),
    "different negative values": np.diag([-1.0, -2.0]),
    "one negative Jordan block": jordan(-1.0),
    "Jordan blocks of two sizes": block_diag(jordan(-1.0), -np.eye(2)),
    "singular": np.diag([1.0, 0.0]),
    "zero": np.zeros((2, 2)),
    "negative determinant": np.diag([2.0, 3.0, -1.0]),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", HAS_ONE)
def test_the_exponential_of_the_logarithm_is_the_matrix_in_any_basis(name, seed):
    assert residual(HAS_ONE[name]) < 1e-9
    assert residual(similar(HAS_ONE[name], seed)) < 1e-8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", HAS_NONE)
def test_no_logarithm_is_an_error_with_its_reason(name, seed):
    for M in (HAS_NONE[name], similar(HAS_NONE[name], seed)):
        with pytest.raises(NoRealLogarithmError, match="expected") as caught:
            real_logarithm(M)
        assert isinstance(caught.value, GeodisError)
        assert isinstance(caught.value, ValueError)


def test_a_half_turn_has_a_real_logarithm_where_the_principal_one_is_complex():
    assert np.abs(logm(turn(np.pi)).imag).max() > 1.0
    A = real_logarithm(turn(np.pi))
    assert np.allclose(np.abs(A), np.pi * np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert np.allclose(A, -A.T)  # of an orthogonal matrix: a rotation's generator


@given(seed=st.integers(0, 10_000), d=st.integers(1, 6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_generators_within_half_a_turn_come_back(seed, d):
    A = np.random.default_rng(seed).normal(size=(d, d))
    A = A * min(1.0, 3.0 / np.linalg.norm(A, 2))
    assert np.allclose(real_logarithm(expm(A)), A, atol=1e-7)


def test_random_matrices_have_one_unless_a_negative_eigenvalue_is_alone():
    rng, refused = np.random.default_rng(0), 0
    for _ in range(100):
        M = rng.normal(size=(4, 4))
        values = np.linalg.eigvals(M)
        alone = bool((values[np.isreal(values)].real < 0.0).any())
        if alone:
            refused += 1
            with pytest.raises(NoRealLogarithmError):
                real_logarithm(M)
        else:
            assert residual(M) < 1e-8
    assert 10 < refused < 90


def test_the_library_that_is_silent_about_it_is_not_what_is_used():
    # Principal logarithms with their imaginary part dropped do not come back.
    M = np.diag([-1.0, -2.0])
    assert np.linalg.norm(expm(logm(M).real) - M) > 1.0
    with pytest.raises(NoRealLogarithmError, match="comes 1 times"):
        real_logarithm(M)


MALFORMED = {
    "vector": (lambda: real_logarithm(np.ones(3)), ShapeError),
    "no square": (lambda: real_logarithm(np.ones((2, 3))), ShapeError),
    "empty": (lambda: real_logarithm(np.zeros((0, 0))), ShapeError),
    "NaN": (lambda: real_logarithm(np.nan * np.eye(2)), FiniteError),
    "complex": (lambda: real_logarithm(1j * np.eye(2)), ParameterError),
    "tolerance": (lambda: real_logarithm(np.eye(2), tolerance=0.0), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match="expected") as caught:
        call()
    assert isinstance(caught.value, GeodisError)
