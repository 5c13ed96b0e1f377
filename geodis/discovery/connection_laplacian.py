"""The connection Laplacian on symmetric 2-tensors without trace: its near-null fields are the parallel tensors.

A tensor field S is parallel when Q_ij S_j Q_ijᵀ = S_i along every edge. The metric is always parallel and is left out
exactly; a product of m curved factors has m − 1 further ones, differences of the factors' metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import bsr_matrix, csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh

from geodis.discovery.neighbour_graph import NeighbourGraph
from geodis.discovery.parallel_transport import CHUNK
from geodis.discovery.traceless_tensors import traceless_basis, without_trace
from geodis.linalg import Array

ROUGH = 3e-3  # residual of eigenvalues that are only shown; they may be too high by a few hundredths of themselves
COARSE = 1e-3  # residual at which it is decided whether an eigenvalue counts
FINE = 1e-6  # residual of the tensors that are used


@final
@dataclass(frozen=True, eq=False)
class ConnectionLaplacian:
    """L = 1 − A, with A the transported mean over neighbours, made symmetric by degrees.

    (A S)_i = Σ_j Q_ij S_j Q_ijᵀ/√(deg_i deg_j), one sparse block of (d(d+1)/2 − 1)² numbers for each edge and way.
    Eigenvalues lie in [0, 2].
    """

    averaging: bsr_matrix
    degrees: Array
    dimension: int

    @property
    def n_tensors(self) -> int:
        """Independent symmetric tensors without trace at a point: d(d+1)/2 − 1."""
        return n_traceless(self.dimension)

    def lowest(self, below: float, at_most: int, seed: int = 0) -> tuple[Array, Array]:
        """Eigenvalues (c,) below a bound, ascending, and their fields (c, n, d, d); no more than `at_most`.

        One at a time, the found ones deflated: a Krylov space from one start shows an eigenvalue that is repeated, as
        on flat manifolds, only once. Fields are orthogonal for ⟨S, T⟩ = Σ_i deg_i tr(S_i T_i)/Σ deg, of square norm d
        as the metric's is.
        """
        rng, values, vectors = np.random.default_rng(seed), np.zeros(0), np.zeros((self.averaging.shape[0], 0))
        while len(values) < at_most:
            operator = _deflated(self.averaging, vectors)
            found, vector = _largest(operator, 1, rng.normal(size=len(vectors)), COARSE)
            if not 1.0 - found[0] < below:
                break
            found, vector = _largest(operator, 1, vector[:, 0], FINE)
            values, vectors = np.append(values, 1.0 - found[0]), np.column_stack([vectors, vector])
        order = np.argsort(values)
        return np.maximum(values[order], 0.0), self._fields(vectors[:, order])

    def beyond(self, fields: Array, count: int, seed: int = 0) -> Array:
        """The lowest eigenvalues (count,) orthogonal to fields that were found, ascending."""
        roots = np.sqrt(self.degrees / (self.dimension * self.degrees.sum()))
        basis = traceless_basis(self.dimension).reshape(self.n_tensors, -1)
        flat = fields.reshape(*fields.shape[:2], self.dimension**2) @ basis.T * roots[:, None]
        start = np.random.default_rng([seed, 1]).normal(size=self.averaging.shape[0])
        tolerance = COARSE if count == 1 else ROUGH
        operator = _deflated(self.averaging, flat.reshape(len(fields), len(start)).T)
        return np.maximum(1.0 - _largest(operator, count, start, tolerance)[0], 0.0)

    def _fields(self, vectors: Array) -> Array:
        d, n = self.dimension, len(self.degrees)
        scaled = vectors.T.reshape(-1, n, self.n_tensors) * np.sqrt(d * self.degrees.sum() / self.degrees)[:, None]
        return np.asarray((scaled @ traceless_basis(d).reshape(self.n_tensors, -1)).reshape(-1, n, d, d))


def connection_laplacian(graph: NeighbourGraph, transports: Array) -> ConnectionLaplacian:
    """The Laplacian of a graph with the transports (E, d, d) along its edges, from j to i.

    Examples
    --------
    >>> from geodis.discovery.neighbour_graph import neighbour_graph
    >>> graph = neighbour_graph(np.random.default_rng(0).normal(size=(40, 2)), 8, 8)
    >>> flat = connection_laplacian(graph, np.tile(np.eye(2), (len(graph.edges), 1, 1)))
    >>> values, fields = flat.lowest(1e-3, at_most=3)
    >>> fields.shape, bool(values.max() < 1e-6)
    ((2, 40, 2, 2), True)
    """
    n, edges, d = graph.n_points, graph.edges, transports.shape[1]
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    order = np.lexsort((columns, rows))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    blocks = np.empty((len(order), n_traceless(d), n_traceless(d)))
    weights = 1.0 / np.sqrt(graph.degrees[edges].prod(axis=1))
    for s in range(0, len(edges), CHUNK):
        part = slice(s, min(s + CHUNK, len(edges)))
        there = tensor_transports(transports[part]) * weights[part, None, None]
        blocks[place[: len(edges)][part]] = there
        blocks[place[len(edges) :][part]] = np.swapaxes(there, 1, 2)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    size = n * n_traceless(d)
    return ConnectionLaplacian(bsr_matrix((blocks, columns[order], starts), shape=(size, size)), graph.degrees, d)


def scalar_gap(graph: NeighbourGraph, seed: int = 0) -> float:
    """The first positive eigenvalue of the same Laplacian on functions: the unit for tensors' eigenvalues."""
    i, j = graph.edges.T
    weights = 1.0 / np.sqrt(graph.degrees[i] * graph.degrees[j])
    half = csr_matrix((weights, (i, j)), shape=(graph.n_points, graph.n_points))
    start = np.random.default_rng(seed).normal(size=graph.n_points)
    return float(1.0 - _largest(half + half.T, 2, start, COARSE)[0][1])


def n_traceless(d: int) -> int:
    """The dimension of symmetric d × d matrices without trace."""
    return d * (d + 1) // 2 - 1


def tensor_transports(transports: Array) -> Array:
    """The matrices of S ↦ Q S Qᵀ in `traceless_basis`: (E, d, d) → (E, s, s).

    In the basis of products e_a e_b: (Q_ac Q_bd + Q_ad Q_bc)/2, times √2 for each pair of unequal indices.
    """
    d = transports.shape[1]
    a, b = np.triu_indices(d)
    size = np.where(a == b, 1.0, np.sqrt(2.0))
    one, two = transports[:, a], transports[:, b]
    full = one[:, :, a] * two[:, :, b] + one[:, :, b] * two[:, :, a]
    change = without_trace(d) * size
    return np.asarray(0.5 * (change @ full @ change.T))


def _deflated(matrix: bsr_matrix, vectors: Array) -> bsr_matrix | LinearOperator:
    """The matrix with known eigenvectors (N, c) sent below all others."""
    if not vectors.shape[1]:
        return matrix
    rows = np.ascontiguousarray(vectors.T)
    return LinearOperator(matrix.shape, matvec=lambda x: matrix @ x - 2.0 * (rows @ x) @ rows, dtype=float)


def _largest(
    operator: csr_matrix | bsr_matrix | LinearOperator, count: int, start: Array, tolerance: float
) -> tuple[Array, Array]:
    """The largest eigenvalues, descending; a graph's mean operator needs no inversion to show them."""
    krylov = min(operator.shape[0], max(20, 3 * count))
    values, vectors = eigsh(operator, k=count, which="LA", v0=start, tol=tolerance, ncv=krylov, maxiter=1000)
    order = np.argsort(-values)
    return values[order], vectors[:, order]
