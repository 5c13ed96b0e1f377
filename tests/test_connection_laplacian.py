"""Transport, the Laplacian on symmetric tensors, the algebra of parallel ones: planted connections are read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.discovery.connection_laplacian import (
    connection_laplacian,
    n_traceless,
    scalar_gap,
    tensor_transports,
    traceless_basis,
)
from geodis.discovery.factor_score import consistent_angle_score
from geodis.discovery.invariant_subspaces import factor_algebra, point_subspaces, split_projectors
from geodis.discovery.neighbour_graph import neighbour_graph
from geodis.discovery.parallel_transport import polar, transports

N = 120


def rotations(n, d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, d, d)))[0]


def graph_of(seed=0, n=N):
    return neighbour_graph(np.random.default_rng(seed).normal(size=(n, 3)), 10, 10)


def block_rotations(n, dimensions, seed=0):
    """Random elements of O(d_1) × … × O(d_m)."""
    out, start = np.zeros((n, sum(dimensions), sum(dimensions))), 0
    for d in dimensions:
        out[:, start : start + d, start : start + d] = rotations(n, d, seed + start)
        start += d
    return out


def planted(dimensions, seed=0, flat=0):
    """A connection with holonomy O(d_1) × … × O(d_m), trivial on `flat` more directions; in random gauges."""
    graph = graph_of(seed)
    inner = np.tile(np.eye(sum(dimensions) + flat), (len(graph.edges), 1, 1))
    inner[:, : sum(dimensions), : sum(dimensions)] = block_rotations(len(graph.edges), dimensions, seed)
    gauges = rotations(N, inner.shape[1], seed + 1)
    i, j = graph.edges.T
    return graph, np.swapaxes(gauges[i], 1, 2) @ inner @ gauges[j], gauges


# --- transport --------------------------------------------------------------------------------------------------------
@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_transport_is_orthogonal_inverse_backwards_and_exact_within_a_plane(d, more, seed):
    rng = np.random.default_rng(seed)
    one, two = (np.linalg.qr(rng.normal(size=(6, d + more, d)))[0] for _ in range(2))
    there, back = transports(one, two), transports(two, one)
    assert np.allclose(there @ back, np.eye(d), atol=1e-8)
    turn = rotations(6, d, seed)
    assert np.allclose(transports(one, one @ turn), turn, atol=1e-10)
    assert np.allclose(transports(one @ turn, two), np.swapaxes(turn, 1, 2) @ there, atol=1e-8)
    assert np.allclose(polar(3.0 * turn), turn)


def test_transport_on_the_sphere_is_that_along_the_great_circle():
    theta = 0.7
    frame = np.eye(3)[:, :2]  # at the north pole
    arc = np.array([[np.cos(theta), 0, np.sin(theta)], [0, 1, 0], [-np.sin(theta), 0, np.cos(theta)]])
    assert np.allclose(transports((arc @ frame)[None], frame[None])[0], np.eye(2))


# --- tensors ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", [2, 3, 5])
def test_tensor_transports_are_the_action_on_traceless_symmetric_matrices(d):
    basis, Q = traceless_basis(d), rotations(7, d)
    assert basis.shape == (n_traceless(d), d, d)
    assert np.allclose(np.einsum("pab,qab->pq", basis, basis), np.eye(len(basis)))
    assert np.allclose(np.trace(basis, axis1=1, axis2=2), 0)
    coefficients = np.random.default_rng(0).normal(size=(7, len(basis)))
    S = np.einsum("np,pab->nab", coefficients, basis)
    moved = np.einsum("np,pab->nab", np.einsum("npq,nq->np", tensor_transports(Q), coefficients), basis)
    assert np.allclose(moved, Q @ S @ np.swapaxes(Q, 1, 2))


def test_the_operator_is_the_transported_mean_and_its_spectrum_is_that_of_the_dense_matrix():
    graph, Q, _ = planted((2, 2))
    laplacian = connection_laplacian(graph, Q)
    dense = np.eye(laplacian.averaging.shape[0]) - laplacian.averaging.toarray()
    assert np.allclose(dense, dense.T)
    exact = np.linalg.eigvalsh(dense)
    assert exact[0] > -1e-10
    values, fields = laplacian.lowest(np.inf, at_most=3)
    assert values[0] == pytest.approx(exact[0], abs=1e-6)
    assert laplacian.beyond(fields[:1], 1)[0] == pytest.approx(exact[1], rel=0.02)
    weights = graph.degrees / graph.degrees.sum()
    inner = np.einsum("cnab,enab,n->ce", fields, fields, weights)
    assert np.allclose(inner, 4 * np.eye(3), atol=1e-3)


@pytest.mark.parametrize(("dimensions", "flat", "parallel"), [((4,), 0, 0), ((2, 2), 0, 1), ((3, 2), 0, 1),
                         ((2, 2, 2), 0, 2), ((3,), 1, 1), ((2,), 2, 3), ((), 3, 5)])  # fmt: skip
def test_parallel_tensors_are_counted_repeated_or_not(dimensions, flat, parallel):
    graph, Q, _ = planted(dimensions, flat=flat)
    values, fields = connection_laplacian(graph, Q).lowest(1e-3, at_most=n_traceless(Q.shape[1]))
    assert len(values) == parallel
    assert np.abs(values).max(initial=0.0) < 1e-8
    i, j = graph.edges.T
    there = Q @ fields[:, j] @ np.swapaxes(Q, 1, 2)
    assert np.abs(there - fields[:, i]).max(initial=0.0) < 1e-4


def test_without_holonomy_tensors_have_the_spectrum_of_functions():
    graph, Q, _ = planted((), flat=2)
    laplacian = connection_laplacian(graph, Q)
    _, fields = laplacian.lowest(1e-3, at_most=2)
    assert laplacian.beyond(fields, 1)[0] == pytest.approx(scalar_gap(graph), rel=1e-3)


# --- algebra and subspaces --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("dimensions", "flat"), [((2, 2), 0), ((4, 2), 0), ((2, 2, 2), 0), ((3, 2, 2), 1), ((3,), 2)])
def test_factors_are_the_simple_ideals_in_any_gauge(dimensions, flat):
    graph, Q, gauges = planted(dimensions, flat=flat)
    _, fields = connection_laplacian(graph, Q).lowest(1e-3, at_most=n_traceless(Q.shape[1]))
    algebra = factor_algebra(fields, graph.degrees)
    expected = sorted([*dimensions, flat] if flat else dimensions, reverse=True)
    assert list(algebra.dimensions) == expected
    assert algebra.defect < 1e-3
    assert sum(algebra.flat) == (1 if flat else 0)
    planes = np.split(np.swapaxes(gauges, 1, 2), np.cumsum([*dimensions, flat])[:-1], axis=2)
    truth = [plane for plane in planes if plane.shape[2]]
    assert consistent_angle_score(point_subspaces(algebra, fields), truth) < 1e-3


@pytest.mark.parametrize(("flat", "ideal"), [(2, 3.0), (3, 6.0)])
def test_a_flat_manifold_is_one_ideal(flat, ideal):
    graph, Q, _ = planted((), flat=flat)
    algebra = factor_algebra(connection_laplacian(graph, Q).lowest(1e-3, 9)[1], graph.degrees)
    assert algebra.dimensions == (flat,)
    assert algebra.flat == (True,)
    assert algebra.ideals[0] == pytest.approx(ideal, abs=1e-3)


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.0, 1e-9), (0.05, 0.0, 0.1), (1.0, 0.25, 1.0)])
def test_what_is_no_algebra_shows_a_defect(noise, low, high):
    rng = np.random.default_rng(0)
    field = np.diag([1.0, 1.0, -1.0, -1.0]) * (1 - noise) + noise * rng.normal(size=(1, N, 4, 4))
    field = (field + np.swapaxes(field, 2, 3)) / 2
    field -= np.trace(field, axis1=2, axis2=3)[..., None, None] * np.eye(4) / 4
    field *= 2.0 / np.sqrt(np.square(field).sum((2, 3)).mean())
    assert low <= factor_algebra(field, np.ones(N)).defect <= high


@pytest.mark.parametrize("dimensions", [(2, 2), (3, 1), (2, 2, 1)])
def test_noisy_projectors_are_split_near_the_truth(dimensions):
    rng, V = np.random.default_rng(0), rotations(50, sum(dimensions))
    pieces = np.split(V, np.cumsum(dimensions)[:-1], axis=2)
    noisy = np.stack([p @ np.swapaxes(p, 1, 2) + 0.02 * rng.normal(size=V.shape) for p in pieces])
    found = split_projectors((noisy + np.swapaxes(noisy, 2, 3)) / 2, dimensions)
    assert consistent_angle_score(found, pieces) < 0.1
