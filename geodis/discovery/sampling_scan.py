"""Is the sampling dense enough: intrinsic dimension, and the neighbourhood in which frames are best known.

Two forces pull at the bandwidth. A small neighbourhood holds too few points against noise, a large one bends more than
a quadratic follows; both show in the standard error of the frame. Where no size brings it down, the sampling is thin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from geodis.discovery.neighbour_graph import nearest
from geodis.discovery.tangent_frames import LocalFit, n_coefficients, tangent_frames
from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

SIZES = (1.5, 1.8, 2.2, 3.0, 4.5, 6.0)  # neighbours for each coefficient of the fit
SIZE_OF_DIMENSION = 2.0  # the same, where dimensions are compared
NEAR_BEST = 1.25  # bias grows unseen by the standard error: the smallest size whose error is this near the least
N_SCANNED = 400  # points at which sizes and dimensions are compared
FALL = 0.2  # of the unexplained share, which is about 1 until the dimension is complete
THIN_ERROR = 0.25  # [rad] of one tangent direction: beyond it, transport mixes directions
THIN_SHARE = 0.75  # of the worst normal direction: a direction of the manifold may be missing


@final
@dataclass(frozen=True, eq=False)
class SamplingScan:
    """What the cloud's sampling allows.

    Parameters
    ----------
    dimension : int
        The intrinsic dimension, estimated or given.
    shares : array (d_max,)
        The unexplained share (median) for dimensions 1, 2, …: it falls where the dimension is complete.
    sizes, radii, errors : array (s,)
        Neighbours, their median distance, the frames' median standard error [rad].
    n_neighbors : int
        The size that was chosen.
    """

    dimension: int
    shares: Array
    sizes: Array
    radii: Array
    errors: Array
    n_neighbors: int

    @property
    def error(self) -> float:
        """The standard error [rad] of a tangent direction at the chosen size."""
        return float(self.errors[np.flatnonzero(self.sizes == self.n_neighbors)[0]])

    @property
    def thin(self) -> bool:
        """Whether no size gives usable frames, or no dimension up to the limit explains the cloud."""
        share = self.shares[self.dimension - 1] if len(self.shares) >= self.dimension else 0.0
        return not (self.error <= THIN_ERROR and share <= THIN_SHARE)

    def __repr__(self) -> str:
        word = "thin" if self.thin else "enough"
        return (
            f"SamplingScan(dimension {self.dimension}, {self.n_neighbors} neighbours, frames ± {self.error:.3f} rad: "
            f"{word})"
        )


def scan_sampling(
    points: Any, dimension: int | None = None, max_dimension: int = 8, n_neighbors: int | None = None, seed: int = 0
) -> SamplingScan:
    """Dimension and neighbourhood size of a cloud, read off a sample of its points.

    Parameters
    ----------
    points : array (n, D)
        The cloud.
    dimension : int, optional
        The intrinsic dimension where it is known; estimated by default as the d at which the unexplained share falls
        most, D when it never falls (the cloud fills its space).
    max_dimension : int
        Dimensions up to this one are tried.
    n_neighbors : int, optional
        The neighbourhood size where it is given; by default the smallest whose error is near the least.
    seed : int
        Seed of the sample.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For a dimension outside 1..D, sizes outside the cloud, malformed points.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(300, 3))
    >>> scan = scan_sampling(x / np.linalg.norm(x, axis=1, keepdims=True))
    >>> scan.dimension, scan.thin, scan.error < 0.01
    (2, False, True)
    """
    cloud = real_array(points, "points", ("n", "D"))
    n, wide = cloud.shape
    if dimension is not None and not 1 <= dimension <= wide:
        raise ParameterError("dimension", f"an integer from 1 to {wide}", dimension)
    if max_dimension < 1:
        raise ParameterError("max_dimension", "at least 1", max_dimension)
    if n_neighbors is not None and not 2 <= n_neighbors < n:
        raise ParameterError("n_neighbors", f"an integer from 2 to {n - 1}", n_neighbors)
    bases = cloud[np.sort(np.random.default_rng(seed).permutation(n)[:N_SCANNED])]
    order = _Order(cloud, bases)
    shares = _shares(order, min(wide, max_dimension) if dimension is None else dimension)
    chosen = dimension or _dimension(shares, wide)
    return _sizes(order, chosen, shares, n_neighbors)


@final
class _Order:
    """The sample's neighbours, fitted at any size."""

    def __init__(self, cloud: Array, bases: Array) -> None:
        self.cloud, self.bases = cloud, bases
        most = int(SIZES[-1] * n_coefficients(min(cloud.shape[1], 12)))
        # One more: a base is its own nearest neighbour, at distance 0.
        self.distances, self.indices = nearest(cloud, bases, min(len(cloud), most + 1))

    @property
    def most(self) -> int:
        return self.indices.shape[1] - 1

    def fit(self, size: int, dimension: int) -> LocalFit:
        return tangent_frames(self.cloud, self.bases, self.indices[:, 1 : size + 1], dimension)


def _shares(order: _Order, d_max: int) -> Array:
    """Median unexplained shares of dimensions 1..d_max, as far as there are neighbours enough."""
    found = []
    for d in range(1, d_max + 1):
        size = int(SIZE_OF_DIMENSION * n_coefficients(d))
        if size > min(order.most, len(order.cloud) // 2):
            break
        found.append(float(np.median(order.fit(size, d).unexplained)))
    return np.array(found)


def _dimension(shares: Array, wide: int) -> int:
    """Where the share falls most; without a fall the whole space, or the last dimension that could be tried."""
    if not len(shares):
        return 1
    within = shares[: wide - 1]
    # Differences, not ratios: a cloud that lies within a flat subspace has share 0 at that subspace's dimension.
    falls = -np.diff(np.minimum(np.concatenate([[1.0], within]), 1.0))
    if len(within) and falls.max() >= FALL:
        return int(np.argmax(falls)) + 1
    return len(shares)


def _sizes(order: _Order, d: int, shares: Array, given: int | None) -> SamplingScan:
    p = n_coefficients(d)
    wanted = [given] if given is not None else [int(np.ceil(factor * p)) for factor in SIZES]
    sizes = np.array(sorted({min(size, order.most) for size in wanted}))
    errors = np.array([float(np.median(order.fit(size, d).errors)) for size in sizes])
    radii = np.array([float(np.median(order.distances[:, size])) for size in sizes])
    near = errors <= NEAR_BEST * errors.min() + np.finfo(float).tiny if np.isfinite(errors.min()) else errors == errors
    return SamplingScan(d, shares, sizes, radii, errors, int(sizes[np.flatnonzero(near)[0]]))
