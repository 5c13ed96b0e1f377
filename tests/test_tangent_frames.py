"""Frames, dimension and bandwidth from local quadratic fits: right on manifolds, thin where the sampling is thin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.discovery.factor_score import subspace_angle_score
from geodis.discovery.neighbour_graph import nearest, neighbour_graph
from geodis.discovery.sampling_scan import scan_sampling
from geodis.discovery.tangent_frames import tangent_frames
from geodis.errors import DesignError, FiniteError, GeodisError, ParameterError, ShapeError

N_NEAR = 30


def sphere(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d + 1))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def tangents_of_sphere(x):
    return np.linalg.svd(x[:, :, None])[0][:, :, 1:]


def product(n, dimensions, seed=0):
    return np.hstack([sphere(n, d, seed + 10 * i) for i, d in enumerate(dimensions)])


def projective_plane(n, seed=0):
    """CP² as projectors: an irreducible manifold of dimension 4, within a flat subspace of dimension 8."""
    z = np.random.default_rng(seed).normal(size=(n, 3, 2)) @ np.array([1.0, 1.0j])
    P = np.einsum("na,nb->nab", z, z.conj()) / np.square(np.abs(z)).sum(axis=1)[:, None, None]
    return np.hstack([P.real.reshape(n, 9), P.imag.reshape(n, 9)])


def noise_of(n, wide):
    return 0.02 * np.random.default_rng(0).normal(size=(n, wide))


def frames_at(points, bases, d, k=N_NEAR):
    return tangent_frames(points, bases, nearest(points, bases, k)[1], d)


# --- frames -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("d", "n", "limit"), [(1, 100, 0.005), (2, 500, 0.01), (3, 1000, 0.02), (4, 1000, 0.02)])
def test_frames_are_tangent_where_principal_components_are_not(d, n, limit):
    x = sphere(n, d)
    fit = frames_at(x, x, d)
    assert subspace_angle_score([fit.frames], [tangents_of_sphere(x)]) < limit
    assert np.allclose(np.swapaxes(fit.frames, 1, 2) @ fit.frames, np.eye(d), atol=1e-10)
    near = x[nearest(x, x, N_NEAR)[1]] - x[:, None]
    local = np.linalg.svd(near)[2][:, :d].swapaxes(1, 2)
    assert subspace_angle_score([local], [tangents_of_sphere(x)]) > 2 * limit


def test_frames_of_new_points_are_as_good():
    new = sphere(100, 2, 9)
    assert subspace_angle_score([frames_at(sphere(500, 2), new, 2).frames], [tangents_of_sphere(new)]) < 0.01


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.floats(1e-3, 1e3), st.integers(0, 10**6), st.integers(3, 40))
def test_unit_rotation_and_idle_dimensions_change_nothing(unit, seed, wide):
    rng = np.random.default_rng(seed)
    x, frame = sphere(120, 2), np.linalg.qr(rng.normal(size=(wide, 3)))[0]
    plain, moved = frames_at(x, x, 2), frames_at(unit * x @ frame.T + unit, unit * x @ frame.T + unit, 2)
    # A quadratic is one in any frame; only the ridge knows the first frame, and rounding.
    assert subspace_angle_score([moved.frames], [frame @ plain.frames]) < 5e-3
    assert np.median(moved.errors) == pytest.approx(np.median(plain.errors), rel=0.1)


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_the_standard_error_is_of_the_size_of_the_error(noise):
    x = sphere(1000, 2)
    fit = frames_at(x + noise * np.random.default_rng(1).normal(size=x.shape), x, 2, 40)
    slopes = np.abs(np.einsum("na,nad->nd", x, fit.frames))
    assert 0.5 < np.sqrt(np.mean(slopes**2)) / np.sqrt(np.mean(fit.errors**2)) < 2.0


# --- dimension and bandwidth ------------------------------------------------------------------------------------------
CLOUDS = {
    "circle": (lambda: sphere(100, 1), 1),
    "S²": (lambda: sphere(300, 2), 2),
    "S² in R^20, noise": (lambda: np.hstack([sphere(600, 2), np.zeros((600, 17))]) + noise_of(600, 20), 2),
    "S¹×S²": (lambda: product(600, (1, 2)), 3),
    "S²×S²": (lambda: product(800, (2, 2)), 4),
    "S²×S³": (lambda: product(1500, (2, 3)), 5),
    "CP² in R^18": (lambda: projective_plane(500), 4),
    "a full box": (lambda: np.random.default_rng(0).normal(size=(500, 3)), 3),
    "a plane": (lambda: np.random.default_rng(0).normal(size=(300, 2)) @ np.eye(2, 4), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOUDS)
def test_the_dimension_is_where_the_unexplained_share_falls(name):
    make, dimension = CLOUDS[name]
    scan = scan_sampling(make(), max_dimension=dimension + 2 if dimension < 4 else 8)
    assert scan.dimension == dimension
    assert not scan.thin
    assert scan.errors.min() <= scan.error <= 1.25 * scan.errors.min() + 1e-12


@pytest.mark.parametrize(("cloud", "d"), [(lambda: product(60, (2, 2)), 4),
                                         (lambda: np.random.default_rng(0).normal(size=(800, 6)), 3)],
                         ids=["sixty points of S²×S²", "no manifold of dimension 3"])  # fmt: skip
def test_thin_sampling_is_called_thin(cloud, d):
    scan = scan_sampling(cloud(), dimension=d)
    assert scan.thin
    assert "thin" in repr(scan)
    assert not scan_sampling(product(1000, (2, 2)), dimension=4).thin


def test_noise_asks_for_more_neighbours_and_the_error_falls_with_points():
    clean, noisy = sphere(1000, 2), sphere(1000, 2) + 0.05 * np.random.default_rng(0).normal(size=(1000, 3))
    assert scan_sampling(noisy).n_neighbors > scan_sampling(clean).n_neighbors
    errors = [scan_sampling(product(n, (2, 2)), dimension=4).error for n in (300, 1000, 3000)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


# --- the graph --------------------------------------------------------------------------------------------------------
def test_edges_are_pairs_once_and_neighbours_are_others():
    x = np.concatenate([sphere(50, 2), sphere(50, 2)])  # every point twice
    graph = neighbour_graph(x, 16, 12)
    assert (graph.indices != np.arange(100)[:, None]).all()
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()
    assert len(np.unique(graph.edges, axis=0)) == len(graph.edges)
    assert graph.degrees.min() >= 12
    assert graph.degrees.sum() == 2 * len(graph.edges)


MALFORMED = {
    "vector": (lambda: scan_sampling(np.ones(10)), ShapeError),
    "few": (lambda: neighbour_graph(np.ones((5, 2)), 2, 2), ShapeError),
    "NaN": (lambda: scan_sampling(np.full((20, 2), np.nan)), FiniteError),
    "complex": (lambda: scan_sampling(np.ones((20, 2), complex)), ParameterError),
    "dimension": (lambda: scan_sampling(sphere(20, 2), dimension=4), ParameterError),
    "limit": (lambda: scan_sampling(sphere(20, 2), max_dimension=0), ParameterError),
    "neighbours": (lambda: scan_sampling(sphere(20, 2), n_neighbors=20), ParameterError),
    "graph": (lambda: neighbour_graph(sphere(20, 2), 3, 4), ParameterError),
    "duplicates": (lambda: neighbour_graph(np.ones((20, 2)), 3, 3), DesignError),
    "pieces": (lambda: neighbour_graph(np.concatenate([sphere(20, 2), 9 + sphere(20, 2)]), 5, 5), DesignError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
