"""Factors at new points: tensors carried over from fitted neighbours (Nyström's formula on tensor fields)."""

from __future__ import annotations

import numpy as np

from geodis.discovery.invariant_subspaces import split_projectors
from geodis.discovery.neighbour_graph import nearest
from geodis.discovery.parallel_transport import transports
from geodis.discovery.tangent_frames import tangent_frames
from geodis.linalg import Array

CARRIERS = 10  # neighbours whose tensors are averaged


def extend_subspaces(
    new: Array, points: Array, subspaces: tuple[Array, ...], n_neighbors: int
) -> tuple[tuple[Array, ...], Array]:
    """The factors' subspaces at new points, and the standard errors of their frames.

    An eigenfield of the averaging operator extends as S(x) = mean_j Q_xj S_j Q_xjᵀ/(1 − λ), Q_xj the transport from
    neighbour j; parallel fields have λ = 0. What is carried are the factors' projectors.

    Parameters
    ----------
    new : array (m, D)
        Where subspaces are wanted.
    points, subspaces : array (n, D) and arrays (n, D, d_f)
        The fitted cloud and its factors.
    n_neighbors : int
        Fitted neighbours from which each new point's frame is found.

    Returns
    -------
    subspaces : tuple of array (m, D, d_f)
        Orthonormal bases, factors in the same order.
    errors : array (m,)
        Standard errors [rad] of a tangent direction: large where the fitted points do not reach.
    """
    dimensions = tuple(basis.shape[2] for basis in subspaces)
    _, indices = nearest(points, new, n_neighbors)
    fit = tangent_frames(points, new, indices, sum(dimensions))
    near = indices[:, :CARRIERS]
    sources = np.concatenate(subspaces, axis=2)[near.ravel()]
    carried = transports(np.repeat(fit.frames, near.shape[1], axis=0), sources)
    carried = carried.reshape(*near.shape, *carried.shape[1:])
    ends = np.cumsum(dimensions)
    pieces = [carried[..., end - d : end] for d, end in zip(dimensions, ends, strict=True)]
    projectors = np.stack([np.einsum("mkaf,mkbf->mab", V, V) / near.shape[1] for V in pieces])
    return tuple(fit.frames @ V for V in split_projectors(projectors, dimensions)), fit.errors
