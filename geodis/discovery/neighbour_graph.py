"""Who is near whom: the k nearest neighbours of points, made symmetric, as edges of one connected graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.linalg import Array, real_array

FEWEST = 10  # points below which no neighbourhood means anything


@final
@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Each point's neighbours, nearest first, and the undirected edges among the `n_graph` nearest.

    Parameters
    ----------
    indices : array (n, k)
        Neighbours of each point, itself left out.
    distances : array (n, k)
        Their distances.
    edges : array (E, 2)
        Pairs i < j of which one is among the `n_graph` nearest neighbours of the other.
    """

    indices: Array
    distances: Array
    edges: Array

    @property
    def n_points(self) -> int:
        """The number of points."""
        return len(self.indices)

    @property
    def degrees(self) -> Array:
        """The number of edges at each point (n,)."""
        return np.bincount(self.edges.ravel(), minlength=self.n_points)

    def __repr__(self) -> str:
        return f"NeighbourGraph({self.n_points} points, {len(self.edges)} edges)"


def nearest(points: Array, queries: Array, k: int) -> tuple[Array, Array]:
    """Distances and indices (m, k) of the nearest points to other places, nearest first."""
    distances, indices = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(queries)
    return distances, indices


def neighbour_graph(points: Any, n_listed: int, n_graph: int) -> NeighbourGraph:
    """The graph that joins every point with its `n_graph` nearest, and lists its `n_listed` nearest.

    Parameters
    ----------
    points : array (n, D)
        The cloud.
    n_listed, n_graph : int
        1 ≤ n_graph ≤ n_listed < n.

    Raises
    ------
    DesignError
        When the graph falls into pieces, or all points are one.

    Examples
    --------
    >>> neighbour_graph(np.linspace(0, 1, 12)[:, None], 4, 2)
    NeighbourGraph(12 points, 13 edges)
    """
    cloud = real_array(points, "points", ("n", "D"))
    n = len(cloud)
    if n < FEWEST:
        raise ShapeError("points", f"(n, D) with n at least {FEWEST}", cloud.shape)
    if not 1 <= n_graph <= n_listed < n:
        raise ParameterError("n_graph, n_listed", f"1 ≤ n_graph ≤ n_listed < {n}", (n_graph, n_listed))
    distances, indices = _without_self(*nearest(cloud, cloud, n_listed + 1))
    if not distances.max() > 0.0:
        raise DesignError("points: expected points that differ, all neighbours are duplicates of one another.")
    edges = _edges(indices[:, :n_graph])
    _refuse_pieces(n, edges)
    return NeighbourGraph(indices, distances, edges)


def _without_self(distances: Array, indices: Array) -> tuple[Array, Array]:
    """Leave each point out of its own list; among duplicates it may stand anywhere, or not at all."""
    own = indices == np.arange(len(indices))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(indices), indices.shape[1] - 1)
    return distances[~own].reshape(shape), indices[~own].reshape(shape)


def _edges(indices: Array) -> Array:
    """The pairs i < j, each once, sorted."""
    n, k = indices.shape
    pairs = np.stack([np.repeat(np.arange(n), k), indices.ravel()], axis=1)
    keys = np.unique(pairs.min(axis=1) * n + pairs.max(axis=1))
    return np.stack([keys // n, keys % n], axis=1)


def _refuse_pieces(n: int, edges: Array) -> None:
    graph = csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    n_pieces, labels = connected_components(graph, directed=False)
    if n_pieces > 1:
        sizes = sorted(np.bincount(labels).tolist(), reverse=True)[:5]
        raise DesignError(
            f"points: expected one connected cloud, the neighbour graph falls into {n_pieces} pieces (the largest of "
            f"{sizes} points). Fit each piece by itself, remove stray points, or raise n_graph."
        )
