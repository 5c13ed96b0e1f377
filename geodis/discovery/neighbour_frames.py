"""Tangent spaces of a cloud of points from neighbours, twice from disjoint ones, so that their noise is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from geodis.errors import DesignError, ParameterError
from geodis.linalg import Array, real_array

N_CELLS = 60  # regions that count as items: estimates within one share neighbours
SPARE = 8  # neighbours of each estimate beyond the coefficients of its quadratic
SHAKY = 1e-3  # relative singular value below which the neighbours do not tell a coefficient


class NeighbourFrames(NamedTuple):
    """Frames (n, k, d), as many from other neighbours, and the region (n,) of every point."""

    frames: Array
    repeat: Array
    items: Array


def neighbour_frames(points: Any, dim: int, n_neighbors: int | None = None, seed: int = 0) -> NeighbourFrames:
    """Tangent frames of a `dim`-dimensional data manifold at all of its points, by local quadratic fits.

    A quadratic, not a plane: where points are few, the bend of the data within a neighbourhood tilts a plane more than
    noise does.

    Parameters
    ----------
    points : array (n, d)
        The cloud.
    dim : int
        Dimension of the manifold, below d.
    n_neighbors : int, optional
        Neighbours of each of the two estimates; the coefficients of a quadratic plus 8 by default. More average the
        noise, fewer reach less far.
    seed : int
        Seed of the regions.

    Returns
    -------
    NeighbourFrames
        To be given as ``TangentGenerators(...).fit(points, frames, repeat=repeat, items=items)``. Points of a region
        are one item, since their frames are not independent. The difference of both estimates shows noise, not the
        bend that both share.

    Raises
    ------
    ShapeError, FiniteError, ParameterError, DesignError
        For something else than points, NaN, a dimension out of range, too few points.

    Examples
    --------
    >>> angle = np.linspace(0, 6.28, 200)
    >>> found = neighbour_frames(np.stack([np.cos(angle), np.sin(angle)], axis=1), 1)
    >>> found.frames.shape, bool(abs(found.frames[0, 0, 1]) > 0.99)
    ((200, 1, 2), True)
    """
    x = real_array(points, "points", ("n", "d"))
    n, d = x.shape
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or not 1 <= dim < d:
        raise ParameterError("neighbour_frames: dim", f"an integer from 1 to {d - 1}, below that of the space", dim)
    fewest = 1 + dim + dim * (dim + 1) // 2
    k = fewest + SPARE if n_neighbors is None else n_neighbors
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < fewest:
        raise ParameterError("neighbour_frames: n_neighbors", f"an integer ≥ {fewest}", k)
    if n < 2 * k + 2:
        raise DesignError(f"neighbour_frames: expected at least {2 * k + 2} points for {k} neighbours twice, got {n}.")
    _, near = cKDTree(x).query(x, 2 * k + 1)
    cells = KMeans(min(N_CELLS, n // k), n_init=1, random_state=seed).fit_predict(x)
    # Every second neighbour, nearest first, so that both estimates reach equally far.
    return NeighbourFrames(_tangents(x, near[:, 1::2], dim), _tangents(x, near[:, 2::2], dim), cells)


def _tangents(x: Array, near: Array, dim: int) -> Array:
    """Frames (n, dim, d): principal directions of the neighbours, tilted to the slope of a quadratic fitted on them."""
    away = x[near] - x[:, None]
    axes = np.linalg.svd(away - away.mean(axis=1, keepdims=True), full_matrices=True)[2]
    along, off = away @ np.swapaxes(axes[:, :dim], 1, 2), away @ np.swapaxes(axes[:, dim:], 1, 2)
    scale = np.sqrt(np.square(along).mean(axis=(1, 2), keepdims=True)) + 1e-300
    i, j = np.triu_indices(dim)
    unit = along / scale
    terms = np.concatenate([np.ones((*near.shape, 1)), unit, unit[..., i] * unit[..., j]], axis=2)
    slopes = (np.linalg.pinv(terms, rcond=SHAKY) @ off)[:, 1 : dim + 1] / scale
    return np.asarray(axes[:, :dim] + slopes @ axes[:, dim:])
