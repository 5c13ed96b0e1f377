"""Orders of noisy operators: found where they can be told, none for what has none; exact operators near noisy ones."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag

from geodis.discovery.finite_order import finite_order
from geodis.discovery.nearest_finite import nearest_family, nearest_of_order, relation_defects
from geodis.discovery.noise_size import NoiseSize, jackknife_draws, size_of_draws
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def root(k, n):
    return turn(2.0 * np.pi * k / n)


def mixed(M, seed=0, oblique=False):
    rng = np.random.default_rng(seed)
    P = np.linalg.qr(rng.normal(size=M.shape))[0]
    if oblique:
        P = P @ np.diag(rng.uniform(0.5, 2.0, len(M))) @ np.linalg.qr(rng.normal(size=M.shape))[0]
    return P @ M @ np.linalg.inv(P)


SHIFT = np.roll(np.eye(8), 1, axis=0)
FINITE = {
    "identity": (np.eye(4), 1),
    "reflection": (np.diag([1.0, -1.0, 1.0]), 2),
    "half turn": (-np.eye(2), 2),
    "third": (block_diag(root(1, 3), 1.0), 3),
    "shift by one of eight": (SHIFT, 8),
    "shift by two of eight": (SHIFT @ SHIFT, 4),
    "shift by three of eight": (SHIFT @ SHIFT @ SHIFT, 8),
    "two orders": (block_diag(root(1, 4), root(1, 3)), 12),
    "third and a reflection": (block_diag(root(1, 3), -1.0), 6),
    "copies": (block_diag(root(2, 5), root(2, 5), root(1, 5)), 5),
}
INFINITE = {
    "irrational rotation": turn(1.0),
    "golden rotation": turn(2.0 * np.pi * (math.sqrt(5.0) - 1.0) / 2.0),
    "irrational beside rational": block_diag(root(1, 8), turn(1.0)),
    "scaled": 2.0 * root(1, 4),
    "damped": 0.97 * root(1, 8),
    "shear": np.array([[1.0, 1.0], [0.0, 1.0]]),
    "shear in more dimensions": block_diag(np.array([[-1.0, 1.0], [0.0, -1.0]]), root(1, 4)),
    "boost": np.array([[1.25, 0.75], [0.75, 1.25]]),
    "singular": np.diag([1.0, 0.0]),
}


# --- orders -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("name", FINITE)
def test_exact_operators_have_their_order(name, oblique):
    M, n = FINITE[name]
    found = finite_order(mixed(M, oblique=oblique))
    assert (found.order, found.status) == (n, "ok")
    assert found.defect < 1e-9


@pytest.mark.parametrize("name", INFINITE)
def test_what_has_no_order_gets_none(name):
    M = mixed(INFINITE[name], oblique=True)
    assert finite_order(M, max_order=40).status == "none"
    noisy = M + 5e-4 * np.random.default_rng(0).normal(size=M.shape)
    assert finite_order(noisy, noise=5e-4, max_order=20).order is None


@pytest.mark.parametrize("kind", ["number", "fits"])
@pytest.mark.parametrize("name", ["third", "shift by three of eight", "two orders", "copies"])
def test_noisy_operators_have_their_order_as_often_as_promised(name, kind):
    M, n = FINITE[name]
    rng, sigma, found = np.random.default_rng(1), 5e-4, Counter()
    for _ in range(60):
        parts = sigma * math.sqrt(10.0) * rng.normal(size=(10, *M.shape))
        folds = M + (parts.sum(axis=0) - parts) / 9.0
        noise = sigma if kind == "number" else folds
        found[finite_order(M + parts.mean(axis=0), noise=noise).order] += 1
    assert found[n] >= 52  # .95 of 60 is 57; 52 has probability .01
    assert set(found) <= {n, None}


def test_a_random_phase_hardly_ever_gets_an_order():
    rng, claims, told = np.random.default_rng(2), Counter(), Counter()
    for _ in range(100):
        sigma = rng.choice([5e-4, 3e-3, 0.02])
        noise = sigma * rng.normal(size=(5, 5))
        turns = block_diag(turn(rng.uniform(0.0, 2.0 * np.pi)), turn(rng.uniform(0.0, 2.0 * np.pi)), 1.0)
        claims[finite_order(turns + noise, noise=sigma).order is None] += 1
        told[finite_order(block_diag(root(3, 7), root(3, 7), 1.0) + noise, noise=sigma).order] += 1
    assert claims[False] <= 3
    assert told[7] > 20
    assert set(told) == {7, None}


def test_too_much_noise_is_undecided_and_names_candidates():
    M = root(1, 5) + 0.02 * np.random.default_rng(0).normal(size=(2, 2))
    found = finite_order(M, noise=0.1)
    assert found.status == "undecided"
    assert found.order is None
    assert len(found.candidates) >= 1
    assert finite_order(M, noise=0.02, max_order=64).order is None
    assert "undecided" in repr(found)


def test_a_plane_known_badly_agrees_and_does_not_decide():
    # Its noise is a tenth of a radian; the other plane has order 8 beyond doubt.
    rng = np.random.default_rng(0)
    M = block_diag(root(1, 8), root(1, 4))
    deviation = np.kron(np.diag([1e-4, 0.05]), np.ones((2, 2)))
    folds = M + deviation * rng.normal(size=(10, 4, 4)) / 3.0
    found = finite_order(M + 0.3 * deviation * rng.normal(size=(4, 4)), noise=folds)
    assert (found.order, found.status) == (8, "partial")
    assert [c.decided for c in found.clusters] == [True, False]


def test_shrunken_moduli_pass_only_where_they_are_expected():
    M = 0.97 * root(1, 8)
    assert finite_order(M, noise=1e-3).status == "none"
    assert finite_order(M, noise=1e-3, attenuation=0.05).order == 8
    assert finite_order(0.8 * M, noise=1e-3, attenuation=0.05).status == "none"


def test_slack_lets_a_systematic_error_pass_and_makes_claims_harder():
    M = turn(2.0 * np.pi / 8 + 2e-3)
    assert finite_order(M, noise=1e-4).status == "none"
    assert finite_order(M, noise=1e-4, slack=3e-3).order == 8
    assert finite_order(root(1, 8), noise=1e-4, slack=0.05).status == "undecided"


def test_directions_without_data_do_not_hide_the_order():
    rng = np.random.default_rng(3)
    M, sizes = block_diag(root(1, 6), root(1, 6)), np.array([1.0, 1.0, 1e-3, 1e-3])
    noise = 1e-3 * rng.normal(size=(10, 4, 4)) / sizes  # a regression's: small points, large errors
    folds = M + (noise.sum(axis=0) - noise) / 9.0
    S = np.diag(sizes**2)
    weighted = finite_order(M + noise.mean(axis=0), noise=folds, second_moment=S)
    assert weighted.candidates[:1] == (6,)
    assert weighted.clusters[0].half_width < finite_order(M, noise=folds).clusters[0].half_width


@given(k=st.integers(1, 30), n=st.integers(2, 30))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_order_is_that_of_the_fraction(k, n):
    assert finite_order(root(k, n)).order == n // math.gcd(k, n)


def test_the_order_is_drawn():
    axes = finite_order(SHIFT).plot()
    assert "order 8" in axes.get_legend_handles_labels()[1]


# --- the law of noise -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("complex_entries", [False, True])
def test_the_size_of_uneven_noise_exceeds_its_quantile_as_often_as_said(complex_entries):
    rng = np.random.default_rng(0)
    scale = np.geomspace(1.0, 0.1, 6)
    draw = lambda *shape: (rng.normal(size=shape) + (1j * rng.normal(size=shape) if complex_entries else 0.0)) * scale  # noqa: E731
    exceeded = []
    for _ in range(1500):
        parts = draw(8, 6)
        law = size_of_draws((parts - parts.mean(axis=0)) / math.sqrt(7.0))
        exceeded.append(float(np.square(np.abs(draw(6))).sum()) > law.exceeded(0.05))
    assert 0.02 < np.mean(exceeded) < 0.09


@pytest.mark.parametrize(
    "spread", [[1, 1, 1, 1], [1, 0.5, 0.3, 0.1], [1, 0.01, 0.01, 0.01]], ids=["even", "uneven", "one"]
)
def test_few_draws_refuse_no_more_than_they_promise(spread: list[float]) -> None:
    """Five parts, their mean against its own jackknife: the rate of small p-values, and that power is left."""
    rng, small, told = np.random.default_rng(0), 0, 0
    for _ in range(3000):
        parts = rng.normal(size=(5, 4)) * spread * math.sqrt(5.0)
        law = size_of_draws(jackknife_draws((parts.sum(axis=0) - parts) / 4.0))
        small += law.p_value(float((parts.mean(axis=0) ** 2).sum())) < 0.0125
        told += law.p_value(float(((parts.mean(axis=0) + 12.0 * np.array(spread)) ** 2).sum())) < 0.0125
    assert small / 3000 < 0.0125 + 3 * math.sqrt(0.0125 / 3000)
    assert told / 3000 > 0.9


def test_known_noise_has_the_law_of_chi_squared():
    assert NoiseSize(10.0, 10.0, math.inf).p_value(18.307) == pytest.approx(0.05, abs=1e-4)
    assert NoiseSize(1.0, 1.0, math.inf).exceeded(0.05) == pytest.approx(3.8415, abs=1e-3)


# --- snapping ---------------------------------------------------------------------------------------------------------
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), d=st.integers(1, 6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_matrix_has_an_operator_of_that_order(seed, n, d):
    M = np.random.default_rng(seed).normal(size=(d, d))
    snapped = nearest_of_order(M, n)
    size = max(np.linalg.norm(np.linalg.matrix_power(snapped, k), 2) for k in range(1, n + 1))
    assert np.isrealobj(snapped)
    assert np.linalg.norm(np.linalg.matrix_power(snapped, n) - np.eye(d)) < 1e-9 * size**2


@pytest.mark.parametrize("name", FINITE)
def test_operators_of_that_order_stay_and_noisy_ones_come_nearer(name):
    M, n = FINITE[name]
    M = mixed(M)
    assert np.allclose(nearest_of_order(M, n), M, atol=1e-12)
    noisy = M + 0.01 * np.random.default_rng(0).normal(size=M.shape)
    assert np.linalg.norm(nearest_of_order(noisy, n) - M) < np.linalg.norm(noisy - M)


def test_an_orthogonal_operator_stays_orthogonal():
    rng = np.random.default_rng(0)
    M = np.linalg.qr(SHIFT + 0.02 * rng.normal(size=(8, 8)))[0]
    M = M * np.sign(np.sum(M * SHIFT, axis=0))
    snapped = nearest_of_order(M, 8)
    assert np.allclose(snapped.T @ snapped, np.eye(8), atol=1e-12)


TORUS = np.stack([np.kron(SHIFT, np.eye(8)), np.kron(SHIFT.T, np.eye(8)), np.kron(np.eye(8), SHIFT)])


@pytest.mark.parametrize("oblique", [False, True])
def test_a_noisy_family_satisfies_its_relations_to_rounding(oblique):
    true = np.stack([mixed(M, 4, oblique) for M in TORUS])
    noisy = true + 0.01 * np.random.default_rng(0).normal(size=true.shape)
    assert max(relation_defects(noisy, [8] * 3, {1: 0}).values()) > 0.05
    family = nearest_family(noisy, [8] * 3, [(0, 1)])
    assert max(family.defects.values()) < 1e-12
    assert family.status == "ok"
    # Oblique projections of the noise may be longer than the noise.
    assert np.linalg.norm(family.operators - true) < (1.3 if oblique else 0.7) * np.linalg.norm(noisy - true)


def test_snapping_does_not_prefer_an_operator():
    noisy = TORUS[[0, 2]] + 0.01 * np.random.default_rng(0).normal(size=(2, 64, 64))
    one, two = nearest_family(noisy, [8, 8]), nearest_family(noisy[::-1], [8, 8])
    gap = np.linalg.norm(one.operators - two.operators[::-1])
    assert gap < 0.05 * np.linalg.norm(one.operators - noisy)


def test_operators_that_do_not_commute_are_told_to_have_moved_far():
    reflections = np.stack([np.diag([1.0, -1.0]), turn(np.pi / 4) @ np.diag([1.0, -1.0]) @ turn(-np.pi / 4)])
    family = nearest_family(reflections, [2, 2])
    assert family.defects["commutator"] < 1e-12
    assert family.status == "far"


# --- malformed input --------------------------------------------------------------------------------------------------
MALFORMED = {
    "vector": (lambda: finite_order(np.ones(3)), ShapeError),
    "NaN": (lambda: finite_order(np.nan * np.eye(2)), FiniteError),
    "complex": (lambda: finite_order(1j * np.eye(2)), ParameterError),
    "negative noise": (lambda: finite_order(np.eye(2), noise=-1.0), ParameterError),
    "noise of another size": (lambda: finite_order(np.eye(2), noise=np.ones((5, 3, 3))), ShapeError),
    "one fit": (lambda: finite_order(np.eye(2), noise=np.ones((1, 2, 2))), ShapeError),
    "NaN noise": (lambda: finite_order(np.eye(2), noise=np.nan), FiniteError),
    "no order": (lambda: finite_order(np.eye(2), max_order=0), ParameterError),
    "level": (lambda: finite_order(np.eye(2), level=1.0), ParameterError),
    "attenuation": (lambda: finite_order(np.eye(2), attenuation=1.0), ParameterError),
    "slack": (lambda: finite_order(np.eye(2), slack=-0.1), ParameterError),
    "moment": (lambda: finite_order(np.eye(2), second_moment=-np.eye(2)), ParameterError),
    "moment of another size": (lambda: finite_order(np.eye(2), second_moment=np.eye(3)), ParameterError),
    "order zero": (lambda: nearest_of_order(np.eye(2), 0), ParameterError),
    "order and a half": (lambda: nearest_of_order(np.eye(2), 1.5), ParameterError),
    "orders": (lambda: nearest_family(TORUS, [8, 8]), ParameterError),
    "pairs": (lambda: nearest_family(TORUS, [8, 8, 8], [(0, 3)]), ParameterError),
    "pairs that overlap": (lambda: nearest_family(TORUS, [8, 8, 8], [(0, 1), (1, 2)]), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match="expected") as caught:
        call()
    assert isinstance(caught.value, GeodisError)
