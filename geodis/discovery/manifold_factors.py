"""ManifoldFactors: which submanifolds a cloud of points is a product of, found without labels from its holonomy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from tqdm.auto import tqdm

from geodis.discovery.connection_laplacian import n_traceless
from geodis.discovery.decomposition import (
    Decomposition,
    Neighbourhoods,
    TensorSpectrum,
    bare_spectrum,
    connect,
    decompose,
    irreducible_ratio,
)
from geodis.discovery.factor_agreement import half_agreement
from geodis.discovery.factor_coordinates import FactorCoordinates, factor_coordinates
from geodis.discovery.factor_extension import extend_subspaces
from geodis.discovery.factor_score import chance_angle
from geodis.discovery.sampling_scan import SamplingScan, scan_sampling
from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = ("sampling", "null", "spectrum", "factors", "halves")
DEFECT = 0.25  # of the algebra: traces half way between integers are at .5
AGREE = 0.5  # of the angle by chance, within which two halves have to agree

MESSAGES = {
    "ok": "the tangent space splits into invariant subspaces, and two halves of the points agree on them",
    "irreducible": "one factor: no symmetric tensor but the metric is parallel",
    "flat": (
        "parallel transport turns nothing (trivial holonomy), so that any split is parallel and none can be singled "
        "out: a flat torus looks like this. Use SequenceModes on sequences, or TangentGenerators on tangent vectors"
    ),
    "thin": "the sampling is too thin for tangent frames: more points, fewer dimensions, or less noise",
    "undecided": "the points do not settle the number of factors, or halves of them disagree: more points",
}


@final
@dataclass(frozen=True, eq=False)
class ManifoldFactorization:
    """A manifold's factors at each fitted point, and what speaks for them.

    Parameters
    ----------
    dimensions : tuple of int
        Dimensions of the factors, largest first.
    subspaces : tuple of array (n, D, d_f)
        Orthonormal bases of each factor's directions at each point; factors keep their order over all points.
    flat : tuple of bool
        Which factors are flat: a flat factor of two or more dimensions cannot be split further by holonomy.
    spectrum : array (k,)
        Lowest eigenvalues of the connection Laplacian on symmetric tensors without trace, in units of the first one of
        functions on the same graph.
    n_parallel : int
        How many of them count as zero.
    null : float
        The lowest such ratio on a round sphere, which has no factors, sampled alike.
    agreement, chance : float
        Angle [rad] between the factors of two halves of the points; the angle of random splits. NaN for one factor.
    scan : SamplingScan
        Intrinsic dimension, neighbourhood size, the frames' error.
    status : str
        ``"ok"``, ``"irreducible"``, ``"flat"``, ``"thin"`` or ``"undecided"``.
    points, errors : array (n, D), (n,)
        The fitted points; standard errors [rad] of a tangent direction.
    """

    dimensions: tuple[int, ...]
    subspaces: tuple[Array, ...]
    flat: tuple[bool, ...]
    spectrum: Array
    n_parallel: int
    null: float
    agreement: float
    chance: float
    scan: SamplingScan
    status: str
    points: Array
    errors: Array
    seed: int

    @property
    def n_factors(self) -> int:
        """The number of factors."""
        return len(self.dimensions)

    @property
    def gap(self) -> float:
        """The first eigenvalue that is not zero over the last that is (over the null's hundredth without one)."""
        if self.n_parallel >= len(self.spectrum):
            return math.nan
        last = self.spectrum[self.n_parallel - 1] if self.n_parallel else self.null / 100
        return float(self.spectrum[self.n_parallel] / max(last, np.finfo(float).eps))

    @property
    def message(self) -> str:
        """The status as a sentence."""
        text = MESSAGES[self.status]
        wide = [d for d, flat in zip(self.dimensions, self.flat, strict=True) if flat and d > 1]
        if self.status == "ok" and wide:
            text += f"; the flat factor of {wide[0]} dimensions cannot be split further by holonomy"
        return text + "."

    def extend(self, points: Any) -> tuple[Array, ...]:
        """Subspaces (m, D, d_f) at new points (m, D), factors in the same order.

        Raises
        ------
        ShapeError, ParameterError, FiniteError
            For points of another space, or NaN.
        """
        new = real_array(points, "points", ("n", self.points.shape[1]))
        return extend_subspaces(new, self.points, self.subspaces, self.scan.n_neighbors)[0]

    def coordinates(self, factor: int, n_components: int | None = None) -> FactorCoordinates:
        """Coordinates that move with one factor alone, for fitted and (by calling them) new points.

        Raises
        ------
        ParameterError
            For a factor that is not there, or less than one component.
        """
        if not isinstance(factor, (int, np.integer)) or not 0 <= factor < self.n_factors:
            raise ParameterError("factor", f"an integer from 0 to {self.n_factors - 1}", factor)
        return factor_coordinates(
            self.points, self.subspaces, int(factor), n_components, self.scan.n_neighbors, self.seed
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """The spectrum with its gap and the null."""
        from geodis.discovery.factor_plot import draw_factor_spectrum

        return draw_factor_spectrum(self, ax)

    def __repr__(self) -> str:
        parts = " × ".join(
            f"{d}{' flat' if f and d > 1 else ''}" for d, f in zip(self.dimensions, self.flat, strict=True)
        )
        return f"ManifoldFactorization({parts}, status {self.status!r})"

    def __str__(self) -> str:
        lines = [f"{self!r}: {self.message}"]
        if len(self.spectrum):
            values = ", ".join(f"{value:.3f}" for value in self.spectrum[:6])
            lines.append(f"spectrum {values} ({self.n_parallel} parallel; a sphere's begins at {self.null:.3f})")
        if not math.isnan(self.agreement):
            lines.append(
                f"halves agree to {self.agreement:.3f} rad (chance {self.chance:.2f}, upper estimate of the error)"
            )
        return "\n".join([*lines, repr(self.scan)])


class ManifoldFactors(BaseEstimator):
    """Submanifolds M = M_1 × … × M_m of a cloud of points, as invariant subspaces of its holonomy.

    A product is seen in parallel transport: what is tangent to a factor stays so along every path. Symmetric tensors
    that transport leaves alone are, by de Rham's theorem, sums Σ ψ_f g_f over the factors' metrics (and any tensor of a
    flat factor). They are the near-null fields of the connection Laplacian, found as a sparse eigenproblem.

    Parameters
    ----------
    n_neighbors : int, optional
        Neighbours a tangent frame is fitted to; chosen by the frames' standard error by default.
    dimension : int, optional
        Intrinsic dimension; estimated by default.
    n_factors : int, optional
        Number of (curved) factors; read off the spectrum by default.
    n_graph : int
        Neighbours of each point in the graph that tensors are compared along.
    max_dimension : int
        Largest intrinsic dimension that is tried.
    random_state : int
        Seed of starts, null and halves.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    factorization_ : ManifoldFactorization
        The frozen result.
    status_ : str
        Its status.

    References
    ----------
    Pfau, Higgins, Botev and Racanière 2020, arXiv 2006.12982; Singer and Wu 2012, arXiv 1102.0075.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> t, x = rng.uniform(0, 2 * np.pi, 500), rng.normal(size=(500, 3))
    >>> circle_and_sphere = np.column_stack([np.cos(t), np.sin(t), x / np.linalg.norm(x, axis=1, keepdims=True)])
    >>> ManifoldFactors().fit(circle_and_sphere).factorization_
    ManifoldFactorization(2 × 1, status 'ok')
    """

    def __init__(
        self,
        n_neighbors: int | None = None,
        dimension: int | None = None,
        n_factors: int | None = None,
        n_graph: int = 8,
        max_dimension: int = 8,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.dimension = dimension
        self.n_factors = n_factors
        self.n_graph = n_graph
        self.max_dimension = max_dimension
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Factorize the cloud (n, D).

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For a malformed cloud, fewer than ten points, options out of range.
        DesignError
            For a cloud of several pieces, or one of duplicates.
        """
        points, seed = real_array(X, "X", ("n", "D")), self.random_state
        self._check(points)
        with tqdm(total=len(STEPS), disable=not self.verbose, desc="factors") as bar:
            scan = scan_sampling(points, self.dimension, self.max_dimension, self.n_neighbors, seed)
            size = Neighbourhoods(scan.dimension, scan.n_neighbors, min(self.n_graph, len(points) - 1))
            bar.update()
            null = math.nan if scan.thin else irreducible_ratio(len(points), size, seed)
            bar.update()
            spectrum = self._spectrum(points, size, null, scan.thin)
            bar.update()
            found = decompose(spectrum, seed)
            bar.update()
            several = len(found.subspaces) > 1
            agreement = half_agreement(points, size, len(spectrum.fields), seed) if several else math.nan
            bar.update()
        self.factorization_ = _result(points, scan, spectrum, null, found, agreement, seed)
        self.status_ = self.factorization_.status
        self.n_features_in_ = points.shape[1]
        return self

    def _check(self, points: Array) -> None:
        if self.n_factors is not None and not 1 <= self.n_factors <= points.shape[1]:
            raise ParameterError("n_factors", f"an integer from 1 to {points.shape[1]}", self.n_factors)
        if self.n_graph < 2:
            raise ParameterError("n_graph", "at least 2", self.n_graph)

    def _spectrum(self, points: Array, size: Neighbourhoods, null: float, thin: bool) -> TensorSpectrum:
        if thin or size.dimension == 1:
            return bare_spectrum(points, size)
        count = None if self.n_factors is None else self.n_factors - 1
        return connect(points, size, self.random_state).parallel(null, count, self.random_state)


def _result(
    points: Array, scan: SamplingScan, spectrum: TensorSpectrum, null: float, found: Decomposition, agreement: float,
    seed: int,
) -> ManifoldFactorization:  # fmt: skip
    d, several, count = scan.dimension, len(found.subspaces) > 1, len(spectrum.fields)
    dimensions = found.algebra.dimensions if several else (d,)
    flat = found.algebra.flat if several else (d == 1 or count == n_traceless(d),)
    chance = chance_angle(dimensions, seed) if several else math.nan
    defect = found.broken or found.algebra.defect > DEFECT
    if scan.thin:
        status = "thin"
    elif not spectrum.clear or defect or (several and not agreement <= AGREE * chance):
        status = "undecided"
    elif several:
        status = "ok"
    else:
        status = "flat" if flat[0] and d > 1 else "irreducible"
    return ManifoldFactorization(
        dimensions, found.subspaces, flat, spectrum.ratios, count, null, agreement, chance, scan, status, points,
        spectrum.errors, seed,
    )  # fmt: skip
