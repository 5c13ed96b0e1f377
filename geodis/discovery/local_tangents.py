"""Tangent spaces of a point cloud by local principal components, denoised, with the dimension that they agree on.

The eigenvalues of the nearest neighbours' covariance fall between tangents and normals by more than those of as many
Gaussian points. In larger neighbourhoods the cloud bends, and they fall behind the osculating directions instead: the
dimension is the first at which they fall in the smallest neighbourhoods that are larger than the noise, and the size
that at which they fall most there. Each tangent space is then replaced by the leading eigenspace of its neighbours'
mean projector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.neighbors import NearestNeighbors

from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

NULL_DRAWS = 200
SEEN = float(np.log(2.0))  # a fall of the log-eigenvalues beyond chance below it is none
CLEAR = float(np.log(4.0))  # and above it a tangent space
AGREE = 0.5  # share of the points that have to see the dimension themselves


@final
@dataclass(frozen=True, eq=False)
class LocalTangents:
    """Tangent spaces at each point of a cloud.

    Attributes
    ----------
    tangents : ndarray (n, k, d)
        Orthonormal rows.
    normals : ndarray (n, d − k, d)
        Orthonormal rows.
    dimension : int
        k; d where no direction is normal.
    fall : float
        Fall of the mean log-eigenvalue from the k-th to the next, less that of Gaussian points; NaN for k = d.
    agreement : float
        Share of the points whose own first fall is there.
    noise : float
        Root mean square of the coordinates along the normals, curvature included; NaN for k = d.
    n_neighbors : int
        Size of the neighbourhoods.
    status : str
        ``"ok"``; ``"thin"`` where the fall is small or most points see another dimension: sampling is too thin or noise
        too large for tangents; ``"full"`` where the cloud fills its space.
    """

    tangents: Array
    normals: Array
    dimension: int
    fall: float
    agreement: float
    noise: float
    n_neighbors: int
    status: str

    def __repr__(self) -> str:
        n, _, d = self.tangents.shape
        return (
            f"LocalTangents(dimension {self.dimension} in R^{d}, {n} points, {self.n_neighbors} neighbours, "
            f"fall {self.fall:.2f}, agreement {self.agreement:.2f}; status {self.status})"
        )


def local_tangents(
    points: Array, *, n_neighbors: int | None = None, dimension: int | None = None, random_state: int = 0
) -> LocalTangents:
    """Tangent and normal spaces of a cloud at each of its points.

    Parameters
    ----------
    points : array (n, d)
    n_neighbors : int, optional
        Size of the neighbourhoods; chosen among 2d, 3d, 4.5d, … up to n/5 by default.
    dimension : int, optional
        The dimension of the tangent spaces, 1 to d − 1; estimated by default.
    random_state : int
        Seed of the Gaussian neighbourhoods behind the null.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than points, NaN, fewer than 2d + 1 points, options outside their range.

    Notes
    -----
    What it cannot do: where the neighbours are farther apart than the cloud bends, tangents are wrong whatever the
    noise. A torus in R^8 with weights up to 4 needs thousands of points.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(300, 3))
    >>> local_tangents(x / np.linalg.norm(x, axis=1, keepdims=True)).dimension
    2
    """
    x = real_array(points, "points", ("n", "d"))
    sizes = _sizes(x, n_neighbors)
    if dimension is not None and not 1 <= dimension < x.shape[1]:
        raise ParameterError("dimension", f"between 1 and {x.shape[1] - 1}", dimension)
    if x.shape[1] == 1:
        return _full(x, sizes[0])
    order = NearestNeighbors(n_neighbors=sizes[-1]).fit(x).kneighbors(x, return_distance=False)
    rng = np.random.default_rng(random_state)
    scans = [_scan(x, order[:, :size], rng) for size in sizes]
    falls = np.stack([fall for fall, _, _ in scans])  # (sizes, d − 1)
    heard, k = np.argwhere(falls >= SEEN), dimension
    if k is None:
        if not len(heard):
            return _full(x, sizes[0])
        k = int(heard[0, 1]) + 1  # of the smallest neighbourhoods in which there is a fall, the first fall
    best = int(np.argmax(falls[:, k - 1]))
    fall, (_, each, frames) = float(falls[best, k - 1]), scans[best]
    agreement = float(((each[:, : k - 1] < SEEN).all(axis=1) & (each[:, k - 1] >= SEEN)).mean())
    tangents, normals = _smoothed(frames[:, :k], order[:, : sizes[best]])
    return LocalTangents(
        tangents, normals, k, fall, agreement, _noise(x, order[:, : sizes[best]], normals), sizes[best],
        status="ok" if agreement >= AGREE and fall >= CLEAR else "thin",
    )  # fmt: skip


def _sizes(x: Array, n_neighbors: int | None) -> list[int]:
    """The neighbourhoods to try."""
    n, d = x.shape
    least = 2 * d + 1
    if n < least:
        raise ParameterError("points", f"at least {least} points in {d} dimensions", n)
    if n_neighbors is not None:
        if not d + 1 <= n_neighbors <= n:
            raise ParameterError("n_neighbors", f"between {d + 1} and the {n} points", n_neighbors)
        return [n_neighbors]
    series = [least]
    while 1.5 * series[-1] <= n / 5:
        series.append(int(1.5 * series[-1]))
    return series


def _scan(x: Array, order: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Falls beyond chance, mean (d − 1,) and of each point (n, d − 1), and the principal frames (n, d, d) by rows."""
    logs, frames = _spectra(x[order])
    null, _ = _spectra(rng.standard_normal((NULL_DRAWS, *x[order].shape[1:])))
    each = logs[:, :-1] - logs[:, 1:] - (null[:, :-1] - null[:, 1:]).mean(axis=0)
    return each.mean(axis=0), each, frames


def _spectra(neighbourhoods: Array) -> tuple[Array, Array]:
    """Log-eigenvalues, descending, and eigenvectors by rows, of batches of points (n, k, d)."""
    centred = neighbourhoods - neighbourhoods.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred / centred.shape[1])
    least = 1e-14 * np.maximum(values[:, -1:], 1e-300)
    return np.log(np.maximum(values, least))[:, ::-1], np.swapaxes(vectors, 1, 2)[:, ::-1]


def _smoothed(tangents: Array, order: Array) -> tuple[Array, Array]:
    """Leading eigenspaces of the neighbours' mean projectors, and their complements."""
    near = order[:, : max(2, order.shape[1] // 2)]
    k = tangents.shape[1]
    means = np.stack([(tangents[i].reshape(-1, tangents.shape[2])).T @ tangents[i].reshape(-1, tangents.shape[2])
                      for i in near])  # fmt: skip
    vectors = np.swapaxes(np.linalg.eigh(means)[1], 1, 2)[:, ::-1]
    return vectors[:, :k].copy(), vectors[:, k:].copy()


def _noise(x: Array, order: Array, normals: Array) -> float:
    near = x[order]
    across = np.einsum("npd,nkd->nkp", normals, near - near.mean(axis=1, keepdims=True), optimize=True)
    return float(np.sqrt(np.square(across).mean() * order.shape[1] / (order.shape[1] - 1)))


def _full(x: Array, size: int) -> LocalTangents:
    n, d = x.shape
    frames = np.broadcast_to(np.eye(d), (n, d, d)).copy()
    return LocalTangents(frames, np.zeros((n, 0, d)), d, np.nan, np.nan, np.nan, size, "full")
