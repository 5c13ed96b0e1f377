"""Parallel transport along the edges of a neighbour graph: the rotation that takes one frame nearest to another."""

from __future__ import annotations

import numpy as np

from geodis.linalg import Array

CHUNK = 65536  # edges at once, which bounds memory


def transports(targets: Array, sources: Array) -> Array:
    """The orthogonal Q = argmin |U_target Q − U_source|: frames (E, D, d), (E, D, d) → (E, d, d).

    Coordinates v in the source's frame become Qv in the target's. To second order in the distance this is the
    Levi-Civita transport of the induced metric (Singer and Wu 2012, arXiv 1102.0075); on products of round spheres it
    is exact.

    Examples
    --------
    >>> U = np.eye(3)[None, :, :2]
    >>> transports(U, U[:, :, ::-1])
    array([[[0., 1.],
            [1., 0.]]])
    """
    return polar(np.swapaxes(targets, 1, 2) @ sources)


def edge_transports(frames: Array, edges: Array) -> Array:
    """Q_ij for every edge (i, j), from j to i: frames (n, D, d), edges (E, 2) → (E, d, d)."""
    pieces = [
        transports(frames[edges[s : s + CHUNK, 0]], frames[edges[s : s + CHUNK, 1]])
        for s in range(0, len(edges), CHUNK)
    ]
    return np.concatenate(pieces)


def polar(matrices: Array) -> Array:
    """The nearest orthogonal matrices (…, d, d)."""
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)
