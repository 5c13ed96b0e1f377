"""Products of manifolds are split into their factors, what is none is not, and the score says how well."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.base import clone

from geodis.discovery.factor_score import chance_angle, consistent_angle_score, subspace_angle_score
from geodis.discovery.manifold_factors import ManifoldFactors
from geodis.errors import DesignError, FiniteError, GeodisError, LengthError, ParameterError, ShapeError


def spheres(n, dimensions, seed=0, noise=0.0):
    """Points and true tangent spaces of a product of unit spheres."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, d + 1)) for d in dimensions]
    parts = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in parts]
    wide, start, truth = sum(d + 1 for d in dimensions), 0, []
    for x in parts:
        room = np.zeros((n, wide, x.shape[1] - 1))
        room[:, start : start + x.shape[1]] = np.linalg.svd(x[:, :, None])[0][:, :, 1:]
        truth.append(room)
        start += x.shape[1]
    return np.hstack(parts) + noise * rng.normal(size=(n, wide)), truth


def fitted(points, **options):
    return ManifoldFactors(**options).fit(points).factorization_


@pytest.fixture(scope="module")
def two():
    points, truth = spheres(600, (2, 2))
    return points, truth, fitted(points)


# --- products ---------------------------------------------------------------------------------------------------------
def test_two_spheres_are_found_far_better_than_by_principal_components(two):
    _, truth, result = two
    assert result.status == "ok"
    assert result.dimensions == (2, 2)
    assert subspace_angle_score(result.subspaces, truth) < 0.06  # GEOMANCER: .37 at 1 000 points
    # One name for a factor everywhere: a global matching costs nothing.
    one_name = consistent_angle_score(result.subspaces, truth)
    assert one_name == pytest.approx(subspace_angle_score(result.subspaces, truth), rel=1e-9)
    assert result.n_parallel == 1
    assert result.gap > 20
    assert result.spectrum[1] > 0.5 * result.null


def test_halves_bound_the_error_from_above_and_lie_below_chance(two):
    _, truth, result = two
    assert subspace_angle_score(result.subspaces, truth) < result.agreement < 0.3 * result.chance
    assert result.chance == pytest.approx(chance_angle((2, 2)))


def test_new_points_get_the_same_factors(two):
    points, truth, result = two
    new, new_truth = spheres(150, (2, 2), 7)
    found = result.extend(new)
    assert consistent_angle_score(found, new_truth) < 0.06
    # and in the same order
    names = [consistent_angle_score([f], [t]) for f, t in zip(result.subspaces, truth, strict=True)]
    assert [consistent_angle_score([f], [t]) for f, t in zip(found, new_truth, strict=True)] == pytest.approx(
        names, abs=0.1
    )
    assert consistent_angle_score(result.extend(points[:50]), [t[:50] for t in truth]) < 0.06


def test_coordinates_move_with_one_factor_alone(two):
    points, _, result = two
    new = spheres(150, (2, 2), 7)[0]
    r2 = np.zeros((2, 2))
    for factor in range(2):
        coordinates = result.coordinates(factor)
        codes = coordinates(new)
        assert coordinates.values.shape == (600, 3)
        assert (coordinates.impurity < 0.2 * coordinates.chance).all()
        assert np.corrcoef(coordinates(points)[:, 0], coordinates.values[:, 0])[0, 1] > 0.98
        for sphere in range(2):
            target = new[:, 3 * sphere : 3 * sphere + 3]
            fit = np.linalg.lstsq(np.c_[coordinates.values, np.ones(600)], points[:, 3 * sphere : 3 * sphere + 3])[0]
            error = np.c_[codes, np.ones(150)] @ fit - target
            r2[factor, sphere] = 1 - np.square(error).sum() / np.square(target - target.mean(axis=0)).sum()
    assert r2.max(axis=1).min() > 0.95
    assert r2.min(axis=1).max() < 0.1


