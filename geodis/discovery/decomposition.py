"""From a cloud to its parallel tensors and factors: graph, frames, transports, Laplacian, algebra, subspaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.discovery.connection_laplacian import ConnectionLaplacian, connection_laplacian, n_traceless, scalar_gap
from geodis.discovery.invariant_subspaces import FactorAlgebra, factor_algebra, point_subspaces
from geodis.discovery.neighbour_graph import neighbour_graph
from geodis.discovery.parallel_transport import edge_transports
from geodis.discovery.tangent_frames import tangent_frames
from geodis.linalg import Array

# Of the lowest ratio on a round sphere. A parallel tensor lies below the first by two orders of magnitude when frames
# are known to .05 rad; the least curved of the factors tried lies above .6.
PARALLEL, CURVED = 0.12, 0.3
N_NULL = 1000  # points of the sphere
N_BEYOND = 3  # eigenvalues that are shown beyond the parallel ones


@final
@dataclass(frozen=True)
class Neighbourhoods:
    """Dimension, neighbours a frame is fitted to, neighbours an edge goes to."""

    dimension: int
    n_frame: int
    n_graph: int


@final
@dataclass(frozen=True, eq=False)
class TensorSpectrum:
    """Parallel tensors, and the lowest eigenvalues in units of the first one of functions.

    `ratios` (c + k,) begins with those of the `fields` (c, n, d, d), which count as parallel; `clear` says whether none
    of the others leaves it open.
    """

    frames: Array
    errors: Array
    weights: Array
    ratios: Array
    fields: Array
    clear: bool


@final
@dataclass(frozen=True, eq=False)
class Connection:
    """Frames of a cloud and the connection Laplacian of its graph; none on a curve."""

    frames: Array
    errors: Array
    laplacian: ConnectionLaplacian
    unit: float

    def parallel(self, null: float, count: int | None, seed: int) -> TensorSpectrum:
        """The tensors below the null's share, or a given count of them, and what comes next."""
        most = n_traceless(self.frames.shape[2])
        below, at_most = (PARALLEL * null * self.unit, most) if count is None else (np.inf, min(count, most))
        values, fields = self.laplacian.lowest(below, at_most, seed)
        rest = self.laplacian.beyond(fields, N_BEYOND, seed)
        ratios = np.concatenate([values, rest]) / self.unit
        clear = bool((ratios[: len(values)] < PARALLEL * null).all() and ratios[len(values)] > CURVED * null)
        return TensorSpectrum(self.frames, self.errors, self._weights, ratios, fields, clear)

    def given(self, count: int, seed: int) -> TensorSpectrum:
        """The `count` lowest tensors without a look at others."""
        values, fields = self.laplacian.lowest(np.inf, count, seed)
        return TensorSpectrum(self.frames, self.errors, self._weights, values / self.unit, fields, True)

    @property
    def _weights(self) -> Array:
        return self.laplacian.degrees.astype(float)


@final
@dataclass(frozen=True, eq=False)
class Decomposition:
    """The factors that parallel tensors span: subspaces (n, D, d_f) in the ambient space."""

    algebra: FactorAlgebra
    subspaces: tuple[Array, ...]

    @property
    def broken(self) -> bool:
        """Whether the projectors' ranks are no dimensions that fill the tangent space."""
        return len(self.subspaces) != len(self.algebra.dimensions)


def connect(points: Array, size: Neighbourhoods, seed: int) -> Connection:
    """Frames, transports and Laplacian of a cloud of at least two dimensions."""
    graph = neighbour_graph(points, max(size.n_frame, size.n_graph), size.n_graph)
    fit = tangent_frames(points, points, graph.indices[:, : size.n_frame], size.dimension)
    laplacian = connection_laplacian(graph, edge_transports(fit.frames, graph.edges))
    return Connection(fit.frames, fit.errors, laplacian, scalar_gap(graph, seed))


def bare_spectrum(points: Array, size: Neighbourhoods) -> TensorSpectrum:
    """Frames alone: a curve has no tensor without trace, and where the sampling is thin none can be trusted."""
    graph = neighbour_graph(points, max(size.n_frame, size.n_graph), size.n_graph)
    d, n = size.dimension, len(points)
    fit = tangent_frames(points, points, graph.indices[:, : size.n_frame], d)
    return TensorSpectrum(fit.frames, fit.errors, np.ones(n), np.zeros(0), np.zeros((0, n, d, d)), True)


def decompose(spectrum: TensorSpectrum, seed: int) -> Decomposition:
    """The factors that the spectrum's parallel tensors span."""
    d = spectrum.frames.shape[2]
    algebra = factor_algebra(spectrum.fields, spectrum.weights, seed)
    dimensions = algebra.dimensions
    if len(dimensions) == 1 or min(dimensions) < 1 or sum(dimensions) != d:
        return Decomposition(algebra, (spectrum.frames,))
    return Decomposition(algebra, tuple(spectrum.frames @ V for V in point_subspaces(algebra, spectrum.fields)))


def irreducible_ratio(n: int, size: Neighbourhoods, seed: int) -> float:
    """The null: the lowest ratio on a round sphere of the same dimension, sampled and treated alike (2/d in the limit).

    A round sphere has no product structure. Its lowest tensors are as smooth as tensors without parallel ones can be
    expected to be, in the unit of its smoothest functions.
    """
    if size.dimension == 1:
        return 1.0
    few = max(min(n, N_NULL), size.n_frame + 1)
    x = np.random.default_rng([seed, 41]).normal(size=(few, size.dimension + 1))
    sphere = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = connect(sphere, size, seed)
    return float(found.laplacian.beyond(np.zeros((0, few, size.dimension, size.dimension)), 1, seed)[0] / found.unit)
