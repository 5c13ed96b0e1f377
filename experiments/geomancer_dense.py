"""The peer of `factorize.py`: manifold factorization as GEOMANCER's paper describes it, with dense matrices.

Written from the paper (Pfau, Higgins, Botev and Racanière 2020, arXiv 2006.12982), without its refinements or ours:
tangent frames by local principal components, transport by Procrustes, one dense connection Laplacian on symmetric
tensors without trace, its lowest eigenvectors, simultaneous diagonalization at each point by itself, directions grouped
by the cosine of their eigenvalue vectors. Intrinsic dimension and number of factors are given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import NearestNeighbors

from geodis.linalg import Array

SAME = 0.5  # cosine from which two directions belong to one factor
SWEEPS = 20

Solver = Callable[[csr_matrix, int], Array]  # Laplacian, count → its lowest eigenvectors as columns


def dense_lowest(laplacian: csr_matrix, count: int) -> Array:
    """By LAPACK on the dense matrix."""
    return np.asarray(eigh(laplacian.toarray(), subset_by_index=[0, count - 1], overwrite_a=True)[1])


def sparse_lowest(laplacian: csr_matrix, count: int) -> Array:
    """By Lanczos on the sparse one."""
    start = np.random.default_rng(0).normal(size=laplacian.shape[0])
    return np.asarray(eigsh(laplacian, k=count, which="SA", v0=start)[1])


def geomancer(points: Array, dimension: int, n_factors: int, solver: Solver, n_neighbors: int = 16) -> list[Array]:
    """Subspaces (n, D, d_f) of each factor, largest first; where a point's groups are other than most, an even cut."""
    n, edges, frames = len(points), *_frames(points, dimension, n_neighbors)
    left, _, right = np.linalg.svd(np.swapaxes(frames[edges[:, 0]], 1, 2) @ frames[edges[:, 1]])
    basis = _symmetric_basis(dimension)
    vectors = solver(_laplacian(n, edges, left @ right, basis), n_factors - 1)
    tensors = np.einsum("nse,sab->neab", vectors.reshape(n, len(basis), -1), basis)
    groups = [_split(point, n_factors) for point in tensors]
    return _stacked(frames, groups, n_factors)


def _frames(points: Array, d: int, k: int) -> tuple[Array, Array]:
    near = NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    frames = np.stack([np.linalg.svd((points[row] - x).T)[0][:, :d] for x, row in zip(points, near, strict=True)])
    pairs = np.stack([np.repeat(np.arange(len(points)), k), near.ravel()], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0), frames


def _symmetric_basis(d: int) -> Array:
    """Orthonormal symmetric matrices without trace."""
    whole = np.eye(d * d).reshape(-1, d, d)
    symmetric = (whole + np.swapaxes(whole, 1, 2)) / 2
    centred = symmetric - np.trace(symmetric, axis1=1, axis2=2)[:, None, None] * np.eye(d) / d
    _, sizes, rows = np.linalg.svd(centred.reshape(d * d, -1))
    return np.asarray(rows[: int((sizes > 1e-9).sum())].reshape(-1, d, d))


def _laplacian(n: int, edges: Array, transports: Array, basis: Array) -> csr_matrix:
    """D − W on tensor fields."""
    s, (i, j) = len(basis), edges.T
    blocks = np.einsum("sab,eac,tcd,ebd->est", basis, transports, basis, transports, optimize=True)
    inner = np.arange(s)
    rows = np.broadcast_to(i[:, None, None] * s + inner[:, None], blocks.shape)
    columns = np.broadcast_to(j[:, None, None] * s + inner, blocks.shape)
    half = csr_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), shape=(n * s, n * s))
    degrees = np.repeat(np.bincount(edges.ravel(), minlength=n), s)
    return csr_matrix((degrees, (np.arange(n * s),) * 2), shape=(n * s, n * s)) - half - half.T


def _split(tensors: Array, n_factors: int) -> list[Array]:
    """Groups of directions (d, d_f) at one point, from its tensors (m − 1, d, d)."""
    turn = _jointly_diagonal(tensors)
    psi = np.einsum("eab,ak,bk->ke", tensors, turn, turn)
    unit = psi / np.maximum(np.linalg.norm(psi, axis=1, keepdims=True), 1e-300)
    n_groups, labels = connected_components(unit @ unit.T > SAME, directed=False)
    if n_groups != n_factors:
        labels = np.argsort(np.argsort(psi[:, 0])) * n_factors // len(psi)
    return sorted((turn[:, labels == f] for f in range(n_factors)), key=lambda group: -group.shape[1])


def _jointly_diagonal(tensors: Array) -> Array:
    """Jacobi rotations of Cardoso and Souloumiac; exact for one tensor."""
    turn = np.linalg.eigh(tensors[0])[1]
    rotated, d = turn.T @ tensors @ turn, len(turn)
    for _ in range(SWEEPS if len(tensors) > 1 else 0):
        for a in range(d):
            for b in range(a + 1, d):
                h = np.stack([rotated[:, a, a] - rotated[:, b, b], 2 * rotated[:, a, b]])
                x, y = np.linalg.eigh(h @ h.T)[1][:, -1]
                angle = 0.5 * np.arctan2(y * np.sign(x or 1.0), abs(x))
                plane = np.eye(d)
                plane[a, a] = plane[b, b] = np.cos(angle)
                plane[b, a], plane[a, b] = np.sin(angle), -np.sin(angle)
                rotated, turn = plane.T @ rotated @ plane, turn @ plane
    return turn


def _stacked(frames: Array, groups: list[list[Array]], n_factors: int) -> list[Array]:
    """One array a factor, of the dimensions that most points show; other points are cut in the same proportions."""
    shapes = [tuple(group.shape[1] for group in point) for point in groups]
    usual = max(set(shapes), key=shapes.count)
    cuts = np.cumsum(usual)[:-1]
    whole = np.stack([np.concatenate(point, axis=1) for point in groups])
    return np.split(frames @ whole, cuts, axis=2)