@pytest.mark.parametrize(("dimensions", "n", "limit"), [((2, 1), 500, 0.03), ((3, 2), 800, 0.1)])
def test_factors_of_unequal_dimension(dimensions, n, limit):
    points, truth = spheres(n, dimensions)
    result = fitted(points, dimension=sum(dimensions))
    assert result.status == "ok"
    assert result.dimensions == dimensions
    assert subspace_angle_score(result.subspaces, truth) < limit


@pytest.mark.slow
def test_three_factors():
    points, truth = spheres(3000, (2, 2, 2))
    result = fitted(points)
    assert (result.status, result.dimensions) == ("ok", (2, 2, 2))
    assert subspace_angle_score(result.subspaces, truth) < 0.15


def test_noise_costs_accuracy_and_a_rotation_nothing(two):
    points, truth, result = two
    noisy, _ = spheres(600, (2, 2), noise=0.05)
    assert subspace_angle_score(fitted(noisy, dimension=4).subspaces, truth) < 0.2
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    turned = fitted(points @ turn.T * 10, dimension=4)
    assert turned.status == "ok"
    assert subspace_angle_score(turned.subspaces, [turn @ f for f in result.subspaces]) < 0.01


# --- what cannot be split ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dimensions", [(1, 1), (1, 1, 1)], ids=["T²", "T³"])
def test_a_flat_torus_is_called_flat_and_handed_over(dimensions):
    result = fitted(spheres(800, dimensions)[0])
    assert result.status == "flat"
    assert result.dimensions == (len(dimensions),)
    assert "SequenceModes" in result.message
    assert "TangentGenerators" in result.message


def test_a_full_box_is_flat():
    assert fitted(np.random.default_rng(0).normal(size=(500, 3))).status == "flat"


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_a_sphere_is_one_factor(d):
    result = fitted(spheres(600, (d,))[0])
    assert result.status == "irreducible"
    assert result.dimensions == (d,)
    assert result.n_parallel == 0
    assert math.isnan(result.agreement)


@pytest.mark.parametrize(("warp", "status"), [(0.05, "ok"), (0.3, "undecided"), (0.7, "irreducible")])
def test_a_warped_product_is_no_product(two, warp, status):
    x = two[0]
    assert fitted(x * (1 + warp * x[:, :1] * x[:, 3:4]), dimension=4).status == status


def test_the_complex_projective_plane_is_one_factor():
    z = np.random.default_rng(0).normal(size=(600, 3, 2)) @ np.array([1.0, 1.0j])
    P = np.einsum("na,nb->nab", z, z.conj()) / np.square(np.abs(z)).sum(axis=1)[:, None, None]
    result = fitted(np.hstack([P.real.reshape(600, 9), P.imag.reshape(600, 9)]), dimension=4)
    assert result.status == "irreducible"


def test_a_part_that_is_flat_stays_whole():
    result = fitted(spheres(800, (1, 1, 2))[0], dimension=4)
    assert (result.status, result.dimensions) == ("ok", (2, 2))
    assert sum(result.flat) == 1
    assert "cannot be split further" in result.message


def test_too_few_points_are_thin_and_no_success():
    result = fitted(spheres(60, (2, 2))[0], dimension=4)
    assert result.status == "thin"
    assert result.dimensions == (4,)
    assert result.n_parallel == 0
    assert "more points" in result.message
    assert result.plot() is not None
    assert fitted(np.random.default_rng(0).normal(size=(500, 6)), dimension=3).status == "thin"


def test_a_wrong_number_of_factors_is_undecided(two):
    points = two[0][:500]
    assert fitted(points, n_factors=2, dimension=4).status == "ok"
    assert fitted(points, n_factors=3, dimension=4).status == "undecided"
    assert fitted(spheres(300, (4,))[0], n_factors=2, dimension=4).status == "undecided"


# --- the objects ------------------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_result_and_the_estimator_keeps_the_contract(two):
    points, _, result = two
    model = ManifoldFactors(verbose=False, random_state=0)
    again = clone(model).fit(points).factorization_
    assert np.array_equal(again.spectrum, result.spectrum)
    assert np.array_equal(again.subspaces[0], result.subspaces[0])
    assert model.get_params()["n_graph"] == 8
    assert "2 × 2" in repr(result)
    assert "halves agree" in str(result)


