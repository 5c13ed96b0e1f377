"""The type of an orbit from its points: planted ones are named, others refused, and what cannot be told is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from groups_zoo import quick
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from geodis.discovery.closest_representation import (
    CircleCandidates,
    RotationCandidates,
    TorusCandidates,
    closest_frame,
    rotation_basis,
    rotations,
    skew_exp,
    spins_of_dimension,
    torus,
)
from geodis.discovery.orbit_type import OrbitType
from geodis.discovery.torus_weights import canonical_weights, distinct, hermite, integer_kernel, saturated
from geodis.discovery.vanishing_polynomials import vanishing_polynomials
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError


def planted(candidate, d, seed, n=300, noise=0.01, offset=2.0, point=None):
    """Haar points of an orbit, turned at random in R^d about a point with equal coordinates."""
    rng = np.random.default_rng(seed)
    r = candidate.generators.shape[1]
    if point is None and candidate.group == "SO(3)":
        point = np.array([1.0, 0.3, 0.0, 0.2, 0.7, 0.3])[:r]  # generic in every representation of the zoo
    if point is None:
        point = (rng.uniform(0.6, 1.4, r // 2)[:, None] * [1.0, 0.0]).ravel()
    flat = np.pad(candidate.elements(candidate.sample(n, rng)) @ point, ((0, 0), (0, d - r)))
    x = flat @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    return x + noise * np.linalg.norm(point) * rng.standard_normal(x.shape) + offset


def found(points, **options):
    return OrbitType(**options).fit(points).representation_


ZOO = {
    "SO(2) (1,)": (torus([[1]]), 3, (1,), 1),
    "SO(2) (1, 3)": (torus([[2, 6]]), 4, (1, 3), 1),
    "SO(2) (1, 2, 4)": (torus([[4, -1, 2]]), 6, (1, 2, 4), 1),
    "SO(2) (2, 3, 4)": (torus([[2, 3, 4]]), 7, (2, 3, 4), 1),
    "T² in R^4": (torus([[1, 0], [0, 1]]), 4, ((1, 0), (0, 1)), 2),
    "T² in R^6": (torus([[3, 1, 2], [0, 2, -1]]), 6, canonical_weights([[3, 1, 2], [0, 2, -1]]), 2),
    "T² in R^8": (torus([[4, 1, 3, -4], [1, 4, -3, 2]]), 8, canonical_weights([[4, 1, 3, -4], [1, 4, -3, 2]]), 2),
    "SO(3) l=1": (rotations((1,)), 6, (1, 0, 0, 0), 2),
    "SO(3) l=1 + l=1": (rotations((1, 1)), 6, (1, 1), 3),
    "SO(3) l=2": (rotations((2,)), 6, (2, 0), 3),
}  # fmt: skip


# --- planted orbits ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ZOO)
def test_a_planted_orbit_is_named(name):
    candidate, d, weights, dimension = ZOO[name]
    result = found(planted(candidate, d, 0))
    assert (result.group, result.weights, result.status) == (candidate.group, weights, "ok")
    assert result.dimension == dimension
    assert result.n_fixed == d - candidate.generators.shape[1]
    assert result.distance.rms < 1.5 * result.distance.noise
    assert result.distance.rms == pytest.approx(0.01 * result.distance.radius, rel=0.25)
    assert result.distance.coverage < 1.25 * result.distance.coverage_null
    if result.distance.runner_up_type:
        assert result.margin > 3
        assert result.confidence > 0.99
    else:
        assert math.isnan(result.confidence)


@pytest.mark.parametrize("name", ["SO(2) (1, 2, 4)", "T² in R^6", "SO(3) l=1 + l=1"])
def test_the_generators_act_on_the_cloud_and_the_orbit_comes_back(name):
    candidate, d, _, _ = ZOO[name]
    points = planted(candidate, d, 1)
    result = found(points)
    assert np.abs(result.generators + np.swapaxes(result.generators, 1, 2)).max() < 1e-12
    assert np.abs(result.frame.T @ result.frame - np.eye(result.frame.shape[1])).max() < 1e-10
    assert np.abs(result.centre - 2.0).max() < 0.02 * result.distance.radius
    if candidate.group == "SO(3)":
        x, y, z = result.generators
        assert np.abs(x @ y - y @ x - z).max() < 1e-10
    else:
        assert np.abs(skew_exp(2 * np.pi * result.generators) - np.eye(d)).max() < 1e-8
    rng = np.random.default_rng(0)
    velocity = np.einsum("a,aij->ij", rng.normal(size=len(result.generators)), result.generators)
    moved = (points - result.centre) @ skew_exp(velocity[None])[0].T
    again = found(moved + result.centre)
    assert again.distance.rms == pytest.approx(result.distance.rms, rel=0.1)
    drawn = result.orbit(candidate.sample(4000, rng))
    near = np.linalg.norm(points[:40, None] - drawn[None], axis=2).min(axis=1)
    assert near.max() < 0.5 * result.distance.radius
    assert near.mean() < 0.2 * result.distance.radius


def test_an_orbit_through_two_orthonormal_vectors_has_a_larger_symmetry_and_the_same_name():
    points = planted(rotations((1, 1)), 6, 2, point=np.array([1.0, 0, 0, 0, 1.0, 0]))
    estimator = OrbitType().fit(points)
    assert len(estimator.fields_.matrices) == 4
    assert estimator.representation_.weights == (1, 1)


def test_noise_free_points_are_named_and_the_smaller_group_wins():
    result = found(planted(torus([[1, 2, 4]]), 6, 3, noise=0.0))
    assert (result.type, result.status) == ("SO(2) (1, 2, 4)", "ok")


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.03, 0.05])
def test_more_noise_is_borne(noise):
    for name in ("SO(2) (2, 3, 4)", "T² in R^8", "SO(3) l=2"):
        candidate, d, weights, _ = ZOO[name]
        assert found(planted(candidate, d, 4, noise=noise)).weights == weights


def test_the_same_seed_gives_the_same_result_in_any_frame():
    points = planted(torus([[1, 3, 4]]), 6, 5)
    one, two = found(points), found(points)
    assert one.distance == two.distance
    turned = found(points @ np.linalg.qr(np.random.default_rng(9).normal(size=(6, 6)))[0] * 7.0)
    assert turned.weights == one.weights
    assert turned.distance.rms == pytest.approx(7 * one.distance.rms, rel=0.05)


# --- what is no orbit, what cannot be told ----------------------------------------------------------------------------
def curve(seed, n=400):
    rng = np.random.default_rng(seed)
    angles = np.outer(rng.uniform(0, 2 * np.pi, n), np.arange(1, 5))
    return np.cos(angles) @ rng.normal(size=(4, 6)) + np.sin(angles) @ rng.normal(size=(4, 6))


def sphere(d, seed=0, n=400):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def three_torus(seed=0, n=400):
    t = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, 3))
    return np.stack([np.cos(t), np.sin(t)], axis=2).reshape(n, 6)


NONE = {
    "gaussian": lambda: np.random.default_rng(0).normal(size=(400, 6)),
    "curve": lambda: curve(0),
    "another curve": lambda: curve(1),
    "ellipse": lambda: planted(torus([[1]]), 2, 0) * [2.0, 1.0],
    "S³": lambda: sphere(4),
    "S⁴": lambda: sphere(5),
    "S² × S²": lambda: np.concatenate([sphere(3, 0), sphere(3, 1)], axis=1),
    "T³": lambda: three_torus(),
    "corners": lambda: np.random.default_rng(0).choice([-1.0, 1.0], (400, 3)),
    "line": lambda: np.outer(np.random.default_rng(0).normal(size=400), [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_orbit_is_refused(name):
    points = NONE[name]()
    result = found(points + 0.01 * np.random.default_rng(7).normal(size=points.shape))
    assert (result.group, result.status, result.weights) == ("none", "no orbit", ())
    assert result.generators.shape == (0, points.shape[1], points.shape[1])
    with pytest.raises(ParameterError, match="no orbit"):
        result.orbit(np.zeros((1, 1)))


def test_a_winding_with_a_weight_that_is_not_allowed_is_not_called_a_torus():
    points = planted(torus([[1, 7]]), 4, 0)
    assert found(points).status == "partial"
    assert found(points, max_weight=8).type == "SO(2) (1, 7)"


def test_half_a_circle_is_only_part_of_its_orbit():
    t = np.random.default_rng(0).uniform(0, np.pi, 300)
    result = found(np.stack([np.cos(t), np.sin(t)], axis=1))
    assert (result.type, result.status) == ("SO(2) (1,)", "partial")
    assert result.distance.coverage > 5 * result.distance.coverage_null


def test_collapse_and_few_points_are_no_success():
    assert found(np.ones((50, 3))).status == "degenerate"
    few = found(planted(torus([[1, 2, 3]]), 6, 0, n=40))
    assert (few.status, few.group) == ("insufficient", "none")


def test_only_the_groups_that_are_allowed_are_claimed():
    points = planted(rotations((1, 1)), 6, 0)
    assert found(points, candidates=[CircleCandidates(), TorusCandidates()]).status == "no orbit"
    assert found(points, candidates=[RotationCandidates()]).group == "SO(3)"


# --- parts ------------------------------------------------------------------------------------------------------------
integers = st.integers(-6, 6)
matrices = st.lists(st.lists(integers, min_size=4, max_size=4), min_size=2, max_size=2)


@given(rows=matrices, order=st.permutations(range(4)), signs=st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4),
       shear=st.integers(-3, 3), times=st.integers(1, 3))  # fmt: skip
@quick
def test_canonical_weights_do_not_see_the_basis_the_planes_names_or_a_covering(rows, order, signs, shear, times):
    W = np.array(rows)
    if np.linalg.matrix_rank(W) < 2:
        return
    changed = np.array([[1, shear], [0, -1]]) @ np.array([[times, 0], [1, 1]]) @ W
    assert canonical_weights(changed[:, list(order)] * np.array(signs)) == canonical_weights(W)


def test_canonical_weights_tell_other_lattices():
    assert canonical_weights([[1, 0, 1], [0, 1, 1]]) != canonical_weights([[1, 0, 1], [0, 1, 2]])
    assert canonical_weights([[1, 2, 3]]) != canonical_weights([[1, 2, 4]])
    assert canonical_weights([[-6, 2, 4]]) == ((1, 2, 3),)


@given(rows=matrices)
@quick
def test_a_kernel_holds_every_integer_vector_that_the_matrix_empties(rows):
    N = np.array(rows)
    K = integer_kernel(N)
    assert len(K) == 4 - np.linalg.matrix_rank(N)
    assert not (N @ K.T).any()
    assert np.array_equal(hermite(saturated(K)), hermite(K))


def test_weights_that_an_orbit_cannot_show_are_told():
    assert distinct([[1, 2, 4]])
    assert not distinct([[1, -1, 4]])
    assert not distinct([[1, 0], [2, 0]])


@pytest.mark.parametrize("spins", [(1,), (2,), (1, 1), (2, 1), (3,)])
def test_the_frame_of_a_turned_representation_is_found(spins):
    rng = np.random.default_rng(0)
    J = rotations(spins).generators
    Q = np.linalg.qr(rng.normal(size=J.shape[1:]))[0]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    unit = np.einsum("ab,bij->aij", turn, Q @ J @ Q.T) / np.linalg.norm(J[0])
    basis = rotation_basis(unit)
    assert closest_frame(basis, J)[1] < 1e-9
    for others in spins_of_dimension(J.shape[1], 3):
        if others != spins:
            assert closest_frame(basis, rotations(others).generators)[1] > 0.3
    assert rotation_basis(unit[:2]) is None


def test_equations_of_a_circle_are_found_and_a_gaussian_has_none():
    points = planted(torus([[1]]), 2, 0, noise=0.01)
    equations = vanishing_polynomials(points)
    assert len(equations.coefficients) == 1
    assert equations.noise == pytest.approx(0.01, rel=0.2)
    assert equations.gap > 10
    slopes = equations.gradients(points)[:, 0]
    outward = (points - points.mean(axis=0)) / np.linalg.norm(points - points.mean(axis=0), axis=1, keepdims=True)
    assert np.abs(np.abs((slopes * outward).sum(axis=1)) - 1).mean() < 0.1
    assert len(vanishing_polynomials(np.random.default_rng(0).normal(size=(300, 3))).coefficients) == 0


def test_it_prints_plots_and_clones():
    import matplotlib as mpl

    mpl.use("Agg")
    result = found(planted(torus([[1, 0], [0, 1]]), 4, 0))
    assert "T²" in repr(result)
    assert "status ok" in repr(result)
    ax = result.plot()
    assert len(ax.lines) == 2
    assert "T²" in ax.get_title()
    assert len(found(np.random.default_rng(0).normal(size=(200, 3))).plot().lines) == 1
    assert clone(OrbitType(max_weight=3)).max_weight == 3
    assert "max_weight=3" in repr(TorusCandidates(3))


# --- malformed input --------------------------------------------------------------------------------------------------
CIRCLE = planted(torus([[1]]), 2, 0, n=60)
MALFORMED = {
    "vector": (lambda: found(np.ones(5)), ShapeError),
    "text": (lambda: found(np.array([["a", "b"]])), ParameterError),
    "NaN": (lambda: found(np.full((50, 2), np.nan)), FiniteError),
    "weight": (lambda: found(CIRCLE, max_weight=0), ParameterError),
    "half a weight": (lambda: found(CIRCLE, max_weight=1.5), ParameterError),
    "no group": (lambda: found(CIRCLE, candidates=[]), ParameterError),
    "a name": (lambda: found(CIRCLE, candidates=["SO(2)"]), ParameterError),
    "tolerance": (lambda: found(CIRCLE, tolerance=0.0), ParameterError),
    "level": (lambda: found(CIRCLE, level=1.0), ParameterError),
    "parameters": (lambda: found(CIRCLE).orbit(np.zeros(3)), ShapeError),
    "parameters NaN": (lambda: found(CIRCLE).orbit(np.full((1, 1), np.nan)), FiniteError),
    "fractions": (lambda: canonical_weights([[0.5, 1.0]]), ParameterError),
    "dependent": (lambda: canonical_weights([[1, 2], [2, 4]]), ParameterError),
    "weights": (lambda: integer_kernel(np.ones(3)), ShapeError),
    "degree": (lambda: vanishing_polynomials(CIRCLE, 0), ParameterError),
    "share": (lambda: vanishing_polynomials(CIRCLE, tolerance=2.0), ParameterError),
    "monomials": (lambda: vanishing_polynomials(np.ones((5, 3))), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
