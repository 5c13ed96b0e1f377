"""Local tangent spaces: right dimension and direction where sampling is dense, and a word where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from geodis.discovery.closest_representation import rotations, torus
from geodis.discovery.local_tangents import local_tangents
from geodis.discovery.tangent_fields import tangent_fields, tangent_form
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError


def orbit(candidate, n, noise, seed):
    """Points of an orbit of unit-amplitude planes or a random point, with noise, and tangents (n, k, r) there."""
    rng = np.random.default_rng(seed)
    r = candidate.generators.shape[1]
    point = np.tile([1.0, 0.0], r // 2) if candidate.group != "SO(3)" else rng.standard_normal(r)
    clean = candidate.elements(candidate.sample(n, rng)) @ point
    radius = np.linalg.norm(point)
    tangents = np.einsum("aij,nj->nai", candidate.generators, clean)
    return clean + noise * radius * rng.standard_normal(clean.shape), tangents


CLOUDS = {
    "circle": (torus([[1]]), 1),
    "winding": (torus([[1, 2, 4]]), 1),
    "torus": (torus([[1, 0], [0, 1]]), 2),
    "torus in R^6": (torus([[1, 0, 1], [0, 1, 1]]), 2),
    "sphere": (rotations((1,)), 2),
    "two vectors": (rotations((1, 1)), 3),
}


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", CLOUDS)
def test_the_dimension_is_the_orbits(name, noise):
    candidate, dimension = CLOUDS[name]
    found = local_tangents(orbit(candidate, 2000 if dimension == 3 else 800, noise, 0)[0])
    assert found.dimension == dimension
    assert found.status == "ok"
    assert found.tangents.shape[1] + found.normals.shape[1] == found.tangents.shape[2]


@pytest.mark.parametrize("name", ["circle", "torus", "sphere"])
def test_tangents_point_along_the_orbit_and_normals_across(name):
    candidate, dimension = CLOUDS[name]
    points, true = orbit(candidate, 800, 0.01, 1)
    true = np.linalg.svd(true)[2][:, :dimension]
    found = local_tangents(points)
    assert np.abs(found.normals @ np.swapaxes(true, 1, 2)).mean() < 0.1
    shuffled = np.random.default_rng(0).permutation(800)
    assert np.abs(found.normals[shuffled] @ np.swapaxes(true, 1, 2)).mean() > 0.3


def test_frames_are_orthonormal():
    found = local_tangents(orbit(CLOUDS["torus in R^6"][0], 300, 0.01, 2)[0])
    frames = np.concatenate([found.tangents, found.normals], axis=1)
    assert np.abs(frames @ np.swapaxes(frames, 1, 2) - np.eye(6)).max() < 1e-10


@pytest.mark.parametrize("d", [2, 5])
def test_a_gaussian_cloud_fills_its_space(d):
    found = local_tangents(np.random.default_rng(0).normal(size=(500, d)))
    assert (found.status, found.dimension, found.normals.shape) == ("full", d, (500, 0, d))


def test_a_torus_with_high_weights_is_too_thin_and_it_is_said():
    candidate = torus([[4, 1, 3, -4], [1, 4, -3, 2]])
    for dimension in (None, 2):
        assert local_tangents(orbit(candidate, 500, 0.01, 0)[0], dimension=dimension).status == "thin"


def test_a_given_dimension_and_size_are_kept():
    found = local_tangents(orbit(CLOUDS["torus"][0], 300, 0.01, 3)[0], dimension=1, n_neighbors=12)
    assert (found.dimension, found.n_neighbors) == (1, 12)
    assert "dimension 1 in R^4" in repr(found)


def test_the_noise_is_measured():
    found = local_tangents(orbit(CLOUDS["circle"][0], 2000, 0.05, 4)[0])
    assert found.noise == pytest.approx(0.05, rel=0.4)


def test_lie_pca_from_local_tangents_finds_the_algebra():
    candidate, _ = CLOUDS["torus"]
    points, _ = orbit(candidate, 800, 0.01, 5)
    fields = tangent_fields(points + 3.0, local_tangents(points).normals)
    assert len(fields.matrices) == 2
    assert np.abs(fields.centre - 3.0).max() < 0.1
    spanned = fields.matrices.reshape(2, -1)
    for J in candidate.generators:
        unit = J.ravel() / np.linalg.norm(J)
        assert np.linalg.norm(unit - spanned.T @ (spanned @ unit)) < 0.1


MALFORMED = {
    "vector": (lambda: local_tangents(np.ones(5)), ShapeError),
    "complex": (lambda: local_tangents(np.ones((50, 2)) * 1j), ParameterError),
    "NaN": (lambda: local_tangents(np.full((50, 2), np.nan)), FiniteError),
    "few": (lambda: local_tangents(np.ones((6, 3))), ParameterError),
    "neighbours": (lambda: local_tangents(np.ones((20, 3)), n_neighbors=3), ParameterError),
    "dimension": (lambda: local_tangents(np.ones((20, 3)), dimension=3), ParameterError),
    "normals": (lambda: tangent_form(np.ones((20, 3)), np.ones((20, 3))), ShapeError),
    "normals NaN": (lambda: tangent_form(np.ones((20, 3)), np.full((20, 1, 3), np.nan)), FiniteError),
    "steepest": (lambda: tangent_fields(np.ones((20, 3)), np.ones((20, 1, 3)), steepest=0.0), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