@pytest.mark.parametrize("dimensions", [(2,), (1, 1)], ids=["sphere", "torus"])
def test_plots_show_the_spectrum(two, dimensions):
    for result in (two[2], fitted(spheres(400, dimensions)[0])):
        ax = result.plot()
        drawn = sum(len(line.get_xdata()) for line in ax.lines[:2])
        assert drawn == len(result.spectrum)


# --- the score --------------------------------------------------------------------------------------------------------
def test_the_score_is_zero_on_the_same_subspaces_and_never_nan():
    V = np.linalg.qr(np.random.default_rng(0).normal(size=(500, 7, 5)))[0]
    factors = [V[:, :, :2], V[:, :, 2:]]
    turned = [f @ np.linalg.qr(np.random.default_rng(1).normal(size=(500, f.shape[2], f.shape[2])))[0] for f in factors]
    assert 0.0 <= subspace_angle_score(turned[::-1], factors) < 1e-12


def test_the_score_of_known_angles_and_of_what_is_missing():
    e, theta = np.eye(4), 0.3
    tilted = np.stack([e[0], np.cos(theta) * e[1] + np.sin(theta) * e[2]], axis=1)[None]
    assert subspace_angle_score([tilted], [e[None, :, :2]]) == pytest.approx(theta)
    assert subspace_angle_score([e[None, :, :2]], [e[None, :, :3]]) == pytest.approx(math.pi / 2)
    assert subspace_angle_score([e[None, :, :2]], [e[None, :, :2], e[None, :, 2:]]) == pytest.approx(math.pi / 4)
    three = [e[None, :, :1], e[None, :, 1:2], e[None, :, 2:]]
    assert subspace_angle_score(three[::-1], three) == 0.0


def test_chance_is_what_random_splits_score():
    assert chance_angle((1, 1)) == pytest.approx(math.pi / 8, abs=0.02)  # lines in a plane, the better of two matches
    assert 0.9 < chance_angle((2, 2)) < 1.1
    assert chance_angle((3,)) < 1e-7


LINE = np.linspace(0, 1, 30)[:, None]
MALFORMED = {
    "vector": (lambda: ManifoldFactors().fit(np.ones(30)), ShapeError),
    "few": (lambda: ManifoldFactors().fit(LINE[:5]), ShapeError),
    "NaN": (lambda: ManifoldFactors().fit(np.nan * LINE), FiniteError),
    "text": (lambda: ManifoldFactors().fit(np.array([["a"]] * 30)), ParameterError),
    "dimension": (lambda: ManifoldFactors(dimension=2).fit(LINE), ParameterError),
    "factors": (lambda: ManifoldFactors(n_factors=0).fit(LINE), ParameterError),
    "graph": (lambda: ManifoldFactors(n_graph=1).fit(LINE), ParameterError),
    "neighbours": (lambda: ManifoldFactors(n_neighbors=30).fit(LINE), ParameterError),
    "duplicates": (lambda: ManifoldFactors().fit(0 * LINE), DesignError),
    "pieces": (lambda: ManifoldFactors().fit(np.concatenate([LINE, LINE + 9])), DesignError),
    "no such factor": (lambda: fitted(LINE).coordinates(1), ParameterError),
    "no component": (lambda: fitted(LINE).coordinates(0, 0), ParameterError),
    "other space": (lambda: fitted(LINE).extend(np.ones((3, 2))), ShapeError),
    "no subspaces": (lambda: subspace_angle_score([], []), ParameterError),
    "flat arrays": (lambda: subspace_angle_score([np.eye(3)], [np.eye(3)]), ShapeError),
    "lengths": (lambda: subspace_angle_score([np.eye(3)[None]], [np.stack([np.eye(3)] * 2)]), LengthError),
    "spaces": (lambda: subspace_angle_score([np.eye(3)[None]], [np.eye(4)[None]]), ShapeError),
    "NaN bases": (lambda: subspace_angle_score([np.nan * np.eye(3)[None]], [np.eye(3)[None]]), FiniteError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
